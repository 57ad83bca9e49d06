/**
 * One port for a local Supabase: /rest/v1 (PostgREST), /auth/v1 (lite), /realtime/v1 (ours), /local (controls).
 * Environment: see settings.mjs. A stand-in for development and tests, never for production.
 */
import http from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import postgres from "postgres";
import { createAuth } from "./auth.mjs";
import { createControls } from "./controls.mjs";
import { answerJson, answerPreflight } from "./http.mjs";
import { createKeys } from "./keys.mjs";
import { createLite, isoTimestamp } from "./lite.mjs";
import { describe, log } from "./log.mjs";
import { createRealtime } from "./realtime/server.mjs";
import { createRest } from "./rest.mjs";
import { readSettings } from "./settings.mjs";

const AUTH_ROLE = "supabase_auth_admin";
const STOP_LIMIT_MS = 1500;
// Reached by links in e-mails and by redirects, which carry no key.
const KEYLESS = /^\/auth\/v1\/(verify|callback|authorize|\.well-known\/.*)$/;

/** Start serving; returns the functions that stop it. */
export function serve(settings) {
  const keys = createKeys(settings);
  const sql = postgres(settings.databaseUrl, { max: 4, onnotice: () => {} });
  const realtime = createRealtime({ ...settings, keys, sql });
  const routes = createRoutes({ settings, keys, sql, realtime });
  const server = http.createServer((request, response) =>
    answer({ request, response, keys, routes, settings }),
  );
  server.on("upgrade", realtime.upgrade);
  server.on("clientError", (error, socket) => socket.destroy());
  server.keepAliveTimeout = 65_000;
  const rest = settings.postgrestUrl ? "postgrest" : "lite";
  server.listen(settings.port, settings.host, () => log("gateway started", { port: settings.port, rest }));
  return { server, stop: () => stop(server, realtime) };
}

function createRoutes({ settings, keys, sql, realtime }) {
  const { databaseUrl, postgrestUrl } = settings;
  const auth = liteAuth(settings);
  const authLite = createLite({ databaseUrl, role: AUTH_ROLE, auth });
  const restLite = postgrestUrl ? null : createLite({ databaseUrl, auth });
  return [
    ["/rest/v1", createRest({ postgrestUrl, keys, lite: restLite })],
    ["/auth/v1", createAuth({ sql: authSql(databaseUrl), keys, lite: authLite })],
    ["/realtime/v1/api/broadcast", realtime.broadcast],
    ["/local", createControls({ sql, realtime, postgrestUrl })],
  ];
}

function liteAuth({ jwtSecret, publishableKey, secretKey }) {
  return { enabled: true, jwt_secret: jwtSecret, publishable_key: publishableKey, secret_key: secretKey };
}

function authSql(databaseUrl) {
  const timestamps = { to: 1184, from: [1184], serialize: (value) => value, parse: isoTimestamp };
  return postgres(databaseUrl, {
    max: 4,
    onnotice: () => {},
    connection: { role: AUTH_ROLE },
    types: { timestamps },
  });
}

async function answer({ request, response, keys, routes, settings }) {
  try {
    if (request.method === "OPTIONS") return answerPreflight(request, response);
    const url = URL.parse(request.url, `http://${settings.host}:${settings.port}`);
    if (!url) return answerJson(response, 400, { message: "The request's path cannot be read" });
    const route = routes.find(([prefix]) => url.pathname === prefix || url.pathname.startsWith(`${prefix}/`));
    if (!route) return answerJson(response, 404, { message: "no Route matched with those values" });
    await route[1](request, response, { url, ...identify(request, url, keys) });
  } catch (error) {
    answerError(request, response, error);
  }
}

function identify(request, url, keys) {
  if (KEYLESS.test(url.pathname) || url.pathname === "/local/health") return {};
  const apikey = request.headers.apikey ?? url.searchParams.get("apikey");
  return { apikey, role: keys.roleOfRequest(apikey, request.headers["user-agent"]) };
}

function answerError(request, response, error) {
  if (request.errored) return response.destroy();
  const status = error.status ?? 500;
  if (status === 500)
    log("request failed", { method: request.method, path: pathOf(request), ...describe(error) });
  if (response.headersSent) return response.destroy();
  if (status === 413) response.setHeader("connection", "close");
  answerJson(response, status, {
    message: status === 500 ? "Internal error of the local gateway" : error.message,
  });
}

// Without the query, which may hold a key.
function pathOf(request) {
  return request.url.split("?")[0];
}

async function stop(server, realtime) {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeIdleConnections();
  await Promise.race([Promise.all([closed, realtime.stop()]), wait(STOP_LIMIT_MS)]);
  log("gateway stopped");
  process.exit(0);
}

function main() {
  const gateway = serve(readSettings(process.env));
  gateway.server.on("error", (error) => fail("gateway cannot listen", error));
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, gateway.stop);
  // A broken client or a Postgres that restarts must not end the gateway; both are told of.
  process.on("unhandledRejection", (error) => log("unhandled rejection", describe(error)));
  process.on("uncaughtException", (error) => log("uncaught exception", describe(error)));
}

function fail(event, error) {
  log(event, describe(error));
  process.exit(1);
}

try {
  main();
} catch (error) {
  fail("gateway not started", error);
}
