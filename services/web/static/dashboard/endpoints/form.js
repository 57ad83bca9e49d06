/** The form of an endpoint, and what it says as the API takes it. */
import { EVENT_TYPES } from "./parts.js";
import { field, guard, html, nothing } from "../ui.js";

const LINES = /\r?\n/;

/** Return the form; `endpoint` is null for a new one, `problem` what the API said of the last try. */
export const endpointForm = ({ endpoint, problem, isBusy, onSave, onCancel }) => html`<form
    class="card endpoint-form" aria-label=${endpoint ? "Change the endpoint" : "New endpoint"} @submit=${submitted(onSave)}>
  <h2>${endpoint ? "Change the endpoint" : "New endpoint"}</h2>
  ${
    // What is typed stays, whatever else on the page changes.
    guard([], () => fields(endpoint ?? {}))
  }
  ${problem ? html`<p class="problem" role="alert">${problem}</p>` : nothing}
  <p class="buttons">
    <button type="submit" class="main" ?disabled=${isBusy}>${endpoint ? "Save" : "Make the endpoint"}</button>
    <button type="button" @click=${onCancel}>Cancel</button>
  </p>
</form>`;

const fields = (endpoint) => html`
  ${field({ name: "url", label: "URL", type: "url", value: text(endpoint.url), required: true, placeholder: "https://hooks.example.com/convohooks" })}
  ${field({ name: "description", label: "Description", value: text(endpoint.description), placeholder: "What listens there" })}
  <fieldset>
    <legend>Events <span class="hint">none ticked: all, later ones too</span></legend>
    <div class="choices">${EVENT_TYPES.map((type) => choice(type, endpoint.event_types?.includes(type) ?? false))}</div>
  </fieldset>
  <details ?open=${hasMore(endpoint)}>
    <summary>Limits, retries, headers</summary>
    <div class="more">${more(endpoint)}</div>
  </details>`;

const choice = (type, isChosen) =>
  html`<label><input type="checkbox" name="event_types" value=${type} ?checked=${isChosen}> <code>${type}</code></label>`;

const more = (endpoint) => html`
  ${field({ name: "rate_per_minute", label: "Attempts a minute", type: "number", value: text(endpoint.rate_per_minute), placeholder: "the service's own" })}
  ${field({ name: "concurrency", label: "At once", type: "number", value: text(endpoint.concurrency), placeholder: "the service's own" })}
  ${field({ name: "retry_schedule", label: "Seconds before each retry", value: (endpoint.retry_schedule ?? []).join(", "), placeholder: "4, 8, 10" })}
  ${field({ name: "headers", label: "Headers, one a line; a name alone keeps what it says", type: "textarea", value: lines(endpoint.headers), placeholder: "X-Tenant: 42" })}
  <label class="check"><input type="checkbox" name="ordered" ?checked=${endpoint.ordered ?? false}> One after the other, in order</label>`;

const hasMore = ({ rate_per_minute: rate, concurrency, retry_schedule: schedule, ordered, headers = {} }) =>
  Boolean(rate || concurrency || schedule || ordered || Object.keys(headers).length);

const text = (value) => String(value ?? "");
const lines = (headers = {}) => Object.keys(headers).join("\n");

const submitted = (onSave) => (event) => {
  event.preventDefault();
  onSave(readForm(new FormData(event.target)));
};

/** Return what a form says as the API's fields; what was left empty stands for the default. */
function readForm(form) {
  const types = form.getAll("event_types");
  return {
    url: form.get("url").trim(),
    description: form.get("description").trim() || null,
    event_types: types.length ? types : null,
    rate_per_minute: number(form.get("rate_per_minute")),
    concurrency: number(form.get("concurrency")),
    retry_schedule: waits(form.get("retry_schedule")),
    headers: headers(form.get("headers")),
    ordered: form.has("ordered"),
  };
}

// What is no number goes to the API as it is, which says what is wrong with it.
const number = (value) => (value.trim() === "" ? null : Number.isNaN(Number(value)) ? value : Number(value));

const waits = (value) => (value.trim() === "" ? null : value.split(/[\s,;]+/).filter(Boolean).map(number));

function headers(value) {
  const pairs = value.split(LINES).filter((line) => line.trim()).map((line) => {
    const [name, ...rest] = line.split(":");
    // What a header says is shown to nobody again: null keeps it.
    return [name.trim(), rest.length ? rest.join(":").trim() : null];
  });
  return Object.fromEntries(pairs);
}
