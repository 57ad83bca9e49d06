/** How many dead letters there are, or match: counted by the service, or page by page as far as that is quick. */

const PATH = "/api/webhook-events";
const PAGE = 200;
const MOST_PAGES = 3;
// The service counts no further.
const MOST_COUNTED = 100_000;

/** Return {count, isLeast} of the dead letters that a filter names; `list` is what is shown of them. */
export async function countDead({ api, signal }, filter, list) {
  if (list.next === null) return { count: list.rows.length + list.waiting.length, isLeast: false };
  if (!Object.keys(filter).length) return counted(await api.get("/api/operations", {}, { signal }));
  return paged({ api, signal }, filter, list);
}

function counted({ database: { dead } }) {
  return { count: dead, isLeast: dead >= MOST_COUNTED };
}

async function paged({ api, signal }, filter, list) {
  let [count, before] = [list.rows.length + list.waiting.length, list.next];
  for (let page = 0; page < MOST_PAGES && before !== null; page += 1) {
    const { data, next } = await api.get(PATH, { ...filter, state: "dead", before, limit: PAGE }, { signal });
    [count, before] = [count + data.length, next];
  }
  return { count, isLeast: before !== null };
}

/** Return a count as said: "1,234", or "600+" where there are more. */
export const saidCount = (total) => (total ? `${total.count.toLocaleString("en")}${total.isLeast ? "+" : ""}` : "");

/** Return a count with its noun: "1 dead letter", "600+ dead letters". */
export const namedCount = (total) => `${saidCount(total)} ${total.count === 1 && !total.isLeast ? "dead letter" : "dead letters"}`;
