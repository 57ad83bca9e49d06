/** One event: what came, what it did, how each attempt went. */
import { watchEvent } from "../events/one.js";
import { eventView, missingView } from "../events/event-view.js";
import { shownView } from "../events/shown-view.js";
import { errorState, html, loading, render } from "../ui.js";

export const page = { title: "Event", open };

function open(place) {
  const draw = () => render(view(place, one), place.root);
  const one = watchEvent(place, draw);
  place.onQuery(draw);
  draw();
  return one.load();
}

function view(place, one) {
  const { event, shown, error } = one.state;
  if (event) return eventView(place, one);
  if (shown) return shownView(place, shown);
  if (error?.status === 404) return missingView();
  const title = html`<header class="head"><h1>Event</h1></header>`;
  return error ? html`${title}${errorState(error, one.load)}` : html`${title}${loading(8)}`;
}
