/** One websocket: its frames, its channels. */
import { Unauthorized } from "../keys.mjs";
import { createChannel } from "./channel.mjs";
import { codec } from "./frames.mjs";

const MAX_BUFFERED_BYTES = 64 * 1024 * 1024;

/** Serve a socket whose key stands for `claims`; `members` finds the other channels of a topic. */
export function createConnection({ socket, version, claims, keys, services, members }) {
  const { encode, decode } = codec(version);
  const channels = new Map();
  const handlers = { phx_join: join, phx_leave: leave, access_token: renew, broadcast };

  socket.on("message", (data, isBinary) => isBinary || receive(decode(data.toString("utf8"))));
  socket.on("error", () => socket.terminate());
  socket.on("close", () => channels.forEach((channel) => channel.close()));

  function receive(message) {
    if (!message) return;
    if (message.topic === "phoenix") return message.event === "heartbeat" && reply(message, "ok", {});
    handlers[message.event]?.(message);
  }

  function send(message) {
    if (socket.bufferedAmount > MAX_BUFFERED_BYTES) return socket.terminate();
    if (socket.readyState === socket.OPEN) socket.send(encode(message));
  }

  function reply({ joinRef, ref, topic }, status, response) {
    send({ joinRef, ref, topic, event: "phx_reply", payload: { status, response } });
  }

  async function join(message) {
    const { topic, joinRef, ref, payload } = message;
    const config = payload.config ?? {};
    try {
      checkTopic(topic, config);
      const own = await claimsOf(payload.access_token);
      channels.get(topic)?.close();
      const channel = createChannel({ topic, joinRef, config, claims: own, onClose: forget, services, send: (one) => send({ topic, ...one }) });
      channels.set(topic, channel);
      if (socket.readyState !== socket.OPEN) return channel.close();
      channel.open(ref);
    } catch (error) {
      reply(message, "error", { reason: error.message });
    }
  }

  function forget(channel) {
    if (channels.get(channel.topic) === channel) channels.delete(channel.topic);
  }

  // An opaque key in place of a token means the connection's own rights.
  async function claimsOf(token) {
    if (!token || token.startsWith("sb_")) return claims;
    return keys.verify(token);
  }

  async function renew({ topic, payload }) {
    const channel = channels.get(topic);
    if (!channel || !payload.access_token || String(payload.access_token).startsWith("sb_")) return;
    await keys.verify(String(payload.access_token)).then(channel.accept, (error) => channel.endWith(error.message));
  }

  function leave(message) {
    const channel = channels.get(message.topic);
    if (!channel) return reply(message, "error", { reason: "unmatched topic" });
    channel.close();
    forget(channel);
    reply(message, "ok", {});
    send({ joinRef: channel.joinRef, ref: channel.joinRef, topic: message.topic, event: "phx_close", payload: {} });
  }

  function broadcast(message) {
    const channel = channels.get(message.topic);
    if (!channel) return;
    const options = channel.config.broadcast ?? {};
    members(message.topic, options.self ? null : channel).forEach((member) => member.relay(message.payload));
    if (options.ack) reply(message, "ok", {});
  }

  const relayTo = (channel) => ({ channel, relay: (payload) => send({ topic: channel.topic, event: "broadcast", payload }) });
  return {
    on: (topic) => (channels.has(topic) ? relayTo(channels.get(topic)) : null),
    drop: () => socket.terminate(),
  };
}

function checkTopic(topic, config) {
  if (!topic.startsWith("realtime:") || topic === "realtime:") throw new Unauthorized("TopicNameRequired: You must provide a topic name");
  if (config.private) throw new Unauthorized("Unauthorized: Private channels are not part of the local stand-in");
}
