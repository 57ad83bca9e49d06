/** Small parts of HTTP: answers, CORS, reading a body. */

const CORS = {
  "access-control-allow-origin": "*",
  "access-control-expose-headers":
    "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, Range-Unit, Sb-Request-Id",
};

/** A body larger than its reader allows. */
export class TooLarge extends Error {
  status = 413;
}

/** `headers` of an answer with CORS added, its own CORS headers dropped. */
export function withCors(headers) {
  const own = Object.entries(headers).filter(([name]) => !name.toLowerCase().startsWith("access-control-"));
  return { ...Object.fromEntries(own), ...CORS };
}

/** Answer with JSON. */
export function answerJson(response, status, body) {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(
    status,
    withCors({ "content-type": "application/json; charset=utf-8", "content-length": bytes.length }),
  );
  response.end(bytes);
}

/** Answer a preflight: whatever the browser asks for is allowed. */
export function answerPreflight(request, response) {
  response.writeHead(204, {
    ...CORS,
    "access-control-allow-methods": "GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS",
    "access-control-allow-headers": request.headers["access-control-request-headers"] ?? "*",
    "access-control-max-age": "3600",
    vary: "Access-Control-Request-Headers",
  });
  response.end();
}

/** The whole body as a Buffer; throws TooLarge past `limit` bytes. */
export async function readBody(request, limit) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > limit) throw new TooLarge(`The body exceeds ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The body as a JSON object, or null for anything else. */
export function parseObject(bytes) {
  try {
    const value = JSON.parse(bytes.toString("utf8"));
    return value !== null && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
