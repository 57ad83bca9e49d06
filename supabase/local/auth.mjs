/** /auth/v1: lite's sign-in, and what it lacks: anonymous users, an admin's users, complete tokens. */
import { createAdmin } from "./admin.mjs";
import { createAccounts } from "./accounts.mjs";
import { answerJson, parseObject, readBody } from "./http.mjs";
import { callLite, sendAnswer } from "./lite.mjs";

const MAX_BODY = 1024 * 1024;
const ADMIN = /^\/auth\/v1\/admin\/users(?:\/([^/]+))?\/?$/;

/** A handler of /auth/v1 requests whose key was checked already. */
export function createAuth({ sql, keys, lite }) {
  const accounts = createAccounts({ sql, keys });
  const admin = createAdmin({ sql, lite });

  return async (request, response, { url, role }) => {
    const body = await readBody(request, MAX_BODY);
    const adminPath = ADMIN.exec(url.pathname);
    if (adminPath) return admin(request, response, { url, role, userId: adminPath[1], body: parseObject(body) ?? {} });
    if (signsUpAnonymously(request, url, body)) return answerJson(response, 200, await accounts.signUpAnonymously(parseObject(body)));
    return finish(response, await callLite(lite, request, url, body));
  };

  async function finish(response, answer) {
    if (!answer.ok || !answer.headers.get("content-type")?.includes("json")) return sendAnswer(response, answer);
    await sendAnswer(response, answer, JSON.stringify(await accounts.complete(await answer.json())));
  }
}

function signsUpAnonymously(request, url, body) {
  if (request.method !== "POST" || url.pathname !== "/auth/v1/signup") return false;
  const asked = parseObject(body);
  return asked !== null && !asked.email && !asked.phone;
}
