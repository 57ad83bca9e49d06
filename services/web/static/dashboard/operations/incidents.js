/** What is wrong just now, or has been. */
import { html, icon, nothing, time } from "../ui.js";

/** Return a notice for each incident that has not ended. */
export function openIncidents(incidents = []) {
  const open = (incidents ?? []).filter(({ ended_at: endedAt }) => !endedAt);
  if (!open.length) return nothing;
  return html`<section class="incidents" aria-label="Open incidents">
    ${open.map(
      ({ title, detail, began_at: began, severity }) => html`<article class="incident" data-severity=${severity ?? "warning"}>
        ${icon("stop")}
        <div><h2>${title}</h2><p>${detail}</p></div>
        <p class="hint">since ${time(began)}</p>
      </article>`,
    )}
  </section>`;
}
