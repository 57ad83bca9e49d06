/** `@supabase/lite` embedded: it answers /auth/v1, and /rest/v1 where no PostgREST exists. */
import { App } from "@supabase/lite";
import { createPostgresConnection } from "@supabase/lite/postgres";
import { withCors } from "./http.mjs";

const JSON_OIDS = { json: 114, jsonb: 3802 };
const TIMESTAMPTZ_OID = 1184;

process.env.LITE_TELEMETRY ??= "0";

/**
 * Build a lite app on a database, signed in as `role` if one is given.
 * With admin mode off a request without a key has no rights.
 */
export function createLite({ databaseUrl, role, auth }) {
  const postgresOptions = {
    types: typeOverrides(),
    max: 5,
    onnotice: () => {},
    connection: role ? { role } : {},
  };
  const connection = createPostgresConnection({ url: databaseUrl, postgresOptions });
  return new App({ connection, auth, options: { server: { admin: false, disableStudio: true } } });
}

// Lite encodes JSON arguments twice and hands out timestamps that are not ISO 8601, which supabase-py refuses.
function typeOverrides() {
  const types = Object.entries(JSON_OIDS).map(([name, oid]) => [name, jsonType(oid)]);
  return { ...Object.fromEntries(types), timestamptz: timestampType() };
}

function jsonType(oid) {
  const serialize = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  return { to: oid, from: [oid], serialize, parse: JSON.parse };
}

function timestampType() {
  return { to: TIMESTAMPTZ_OID, from: [TIMESTAMPTZ_OID], serialize: (value) => value, parse: isoTimestamp };
}

/** Turn Postgres's `2026-11-21 21:06:59.39+00` into `2026-11-21T21:06:59.39+00:00`. */
export function isoTimestamp(text) {
  return text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00");
}

/** Pass a request on to lite, to `url` and with `body` (bytes or text). */
export function callLite(lite, request, url, body) {
  const { method } = request;
  const headers = new Headers(Object.entries(request.headers).filter(([name]) => name !== "content-length"));
  const bodyless = method === "GET" || method === "HEAD";
  return lite.fetch(new Request(url, { method, headers, body: bodyless ? undefined : body }), {
    peerAddress: "",
  });
}

/** Send lite's answer on, with `body` in place of its own if given. */
export async function sendAnswer(response, answer, body) {
  const bytes = Buffer.from(body ?? (await answer.arrayBuffer()));
  const headers = Object.fromEntries(answer.headers);
  delete headers["transfer-encoding"];
  if (answer.status !== 204) headers["content-length"] = bytes.length;
  response.writeHead(answer.status, withCors(headers));
  response.end(bytes);
}
