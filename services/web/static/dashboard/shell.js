/** What surrounds every page: the navigation, and what the live connection is at. */
import { byId } from "../dom.js";
import { icon } from "./icons.js";
import { html, nothing, render } from "./lit.js";
import { NAV } from "./routes.js";
import { createTrouble } from "./trouble.js";

const STATUS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", polling: "Offline, checking every few seconds" };
const BEST_FIRST = ["live", "connecting", "reconnecting", "polling"];

/** Return what main.js tells the shell. */
export function createShell() {
  const nav = byId("nav");
  const menu = byId("menu");
  const statuses = new Map();
  const trouble = createTrouble();
  let isAdmin = false;

  function setOpen(isOpen) {
    menu.setAttribute("aria-expanded", String(isOpen));
    nav.classList.toggle("is-open", isOpen);
  }

  render(icon("menu"), menu);
  menu.addEventListener("click", () => setOpen(menu.getAttribute("aria-expanded") === "false"));
  document.addEventListener("keydown", ({ key }) => {
    if (key !== "Escape" || !nav.classList.contains("is-open")) return;
    setOpen(false);
    menu.focus();
  });

  function showStatus(status, of = "page") {
    if (!status || status === "stopped") statuses.delete(of);
    else statuses.set(of, status);
    const worst = [...statuses.values()].sort((one, other) => BEST_FIRST.indexOf(other) - BEST_FIRST.indexOf(one))[0];
    const isStale = trouble.sentence() !== "";
    const place = byId("stream-status");
    place.hidden = !worst && !isStale;
    // A connection that lives is of no use while nothing can be read.
    place.dataset.status = isStale ? "polling" : (worst ?? "");
    place.textContent = isStale ? "Not up to date" : (STATUS[worst] ?? "");
  }

  /** Hear how a read of the page went: null, or the error. */
  function showRead(error) {
    trouble.note(error);
    showTrouble();
  }

  function showTrouble() {
    const note = byId("trouble");
    note.textContent = trouble.sentence();
    note.hidden = !note.textContent;
    showStatus(null, "none");
  }

  function leave() {
    statuses.clear();
    trouble.forget();
    showTrouble();
    setOpen(false);
  }

  return {
    showStatus,
    showRead,
    showRole(role) {
      isAdmin = Boolean(role?.isAdmin);
      byId("person-role").hidden = !isAdmin;
    },
    showNav(path) {
      leave();
      nav.hidden = menu.hidden = false;
      render(links(path, isAdmin), nav);
    },
    hide() {
      leave();
      nav.hidden = menu.hidden = true;
    },
  };
}

const links = (path, isAdmin) => html`<ul>
  ${NAV.filter((entry) => isAdmin || !entry.adminOnly).map(
    (entry) => html`<li><a href=${entry.path} aria-current=${isWithin(path, entry.path) ? "page" : nothing}>${icon(entry.icon)}<span>${entry.label}</span></a></li>`,
  )}
</ul>`;

function isWithin(path, entry) {
  const here = path.replace(/\/+$/, "");
  if (entry === "/dashboard") return here === entry;
  if (entry === "/dashboard/endpoints" && here.startsWith("/dashboard/deliveries/")) return true;
  return here === entry || here.startsWith(`${entry}/`);
}
