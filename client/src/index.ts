/** Follow webhook events, conversations and deliveries as they happen, without gaps. */
export type { Client } from "./query.ts";
export type * from "./rows.ts";
export type { RecordHandlers } from "./records.ts";
export { TIMING } from "./watch.ts";
export type { Timing, Watch, WatchHandlers, WatchOptions, WatchStatus } from "./watch.ts";
export { watchConversation, watchEvents, watchRows } from "./watches.ts";
export type { ConversationHandlers, EventHandlers, EventOptions, RowHandlers, RowOptions } from "./watches.ts";
