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
  tell(call: () => unknown): void;
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
  const trouble = new Set<"stream" | "read">();
  const tellError = (error: Error, of: "stream" | "read" = "read") => {
    trouble.add(of);
    attempt(() => handlers.onError?.(error));
  };
  const onError = (error: Error) => tellError(error);
  const tell = (call: () => unknown) => signal.aborted || attempt(call, onError);

  const feed = createFeed({ client, signal, timing, tell, read: () => void loop.read(), refresh: () => void loop.refresh() });
  const loop = createLoop({
    read,
    signal,
    timing,
    onStatus: (status) => attempt(() => handlers.onStatus?.(status), onError),
    onError,
    onRead,
  });
  const bindings = feed.bindings.map((binding) => ({ ...binding, onChange: (change: Change) => void take(binding, change) }));
  const rejoin = openStream(client, { name, bindings, signal, timing, onOpen: loop.open, onLost: loop.lose, onError: (error) => tellError(error, "stream") });

  async function read(isDeep: boolean): Promise<void> {
    await person.look();
    if (!signal.aborted) await feed.read(isDeep);
  }

  async function readEarlier(): Promise<void> {
    await person.look();
    signal.throwIfAborted();
    await feed.readEarlier();
  }

  /** Say that what was told of is over: a stream's trouble when it is open. */
  function onRead(isOpen: boolean): void {
    const wasTrouble = trouble.size > 0;
    trouble.delete("read");
    if (isOpen) trouble.clear();
    if (wasTrouble && !trouble.size) attempt(() => handlers.onRecovery?.(), onError);
  }

  async function take(binding: Feed["bindings"][number], change: Change): Promise<void> {
    try {
      await binding.onChange(change);
    } catch {
      // What could not be read now is read with whatever else is missing.
      loop.read();
    }
  }

  const stop = () => ended.abort();
  const person = followPerson(client, signal, {
    onArrival: () => void Promise.all([rejoin(), loop.refresh()]),
    onRenewal: () => void loop.read(),
    onLeave: stop,
  });
  whenSeen(signal, loop.read);
  return {
    stop,
    refresh: loop.refresh,
    readEarlier,
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

function attempt(call: () => unknown, onError: (error: Error) => void = (error) => console.error(error)): void {
  try {
    const result = call();
    // A handler may be asynchronous.
    if (result instanceof Promise) result.catch(onError);
  } catch (error) {
    onError(error as Error);
  }
}
