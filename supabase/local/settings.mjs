/** The gateway's settings, from the environment. */

const MIN_SECRET_LENGTH = 32;

/** Read and check all settings of the gateway; throws an Error that names the first bad variable. */
export function readSettings(env) {
  const settings = {
    host: env.GATEWAY_HOST || "127.0.0.1",
    port: wholeNumber(env, "GATEWAY_PORT"),
    databaseUrl: required(env, "DATABASE_URL"),
    postgrestUrl: env.POSTGREST_URL || null,
    jwtSecret: required(env, "JWT_SECRET"),
    publishableKey: keyed(env, "SUPABASE_PUBLISHABLE_KEY", "sb_publishable_"),
    secretKey: keyed(env, "SUPABASE_SECRET_KEY", "sb_secret_"),
    systemDelayMs: wholeNumber(env, "REALTIME_SYSTEM_DELAY_MS", "0"),
  };
  if (settings.jwtSecret.length < MIN_SECRET_LENGTH) {
    throw new Error(`JWT_SECRET must have at least ${MIN_SECRET_LENGTH} characters`);
  }
  return settings;
}

/** The value of an environment variable that must be set. */
export function required(env, name) {
  if (!env[name]) throw new Error(`${name} is not set`);
  return env[name];
}

function keyed(env, name, prefix) {
  if (!required(env, name).startsWith(prefix)) throw new Error(`${name} must start with ${prefix}`);
  return env[name];
}

function wholeNumber(env, name, fallback) {
  const text = env[name] || fallback || required(env, name);
  if (!/^\d+$/.test(text)) throw new Error(`${name} must be a whole number, not ${JSON.stringify(text)}`);
  return Number(text);
}
