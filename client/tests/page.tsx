/** A page with the hooks on it, as an application has them; the test turns it from outside. */
import { StrictMode, useEffect, useState } from "react";
import { createRoot } from "react-dom/client";
import { createClient } from "@supabase/supabase-js";
import { ConvohooksProvider, useConversation, useWebhookEvents } from "../src/react.ts";

type Settings = { url: string; key: string; email: string; password: string };
type Turn = { conversation?: string | null; isShown?: boolean };

// What each rendering has shown, also for a moment; how many questions about the conversation are refused.
const rendered: string[] = [];
const refused = { count: 0 };
Object.assign(window, { rendered, refused });

const timing = { live: 1000, poll: 500, retry: 200 };

function Events({ conversation }: { conversation: string | null }) {
  const events = useWebhookEvents(conversation, { timing });
  return <ol id="events">{events.map((event) => <li key={event.id}>{String(event.event_data?.said)}</li>)}</ol>;
}

function Everything({ conversation }: { conversation: string | null }) {
  const { events, conversation: row, messages, status, error, hasEarlier, readEarlier } = useConversation(conversation, { timing, pageSize: 2 });
  rendered.push(row?.conversation_name ?? "");
  return (
    <section>
      <p id="error">{error?.message}</p>
      <p id="status">{status}</p>
      <p id="name">{row?.conversation_name}</p>
      <p id="count">{events.length} of {messages.length}</p>
      {hasEarlier && <button onClick={() => readEarlier()}>Earlier</button>}
    </section>
  );
}

function Page({ first }: { first: string | null }) {
  const [{ conversation = first, isShown = true }, turn] = useState<Turn>({});
  useEffect(() => void Object.assign(window, { turn: (change: Turn) => turn((now) => ({ ...now, ...change })) }), []);
  return isShown && [<Events key="events" conversation={conversation} />, <Everything key="all" conversation={conversation} />];
}

async function refusingFetch(...request: Parameters<typeof fetch>): Promise<Response> {
  if (!refused.count || !String(request[0]).includes("/conversations?")) return fetch(...request);
  refused.count -= 1;
  return Response.json({ message: "refused" }, { status: 500 });
}

async function open({ url, key, email, password }: Settings, first: string | null): Promise<void> {
  const client = createClient(url, key, { global: { fetch: refusingFetch } });
  Object.assign(window, { client });
  await client.auth.signInWithPassword({ email, password });
  createRoot(document.getElementById("root") as HTMLElement).render(
    <StrictMode>
      <ConvohooksProvider client={client}>
        <Page first={first} />
      </ConvohooksProvider>
    </StrictMode>,
  );
}

Object.assign(window, { open });
