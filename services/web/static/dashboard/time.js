/** Times as people say them, kept true while the page is open. */
import { dateAndTime } from "../format.js";
import { html, nothing } from "./lit.js";

const EVERY_MS = 15_000;
const SECOND_MS = 1_000;
const SOON = 45;
const STEPS = [
  [60, "second", 1],
  [3600, "minute", 60],
  [86_400, "hour", 3600],
  [7 * 86_400, "day", 86_400],
];
const WORDS = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "short" });
const shown = new Set();

/**
 * Return how long ago an ISO time was, with the time itself in its title; nothing for what is no time.
 *
 * `inSeconds` is for what is judged by seconds: then these are counted too.
 */
export const time = (iso, { inSeconds = false } = {}) =>
  iso && !Number.isNaN(Date.parse(iso)) ? html`<time-ago datetime=${iso} ?in-seconds=${inSeconds}></time-ago>` : nothing;

/** Return milliseconds in the unit that suits them. */
export function duration(ms) {
  if (ms === null || ms === undefined || !Number.isFinite(Number(ms))) return "";
  const value = Number(ms);
  if (value < 10) return `${value.toFixed(1)} ms`;
  if (value < 1000) return `${Math.round(value)} ms`;
  if (value < 60_000) return `${(value / 1000).toFixed(1)} s`;
  const seconds = Math.round(value / 1000);
  return seconds < 3600
    ? `${Math.floor(seconds / 60)} min ${seconds % 60} s`
    : `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** Return a time as words: "now", "3 min ago", "in 2 hr", and the date of what is long ago. */
export function ago(iso, { now = Date.now(), inSeconds = false } = {}) {
  const seconds = (Date.parse(iso) - now) / 1000;
  if (inSeconds && seconds > -SOON && seconds <= -1) return WORDS.format(Math.round(seconds), "second");
  if (Math.abs(seconds) < SOON) return seconds > 2 ? "in a moment" : "just now";
  const step = STEPS.find(([below]) => Math.abs(seconds) < below);
  return step ? WORDS.format(Math.round(seconds / step[2]), step[1]) : dateAndTime(iso);
}

class TimeAgo extends HTMLElement {
  static observedAttributes = ["datetime"];

  connectedCallback() {
    shown.add(this);
    this.show();
  }

  disconnectedCallback() {
    shown.delete(this);
  }

  attributeChangedCallback() {
    if (this.isConnected) this.show();
  }

  show() {
    const iso = this.getAttribute("datetime");
    const element = this.firstChild ?? this.appendChild(document.createElement("time"));
    element.dateTime = iso;
    element.title = exact(iso);
    element.textContent = ago(iso, { inSeconds: this.hasAttribute("in-seconds") });
  }
}

function exact(iso) {
  return new Date(iso).toLocaleString([], { dateStyle: "medium", timeStyle: "long" });
}

customElements.define("time-ago", TimeAgo);
setInterval(() => shown.forEach((element) => element.show()), EVERY_MS);
setInterval(() => shown.forEach((element) => element.hasAttribute("in-seconds") && element.show()), SECOND_MS);
