/** Keeps what a page shows fresh: read now, every so often while it is seen, and soon when something happened. */

const SOON_MS = 1_500;

/**
 * Call `read()` until the page is left; it deals with its own failures. Returns {now, soon}.
 *
 * Only one read runs at a time; what was wanted meanwhile is one more read.
 */
export function keepFresh({ signal }, read, everyMs) {
  let timer = null;
  let isReading = false;
  let next = null;
  let notBefore = 0;

  async function now() {
    if (isReading) {
      next = 0;
      return;
    }
    isReading = true;
    next = everyMs;
    // The read that was planned is this one: what happens next may plan another.
    clearTimeout(timer);
    notBefore = 0;
    try {
      await read();
    } finally {
      isReading = false;
      wait(next);
    }
  }

  function wait(delay) {
    clearTimeout(timer);
    if (!signal.aborted) timer = setTimeout(() => (document.hidden ? wait(everyMs) : now()), delay);
  }

  // Rows come in bursts; the first of them decides when.
  function soon() {
    if (isReading) next = Math.min(next, SOON_MS);
    else if (Date.now() >= notBefore) {
      notBefore = Date.now() + SOON_MS;
      wait(SOON_MS);
    }
  }

  const onSeen = () => document.hidden || now();
  document.addEventListener("visibilitychange", onSeen);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", onSeen);
  });
  now();
  return { now, soon };
}
