/** The file of what was found out: all that the filters name, however many pages that is. */
import { allCompletions, asCsv } from "./rows.js";
import { download, errorState, html, nothing, toast } from "../ui.js";

const NUMBER = new Intl.NumberFormat("en");

/** Return {start, view, isRunning} of a page's export; `show` draws the page again. */
export function createExport(place, show) {
  const state = { running: null, count: 0, total: 0, error: null };

  async function start() {
    const running = new AbortController();
    const signal = AbortSignal.any([running.signal, place.signal]);
    Object.assign(state, { running, count: 0, total: 0, error: null });
    show();
    try {
      const rows = await allCompletions(place.client, place.query, { signal, onProgress });
      signal.throwIfAborted();
      download(`qualification-${new Date().toISOString().slice(0, 10)}.csv`, asCsv(rows), "text/csv");
      toast(`${NUMBER.format(rows.length)} ${rows.length === 1 ? "row" : "rows"} exported.`);
    } catch (error) {
      if (!signal.aborted) state.error = error;
    }
    state.running = null;
    show();
  }

  function onProgress(count, total) {
    Object.assign(state, { count, total });
    show();
  }

  function view() {
    if (state.error) return errorState(state.error, start);
    if (!state.running) return nothing;
    const { count, total, running } = state;
    return html`<div class="exporting" role="status">
      <progress aria-label="Export" max=${Math.max(total, 1)} .value=${count}></progress>
      <span>${NUMBER.format(count)} of ${NUMBER.format(total)}</span>
      <button type="button" class="quiet" @click=${() => running.abort()}>Cancel</button>
    </div>`;
  }

  return { start, view, isRunning: () => state.running !== null };
}
