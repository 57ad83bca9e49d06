/** A channel of Realtime, joined until the signal is aborted: whatever ends it, another is opened. */
import type { RealtimeChannel } from "@supabase/supabase-js";
import { oneAtATime } from "./flight.ts";
import type { Client } from "./query.ts";
import type { Timing } from "./watch.ts";

/** A change as Realtime tells of it. Without an id nothing of it may be read. */
export interface Change {
  eventType: "INSERT" | "UPDATE" | "DELETE";
  new: Record<string, unknown>;
  old: Record<string, unknown>;
  errors: string[] | null;
}

export interface Binding {
  event: "INSERT" | "*";
  table: string;
  filter?: string;
  onChange(change: Change): void;
}

export interface StreamOptions {
  name: string;
  bindings: Binding[];
  signal: AbortSignal;
  timing: Timing;
  onOpen(): void;
  onLost(): void;
  onError(error: Error): void;
}

const MOST_RETRIES = 5;
const MOST_REFUSALS = 10;
const PAUSE_MS = 20;
let opened = 0;

/** Join, and stay joined; returns how to join anew. */
export function openStream(client: Client, options: StreamOptions): () => Promise<void> {
  const { signal, timing } = options;
  let channel: RealtimeChannel | null = null;
  let failures = 0;
  let refusals = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const join = oneAtATime(async () => {
    const left = channel;
    channel = null;
    try {
      await prepare();
      if (signal.aborted) return;
      after(timing.start);
      channel = subscribe();
    } catch (error) {
      lose(timing.poll, error as Error);
    } finally {
      // Not before: the client disconnects when it has no channel.
      leave(left);
    }
  });

  async function prepare(): Promise<void> {
    clearTimeout(timer);
    // A channel is joined with the token that is there by then; without one it would see nothing.
    await client.realtime.setAuth().catch(() => {});
    // While it disconnects the client takes no order to connect.
    while (client.realtime.isDisconnecting()) await pause(PAUSE_MS);
  }

  function after(delay: number): void {
    clearTimeout(timer);
    if (!signal.aborted) timer = setTimeout(join, delay);
  }

  function subscribe(): RealtimeChannel {
    // Each channel has a topic of its own: the client knows one channel per topic.
    const made = client.channel(`${options.name}:${(opened += 1)}`);
    const isOurs = () => made === channel && !signal.aborted;
    for (const { onChange, ...asked } of options.bindings) {
      const deliver = (change: unknown) => isOurs() && onChange(change as Change);
      made.on("postgres_changes" as never, { schema: "public", ...asked }, deliver);
    }
    made.on("system", {}, (said) => isOurs() && onSystem(said));
    return made.subscribe((status, error) => isOurs() && onJoin(status, error));
  }

  // The join is answered seconds before the stream starts; only `system` says that it has.
  function onSystem({ extension, status, message }: { extension: string; status: string; message?: string }): void {
    if (extension !== "postgres_changes") return;
    if (status !== "ok") return onRefusal(message);
    clearTimeout(timer);
    failures = refusals = 0;
    options.onOpen();
  }

  // As for a table that Realtime does not carry: that will hardly change soon.
  function onRefusal(message?: string): void {
    const delay = Math.min(timing.poll * 2 ** refusals, Math.max(timing.poll, timing.sweep));
    refusals = Math.min(refusals + 1, MOST_REFUSALS);
    lose(delay, refusals > 1 ? undefined : new Error(message));
  }

  // After an error the client joins again by itself, but not when the channel was closed, nor when it
  // has hung up on purpose: it does so a moment after the last channel was left, with ours already on it.
  function onJoin(status: string, error?: Error): void {
    if (status === "SUBSCRIBED") return;
    client.realtime.setAuth().catch(() => {});
    failures = Math.min(failures + 1, MOST_RETRIES);
    const isLeftAlone = status === "CLOSED" || !client.realtime.isConnected();
    // One loss is nothing to tell of: the status says it, and the next join mends it.
    lose(isLeftAlone ? failures * timing.retry : timing.start, failures === 2 ? error : undefined);
  }

  function lose(delay: number, error?: Error): void {
    after(delay);
    options.onLost();
    if (error) options.onError(error);
  }

  function leave(left: RealtimeChannel | null): void {
    if (left) client.removeChannel(left).catch(() => {});
  }

  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    leave(channel);
  });
  join();
  return join;
}

function pause(delay: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delay));
}
