/** What an owner may do with an endpoint, each with its question and its note. */
import { EVENT_TYPES } from "./parts.js";
import { confirm, field, html, toast } from "../ui.js";

const HOUR = 3_600_000;
const OVERLAPS = [
  ["86400", "a day"],
  ["3600", "an hour"],
  ["604800", "a week"],
  ["0", "not at all: the old one has leaked"],
];

/** Return the actions; `done(news)` hears what has changed, `failed(error)` why something has not. */
export function endpointActions(place, path, { done = () => {}, failed }) {
  const { api, navigate } = place;
  const attempt = (task) => async (...given) => {
    try {
      await task(...given);
    } catch (error) {
      if (error.name !== "ApiError") throw error;
      failed(error);
    }
  };
  return {
    save: attempt(async (fields) => done({ endpoint: await api.patch(path, fields), form: null, note: "Saved." })),
    test: attempt(async (eventType) => {
      await api.post(`${path}/test`, eventType ? { event_type: eventType } : {});
      toast("A test event is on its way.");
    }),
    turn: attempt(async (disabled) => {
      if (disabled && !(await confirm(DISABLE))) return;
      done({ endpoint: await api.patch(path, { disabled }), note: disabled ? "Disabled." : "Enabled. What has waited goes out." });
    }),
    rotate: attempt(async () => {
      const wanted = { overlap: OVERLAPS[0][0] };
      if (!(await confirm(rotation(wanted)))) return;
      done({ rotated: await api.post(`${path}/rotate-secret`, { overlap_seconds: Number(wanted.overlap) }) });
    }),
    remove: attempt(async (url) => {
      if (!(await confirm(removal(url)))) return;
      await api.delete(path);
      toast("Deleted.");
      navigate("/dashboard/endpoints");
    }),
    resend: attempt(async (delivery) => {
      const again = await api.post(`${path}/deliveries/${delivery.id}/resend`);
      toast("It goes out again.");
      done({ again });
    }),
    resendFailed: attempt(async () => {
      const wanted = { since: new Date(Date.now() - 24 * HOUR).toISOString() };
      if (!(await confirm(resending(wanted)))) return;
      const { resent } = await api.post(`${path}/resend-failed`, { since: wanted.since });
      toast(resent === 1 ? "One delivery goes out again." : `${resent} deliveries go out again.`);
      done({ resent });
    }),
  };
}

/** Return the control that sends a test event of a type that is chosen. */
export function testControl({ event_types: types }, send) {
  const offered = types ?? EVENT_TYPES;
  const onSubmit = (event) => {
    event.preventDefault();
    send(new FormData(event.target).get("test_type"));
  };
  return html`<form class="test" @submit=${onSubmit}>
    <select name="test_type" aria-label="Type of the test event">${offered.map((type) => html`<option value=${type}>${type}</option>`)}</select>
    <button type="submit">Send a test</button>
  </form>`;
}

const DISABLE = {
  title: "Disable this endpoint?",
  text: "Nothing more is sent. What happens meanwhile is not kept for it; what waits already goes out once it is enabled again.",
  action: "Disable",
};

const rotation = (wanted) => ({
  title: "Make a new secret?",
  text: html`<p>Each webhook is then signed with the new one, and for a while with the old one too, so that your receiver can change over.</p>
    ${field({ name: "overlap", label: "The old one still signs for", type: "select", options: OVERLAPS, value: wanted.overlap, onChange: ({ target }) => (wanted.overlap = target.value) })}`,
  action: "Make a new secret",
});

const removal = (url) => ({
  title: "Delete this endpoint?",
  text: html`<p>${url} hears nothing more. Its deliveries and their log are deleted with it, those that wait too. This cannot be undone.</p>`,
  action: "Delete",
  isDangerous: true,
});

const resending = (wanted) => ({
  title: "Send what has failed again?",
  text: html`<p>Each delivery that failed for good since then goes out again, under the same webhook-id.</p>
    ${field({ name: "since", label: "Since", type: "datetime-local", value: local(wanted.since), onChange: ({ target }) => (wanted.since = utc(target.value, wanted.since)) })}`,
  action: "Resend all",
});

const local = (iso) => new Date(Date.parse(iso) - new Date(iso).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

function utc(text, otherwise) {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? otherwise : at.toISOString();
}
