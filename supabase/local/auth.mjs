/** /auth/v1: lite's sign-in, and what it lacks: anonymous users, an admin's users, complete tokens. */
import { createAdmin } from "./admin.mjs";
import { createAccounts } from "./accounts.mjs";
import { answerJson, parseObject, readBody } from "./http.mjs";
import { callLite, sendAnswer } from "./lite.mjs";

const MAX_BODY = 1024 * 1024;
const BAD_JSON = { code: 400, error_code: "bad_json", msg: "Could not parse request body as a JSON object" };
const ADMIN = /^\/auth\/v1\/admin\/users(?:\/([^/]+))?\/?$/;

/** A handler of /auth/v1 requests whose key was checked already. */
export function createAuth({ sql, keys, lite }) {
  const accounts = createAccounts({ sql, keys });
  const admin = createAdmin({ sql, lite });

  return async (request, response, { url, role }) => {
    const body = await readBody(request, MAX_BODY);
    if (isBadJson(url, body)) return answerJson(response, 400, BAD_JSON);
    const adminPath = ADMIN.exec(url.pathname);
    if (adminPath)
      return admin(request, response, { url, role, userId: adminPath[1], body: parseObject(body) ?? {} });
    if (signsUpAnonymously(request, url, body)) return signUp(response, parseObject(body));
    return finish(response, await callLite(lite, request, url, body));
  };

  async function signUp(response, asked) {
    answerJson(response, 200, await accounts.signUpAnonymously(asked));
  }

  async function finish(response, answer) {
    if (!answer.ok || !answer.headers.get("content-type")?.includes("json"))
      return sendAnswer(response, answer);
    await sendAnswer(response, answer, JSON.stringify(await accounts.complete(await answer.json())));
  }
}

// A redirect of an identity provider may post a form.
function isBadJson(url, body) {
  return body.length > 0 && url.pathname !== "/auth/v1/callback" && parseObject(body) === null;
}

function signsUpAnonymously(request, url, body) {
  if (request.method !== "POST" || url.pathname !== "/auth/v1/signup") return false;
  const asked = parseObject(body);
  return asked !== null && !asked.email && !asked.phone;
}
