"use client";
/** The conversation of a component, for React. */
import { createContext, createElement, type ReactNode, useCallback, useContext, useEffect, useRef, useState } from "react";
import type { Client } from "./query.ts";
import { whenSignedIn } from "./person.ts";
import type { Conversation, ConversationMessage, FeedbackSession, Qualification, ToolCall, WebhookEvent } from "./rows.ts";
import type { Watch, WatchOptions, WatchStatus } from "./watch.ts";
import { type ConversationHandlers, type EventHandlers, watchConversation } from "./watches.ts";

export interface ConversationState {
  /** By `seq`. */
  events: WebhookEvent[];
  conversation: Conversation | null;
  messages: ConversationMessage[];
  toolCalls: ToolCall[];
  qualification: Qualification[];
  feedback: FeedbackSession | null;
  status: WatchStatus;
  /** The last failure; null once all works again. */
  error: Error | null;
  hasEarlier: boolean;
  readEarlier(): Promise<void>;
  refresh(): Promise<void>;
}

export interface HookOptions extends WatchOptions {
  /** Told of events beside the list of them, for what is to happen once. */
  onEvents?: EventHandlers["onEvents"];
}

type Id = string | null | undefined;
type Known = Omit<ConversationState, "readEarlier" | "refresh">;
type Scope = { client: Client | null; id: Id };

const NOTHING: Known = {
  events: [],
  conversation: null,
  messages: [],
  toolCalls: [],
  qualification: [],
  feedback: null,
  status: "connecting",
  error: null,
  hasEarlier: false,
};

const EMPTY = { client: null, id: null, known: NOTHING };

const ClientContext = createContext<Client | null>(null);

/** Give the components below the client that they read by. */
export function ConvohooksProvider({ client, children }: { client: Client; children?: ReactNode }) {
  return createElement(ClientContext.Provider, { value: client }, children);
}

/** Return the events of a conversation as they come. Without a client, that of the provider is taken. */
export function useWebhookEvents(conversationId: Id, options?: HookOptions): WebhookEvent[];
export function useWebhookEvents(client: Client, conversationId: Id, options?: HookOptions): WebhookEvent[];
export function useWebhookEvents(...given: Given): WebhookEvent[] {
  return useWatch(given, noRecords).events;
}

/** Return all that is known of a conversation as it changes. Without a client, that of the provider is taken. */
export function useConversation(conversationId: Id, options?: HookOptions): ConversationState;
export function useConversation(client: Client, conversationId: Id, options?: HookOptions): ConversationState;
export function useConversation(...given: Given): ConversationState {
  return useWatch(given, recordHandlers);
}

type Given = [Id, HookOptions?] | [Client, Id, HookOptions?];
type Change = (news: (known: Known) => Partial<Known>) => void;

const noRecords = (): ConversationHandlers => ({});

function recordHandlers(change: Change): ConversationHandlers {
  return {
    onConversation: (conversation) => change(() => ({ conversation })),
    onMessages: (messages) => change(() => ({ messages })),
    onToolCalls: (toolCalls) => change(() => ({ toolCalls })),
    onQualification: (qualification) => change(() => ({ qualification })),
    onFeedback: (feedback) => change(() => ({ feedback })),
  };
}

function useWatch(given: Given, handlersOf: (change: Change) => ConversationHandlers): ConversationState {
  const { client, id, options } = useGiven(given);
  const [shown, setShown] = useState<Scope & { known: Known }>({ client, id, known: NOTHING });
  const [visit, setVisit] = useState(0);
  const watching = useRef<Watch | null>(null);
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });
  const { pageSize, timing } = options;
  const settings = JSON.stringify({ pageSize, timing });

  useEffect(() => {
    if (!client || !id) return;
    // What the effect before this one has shown is another watch's.
    let known = NOTHING;
    let isOver = false;
    let forget = () => {};
    const change: Change = (news) => {
      if (isOver) return;
      known = { ...known, ...news(known), hasEarlier: watch.hasEarlier };
      setShown({ client, id, known });
    };

    const watch = watchConversation(
      client,
      id,
      {
        ...handlersOf(change),
        onEvents(rows, about) {
          change(({ events }) => ({ events: merged(events, rows) }));
          latest.current.onEvents?.(rows, about);
        },
        onStatus(status) {
          if (isOver) return;
          // What one person saw is not for the next.
          if (status === "stopped") known = NOTHING;
          if (status === "stopped") forget = whenSignedIn(client, () => setVisit((count) => count + 1));
          change(() => ({ status }));
        },
        onError: (error) => change(() => ({ error })),
        onRecovery: () => change(() => ({ error: null })),
      },
      JSON.parse(settings),
    );
    watching.current = watch;
    return () => {
      isOver = true;
      forget();
      watch.stop();
      // Nor for whoever is there when this conversation is shown again.
      setShown(EMPTY);
    };
  }, [client, id, settings, visit, handlersOf]);

  const readEarlier = useCallback(async () => watching.current?.readEarlier(), []);
  const refresh = useCallback(async () => watching.current?.refresh(), []);
  const known = shown.client === client && shown.id === id ? shown.known : NOTHING;
  return { ...known, readEarlier, refresh };
}

function useGiven(given: Given): Scope & { options: HookOptions } {
  const provided = useContext(ClientContext);
  const isOwn = typeof given[0] === "object" && given[0] !== null;
  const [client, id, options = {}] = (isOwn ? given : [provided, ...given]) as [Client | null, Id, HookOptions?];
  if (!client) throw new Error("There is no Supabase client: give one to the hook, or put a ConvohooksProvider around it.");
  return { client, id, options };
}

function merged(events: WebhookEvent[], rows: WebhookEvent[]): WebhookEvent[] {
  return [...events, ...rows].sort((a, b) => a.seq - b.seq);
}
