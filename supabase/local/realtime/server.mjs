/** /realtime/v1: the websocket, the relay of broadcasts, and the knobs. */
import { WebSocketServer } from "ws";
import { answerJson, parseObject, readBody } from "../http.mjs";
import { createConnection } from "./connection.mjs";
import { createFeed } from "./feed.mjs";
import { createTables } from "./tables.mjs";

const PATH = "/realtime/v1/websocket";
const MAX_FRAME = 5 * 1024 * 1024;

/** Build Realtime on a database. */
export function createRealtime({ databaseUrl, systemDelayMs, keys, sql }) {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_FRAME, clientTracking: false });
  const connections = new Set();
  const tables = createTables(sql);
  const feed = createFeed({ databaseUrl, sql, tables });
  let delay = systemDelayMs;
  const services = { feed, tables, sql, systemDelay: () => delay };

  async function upgrade(request, socket, head) {
    socket.on("error", () => socket.destroy());
    try {
      const url = new URL(request.url, "http://localhost");
      if (url.pathname !== PATH) return refuse(socket, "404 Not Found", "Not found");
      const claims = await claimsOf(keys, request, url);
      const version = url.searchParams.get("vsn");
      sockets.handleUpgrade(request, socket, head, (webSocket) => connect(webSocket, version, claims));
    } catch (error) {
      refuse(socket, "401 Unauthorized", error.message);
    }
  }

  function connect(socket, version, claims) {
    const connection = createConnection({ socket, version, claims, keys, services, members });
    connections.add(connection);
    socket.on("close", () => connections.delete(connection));
  }

  function members(topic, except) {
    const all = [...connections].map((connection) => connection.on(topic));
    return all.filter((member) => member && member.channel !== except);
  }

  async function broadcast(request, response) {
    const { messages } = parseObject(await readBody(request, MAX_FRAME)) ?? {};
    if (!Array.isArray(messages))
      return answerJson(response, 422, { errors: { messages: ["can't be blank"] } });
    messages.forEach((message) => relay(message ?? {}));
    answerJson(response, 202, {});
  }

  function relay({ topic, event, payload }) {
    members(`realtime:${topic}`).forEach((member) => member.relay({ type: "broadcast", event, payload }));
  }

  function drop() {
    const dropped = connections.size;
    connections.forEach((connection) => connection.drop());
    return dropped;
  }

  async function stop() {
    drop();
    await feed.stop();
  }

  return { upgrade, broadcast, drop, stop, delaySystem: (ms) => void (delay = ms) };
}

async function claimsOf(keys, request, url) {
  const key = request.headers["x-api-key"] ?? url.searchParams.get("apikey") ?? request.headers.apikey;
  if (key && !key.startsWith("sb_")) return keys.verify(key);
  return { role: keys.roleOfRequest(key, request.headers["user-agent"]) };
}

function refuse(socket, status, message) {
  const body = JSON.stringify({ error: message });
  const size = `content-length: ${Buffer.byteLength(body)}`;
  const head = [`HTTP/1.1 ${status}`, "content-type: application/json", size, "connection: close"];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}
