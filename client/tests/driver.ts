/** A client of its own that does what its standard input says, and writes what it was told: JSON, one a line. */
import { createInterface } from "node:readline";
import { createClient } from "@supabase/supabase-js";
import type { Watch } from "../src/index.ts";

type Options = { url: string; key: string; isDeaf: boolean; hasRealtime: boolean; tokens: boolean; maxRows?: number; heavy?: number; patience?: number };

const HANDLERS = ["onEvents", "onConversation", "onMessages", "onToolCalls", "onQualification", "onFeedback", "onRows", "onStatus", "onRecovery"];
// How long the package waits for an answer; `patience` takes its place.
const LONGEST_MS = 30_000;

// The timers that the package has set; those of supabase-js are its own affair.
const timers = new Set<unknown>();
const { setTimeout: set, clearTimeout: clear } = globalThis;
globalThis.setTimeout = ((task: (...given: unknown[]) => void, delay?: number, ...given: unknown[]) => {
  const isOurs = new Error().stack?.split("\n")[2]?.includes("convohooks.js");
  const wait = isOurs && delay === LONGEST_MS ? (options.patience ?? delay) : delay;
  const timer = set((...given) => (timers.delete(timer), task(...given)), wait, ...given);
  if (isOurs) timers.add(timer);
  return timer;
}) as typeof setTimeout;
globalThis.clearTimeout = (timer) => (timers.delete(timer), clear(timer));

// What pages load, not what it is made of.
const convohooks = await import("../../services/web/static/convohooks.js" as string);
const options: Options = JSON.parse(process.argv[2] as string);
const watches = new Map<number, Watch>();
// What Realtime says with one of these in it is not heard; answers to questions with one in them wait.
const unheard = new Set<string>();
const held = new Map<string, { promise: Promise<void>; resolve(): void }>();
const requests: string[] = [];
// Questions with one of these in them are refused.
const failing = new Set<string>();
let given = 0;
let waiting = 0;
let isRejecting = false;
let isThrowing = false;
let token: string | null = null;

class Socket extends WebSocket {
  constructor(address: string | URL, protocols?: string | string[]) {
    super(options.hasRealtime ? address : "ws://127.0.0.1:9/", protocols);
  }

  override set onmessage(handler: ((event: MessageEvent) => void) | null) {
    super.onmessage = handler && ((event) => [...unheard].some((part) => String(event.data).includes(part)) || handler(event));
  }
}

async function patientFetch(address: string | URL | Request, init?: RequestInit): Promise<Response> {
  const url = limited(new URL(String(address)));
  const request = [url.href, init] as const;
  requests.push(url.href);
  if (Number(url.searchParams.get("limit")) > (options.heavy ?? Infinity)) return givenUp(init?.signal as AbortSignal);
  if ([...failing].some((part) => decodeURIComponent(url.href).includes(part))) return Response.json({ message: "refused" }, { status: 500 });
  const response = await fetch(...request);
  for (const [part, { promise }] of held) {
    if (!decodeURIComponent(String(request[0])).includes(part)) continue;
    waiting += 1;
    await promise;
    waiting -= 1;
  }
  return response;
}

/** Ask as PostgREST does that gives no more rows than its max_rows. */
function limited(url: URL): URL {
  const asked = Number(url.searchParams.get("limit") ?? Infinity);
  if (options.maxRows && url.pathname.startsWith("/rest/v1/")) url.searchParams.set("limit", String(Math.min(asked, options.maxRows)));
  return url;
}

/** Answer never, as to a question that is too much for the link. */
function givenUp(signal: AbortSignal): Promise<Response> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(((given += 1), signal.reason))));
}

const client = createClient(options.url, options.key, {
  realtime: { transport: Socket as never, disconnectOnEmptyChannelsAfterMs: 0 },
  global: { fetch: patientFetch },
  ...(options.tokens ? { accessToken: async () => token } : {}),
});

const commands: Record<string, (...given: any[]) => unknown> = {
  signIn: async (email: string, password: string) => (await client.auth.signInWithPassword({ email, password })).error?.message,
  signOut: async () => (await client.auth.signOut({ scope: "local" })).error?.message,
  renew: async () => (await client.auth.refreshSession()).error?.message,
  setToken: (given: string) => void (token = given),
  ignore: (part: string) => void unheard.add(part),
  hear: () => unheard.clear(),
  waiting: () => waiting,
  requests: () => requests,
  throwNext: () => void (isThrowing = true),
  rejectNext: () => void (isRejecting = true),
  fail: (part: string) => void failing.add(part),
  heal: () => failing.clear(),
  givenUp: () => given,
  turnClock(by: number) {
    const { now } = Date;
    Date.now = () => now() + by;
  },
  hold: (part: string) => void held.set(part, Promise.withResolvers<void>()),
  release: () => held.forEach(({ resolve }, part) => (held.delete(part), resolve())),
  watch(number: number, kind: "watchConversation" | "watchEvents" | "watchRows", ...given: any[]) {
    watches.set(number, convohooks[kind](client, ...given.map((value) => (value === "handlers" ? handlers(number) : value))));
  },
  stop: (number: number) => watches.get(number)?.stop(),
  refresh: (number: number) => watches.get(number)?.refresh(),
  readEarlier: (number: number) => watches.get(number)?.readEarlier(),
  state(number: number) {
    const { status, hasEarlier } = watches.get(number) as Watch;
    return { status, hasEarlier };
  },
  left: () => [client.getChannels().length, timers.size],
  leave: () => process.exit(),
};

function handlers(number: number): Record<string, unknown> {
  const told = HANDLERS.map((name) => [name, (...given: unknown[]) => (failOnce(), write({ watch: number, name, given }), rejectOnce())]);
  const onError = (error: Error) => write({ watch: number, name: "onError", given: [error.message] });
  return { ...Object.fromEntries(told), onError };
}

function failOnce(): void {
  if (!isThrowing) return;
  isThrowing = false;
  throw new Error("thrown by a handler");
}

function rejectOnce(): Promise<void> | undefined {
  if (!isRejecting) return undefined;
  isRejecting = false;
  return Promise.reject(new Error("rejected by a handler"));
}

function write(message: unknown): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

const input = createInterface({ input: process.stdin });
for await (const line of input) {
  const { id, command, given } = JSON.parse(line);
  Promise.resolve()
    .then(() => commands[command]?.(...given))
    .then((result) => write({ id, result }), (error) => write({ id, error: String(error) }));
}
