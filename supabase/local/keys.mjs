/** API keys and tokens: who a request is, and the JWT that PostgREST and Postgres understand. */
import { createHash, timingSafeEqual } from "node:crypto";
import { SignJWT, jwtVerify } from "jose";

const LIFETIME_SECONDS = 300;
const RENEW_BEFORE_SECONDS = 30;
const NO_ROLE = "InvalidJWTToken: Fields `role` and `exp` are required in JWT";
const ROLES = ["anon", "authenticated", "service_role"];
// https://supabase.com/docs/guides/api/api-keys: a secret key never answers a browser.
const BROWSER = /^\s*Mozilla\//i;

/** A request that shows no valid key or token; `message` is safe to send back. */
export class Unauthorized extends Error {
  status = 401;
}

/** Bind the project's keys and secret to the functions that judge requests and sign tokens. */
export function createKeys({ publishableKey, secretKey, jwtSecret }) {
  const secret = new TextEncoder().encode(jwtSecret);
  const roles = [
    ["anon", digest(publishableKey)],
    ["service_role", digest(secretKey)],
  ];
  const cache = new Map();

  /** The role an opaque key stands for, or null. */
  function roleOf(key) {
    const found = roles.find(([, hash]) => timingSafeEqual(hash, digest(key ?? "")));
    return found ? found[0] : null;
  }

  /** The role of a request's apikey; throws Unauthorized without a known one. */
  function roleOfRequest(apikey, userAgent) {
    if (!apikey) throw new Unauthorized("No API key found in request");
    const role = roleOf(apikey);
    if (!role) throw new Unauthorized("Invalid API key");
    if (role === "service_role" && BROWSER.test(userAgent ?? "")) {
      throw new Unauthorized("Forbidden use of secret API key in browser");
    }
    return role;
  }

  /** The Authorization to pass on: a person's own token if there is one, else a short token of the key's role. */
  async function authorization(apikey, role, header) {
    const bearer = header?.replace(/^Bearer\s+/i, "");
    if (!bearer || bearer === apikey) return `Bearer ${await roleToken(role)}`;
    if (bearer.startsWith("sb_")) throw new Unauthorized("Invalid API key");
    return header;
  }

  async function roleToken(role) {
    const now = Date.now() / 1000;
    const held = cache.get(role);
    if (held && held.exp - now > RENEW_BEFORE_SECONDS) return held.token;
    const exp = Math.floor(now) + LIFETIME_SECONDS;
    const token = await sign({ role, iss: "supabase", iat: Math.floor(now), exp });
    cache.set(role, { token, exp });
    return token;
  }

  const sign = (claims) => new SignJWT(claims).setProtectedHeader({ alg: "HS256", typ: "JWT" }).sign(secret);

  /** The claims of a token; throws Unauthorized on a bad signature, another algorithm, expiry or a missing role. */
  async function verify(token) {
    const { payload } = await jwtVerify(token, secret, { algorithms: ["HS256"] }).catch(refuse);
    if (!payload.role || !payload.exp) throw new Unauthorized(NO_ROLE);
    if (!ROLES.includes(payload.role))
      throw new Unauthorized("Unauthorized: The role of the token is unknown");
    return payload;
  }

  return { roleOf, roleOfRequest, authorization, sign, verify };
}

function refuse(error) {
  if (error.code === "ERR_JWT_EXPIRED") throw new Unauthorized("InvalidJWTToken: Token has expired");
  throw new Unauthorized("JwtSignatureError: Failed to validate JWT signature");
}

function digest(text) {
  return createHash("sha256").update(text).digest();
}
