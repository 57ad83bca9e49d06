/** The link above an event's page, to where the person came from. */
import { NAV, pageOf } from "../routes.js";
import { html, icon } from "../ui.js";

const EVENTS = ["/dashboard/events", "Events"];

/** Return the link. */
export function crumb({ cameFrom }) {
  const [path, label] = origin(cameFrom) ?? EVENTS;
  return html`<a class="crumb" href=${path}>${icon("back")}${label}</a>`;
}

function origin(from) {
  const path = from?.split("?")[0] ?? "";
  const found = path.startsWith("/dashboard") ? pageOf(path) : null;
  if (!found || found.name === "event") return null;
  const entry = NAV.find((known) => known.path === path.replace(/\/+$/, ""));
  const label = entry?.label ?? { conversation: "Conversation", endpoint: "Endpoint", delivery: "Delivery" }[found.name];
  return label ? [from, label] : null;
}
