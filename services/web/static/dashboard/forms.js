/** Fields, and filters that live in the address. */
import { icon } from "./icons.js";
import { html, ifDefined, live, nothing } from "./lit.js";
import { validTime } from "./reads.js";

const WAIT_MS = 300;

/**
 * Return a labelled field: {name, label, type, value, options, suggestions, placeholder, required, hint, onInput, onChange}.
 *
 * `type` is that of an input, or "select" (options are texts or [value, label]) or "textarea".
 */
export const field = (about) => html`<label class="field">
  <span class="label">${about.label}</span>${control(about)}${about.hint ? html`<span class="hint">${about.hint}</span>` : nothing}
</label>`;

function control({ name, type = "text", value = "", options = [], suggestions = [], placeholder = "", required = false, onInput, onChange }) {
  if (type === "select") {
    return html`<select name=${name} ?required=${required} .value=${live(value)} @change=${onChange}>
      ${options.map((option) => choice(option, value))}
    </select>`;
  }
  if (type === "textarea") {
    return html`<textarea name=${name} rows="3" placeholder=${placeholder} ?required=${required} .value=${live(value)} @input=${onInput} @change=${onChange}></textarea>`;
  }
  const list = suggestions.length ? `${name}-suggestions` : undefined;
  return html`<input name=${name} type=${type} list=${ifDefined(list)} placeholder=${placeholder} ?required=${required} autocomplete="off" spellcheck="false"
    .value=${live(value)} @input=${onInput} @change=${onChange}>
    ${list ? html`<datalist id=${list}>${suggestions.map((text) => html`<option value=${text}></option>`)}</datalist>` : nothing}`;
}

function choice(option, chosen) {
  const [value, label] = Array.isArray(option) ? option : [option, option];
  return html`<option value=${value} ?selected=${value === chosen}>${label}</option>`;
}

/**
 * Return fields that say what the address says, and change it; a text does so while it is typed, as one step back.
 *
 * A field of type "datetime" is local time on the screen and UTC in the address.
 */
export function filterForm(place, fields, { label = "Filters", more = nothing } = {}) {
  const { query } = place;
  const used = fields.filter(({ name }) => query.has(name)).length;
  const clear = () => {
    fields.forEach(({ name }) => forget(place, name));
    place.setQuery(Object.fromEntries(fields.map(({ name }) => [name, null])));
  };
  return html`<form class="filters" role="search" aria-label=${label} @submit=${(event) => event.preventDefault()}>
    <button type="button" class="fold" aria-expanded="false" @click=${unfold}>${icon("filter")}Filters${used ? ` (${used})` : ""}</button>
    ${paired(fields).map((pair) => inOneLine(pair.map((about) => field({ ...about, ...bound(place, about, query.get(about.name) ?? "") }))))}
    <button type="button" class="quiet clear" ?hidden=${!used} @click=${clear}>Clear</button>
    ${more}
  </form>`;
}

// From and to stay beside each other.
function paired(fields) {
  const groups = [];
  for (const about of fields) {
    if (about.type === "datetime" && groups.at(-1)?.at(-1).type === "datetime") groups.at(-1).push(about);
    else groups.push([about]);
  }
  return groups;
}

const inOneLine = (shown) => (shown.length > 1 ? html`<div class="pair">${shown}</div>` : shown);

// Only on a narrow screen, where the fields would push everything down.
function unfold({ currentTarget: button }) {
  button.setAttribute("aria-expanded", String(button.form.classList.toggle("is-open")));
}

function bound(place, { name, type }, value) {
  const set = (text) => place.setQuery({ [name]: text.trim() });
  if (type === "select") return { value, onChange: ({ target }) => set(target.value) };
  if (type === "datetime") {
    return { type: "datetime-local", value: toLocal(value), onChange: ({ target }) => set(toUtc(target.value)) };
  }
  return {
    value: shownText(place, name, value),
    onInput: ({ target }) => later(place, name, target.value, () => put(place, name, target.value.trim())),
    onChange: ({ target }) => {
      put(place, name, target.value.trim());
      forget(place, name);
    },
  };
}

// What one typing did is one step back: its first text is a new address, the following ones take its place.
function put(place, name, text) {
  const draft = draftsOf(place).get(name);
  const isOurs = draft?.put !== undefined && draft.put === (place.query.get(name) ?? "");
  place.setQuery({ [name]: text }, { replace: isOurs });
  if (draft) draft.put = text;
}

// What is being typed, per page: neither a row that comes in nor the address, which is trimmed, may change it.
const typed = new WeakMap();

function draftsOf(place) {
  if (!typed.has(place)) typed.set(place, new Map());
  return typed.get(place);
}

function shownText(place, name, value) {
  const draft = draftsOf(place).get(name);
  return draft && (draft.timer || draft.text.trim() === value) ? draft.text : value;
}

function later(place, name, text, task) {
  const { put: before } = draftsOf(place).get(name) ?? {};
  forget(place, name);
  const draft = { text, put: before, timer: setTimeout(run, WAIT_MS) };
  draftsOf(place).set(name, draft);
  function run() {
    draft.timer = null;
    if (!place.signal.aborted) task();
  }
}

function forget(place, name) {
  clearTimeout(draftsOf(place).get(name)?.timer);
  draftsOf(place).delete(name);
}

function toLocal(iso) {
  if (!validTime(iso)) return "";
  const when = new Date(iso);
  return new Date(when.getTime() - when.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function toUtc(local) {
  const when = new Date(local);
  return Number.isNaN(when.getTime()) ? "" : when.toISOString();
}
