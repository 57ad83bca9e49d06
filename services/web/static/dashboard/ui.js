/** What pages are built of. All text goes through bindings of lit: what it holds came from outside. */
export { html, nothing, render, repeat, live, classMap, guard, keyed, ref, svg, ifDefined } from "./lit.js";
export { icon } from "./icons.js";
export { badge, emptyState, errorState, loading, pager, table, facts } from "./parts.js";
export { time, duration } from "./time.js";
export { json } from "./json.js";
export { confirm, toast } from "./dialog.js";
export { copyButton, download } from "./files.js";
export { field, filterForm } from "./forms.js";
