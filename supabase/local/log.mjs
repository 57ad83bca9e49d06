/** One JSON line per start, stop and error; never a key or a token. */
export function log(event, fields = {}) {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), event, ...fields })}\n`);
}

/** What may be told of an error: its message and code. */
export function describe(error) {
  return { message: String(error?.message ?? error), code: error?.code };
}
