const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const WORDS = /[_\s]+/g;

/** Return a time of day, or nothing for what is no time. */
export function clock(text) {
  const time = new Date(text ?? NaN);
  return Number.isNaN(time.getTime()) ? "" : time.toLocaleTimeString([], CLOCK);
}

/** Return date and time, or nothing for what is no time. */
export function dateAndTime(text) {
  const time = new Date(text ?? NaN);
  return Number.isNaN(time.getTime()) ? "" : time.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/** Return seconds as minutes and seconds. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  const minutes = Math.floor(seconds / 60);
  const rest = String(Math.round(seconds) % 60).padStart(2, "0");
  return minutes ? `${minutes}:${rest} min` : `${Math.round(seconds)} s`;
}

/** Return a name from a machine as words: participant_left → "Participant left". */
export function words(name) {
  const text = String(name ?? "").replace(WORDS, " ").trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Return any value as one line of text. */
export function plain(value) {
  return typeof value === "string" ? value : JSON.stringify(value) ?? "";
}

/** Return a text that is no longer than that. */
export function shortened(text, length = 160) {
  return text.length > length ? `${text.slice(0, length - 1).trimEnd()}…` : text;
}
