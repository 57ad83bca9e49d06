/** What uPlot is told: the data as it is drawn, axes, colours of the page. */
import uPlot from "../../vendor/uplot-1.6.32.js";

const DAY = 86400;
const WHOLE = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 1e7, 1e8];
const MARGIN = 1.08;
const BRIDGED = 3;

/** Return {options, data} for uPlot. */
export function drawing(shown, { kind, format, most, group, root, size, onPoint }) {
  const colour = coloursOf(root);
  const layers = kind === "bars" ? stacked(shown.series) : shown.series;
  const middle = shown.stepSeconds / 2;
  const times = shown.times.map((time) => Date.parse(time) / 1000 + middle);
  const options = {
    ...size,
    padding: [8, 4, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: group }, drag: { x: false, y: false }, y: false, points: { show: kind === "lines", size: 7 } },
    scales: {
      x: { time: true, range: (_, low, high) => [low - middle, high + middle] },
      y: { range: (_, low, high) => (most === undefined ? upwards(high) : downwards(low, most)) },
    },
    axes: [axis(colour, { values: dates, space: 64, size: 26 }), axis(colour, { ...valuesOf(kind, format), size: 52, space: 32 })],
    series: [{}, ...layers.map((layer) => line(layer, kind, colour))],
    hooks: { setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)] },
  };
  return { options, data: [times, ...layers.map(({ values }) => values)] };
}

/** Return layers that draw bars on top of each other: the sums, the highest first, each covered by the next. */
function stacked(series) {
  let sums = [];
  const layers = series.map((layer) => {
    sums = layer.values.map((value, index) => (value ?? 0) + (sums[index] ?? 0));
    return { ...layer, values: sums };
  });
  return layers.reverse();
}

const upwards = (high) => [0, high * MARGIN || 1];

// So that little losses are seen: at least a hundredth, at most everything.
function downwards(low, most) {
  const depth = Math.min(Math.max((most - (low ?? most)) * 1.5, most / 100), most);
  return [most - depth, most + depth / 20];
}

function line({ label, tone, isDashed }, kind, colour) {
  const paint = () => colour(`--${tone}`);
  if (kind === "bars") {
    return { label, fill: paint, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.78, 40] }) };
  }
  const points = { show: alone, size: 5, fill: paint, width: 0 };
  return { label, stroke: paint, width: isDashed ? 1.5 : 2, dash: isDashed ? [4, 4] : undefined, points, gaps: longGaps };
}

/** Keep the gaps that say something: a line goes on over a few steps in which nothing came. */
function longGaps(plot, index, first, last, gaps) {
  const [one, other] = plot.data[0].slice(0, 2).map((time) => plot.valToPos(time, "x", true));
  return gaps.filter(([from, to]) => to - from > (other - one) * (BRIDGED + 1.5));
}

/** Show a point where there is no line: a value with long gaps on both sides. */
function alone(plot, index, first, last) {
  const values = plot.data[index];
  const isValue = (value) => value !== null && value !== undefined;
  const places = [];
  for (let at = first; at <= last; at += 1) {
    const near = values.slice(Math.max(at - BRIDGED - 1, 0), at + BRIDGED + 2);
    if (isValue(values[at]) && near.filter(isValue).length === 1) places.push(at);
  }
  return places.length ? places : false;
}

function axis(colour, more) {
  return {
    stroke: () => colour("--soft"),
    font: `11px ${getComputedStyle(document.body).fontFamily}`,
    grid: { stroke: () => colour("--line"), width: 1 },
    ticks: { show: false },
    gap: 6,
    ...more,
  };
}

const valuesOf = (kind, format) => ({
  ...(kind === "bars" && { incrs: WHOLE }),
  values: (_, splits) => splits.map((value) => format(value)),
});

function dates(_, splits, _axis, _space, step) {
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const day = { month: "short", day: "numeric" };
  return splits.map((seconds) => {
    const time = new Date(seconds * 1000);
    const isMidnight = time.getHours() === 0 && time.getMinutes() === 0;
    return time.toLocaleString([], step >= DAY || isMidnight ? day : clock);
  });
}

// The page's colours, which follow its scheme.
function coloursOf(root) {
  const style = getComputedStyle(root);
  return (name) => style.getPropertyValue(name).trim();
}
