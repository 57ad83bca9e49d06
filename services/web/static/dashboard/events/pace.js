/** When to look again: soon after a sign of something new, every so often without one. */

const IDLE_MS = 10_000;
const LEAST_MS = 1_000;
const MOST_MS = 15_000;

/**
 * Return {soon}: `look()` runs one at a time, at once when it has rested, and more seldom the longer it takes.
 *
 * It rests while nobody sees the page. `idle()` may say another interval.
 */
export function createPace(look, { signal, idle = () => IDLE_MS }) {
  let timer = null;
  let isLooking = false;
  let isWanted = false;
  let rested = 0;

  async function run() {
    clearTimeout(timer);
    if (isLooking || signal.aborted) return;
    if (document.hidden) return wait(IDLE_MS);
    isLooking = true;
    isWanted = false;
    const began = performance.now();
    await look();
    const took = performance.now() - began;
    isLooking = false;
    rested = performance.now() + Math.min(Math.max(LEAST_MS, 4 * took), MOST_MS);
    wait(isWanted ? rested - performance.now() : idle());
  }

  function wait(delay) {
    clearTimeout(timer);
    if (!signal.aborted) timer = setTimeout(run, Math.max(delay, 0));
  }

  function soon() {
    if (isLooking) isWanted = true;
    else wait(Math.max(rested - performance.now(), 0));
  }

  const onSeen = () => document.hidden || soon();
  document.addEventListener("visibilitychange", onSeen, { signal });
  addEventListener("online", onSeen, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  wait(idle());
  return { soon };
}
