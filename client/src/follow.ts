/** Puts together what makes a watch: the stream, the reads, the person, the window it is in. */
import { createLoop } from "./loop.ts";
import { followPerson } from "./person.ts";
import type { Client } from "./query.ts";
import { type Binding, type Change, openStream } from "./stream.ts";
import { TIMING, type Timing, type Watch, type WatchHandlers, type WatchOptions } from "./watch.ts";

/** What is kept complete: where changes come from, and how what is missing is read. */
export interface Feed {
  bindings: (Omit<Binding, "onChange"> & { onChange(change: Change): Promise<void> | void })[];
  read(isDeep: boolean): Promise<void>;
  readEarlier(): Promise<void>;
  hasEarlier(): boolean;
}

export interface Context {
  client: Client;
  signal: AbortSignal;
  timing: Timing;
  /** Call a handler of the user's, whose errors are not ours. Says nothing once the watch has ended. */
  tell(call: () => void): void;
  /** Read what is missing, soon. */
  read(): void;
  /** And far back. */
  refresh(): void;
}

/** Keep a feed complete until the watch is stopped or its person leaves. */
export function follow(
  client: Client,
  name: string,
  handlers: WatchHandlers,
  options: WatchOptions,
  createFeed: (context: Context) => Feed,
): Watch {
  const ended = new AbortController();
  const { signal } = ended;
  const timing = { ...TIMING, ...options.timing };
  const onError = (error: Error) => attempt(() => handlers.onError?.(error));
  const tell = (call: () => void) => signal.aborted || attempt(call, onError);

  const feed = createFeed({ client, signal, timing, tell, read: () => void loop.read(), refresh: () => void loop.refresh() });
  const loop = createLoop({
    read: feed.read,
    signal,
    timing,
    onStatus: (status) => attempt(() => handlers.onStatus?.(status), onError),
    onError,
  });
  const bindings = feed.bindings.map((binding) => ({ ...binding, onChange: (change: Change) => void take(binding, change) }));
  const rejoin = openStream(client, { name, bindings, signal, timing, onOpen: loop.open, onLost: loop.lose, onError });

  async function take(binding: Feed["bindings"][number], change: Change): Promise<void> {
    try {
      await binding.onChange(change);
    } catch {
      // What could not be read now is read with whatever else is missing.
      loop.read();
    }
  }

  const stop = () => ended.abort();
  followPerson(client, signal, {
    onArrival: () => void Promise.all([rejoin(), loop.refresh()]),
    onRenewal: () => void loop.read(),
    onLeave: stop,
  });
  whenSeen(signal, loop.read);
  return {
    stop,
    refresh: loop.refresh,
    readEarlier: feed.readEarlier,
    get hasEarlier() {
      return feed.hasEarlier();
    },
    get status() {
      return loop.status;
    },
  };
}

/** Run `task` when the page is seen again, or has a network again. */
function whenSeen(signal: AbortSignal, task: () => void): void {
  const { document, window } = globalThis;
  document?.addEventListener("visibilitychange", () => document.visibilityState === "visible" && task(), { signal });
  window?.addEventListener?.("online", task, { signal });
}

function attempt(call: () => void, onError: (error: Error) => void = (error) => console.error(error)): void {
  try {
    call();
  } catch (error) {
    onError(error as Error);
  }
}
