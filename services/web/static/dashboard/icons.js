/** Small drawings in a box of 16 by 16, as paths of a pen. */
import { html } from "./lit.js";

const PATHS = {
  chart: "M2 13.5h12M4 11V8M8 11V3M12 11V6",
  pulse: "M1.500 8.500h3l2-5.500 3 10 2-4.500h3",
  speech: "M2.500 3h11v7.500h-6l-3 2.500v-2.500h-2z",
  check: "M2.500 2.500h11v11h-11zM5 8l2.200 2.200L11 6",
  send: "M14 2 7 9M14 2 9.500 14 7 9 2 6.500z",
  stop: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 5v3.500M8 11v.1",
  inbox: "M2 9h3.500l1 2h3l1-2H14M2 9v4h12V9l-2.500-6h-7z",
  gear: "M2 4.500h7M12 4.500h2M2 11.500h2M7 11.500h7M10.500 3v3M5.500 10v3",
  filter: "M2 3h12L9.500 8.500V13l-3-1.500v-3z",
  menu: "M2 4h12M2 8h12M2 12h12",
  close: "M3.500 3.500l9 9M12.500 3.500l-9 9",
  replay: "M3 8a5 5 0 1 0 1.500-3.500L3 6M3 2.500V6h3.500",
  copy: "M5.500 5.500h8v8h-8zM10.500 5.500v-3h-8v8h3",
  download: "M8 2v8M4.500 6.500 8 10l3.500-3.500M2.500 13.500h11",
  pause: "M5.500 3.500v9M10.500 3.500v9",
  play: "M5 3l8 5-8 5z",
  back: "M9.500 3.500 5 8l4.500 4.500",
  trash: "M2.500 4h11M6 4V2.500h4V4M4 4l.7 9.500h6.600L12 4M6.700 6.700v4M9.300 6.700v4",
};

/** Return an icon, which says nothing to those who do not see it. */
export const icon = (name) => html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
  <path d=${PATHS[name] ?? ""}></path>
</svg>`;
