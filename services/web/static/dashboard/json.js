/** JSON as people read it. */
import { html } from "./lit.js";

const MOST_COLOURED = 60_000;
const TOKEN = /("(?:\\.|[^"\\])*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** Return any value as indented JSON; texts stay texts, whatever they hold. */
export function json(value, { label = "JSON" } = {}) {
  const text = JSON.stringify(value, null, 2) ?? "null";
  return html`<pre class="json" tabindex="0" role="region" aria-label=${label}>${text.length > MOST_COLOURED ? text : coloured(text)}</pre>`;
}

function coloured(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > end) parts.push(text.slice(end, match.index));
    parts.push(token(match));
    end = match.index + match[0].length;
  }
  parts.push(text.slice(end));
  return parts;
}

function token([whole, string, colon]) {
  if (string) return html`<span class=${colon ? "key" : "string"}>${string}</span>${colon ?? ""}`;
  return html`<span class="literal">${whole}</span>`;
}

/** Parse JSON so that numbers stay as they were written, to be shown: long ids would be rounded. */
export const parseExactly = (text) => parse(text, (value, source) => String(value) !== source);

/** Parse JSON so that only whole numbers which JavaScript cannot hold are kept as they were written. */
export const parseBig = (text) => parse(text, (value) => Number.isInteger(value) && !Number.isSafeInteger(value));

function parse(text, isKept) {
  if (!JSON.rawJSON) return JSON.parse(text);
  return JSON.parse(text, (_key, value, { source } = {}) => (typeof value === "number" && isKept(value, source) ? JSON.rawJSON(source) : value));
}
