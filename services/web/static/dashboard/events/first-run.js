/** What an empty inbox shows: how to send the first event. */
import { copyButton, html, nothing } from "../ui.js";

const SAMPLES = {
  tavus: "system.replica_joined",
  twilio: "call.incoming",
  stripe: "invoice.paid",
  calendly: "invitee.created",
};

/** Return {senders} by name and address, or {error}. */
export async function senderFacts({ api, signal }) {
  try {
    const { data } = await api.get("/api/webhooks/senders", {}, { signal });
    return { senders: data };
  } catch (error) {
    return { senders: [], error };
  }
}

/** Return the page of steps; it gives way to the list when the first event is there. */
export function firstRun({ config }, told) {
  const { command = "convohooks" } = config;
  const ready = (told?.senders ?? []).filter(({ configured }) => configured);
  const base = (config.baseUrl || location.origin).replace(/\/+$/, "");
  return html`<section class="first" aria-labelledby="first-title">
    <h2 id="first-title">Send the first event</h2>
    <p class="waiting-line" role="status"><span class="pulse" aria-hidden="true"></span>Nothing has come in yet. This page turns into the live list as soon as something does.</p>
    ${told?.isLoading ? nothing : ready.length ? steps(ready, base, command) : unready(base)}
  </section>`;
}

const steps = (senders, base, command) => html`<article class="card">
    <h3>Try it with a sample</h3>
    <p>Signed as its sender would sign it. Run one of these where the service runs, in the directory of its settings:</p>
    ${lines(senders, ({ source }) => `${command} send ${source} ${SAMPLES[source] ?? "all"} --fresh`)}
  </article>
  <article class="card">
    <h3>Then let the sender call</h3>
    <p>Each sender is given its address once:</p>
    ${lines(senders, ({ paths }) => base + paths[0])}
  </article>`;

const lines = (senders, text) => html`<dl>
  ${senders.map((sender) => html`<div><dt>${sender.source}</dt><dd>${line(text(sender))}</dd></div>`)}
</dl>`;

const unready = (base) => html`<article class="card">
  <h3>No sender is set up yet</h3>
  <p>Give the service the secret of a sender in its settings, then start it anew. The addresses that senders are to call begin with:</p>
  ${line(base)}
  <p><a href="/dashboard/senders">See what each sender needs</a></p>
</article>`;

const line = (text) => html`<div class="line-of-code"><code>${text}</code>${copyButton(text)}</div>`;
