/** Anonymous accounts, and sessions whose tokens carry every claim a hosted project puts in. */
import { randomBytes, randomUUID } from "node:crypto";
import { decodeJwt } from "jose";

const LIFETIME_SECONDS = 3600;

/** Bind the database and the signing key to the account functions. */
export function createAccounts({ sql, keys }) {
  /** Make a user without email and open a session, as `auth.signInAnonymously()` asks for; returns the session. */
  async function signUpAnonymously({ data }) {
    const ids = { user: randomUUID(), session: randomUUID() };
    const refreshToken = randomBytes(16).toString("base64url");
    await sql.begin((tx) =>
      insertAnonymous(tx, ids, refreshToken, data !== null && typeof data === "object" ? data : {}),
    );
    const account = await find(ids.user);
    return session(account, ids.session, refreshToken);
  }

  async function session(account, sessionId, refreshToken) {
    const iat = Math.floor(Date.now() / 1000);
    const exp = iat + LIFETIME_SECONDS;
    const token = await keys.sign(claims(account, { session_id: sessionId, iat, exp }));
    return {
      access_token: token,
      refresh_token: refreshToken,
      token_type: "bearer",
      expires_in: LIFETIME_SECONDS,
      expires_at: exp,
      user: userOf(account),
    };
  }

  /** Fill in what lite leaves out of a user or a session: is_anonymous, and the token's claims about it. */
  async function complete(body) {
    const user = body.user ?? body;
    const account = typeof user.id === "string" && "app_metadata" in user ? await find(user.id) : null;
    if (!account) return body;
    user.is_anonymous = account.is_anonymous;
    if (!body.access_token) return body;
    const { session_id, iat, exp } = decodeJwt(body.access_token);
    return { ...body, access_token: await keys.sign(claims(account, { session_id, iat, exp })) };
  }

  // An anonymous user who has given an email address is one no more.
  async function find(id) {
    await sql`update auth.users set is_anonymous = false where id = ${id} and is_anonymous and email is not null`;
    const [account] = await sql`select * from auth.users where id = ${id}`;
    return account;
  }

  return { signUpAnonymously, complete };
}

async function insertAnonymous(tx, ids, refreshToken, data) {
  await tx`
    insert into auth.users (id, aud, role, is_anonymous, raw_app_meta_data, raw_user_meta_data, last_sign_in_at)
    values (${ids.user}, 'authenticated', 'authenticated', true, '{}', ${tx.json(data)}, now())`;
  await tx`insert into auth.sessions (id, user_id, aal) values (${ids.session}, ${ids.user}, 'aal1')`;
  await tx`
    insert into auth.refresh_tokens (id, token, user_id, session_id, revoked)
    values (${randomUUID()}, ${refreshToken}, ${ids.user}, ${ids.session}, false)`;
}

function claims(account, { session_id, iat, exp }) {
  return {
    sub: account.id,
    aud: account.aud,
    role: account.role,
    email: account.email ?? "",
    phone: account.phone ?? "",
    app_metadata: account.raw_app_meta_data,
    user_metadata: account.raw_user_meta_data,
    aal: "aal1",
    amr: [{ method: account.is_anonymous ? "anonymous" : "password", timestamp: iat }],
    session_id,
    is_anonymous: account.is_anonymous,
    iat,
    exp,
  };
}

/** A row of auth.users as the API shows it. */
export function userOf(account) {
  return {
    id: account.id,
    aud: account.aud,
    role: account.role,
    email: account.email ?? "",
    phone: account.phone ?? "",
    email_confirmed_at: account.email_confirmed_at ?? undefined,
    last_sign_in_at: account.last_sign_in_at ?? undefined,
    app_metadata: account.raw_app_meta_data,
    user_metadata: account.raw_user_meta_data,
    identities: [],
    created_at: account.created_at,
    updated_at: account.updated_at,
    is_anonymous: account.is_anonymous,
  };
}
