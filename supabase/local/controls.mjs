/** /local: is everything up, and the knobs that make Realtime late or drop it. */
import { answerJson, parseObject, readBody } from "./http.mjs";
import { describe, log } from "./log.mjs";

const MAX_BODY = 10_000;
const HEALTH_TIMEOUT_MS = 2000;

/** A handler of /local requests. */
export function createControls({ sql, realtime, postgrestUrl }) {
  return async (request, response, { url, role }) => {
    const route = `${request.method} ${url.pathname}`;
    if (route === "GET /local/health") return health(response);
    if (route !== "POST /local/realtime") return answerJson(response, 404, { message: "Not found" });
    if (role !== "service_role")
      return answerJson(response, 403, { message: "Only the secret key may do this" });
    return turn(response, parseObject(await readBody(request, MAX_BODY)) ?? {});
  };

  async function health(response) {
    try {
      await Promise.all([answersInTime(sql`select 1`), postgrestUrl && postgrestAnswers(postgrestUrl)]);
      answerJson(response, 200, { status: "ok" });
    } catch (error) {
      answerJson(response, 503, { status: "unavailable", ...describe(error) });
    }
  }

  function turn(response, { system_delay_ms: delay, drop }) {
    if (delay !== undefined && !(Number.isInteger(delay) && delay >= 0)) {
      return answerJson(response, 400, { message: "system_delay_ms must be a whole number" });
    }
    if (delay !== undefined) realtime.delaySystem(delay);
    const dropped = drop ? realtime.drop() : 0;
    log("realtime turned", { system_delay_ms: delay, dropped });
    answerJson(response, 200, { dropped });
  }
}

async function postgrestAnswers(postgrestUrl) {
  const answer = await fetch(postgrestUrl, {
    method: "HEAD",
    signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS),
  });
  if (answer.status >= 500) throw new Error(`PostgREST answers ${answer.status}`);
}

function answersInTime(promise) {
  const late = new Promise((_, reject) =>
    setTimeout(reject, HEALTH_TIMEOUT_MS, new Error("Postgres does not answer")).unref(),
  );
  return Promise.race([promise, late]);
}
