/** Which kind of process does not run anywhere. */
import { html, icon, nothing } from "../ui.js";

const WITHOUT = {
  web: "No webhook is taken while it does not run. Start it: gunicorn -c gunicorn.conf.py \"app:create_app()\".",
  worker: "Nothing is tried again and nothing is delivered while none runs. Start one: convohooks worker.",
};

/** Return a notice for each kind of process of which none runs. */
export function missing(processes) {
  const dead = Object.keys(WITHOUT).filter((kind) => !processes.some((process) => process.kind === kind && process.alive));
  if (!dead.length) return nothing;
  return html`<section class="incidents" aria-label="What does not run">
    ${dead.map(
      (kind) => html`<article class="incident" data-severity="critical">
        ${icon("stop")}
        <div><h2>${kind === "worker" ? "No worker is running" : "The web service is not running"}</h2><p>${WITHOUT[kind]}</p></div>
      </article>`,
    )}
  </section>`;
}
