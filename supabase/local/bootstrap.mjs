/**
 * Give an empty Postgres what a hosted Supabase project starts with; running it again changes nothing.
 * Environment: DATABASE_URL (a superuser), AUTHENTICATOR_PASSWORD.
 */
import { readFile } from "node:fs/promises";
import postgres from "postgres";
import { createLite } from "./lite.mjs";
import { describe, log } from "./log.mjs";
import { required } from "./settings.mjs";

async function bootstrap({ databaseUrl, authenticatorPassword }) {
  const sql = postgres(databaseUrl, { max: 1, onnotice: () => {} });
  await run(sql, "bootstrap.sql");
  await setPassword(sql, authenticatorPassword);
  await createAuthTables(databaseUrl);
  await run(sql, "auth.sql");
  await sql.end();
}

async function run(sql, name) {
  await sql.unsafe(await readFile(new URL(name, import.meta.url), "utf8"));
}

async function setPassword(sql, password) {
  const [{ statement }] =
    await sql`select format('alter role authenticator password %L', ${password}::text) as statement`;
  await sql.unsafe(statement);
}

async function createAuthTables(databaseUrl) {
  const lite = createLite({
    databaseUrl,
    auth: { jwt_secret: "unused while tables are made".padEnd(32, ".") },
  });
  await lite.ensureSystemSchema();
  await lite.connection.close();
}

try {
  await bootstrap({
    databaseUrl: required(process.env, "DATABASE_URL"),
    authenticatorPassword: required(process.env, "AUTHENTICATOR_PASSWORD"),
  });
  log("bootstrapped");
} catch (error) {
  log("bootstrap failed", describe(error));
  process.exitCode = 1;
}
