/** Return a function that runs `task` one at a time: asked while it runs, it runs once more after. */
export function oneAtATime(task: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | null = null;
  let again = false;

  async function run(): Promise<void> {
    try {
      do {
        again = false;
        await task();
      } while (again);
    } finally {
      running = null;
    }
  }

  return () => {
    if (running) again = true;
    else running = run();
    return running;
  };
}

/** Return a function that runs `task` at once, and again at the earliest `rest` ms later; what is asked for meanwhile is done then. */
export function spaced(task: () => unknown, rest: number, signal: AbortSignal): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isWanted = false;

  function run(): void {
    isWanted = false;
    timer = setTimeout(() => {
      timer = undefined;
      if (isWanted) run();
    }, rest);
    task();
  }

  signal.addEventListener("abort", () => clearTimeout(timer));
  return () => {
    if (signal.aborted) return;
    if (timer === undefined) run();
    else isWanted = true;
  };
}
