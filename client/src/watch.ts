/** What every watch has in common. */

export type WatchStatus = "connecting" | "live" | "reconnecting" | "polling" | "stopped";

export interface Watch {
  readonly status: WatchStatus;
  /** Whether there are rows before the oldest one that was handed over. */
  readonly hasEarlier: boolean;
  /** Read what is missing, now. Never rejects: what fails is told to `onError` and tried again. */
  refresh(): Promise<void>;
  /** Hand over the page of rows before the oldest; rejects when it cannot be read. */
  readEarlier(): Promise<void>;
  /** End the watch and leave nothing behind. */
  stop(): void;
}

export interface WatchHandlers {
  onStatus?(status: WatchStatus): void;
  /** Told the first of a row of failures, and what a handler has thrown. */
  onError?(error: Error): void;
  /** Told when all works again that `onError` has told of. */
  onRecovery?(): void;
}

/** How often a watch looks by itself; milliseconds. */
export interface Timing {
  /** Between reads while the stream is live, since Realtime drops rows without a word. */
  live: number;
  /** Between reads while there is no stream. */
  poll: number;
  /** Before the first repetition of what has failed. */
  retry: number;
  /** How long a channel may take to start before another is opened. */
  start: number;
  /** How far behind the newest event every read begins: a row gets its `seq` before it is committed. */
  overlap: number;
  /** Between reads that look far back. */
  sweep: number;
  /** How far back these look: the longest transaction that is found though the stream lost its rows. */
  depth: number;
}

export interface WatchOptions {
  /** Rows of the snapshot and of each earlier page; 200, of `watchRows` 50. */
  pageSize?: number;
  timing?: Partial<Timing>;
}

// PostgREST's statements on Supabase are ended after 8 s, so that most transactions are far shorter than the overlap.
export const TIMING: Timing = {
  live: 30_000,
  poll: 10_000,
  retry: 2_000,
  start: 60_000,
  overlap: 60_000,
  sweep: 300_000,
  depth: 900_000,
};
