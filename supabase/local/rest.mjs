/** /rest/v1: a streaming proxy to PostgREST that swaps opaque keys for short tokens. */
import http from "node:http";
import { answerJson, readBody, withCors } from "./http.mjs";
import { callLite, sendAnswer } from "./lite.mjs";

const PREFIX = "/rest/v1";
const MAX_BODY = 50 * 1024 * 1024;
// PostgREST closes an idle connection after 30 s: leave it first, or a request meets a closed socket.
const IDLE_MS = 20_000;
// The apikey ends here too.
const DROPPED = new Set([
  "apikey",
  "connection",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** A handler of /rest/v1 requests whose key was checked already. */
export function createRest({ postgrestUrl, keys, lite }) {
  if (!postgrestUrl) return (request, response, { url }) => fallBack(lite, request, response, url);
  const target = new URL(postgrestUrl);
  const agent = new http.Agent({ keepAlive: true, maxSockets: 64, timeout: IDLE_MS, scheduling: "lifo" });
  const base = { agent, host: target.hostname, port: target.port };
  return async (request, response, { url, apikey, role }) => {
    const authorization = await keys.authorization(apikey, role, request.headers.authorization);
    const headers = { ...endToEnd(request.headers), authorization, host: target.host };
    forward({ ...base, method: request.method, path: pathOf(url), headers }, request, response);
  };
}

// An apikey in the query would be a filter on a column of that name.
function pathOf(url) {
  if (url.searchParams.has("apikey")) url.searchParams.delete("apikey");
  return (url.pathname.slice(PREFIX.length) || "/") + url.search;
}

function endToEnd(headers) {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !DROPPED.has(name)));
}

function forward(options, request, response) {
  const upstream = http.request(options, (answer) => {
    response.writeHead(answer.statusCode, withCors(endToEnd(answer.headers)));
    answer.pipe(response);
    answer.on("error", () => response.destroy());
  });
  upstream.on("error", () => {
    if (response.headersSent) response.destroy();
    else answerJson(response, 503, { message: "The REST service cannot be reached" });
  });
  response.on("close", () => upstream.destroy());
  request.pipe(upstream);
}

async function fallBack(lite, request, response, url) {
  const answer = await callLite(lite, request, url, await readBody(request, MAX_BODY));
  await sendAnswer(response, answer);
}
