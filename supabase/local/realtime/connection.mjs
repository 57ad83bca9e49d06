/** One websocket: its frames, its channels. */
import { Unauthorized } from "../keys.mjs";
import { describe, log } from "../log.mjs";
import { createChannel } from "./channel.mjs";
import { codec } from "./frames.mjs";

const MAX_BUFFERED_BYTES = 64 * 1024 * 1024;

/** Serve a socket whose key stands for `claims`; `members` finds the other channels of a topic. */
export function createConnection({ socket, version, claims, keys, services, members }) {
  const { encode, decode } = codec(version);
  const channels = new Map();
  const handlers = new Map(
    Object.entries({ phx_join: join, phx_leave: leave, access_token: renew, broadcast }),
  );

  // In the order of their arrival: a token that is still being verified holds up what comes after it.
  let turn = Promise.resolve();
  socket.on("message", (data, isBinary) => {
    if (isBinary) return;
    const message = decode(data.toString("utf8"));
    turn = turn.then(() => receive(message)).catch((error) => log("frame failed", describe(error)));
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => channels.forEach((channel) => channel.close()));

  function receive(message) {
    if (message?.topic === "phoenix" && message.event === "heartbeat") reply(message, "ok", {});
    else return handlers.get(message?.event)?.(message);
  }

  function send(message) {
    if (socket.bufferedAmount > MAX_BUFFERED_BYTES) return socket.terminate();
    if (socket.readyState === socket.OPEN) socket.send(encode(message));
  }

  function reply({ joinRef, ref, topic }, status, response) {
    send({ joinRef, ref, topic, event: "phx_reply", payload: { status, response } });
  }

  async function join(message) {
    try {
      checkTopic(message);
      const own = await claimsOf(message.payload.access_token);
      if (socket.readyState === socket.OPEN) replaceChannel(message, own).open(message.ref);
    } catch (error) {
      reply(message, "error", { reason: error.message });
    }
  }

  function replaceChannel({ topic, joinRef, payload }, own) {
    const config = payload.config ?? {};
    const sendOn = (message) => send({ topic, ...message });
    const channel = createChannel({
      topic,
      joinRef,
      config,
      claims: own,
      services,
      send: sendOn,
      onClose: forget,
    });
    channels.get(topic)?.close();
    channels.set(topic, channel);
    return channel;
  }

  function forget(channel) {
    if (channels.get(channel.topic) === channel) channels.delete(channel.topic);
  }

  // An opaque key in place of a token means the connection's own rights.
  async function claimsOf(token) {
    return isToken(token) ? keys.verify(token) : claims;
  }

  async function renew({ topic, payload }) {
    const channel = channels.get(topic);
    if (!channel || !isToken(payload.access_token)) return;
    await keys.verify(payload.access_token).then(channel.accept, (error) => channel.endWith(error.message));
  }

  function leave(message) {
    const channel = channels.get(message.topic);
    if (!channel) return reply(message, "error", { reason: "unmatched topic" });
    channel.close();
    forget(channel);
    reply(message, "ok", {});
    const { joinRef, topic } = channel;
    send({ joinRef, ref: joinRef, topic, event: "phx_close", payload: {} });
  }

  function broadcast(message) {
    const channel = channels.get(message.topic);
    if (!channel) return;
    const options = channel.config.broadcast ?? {};
    members(message.topic, options.self ? null : channel).forEach((member) => member.relay(message.payload));
    if (options.ack) reply(message, "ok", {});
  }

  const relayTo = (channel) => ({
    channel,
    relay: (payload) => send({ topic: channel.topic, event: "broadcast", payload }),
  });
  return {
    on: (topic) => (channels.has(topic) ? relayTo(channels.get(topic)) : null),
    drop: () => socket.terminate(),
  };
}

function isToken(token) {
  return typeof token === "string" && token !== "" && !token.startsWith("sb_");
}

function checkTopic({ topic, payload }) {
  if (!/^realtime:./.test(topic)) throw new Unauthorized("TopicNameRequired: You must provide a topic name");
  if (payload.config?.private)
    throw new Unauthorized("Unauthorized: The local stand-in has no private channels");
}
