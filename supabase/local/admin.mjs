/** /auth/v1/admin/users: what seeding and tests need of the admin API, for the secret key only. */
import { randomUUID } from "node:crypto";
import { userOf } from "./accounts.mjs";
import { answerJson } from "./http.mjs";
import { callLite, sendAnswer } from "./lite.mjs";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A handler of the admin's user paths. */
export function createAdmin({ sql, lite }) {
  const methods = { POST: create, GET: show, DELETE: remove };

  return async (request, response, context) => {
    if (context.role !== "service_role") return fail(response, 403, "not_admin", "User not allowed");
    const handle = methods[request.method];
    const fits = (request.method === "POST") !== Boolean(context.userId);
    if (!handle || !fits) return fail(response, 405, "method_not_allowed", "Method not allowed");
    return handle(request, response, context);
  };

  // Lite hashes the password and checks its strength; its session is not wanted.
  async function create(request, response, { url, body }) {
    const signUp = { email: body.email, password: body.password ?? randomUUID(), data: body.user_metadata };
    const answer = await callLite(lite, request, new URL("/auth/v1/signup", url), JSON.stringify(signUp));
    if (!answer.ok) return sendAnswer(response, answer);
    const { user } = await answer.json();
    await sql`delete from auth.sessions where user_id = ${user.id}`;
    const [account] = await sql`
      update auth.users set raw_app_meta_data = raw_app_meta_data || ${sql.json(body.app_metadata ?? {})}
      where id = ${user.id} returning *`;
    answerJson(response, 200, userOf(account));
  }

  async function show(request, response, { userId }) {
    const [account] =
      userId && UUID.test(userId) ? await sql`select * from auth.users where id = ${userId}` : [];
    if (!account) return fail(response, 404, "user_not_found", "User not found");
    answerJson(response, 200, userOf(account));
  }

  async function remove(request, response, { userId }) {
    const { count } = UUID.test(userId)
      ? await sql`delete from auth.users where id = ${userId}`
      : { count: 0 };
    if (!count) return fail(response, 404, "user_not_found", "User not found");
    answerJson(response, 200, {});
  }
}

function fail(response, status, code, message) {
  answerJson(response, status, { code: status, error_code: code, msg: message });
}
