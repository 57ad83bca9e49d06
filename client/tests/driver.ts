/** A client of its own that does what its standard input says, and writes what it was told: JSON, one a line. */
import { createInterface } from "node:readline";
import { createClient } from "@supabase/supabase-js";
import type { Watch } from "../src/index.ts";

type Options = { url: string; key: string; isDeaf: boolean; hasRealtime: boolean; tokens: boolean };

const HANDLERS = ["onEvents", "onConversation", "onMessages", "onToolCalls", "onQualification", "onFeedback", "onRows", "onStatus"];

// The timers that the package has set; those of supabase-js are its own affair.
const timers = new Set<unknown>();
const { setTimeout: set, clearTimeout: clear } = globalThis;
globalThis.setTimeout = ((task: (...given: unknown[]) => void, delay?: number, ...given: unknown[]) => {
  const isOurs = new Error().stack?.split("\n")[2]?.includes("convohooks.js");
  const timer = set((...given) => (timers.delete(timer), task(...given)), delay, ...given);
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
let waiting = 0;
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

async function patientFetch(...request: Parameters<typeof fetch>): Promise<Response> {
  requests.push(String(request[0]));
  const response = await fetch(...request);
  for (const [part, { promise }] of held) {
    if (!decodeURIComponent(String(request[0])).includes(part)) continue;
    waiting += 1;
    await promise;
    waiting -= 1;
  }
  return response;
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
  const told = HANDLERS.map((name) => [name, (...given: unknown[]) => (failOnce(), write({ watch: number, name, given }))]);
  const onError = (error: Error) => write({ watch: number, name: "onError", given: [error.message] });
  return { ...Object.fromEntries(told), onError };
}

function failOnce(): void {
  if (!isThrowing) return;
  isThrowing = false;
  throw new Error("thrown by a handler");
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
