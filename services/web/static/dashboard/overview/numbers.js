/** What the overview makes of the statistics: the figures on top and the lines of its charts. */
import { duration } from "../time.js";

const MOST_SOURCES = 6;
const OTHER = "Other";
const TONES = ["chart-1", "chart-2", "chart-3", "chart-4", "chart-5", "chart-6"];
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const WHOLE = new Intl.NumberFormat("en");

/** The spans of time that the overview knows, by their name in the address. */
export const SPANS = { hour: { hours: 1, label: "Hour" }, day: { hours: 24, label: "Day" }, week: { hours: 168, label: "Week" } };

export const count = (value) => (value === null || value === undefined ? "–" : WHOLE.format(value));
export const short = (value) => COMPACT.format(value);
export const time = (value) => (value === null || value === undefined ? "–" : duration(value).replace(".0 ", " "));

/** Return a share of 1 in percent, never rounded up to a whole that it is not. */
export function percent(share) {
  if (share === null || share === undefined) return "–";
  const tenths = Math.floor(share * 1000 + 1e-9) / 10;
  return `${tenths.toFixed(Number.isInteger(tenths) ? 0 : 1)} %`;
}

/** The charts, in order: how each is drawn and what it is made of. `isAdmin` ones are made of what admins alone see. */
export const CHARTS = [
  { name: "events", title: "Events", hint: "Received, by sender", kind: "bars", format: short, series: eventsBySource },
  { name: "success", title: "Success rate", hint: "Events that were processed at once", kind: "lines", format: percent, most: 1, series: successRate, isAdmin: true },
  { name: "time", title: "Processing time", hint: "p95, and p50 dashed", kind: "lines", format: time, series: processingTime },
  { name: "retries", title: "Failures and retries", hint: "Events that failed, and were tried again", kind: "bars", format: short, series: retries, isAdmin: true },
  { name: "deliveries", title: "Deliveries", hint: "Attempts to tell your endpoints", kind: "bars", format: short, series: deliveries },
  { name: "delivery-time", title: "Delivery time", hint: "Until an endpoint has answered, p95", kind: "lines", format: time, series: deliveryTime },
];

/** Return what a chart shows of statistics. */
export function drawn(chart, statistics) {
  const { times, step_seconds: stepSeconds } = statistics;
  return { times, stepSeconds, series: chart.series(statistics) };
}

function eventsBySource({ sources, times }) {
  return busiest(sources).map(([label, { received }], index) => ({ label, tone: toneOf(label, index), values: received ?? times.map(() => 0) }));
}

function successRate({ sources, times }) {
  const rates = times.map((_, index) => {
    const received = total(sources, "received", index);
    return received ? Math.max(0, 1 - total(sources, "failed", index) / received) : null;
  });
  return [{ label: "Success rate", tone: "good", values: rates }];
}

function processingTime({ sources }) {
  return busiest(sources)
    .filter(([label]) => label !== OTHER)
    .flatMap(([label, { p50_ms: half, p95_ms: most }], index) => [
      { label: `${label} p95`, name: label, tone: toneOf(label, index), values: most },
      { label: `${label} p50`, name: null, tone: toneOf(label, index), values: half, isDashed: true },
    ]);
}

function retries({ sources, times, retries: again }) {
  const failed = times.map((_, index) => total(sources, "failed", index));
  return [
    { label: "Failed", tone: "bad", values: failed },
    { label: "Retried", tone: "chart-3", values: again },
  ];
}

function deliveries({ deliveries: { delivered, failed } }) {
  return [
    { label: "Delivered", tone: "chart-1", values: delivered },
    { label: "Failed", tone: "bad", values: failed },
  ];
}

function deliveryTime({ deliveries: { p95_ms: values } }) {
  return [{ label: "p95", tone: "chart-2", values }];
}

// The colour of a source stays its own while others come and go: sources are told in order of their names.
function busiest(sources) {
  const all = Object.entries(sources).sort(([one], [other]) => one.localeCompare(other));
  if (all.length <= MOST_SOURCES) return all;
  const sizes = new Map(all.map(([name, { received }]) => [name, received.reduce((sum, n) => sum + n, 0)]));
  const kept = [...sizes].sort(([, one], [, other]) => other - one).slice(0, MOST_SOURCES - 1).map(([name]) => name);
  const rest = all.filter(([name]) => !kept.includes(name));
  const received = rest[0][1].received.map((_, index) => rest.reduce((sum, [, counts]) => sum + counts.received[index], 0));
  return [...all.filter(([name]) => kept.includes(name)), [OTHER, { received }]];
}

const toneOf = (label, index) => (label === OTHER ? "soft" : TONES[index % TONES.length]);

const total = (sources, column, index) => Object.values(sources).reduce((sum, counts) => sum + (counts[column][index] ?? 0), 0);
