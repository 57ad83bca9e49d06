/** A chart in words: its legend, what is read at a moment, and the table of its numbers. */
import { html, nothing } from "../lit.js";

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const DAY = { weekday: "short", day: "numeric", month: "short" };
const MINUTE = 60;
const HOUR = 3600;

/** Return a line that names the series by their colours; one whose name is null belongs to the one before. */
export const legend = (series) => html`<ul>
  ${series.map(({ label, name = label, tone }) => (name === null ? nothing : html`<li class="tone ${tone}">${name}</li>`))}
</ul>`;

/** Return what is true at one moment. */
export const reading = (shown, index, { kind, format }) => html`
  <p>${moment(shown, index)}</p>
  <dl>
    ${shown.series.map(
      ({ label, tone, isDashed, values }) =>
        html`<div><dt class="tone ${tone} ${isDashed ? "is-dashed" : ""}">${label}</dt><dd>${said(values[index], format)}</dd></div>`,
    )}
    ${kind === "bars" && shown.series.length > 1
      ? html`<div class="sum"><dt>Together</dt><dd>${format(sum(shown.series.map(({ values }) => values[index])))}</dd></div>`
      : nothing}
  </dl>`;

/** Return the same in one sentence, to be heard. */
export function spoken(shown, index, format) {
  const values = shown.series.map(({ label, values }) => `${label} ${said(values[index], format)}`);
  return `${moment(shown, index)}: ${values.join(", ")}`;
}

/** Return all numbers as a table, the newest first. */
export const numbers = (shown, { title, format }) => html`
  <table>
    <caption class="unseen">${title}</caption>
    <thead><tr><th scope="col">Time</th>${shown.series.map(({ label }) => html`<th scope="col">${label}</th>`)}</tr></thead>
    <tbody>
      ${shown.times
        .map(
          (_, index) => html`<tr>
            <th scope="row">${moment(shown, index)}</th>
            ${shown.series.map(({ values }) => html`<td>${said(values[index], format)}</td>`)}
          </tr>`,
        )
        .reverse()}
    </tbody>
  </table>`;

function moment({ times, stepSeconds }, index) {
  const from = new Date(times[index]);
  const until = new Date(from.getTime() + stepSeconds * 1000);
  const day = from.toLocaleDateString([], DAY);
  if (stepSeconds <= MINUTE) return `${day}, ${from.toLocaleTimeString([], CLOCK)}`;
  if (stepSeconds > 12 * HOUR) return day;
  return `${day}, ${from.toLocaleTimeString([], CLOCK)}–${until.toLocaleTimeString([], CLOCK)}`;
}

const said = (value, format) => (value === null || value === undefined ? "–" : format(value));
const sum = (values) => values.reduce((total, value) => total + (value ?? 0), 0);
