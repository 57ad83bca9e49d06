/** The list of events, the newest first. */
import { announce, byId, element } from "./dom.js";
import { clock, dateAndTime } from "./format.js";
import { kindOf, summary } from "./summary.js";

/** Return the list; `add(rows, {isHistory})` puts events where their seq belongs. */
export function createLog() {
  const list = byId("events");
  list.replaceChildren();
  count(list);

  function add(rows, { isHistory }) {
    for (const row of rows) list.insertBefore(item(row, isHistory), placeOf(list, row.seq));
    count(list);
    if (!isHistory) announce(rows.length === 1 ? `New event. ${summary(rows[0])}` : `${rows.length} new events`);
  }

  return { add };
}

function placeOf(list, seq) {
  return [...list.children].find((child) => Number(child.dataset.seq) < seq) ?? null;
}

function count(list) {
  const { length } = list.children;
  byId("event-count").textContent = length || "";
  byId("no-events").hidden = length > 0;
}

function item(row, isHistory) {
  const details = element(
    "details",
    {},
    element(
      "summary",
      {},
      element("time", { datetime: row.processed_at, title: dateAndTime(row.processed_at) }, clock(row.processed_at)),
      element("span", { class: "said" }, summary(row)),
      element("code", {}, row.event_type ?? ""),
    ),
  );
  details.addEventListener("toggle", () => expand(details, row.event_data), { once: true });
  const attributes = { class: isHistory ? null : "is-new", "data-id": row.id, "data-seq": row.seq, "data-kind": kindOf(row) };
  return element("li", attributes, details);
}

// Made when it is wanted: some events are long, and most are never opened.
function expand(details, data) {
  const json = element("pre", { tabindex: "0" }, JSON.stringify(data, null, 2) ?? "null");
  details.append(json);
}
