/** Figures and bars of the page of operations. */
import { count } from "../overview/numbers.js";
import { duration, html } from "../ui.js";

const MOST = 100_000;

/** Return a figure with what it counts, as a link where there is a list of it. */
export function queue(label, value, path, isBad = false, unit = "") {
  const text = unit === "seconds" ? (value ? duration(value * 1000) : "none") : counted(value);
  const inside = html`<span class="label">${label}</span><strong>${text}</strong>`;
  const style = isBad ? "figure is-bad" : "figure";
  return html`<li>${path ? html`<a href=${path} class=${style}>${inside}</a>` : html`<div class=${style}>${inside}</div>`}</li>`;
}

// The service counts no further.
const counted = (value) => (value >= MOST ? `${count(MOST)}+` : count(value));

/** Return a bar that is full at 1. */
export const meter = (share, label) =>
  html`<meter min="0" max="1" low="0.7" high="0.9" optimum="0" .value=${Math.min(share ?? 0, 1)} aria-label=${label}></meter><p class="hint">${label}</p>`;
