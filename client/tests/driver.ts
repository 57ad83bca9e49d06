/** A client of its own that does what its standard input says, and writes what it was told: JSON, one a line. */
import { createInterface } from "node:readline";
import { createClient } from "@supabase/supabase-js";
import type { Watch } from "../src/index.ts";

type Options = { url: string; key: string; isDeaf: boolean; hasRealtime: boolean; tokens: boolean };

const HANDLERS = ["onEvents", "onConversation", "onMessages", "onToolCalls", "onQualification", "onFeedback", "onRows", "onStatus"];

// What pages load, not what it is made of.
const convohooks = await import("../../services/web/static/convohooks.js" as string);
const options: Options = JSON.parse(process.argv[2] as string);
const watches = new Map<number, Watch>();
// What Realtime says with one of these in it is not heard; answers to questions with one in them wait.
const unheard = new Set<string>();
const held = new Map<string, { promise: Promise<void>; resolve(): void }>();
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
  const response = await fetch(...request);
  for (const [part, { promise }] of held) if (decodeURIComponent(String(request[0])).includes(part)) await promise;
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
  channels: () => client.getChannels().length,
  async leave() {
    if (!options.tokens) await client.auth.stopAutoRefresh();
    input.close();
  },
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
