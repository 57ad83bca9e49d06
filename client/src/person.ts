/** Who is signed in: a watch belongs to the person who began it. */
import type { Client } from "./query.ts";

export interface PersonHandlers {
  /** Somebody signed in where nobody was. */
  onArrival(): void;
  onRenewal(): void;
  /** The person has signed out, or is another one. */
  onLeave(): void;
}

export interface Person {
  /** Look who it is before something is read. Only where nobody tells of it: a client with the option `accessToken` has no sessions. */
  look(): Promise<void>;
}

/** Tell of the client's session until the signal is aborted. */
export function followPerson(client: Client, signal: AbortSignal, handlers: PersonHandlers): Person {
  let current: string | null | undefined;

  function change(id: string | null, isRenewal: boolean): void {
    const before = current;
    current = id;
    // At once: what the one could see is not for the next, not even for a moment.
    if (before && id !== before) return handlers.onLeave();
    const isArrival = before === null && id;
    // The client holds a lock while it tells of a session: whoever reads by it has to wait till it is done.
    if (isArrival || (before && isRenewal)) setTimeout(() => signal.aborted || (isArrival ? handlers.onArrival() : handlers.onRenewal()));
  }

  async function look(): Promise<void> {
    const id = subjectOf(await tokenOf(client));
    if (!signal.aborted) change(id, false);
    // Realtime keeps the token that it was given last.
    if (!signal.aborted) await client.realtime.setAuth().catch(() => {});
  }

  const subscription = subscribe(client, (event, id) => signal.aborted || change(id, event === "TOKEN_REFRESHED"));
  signal.addEventListener("abort", () => subscription?.unsubscribe());
  return { look: async () => (subscription ? undefined : look()) };
}

/** Call `then` once somebody is signed in; returns how to stop waiting for it. */
export function whenSignedIn(client: Client, then: () => void): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const subscription = subscribe(client, (_event, id) => {
    if (id) timer ??= setTimeout(then);
  });
  const ask = async () => {
    const token = await tokenOf(client).catch(() => null);
    if (timer !== undefined) timer = setTimeout(subjectOf(token) ? then : ask, ASK_MS);
  };
  if (!subscription) timer = setTimeout(ask);
  return () => {
    subscription?.unsubscribe();
    clearTimeout(timer);
    timer = undefined;
  };
}

const ASK_MS = 1_000;

function subscribe(client: Client, onEvent: (event: string, id: string | null) => void) {
  try {
    return client.auth.onAuthStateChange((event, session) => onEvent(event, session?.user.id ?? null)).data.subscription;
  } catch {
    // A client with the option `accessToken` has no sessions.
    return null;
  }
}

async function tokenOf(client: Client): Promise<string | null> {
  const { accessToken } = client as unknown as { accessToken?: () => Promise<string | null> };
  return (await accessToken?.call(client)) ?? null;
}

/** Return whom a token is for; null when it names nobody. */
function subjectOf(token: string | null): string | null {
  const [, claims] = token?.split(".") ?? [];
  if (!claims) return null;
  try {
    const { sub } = JSON.parse(atob(claims.replace(/-/g, "+").replace(/_/g, "/")));
    return typeof sub === "string" ? sub : null;
  } catch {
    return null;
  }
}
