/** Who is signed in: a watch belongs to the person who began it. */
import type { Client } from "./query.ts";

export interface PersonHandlers {
  /** Somebody signed in where nobody was. */
  onArrival(): void;
  onRenewal(): void;
  /** The person has signed out, or is another one. */
  onLeave(): void;
}

/** Tell of the client's session until the signal is aborted. */
export function followPerson(client: Client, signal: AbortSignal, handlers: PersonHandlers): void {
  let current: string | null | undefined;

  function change(id: string | null, isRenewal: boolean): void {
    const before = current;
    current = id;
    if (before === undefined) return;
    if (before === null) return id ? handlers.onArrival() : undefined;
    if (id !== before) handlers.onLeave();
    else if (isRenewal) handlers.onRenewal();
  }

  const subscription = subscribe(client, (event, id) => {
    // The client holds a lock while it calls this: whoever reads by it has to wait till it is done.
    setTimeout(() => signal.aborted || change(id, event === "TOKEN_REFRESHED"));
  });
  signal.addEventListener("abort", () => subscription?.unsubscribe());
}

function subscribe(client: Client, onEvent: (event: string, id: string | null) => void) {
  try {
    return client.auth.onAuthStateChange((event, session) => onEvent(event, session?.user.id ?? null)).data.subscription;
  } catch {
    // A client with the option `accessToken` has no sessions.
    return null;
  }
}
