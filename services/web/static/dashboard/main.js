/** The dashboard: sign in, then the page that the address names. */
import { readConfig } from "../config.js";
import { openDoor, showPerson } from "../door.js";
import { announce, byId, showArea } from "../dom.js";
import { createClient, watchPerson } from "../session.js";
import { createApi } from "./api.js";
import { html, render } from "./lit.js";
import { createRouter } from "./router.js";
import { createShell } from "./shell.js";
import { errorState } from "./ui.js";

const RETRY_MS = 3_000;
const MOST_RETRY_MS = 30_000;

const config = readConfig();
const client = createClient(config);
const api = createApi(client);
const shell = createShell();
let close = () => {};

openDoor(client, () => close());
watchPerson(client, (person) => {
  close();
  close = () => {};
  showPerson(person);
  shell.showRole(null);
  showArea(person ? "loading" : "sign-in");
  if (person) close = enter();
  else byId("sign-in-form").elements.email.focus();
});

/** Find out who it is and open the address; returns how to leave. */
function enter() {
  const stay = new AbortController();
  let router = null;
  let failures = 0;

  async function start() {
    try {
      const { id, email, is_admin: isAdmin, is_anonymous: isAnonymous } = await api.get("/api/me", {}, { signal: stay.signal });
      if (stay.signal.aborted) return;
      const mayOpen = ({ isForAdmins }) => isAdmin || !isForAdmins;
      router = createRouter({ container: byId("page"), servicesOf: servicesFor({ id, email, isAdmin, isAnonymous }), mayOpen, ...views });
      shell.showRole({ isAdmin });
      showArea("page");
      router.start();
    } catch (error) {
      if (!stay.signal.aborted) showFailure(error, start, Math.min(++failures * RETRY_MS, MOST_RETRY_MS), stay.signal);
    }
  }

  start();
  return () => {
    stay.abort();
    router?.stop();
    shell.hide();
    // What one person saw must not be there for the next.
    byId("page").replaceChildren();
  };
}

const servicesFor = (person) => (signal) => {
  const showStatus = (status, of) => signal.aborted || shell.showStatus(status, of);
  const showRead = (error) => signal.aborted || shell.showRead(error);
  return { client, api, person, config, announce, showStatus, showRead };
};

const views = {
  onOpen(path) {
    shell.showNav(path);
  },
  onForbidden(root, title) {
    document.title = `${title} · Convohooks`;
    render(
      html`<div class="empty"><h1>${title}</h1><p class="empty-title">This is for admins only</p><p>Your account may see its own events, conversations and endpoints.</p>
        <p><a class="button" href="/dashboard">Go to the overview</a></p></div>`,
      root,
    );
  },
  onMissing(root) {
    document.title = "Not found · Convohooks";
    render(
      html`<div class="empty"><h1>There is no such page</h1><p>The address may be mistyped, or the page has moved.</p>
        <p><a class="button" href="/dashboard">Go to the overview</a></p></div>`,
      root,
    );
  },
  onError(root, error, retry) {
    render(html`<h1>This page did not load</h1>${errorState(error, retry)}`, root);
  },
};

/** Show why it cannot be opened, until the next try: the person's, or one after a pause. */
function showFailure(error, retry, pause, signal) {
  const root = document.createElement("div");
  byId("page").replaceChildren(root);
  showArea("page");
  const ending = new AbortController();
  const again = () => {
    ending.abort();
    retry();
  };
  const timer = setTimeout(again, pause);
  ending.signal.addEventListener("abort", () => clearTimeout(timer));
  signal.addEventListener("abort", () => ending.abort());
  addEventListener("online", again, { signal: ending.signal });
  render(
    html`<header class="head"><h1>The dashboard cannot be opened</h1><p class="hint">It is tried again by itself every few seconds.</p></header>${errorState(error, again)}`,
    root,
  );
}
