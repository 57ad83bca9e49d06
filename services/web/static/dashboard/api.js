/** Our own API, asked with the person's token. */

// Of a renewal: the session is over. A busy or broken service says nothing of it, and the next try may go well.
const REFUSED = [400, 401, 403, 404];

/** An answer that is no success: problem details, or none at all (status 0). */
export class ApiError extends Error {
  constructor({ status, title, detail }) {
    super(detail || title);
    Object.assign(this, { name: "ApiError", status, title, detail });
  }
}

/** Return {get, post, put, patch, delete}: each gives the answer's JSON or raises ApiError. */
export function createApi(client) {
  const withQuery = (method) => (path, query, options) => ask(client, method, address(path, query), undefined, options);
  const withBody = (method) => (path, body, options) => ask(client, method, path, body ?? {}, options);
  return {
    get: withQuery("GET"),
    delete: withQuery("DELETE"),
    post: withBody("POST"),
    put: withBody("PUT"),
    patch: withBody("PATCH"),
  };
}

function address(path, query = {}) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") words.set(name, value);
  }
  return words.size ? `${path}?${words}` : path;
}

async function ask(client, method, path, body, options = {}) {
  const { data } = await client.auth.getSession();
  let answer = await send(method, path, body, data.session, options);
  // The token may have ended between two renewals, or its session elsewhere.
  if (answer.status === 401 && data.session) answer = await again(client, method, path, body, options);
  return read(answer, options.parse ?? JSON.parse);
}

async function again(client, method, path, body, options) {
  const { data, error } = await client.auth.refreshSession();
  if (REFUSED.includes(error?.status)) await client.auth.signOut({ scope: "local" });
  return send(method, path, body, data.session, options);
}

async function send(method, path, body, session, { signal, headers } = {}) {
  const told = { Accept: "application/json", ...headers };
  if (session) told.Authorization = `Bearer ${session.access_token}`;
  if (body !== undefined) told["Content-Type"] = "application/json";
  try {
    return await fetch(path, { method, headers: told, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
}

const unreachable = () =>
  new ApiError({ status: 0, title: "The service cannot be reached", detail: "Check your connection, then try again." });

async function textOf(answer) {
  try {
    return await answer.text();
  } catch (error) {
    throw error.name === "AbortError" ? error : unreachable();
  }
}

async function read(answer, parse) {
  const text = await textOf(answer);
  const told = parsed(text, parse);
  if (answer.ok) return told;
  const { title, detail } = told ?? {};
  throw new ApiError({ status: answer.status, title: title || answer.statusText || "Error", detail: detail || title || `The service answered ${answer.status}.` });
}

function parsed(text, parse) {
  try {
    return parse(text);
  } catch {
    return null;
  }
}
