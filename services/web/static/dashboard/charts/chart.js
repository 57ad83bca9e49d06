/** Charts over time, drawn by uPlot in our colours; read by pointer, by arrow keys, and as a table. */
import uPlot from "../../vendor/uplot-1.6.32.js";
import { legend, numbers, reading, spoken } from "./parts.js";
import { drawing } from "./drawing.js";
import { html, render } from "../lit.js";

const HEIGHT = 190;
const KEYS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };
const dark = matchMedia("(prefers-color-scheme: dark)");

/**
 * Put a chart into an element; returns {update, stop}.
 *
 * `kind` is "bars", one on top of the other, or "lines". `format(number)` says a value in words. A chart of lines begins at
 * zero, or ends at `most` when that is given. Charts of one `group` point at the same time together. `update({times, stepSeconds, series: [{label, tone, values, isDashed?}]})` shows
 * numbers; null leaves a gap.
 */
export function createChart(root, { title, hint, kind, format, most, group }) {
  let shown = null;
  let plot = null;
  let pointed = null;
  render(frame(title, hint), root);
  const [canvas, tip, voice] = [".plot", ".tip", ".voice"].map((name) => root.querySelector(name));
  const [key, table] = [".legend", "details"].map((name) => root.querySelector(name));

  function draw() {
    plot?.destroy();
    const size = { width: canvas.clientWidth, height: HEIGHT };
    const drawn = drawing(shown, { kind, format, most, group, root, size, onPoint });
    plot = new uPlot(drawn.options, drawn.data, canvas);
  }

  function update(data) {
    const isSame = plot && shapeOf(data) === shapeOf(shown);
    shown = data;
    if (isSame) plot.setData(drawing(shown, { kind, format, most, group, root, onPoint }).data);
    else draw();
    root.classList.toggle("is-empty", !shown.series.some(({ values }) => values.some(Boolean)));
    render(legend(shown.series), key);
    if (table.open) showTable();
    point(pointed);
  }

  function onPoint(index) {
    const isHere = canvas.matches(":hover") || canvas === document.activeElement;
    point(isHere ? index : null);
  }

  function point(index) {
    pointed = index;
    tip.hidden = index === null || index === undefined;
    if (tip.hidden) return;
    render(reading(shown, index, { kind, format }), tip);
    const left = plot.valToPos(plot.data[0][index], "x") + plot.over.offsetLeft;
    tip.classList.toggle("is-left", left > canvas.clientWidth / 2);
    tip.style.translate = `${Math.round(left)}px 0`;
  }

  function step(event) {
    if (event.key === "Escape") plot?.setCursor({ left: -10, top: -10 });
    const by = KEYS[event.key];
    if (by === undefined || !shown) return;
    event.preventDefault();
    const last = shown.times.length - 1;
    const index = Math.min(Math.max((pointed ?? last + 1) + by, 0), last);
    plot.setCursor({ left: plot.valToPos(plot.data[0][index], "x"), top: 0 });
    point(index);
    voice.textContent = spoken(shown, index, format);
  }

  function leave() {
    voice.textContent = "";
    plot?.setCursor({ left: -10, top: -10 });
  }

  const showTable = () => shown && render(numbers(shown, { title, format }), table.querySelector(".numbers"));
  const resize = new ResizeObserver(() => plot?.setSize({ width: canvas.clientWidth, height: HEIGHT }));
  const recolour = () => shown && draw();
  canvas.addEventListener("keydown", step);
  canvas.addEventListener("blur", leave);
  table.addEventListener("toggle", showTable);
  dark.addEventListener("change", recolour);
  resize.observe(canvas);

  function stop() {
    dark.removeEventListener("change", recolour);
    resize.disconnect();
    plot?.destroy();
    plot = null;
  }

  return { update, stop };
}

// What cannot change without drawing anew.
const shapeOf = ({ times, stepSeconds, series }) =>
  JSON.stringify([stepSeconds, times.length, series.map(({ label, tone, isDashed }) => [label, tone, isDashed])]);

const frame = (title, hint) => html`
  <figure class="chart">
    <figcaption><h2>${title}</h2><p class="hint">${hint}</p></figcaption>
    <div class="legend"></div>
    <div class="area">
      <div class="plot" tabindex="0" role="group" aria-roledescription="chart" aria-label="${title}. Arrow keys read its values."></div>
      <p class="nothing">Nothing in this time</p>
      <div class="tip" hidden></div>
    </div>
    <p class="voice unseen" aria-live="polite"></p>
    <details><summary>Show the numbers</summary><div class="numbers" tabindex="0" role="region" aria-label="${title}, the numbers"></div></details>
  </figure>`;
