/** When to read what is missing, and what that says of the stream. */
import { oneAtATime } from "./flight.ts";
import type { Timing, WatchStatus } from "./watch.ts";

export interface LoopOptions {
  /** Read what is missing; `isDeep`: also what was committed long after its neighbours. */
  read(isDeep: boolean): Promise<void>;
  signal: AbortSignal;
  timing: Timing;
  onStatus(status: WatchStatus): void;
  onError(error: Error): void;
  /** A read has worked; tells whether the stream is open, too. */
  onRead(isOpen: boolean): void;
}

export interface Loop {
  /** Read now. Never rejects. */
  read(): Promise<void>;
  /** Read now, and far back. Never rejects. */
  refresh(): Promise<void>;
  open(): void;
  lose(): void;
  readonly status: WatchStatus;
}

const NEWEST_DELAY = 0.8;
const MOST_FAILURES = 2;

/** Read at once, whenever the stream opens, and now and then, until the signal is aborted. */
export function createLoop({ read, signal, timing, onStatus, onError, onRead }: LoopOptions): Loop {
  const state = { isOpen: false, isComplete: false, wasLive: false, opened: 0, failures: 0, polls: 0, isDeepDue: false, sweptAt: Date.now() };
  let status: WatchStatus | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const run = oneAtATime(async () => {
    if (signal.aborted) return;
    const { opened } = state;
    const isDeep = state.isDeepDue || isDue(state.sweptAt, timing.sweep);
    state.isDeepDue = false;
    try {
      await read(isDeep);
      succeed(opened, isDeep);
    } catch (error) {
      fail(error as Error, isDeep);
    }
    report();
    after(delayOf(state, timing));
  });

  function succeed(opened: number, isDeep: boolean): void {
    state.failures = 0;
    if (isDeep) state.sweptAt = Date.now();
    // A read that began before the stream did says nothing of what came in between.
    if (state.isOpen && opened === state.opened) state.isComplete = state.wasLive = true;
    onRead(state.isOpen);
  }

  function fail(error: Error, isDeep: boolean): void {
    if (signal.aborted) return;
    Object.assign(state, { failures: state.failures + 1, polls: 0, isDeepDue: state.isDeepDue || isDeep });
    // What Realtime drops would not be found: a stream alone is not live.
    if (state.failures >= MOST_FAILURES) state.isComplete = false;
    if (state.failures === 1) onError(error);
  }

  function poll(): void {
    if (!state.isOpen && !state.failures) state.polls += 1;
    run();
  }

  function after(delay: number): void {
    clearTimeout(timer);
    // Not all at the same moment: those who lost a stream together have read together.
    const jitter = NEWEST_DELAY + Math.random() * (1 - NEWEST_DELAY);
    if (!signal.aborted) timer = setTimeout(poll, delay * jitter);
  }

  function report(): void {
    const now = signal.aborted ? "stopped" : statusOf(state);
    if (now === status) return;
    status = now;
    onStatus(now);
  }

  function refresh(): Promise<void> {
    state.isDeepDue = true;
    return run();
  }

  function open(): void {
    Object.assign(state, { isOpen: true, isComplete: false, opened: state.opened + 1, polls: 0 });
    refresh();
  }

  function lose(): void {
    if (state.isOpen) after(timing.poll);
    Object.assign(state, { isOpen: false, isComplete: false });
    report();
  }

  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    report();
  });
  // Its owner has the watch by then.
  queueMicrotask(() => {
    report();
    run();
  });
  return {
    read: run,
    refresh,
    open,
    lose,
    get status() {
      return status ?? "connecting";
    },
  };
}

// By the clock, which goes on while the machine sleeps; it may have been set back.
function isDue(since: number, interval: number): boolean {
  const passed = Date.now() - since;
  return passed < 0 || passed >= interval;
}

type State = { isOpen: boolean; isComplete: boolean; wasLive: boolean; failures: number; polls: number };

function statusOf({ isComplete, polls, wasLive, failures }: State): WatchStatus {
  if (isComplete) return "live";
  if (polls) return "polling";
  return wasLive || failures > 1 ? "reconnecting" : "connecting";
}

function delayOf({ failures, isOpen }: State, timing: Timing): number {
  if (failures) return Math.min(failures * timing.retry, timing.poll);
  return isOpen ? timing.live : timing.poll;
}
