/** Addresses below /dashboard: which page is open, what its query says, back and forward. */
import { load, pageOf } from "./routes.js";

const HOME = "/dashboard";

/**
 * Return {start, stop, navigate}.
 *
 * `servicesOf(signal)` gives a page what it works with besides the address; `mayOpen(found)` says whether this person may;
 * `onOpen(path)` hears of each page that opens; `onMissing(root)`, `onForbidden(root, title)` and `onError(root, error, retry)`
 * show what is no page, what is not theirs, and what did not load.
 */
export function createRouter({ container, servicesOf, mayOpen, onOpen, onMissing, onForbidden, onError }) {
  let visit = null;

  function open() {
    visit?.leave();
    visit = createVisit(container);
    onOpen(location.pathname);
    show(visit);
  }

  async function show(current) {
    const found = pageOf(location.pathname);
    const { root, signal } = current;
    try {
      if (!found) return await settle(current, () => onMissing(root));
      const page = await load(found.name);
      if (signal.aborted) return;
      if (!mayOpen(found)) return await settle(current, () => onForbidden(root, page.title));
      document.title = `${page.title} · Convohooks`;
      const place = Object.assign(current.place, servicesOf(signal), { params: found.params, navigate });
      await settle(current, () => page.open(place));
    } catch (error) {
      if (!signal.aborted) settle(current, () => onError(root, error, open));
    }
  }

  function navigate(path, { replace = false } = {}) {
    history[replace ? "replaceState" : "pushState"](replace ? history.state : { from: location.pathname + location.search }, "", path);
    open();
  }

  function onPopState() {
    // Another query of the same page is the page's own matter.
    if (visit?.path === location.pathname) visit.tell();
    else open();
  }

  function onClick(event) {
    const link = event.target.closest?.("a[href]");
    if (!link || !isOurs(link, event)) return;
    event.preventDefault();
    if (link.href !== location.href) navigate(link.pathname + link.search);
    else focusTitle(container);
  }

  return {
    navigate,
    start() {
      addEventListener("popstate", onPopState);
      document.addEventListener("click", onClick);
      open();
    },
    stop() {
      removeEventListener("popstate", onPopState);
      document.removeEventListener("click", onClick);
      visit?.leave();
      visit = null;
    },
  };
}

function createVisit(container) {
  const leaving = new AbortController();
  const { signal } = leaving;
  const root = document.createElement("div");
  const listeners = new Set();
  container.replaceChildren(root);
  scrollTo(0, 0);

  const place = {
    root,
    signal,
    get query() {
      return new URLSearchParams(location.search);
    },
    setQuery(changes, { replace = false } = {}) {
      if (signal.aborted) return;
      const path = location.pathname + changed(changes);
      if (path === location.pathname + location.search) return;
      history[replace ? "replaceState" : "pushState"](history.state, "", path);
      tell();
    },
    /** The address of the page that led here, null where none did. */
    get cameFrom() {
      return history.state?.from ?? null;
    },
    onQuery(listener) {
      listeners.add(listener);
    },
  };
  const tell = () => listeners.forEach((listener) => listener(place.query));
  const leave = () => {
    leaving.abort();
    root.remove();
  };
  return { root, signal, place, tell, leave, path: location.pathname };
}

function changed(changes) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") query.delete(name);
    else query.set(name, value);
  }
  return query.size ? `?${query}` : "";
}

/** Run what shows a page, then move the focus to its title, as a browser does with a new document. */
async function settle({ root, signal }, task) {
  const shown = task();
  const seen = () => !signal.aborted && focusTitle(root);
  if (!seen()) {
    const watch = new MutationObserver(() => seen() && watch.disconnect());
    watch.observe(root, { childList: true, subtree: true });
    signal.addEventListener("abort", () => watch.disconnect());
  }
  await shown;
}

function focusTitle(root) {
  const title = root.querySelector("h1");
  if (!title) return false;
  title.tabIndex = -1;
  title.focus({ preventScroll: true });
  return true;
}

function isOurs(link, event) {
  const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
  const isHere = link.origin === location.origin && (link.pathname === HOME || link.pathname.startsWith(`${HOME}/`));
  const staysHere = link.getAttribute("href").startsWith("#");
  return isPlain && isHere && !staysHere && !event.defaultPrevented && !link.target && !link.hasAttribute("download");
}
