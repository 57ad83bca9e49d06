/** Filters as an address says them: what none can be is left out, and said. */
import { html, nothing } from "./lit.js";
import { validTime } from "./reads.js";

const MOST = 255;
const TIMES = ["since", "until"];

/** Return {filter, ignored}: what the address says of these names; `choices` are the values that a name may have. */
export function filtersOf(query, names, choices = {}) {
  const said = names.map((name) => [name, query.get(name)?.trim()]).filter(([, value]) => value);
  const read = said.map(([name, value]) => [name, valid(name, value, choices[name]), value]);
  return {
    filter: Object.fromEntries(read.filter(([, value]) => value !== null)),
    ignored: read.filter(([, value]) => value === null).map(([name, , value]) => [name, value]),
  };
}

/** Return a line that says what was left out, nothing if nothing was. */
export const ignoredNote = (ignored) =>
  ignored.length
    ? html`<p class="note-line warn ignored" role="status">Left out, since no filter can be that: ${ignored.map(([name, value]) => `${name}=${shortened(value)}`).join(", ")}</p>`
    : nothing;

function valid(name, value, choices) {
  if (TIMES.includes(name)) return validTime(value);
  if (choices) return choices.includes(value) ? value : null;
  return value.length > MOST || value.includes("\0") ? null : value;
}

const shortened = (value) => (value.length > 60 ? `${value.slice(0, 60)}…` : value);
