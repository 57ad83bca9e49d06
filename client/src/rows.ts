/** The rows that a browser can read, as PostgREST and Realtime give them. Held against the schema by a test. */

/** What a jsonb column holds. */
export type Json = string | number | boolean | null | Json[] | JsonObject;

/** What a jsonb column holds that is always an object. */
export type JsonObject = { [key: string]: Json };

/** One event as browsers see it; a tool's outcome is a second row of type `tool_call_result`. */
export interface WebhookEvent {
  id: string;
  seq: number;
  source: string | null;
  conversation_id: string | null;
  event_type: string | null;
  event_data: JsonObject | null;
  event_hash: string | null;
  processed_at: string | null;
  processing_duration_ms: number | null;
}

/** A talk between a person and an AI. */
export interface Conversation {
  id: string;
  conversation_id: string | null;
  user_id: string | null;
  scenario_id: string | null;
  demo_id: string | null;
  persona_id: string | null;
  replica_id: string | null;
  conversation_name: string | null;
  conversation_url: string | null;
  status: string | null;
  end_reason: string | null;
  started_at: string | null;
  ended_at: string | null;
  duration_seconds: number | null;
  tavus_metadata: JsonObject | null;
  perception_analysis: string | null;
  recording_url: string | null;
  version: number;
  created_at: string | null;
  updated_at: string | null;
}

/** What somebody said in a conversation. */
export interface ConversationMessage {
  id: string;
  conversation_id: string | null;
  message_id: string | null;
  role: string | null;
  content: string | null;
  content_length: number | null;
  origin: string | null;
  position: number | null;
  timestamp: string | null;
  sentiment: string | null;
  intent: string | null;
  confidence: number | null;
  seq: number | null;
  turn_idx: number | null;
  inference_id: string | null;
  relayed: boolean;
  created_at: string | null;
  content_type: string | null;
  type: string | null;
  channel: string | null;
  status: string | null;
  filename: string | null;
  metadata: Json | null;
  created_by: string | null;
  updated_by: string | null;
  updated_at: string | null;
}

/** A tool that the agent called, and what came of it. */
export interface ToolCall {
  id: string;
  conversation_id: string | null;
  tool_call_id: string | null;
  name: string | null;
  arguments: Json | null;
  result: Json | null;
  success: boolean | null;
  reported: boolean;
  relayed: boolean | null;
  execution_time_ms: number | null;
  called_at: string | null;
  finished_at: string | null;
  created_at: string | null;
}

/** What one objective of a conversation found out. */
export interface Qualification {
  id: string;
  conversation_id: string | null;
  first_name: string | null;
  last_name: string | null;
  email: string | null;
  position: string | null;
  objective_name: string | null;
  event_type: string | null;
  output_variables: JsonObject | null;
  raw_payload: Json | null;
  version: number | null;
  received_at: string | null;
  created_at: string | null;
  updated_at: string | null;
}

/** How well a conversation went. */
export interface FeedbackSession {
  id: string;
  user_id: string | null;
  scenario_id: string | null;
  conversation_id: string | null;
  score: number | null;
  completed_at: string | null;
  duration: number | null;
  transcript: Json | null;
  analysis: JsonObject | null;
  analyzer: string | null;
  version: number | null;
  created_at: string | null;
  updated_at: string | null;
}

/** Where somebody wants to be told of what happens. */
export interface WebhookEndpoint {
  id: string;
  user_id: string;
  conversation_id: string | null;
  url: string;
  description: string | null;
  event_types: string[] | null;
  headers: JsonObject;
  rate_per_minute: number | null;
  concurrency: number | null;
  ordered: boolean;
  retry_schedule: number[] | null;
  workflow: JsonObject | null;
  disabled: boolean;
  disabled_reason: string | null;
  disabled_at: string | null;
  version: number;
  created_at: string;
  updated_at: string;
}

/** A message on its way to an endpoint. */
export interface WebhookDelivery {
  id: string;
  endpoint_id: string;
  user_id: string;
  event_id: string;
  webhook_id: string;
  event_type: string;
  conversation_id: string | null;
  state: string;
  attempts: number;
  last_status: number | null;
  last_error: string | null;
  last_attempt_at: string | null;
  next_attempt_at: string | null;
  finished_at: string | null;
  version: number;
  created_at: string;
  updated_at: string;
}

/** One attempt at a delivery. */
export interface DeliveryAttempt {
  id: string;
  delivery_id: string;
  endpoint_id: string;
  user_id: string;
  attempt: number;
  status: number | null;
  error: string | null;
  response: string | null;
  duration_ms: number | null;
  attempted_at: string;
}

/** A person, and what they may do. */
export interface Profile {
  id: string;
  role: string | null;
  created_at: string | null;
}

/** What a conversation practises. */
export interface Scenario {
  id: string;
  title: string | null;
  description: string | null;
  metrics: Json | null;
  created_at: string | null;
}

/** A video that the agent can show. */
export interface DemoVideo {
  id: string;
  demo_id: string | null;
  title: string | null;
  storage_url: string | null;
  duration_seconds: number | null;
  created_at: string | null;
}

/** A phone call. */
export interface Call {
  id: string;
  call_sid: string | null;
  phone_id: string | null;
  parent_call_sid: string | null;
  direction: string | null;
  from_number: string | null;
  to_number: string | null;
  caller_name: string | null;
  status: string | null;
  started_at: string | null;
  answered_at: string | null;
  ended_at: string | null;
  duration_seconds: number | null;
  answered_by: string | null;
  error_code: string | null;
  version: number;
  created_at: string | null;
  updated_at: string | null;
}

/** A recording of a phone call. */
export interface CallRecording {
  id: string;
  recording_sid: string | null;
  call_sid: string | null;
  phone_id: string | null;
  status: string | null;
  recording_url: string | null;
  storage_path: string | null;
  duration_seconds: number | null;
  channels: number | null;
  source: string | null;
  started_at: string | null;
  version: number;
  created_at: string | null;
  updated_at: string | null;
}

/** What was said in a phone call. */
export interface CallTranscription {
  id: string;
  transcription_key: string | null;
  transcription_sid: string | null;
  call_sid: string | null;
  recording_sid: string | null;
  phone_id: string | null;
  status: string | null;
  text: string | null;
  confidence: number | null;
  track: string | null;
  sequence: number | null;
  final: boolean | null;
  language: string | null;
  spoken_at: string | null;
  version: number;
  created_at: string | null;
  updated_at: string | null;
}

/** A text message. */
export interface SmsMessage {
  id: string;
  message_sid: string | null;
  phone_id: string | null;
  direction: string | null;
  from_number: string | null;
  to_number: string | null;
  body: string | null;
  media_count: number | null;
  status: string | null;
  error_code: string | null;
  version: number;
  created_at: string | null;
  updated_at: string | null;
}

/** A phone number, and how it is answered. */
export interface PhoneNumber {
  id: string;
  phone_number: string | null;
  user_id: string | null;
  name: string | null;
  greeting: string | null;
  greeting_language: string | null;
  record_calls: boolean;
  transcribe_calls: boolean;
  forward_to: string | null;
  created_at: string | null;
}

/** What somebody is to be told of. */
export interface Notification {
  id: string;
  notification_key: string | null;
  phone_id: string | null;
  booking_key: string | null;
  kind: string | null;
  title: string | null;
  details: Json | null;
  read_at: string | null;
  version: number;
  created_at: string | null;
  updated_at: string | null;
}

/** An appointment. */
export interface Booking {
  id: string;
  booking_key: string | null;
  phone_id: string | null;
  told_phone_id: string | null;
  status: string | null;
  event_type: string | null;
  name: string | null;
  invitee_name: string | null;
  invitee_email: string | null;
  invitee_phone: string | null;
  starts_at: string | null;
  ends_at: string | null;
  timezone: string | null;
  location: string | null;
  scheduling_url: string | null;
  cancel_url: string | null;
  reschedule_url: string | null;
  cancel_reason: string | null;
  canceled_by: string | null;
  rescheduled_from: string | null;
  rescheduled_to: string | null;
  no_show: boolean | null;
  answers: Json | null;
  version: number;
  created_at: string | null;
  updated_at: string | null;
  request_key: string | null;
}

/** A payment, an invoice or a subscription. */
export interface Payment {
  id: string;
  stripe_id: string | null;
  kind: string | null;
  phone_id: string | null;
  customer: string | null;
  customer_email: string | null;
  status: string | null;
  amount: number | null;
  currency: string | null;
  subscription: string | null;
  invoice: string | null;
  payment_intent: string | null;
  period_start: string | null;
  period_end: string | null;
  cancel_at: string | null;
  failure: string | null;
  account: string | null;
  livemode: boolean | null;
  metadata: Json | null;
  stripe_created: string | null;
  version: number;
  created_at: string | null;
  updated_at: string | null;
}

/** A message that a sender of one's own has sent. */
export interface ReceivedMessage {
  id: string;
  source: string | null;
  message_id: string | null;
  conversation_id: string | null;
  content: string | null;
  content_type: string | null;
  filename: string | null;
  type: string | null;
  channel: string | null;
  status: string | null;
  metadata: Json | null;
  created_by: string | null;
  updated_by: string | null;
  sent_at: string | null;
  changed_at: string | null;
  version: number;
  created_at: string | null;
  updated_at: string | null;
}

/** The tables by name. */
export interface Tables {
  processed_webhook_events: WebhookEvent;
  conversations: Conversation;
  conversation_messages: ConversationMessage;
  tool_calls: ToolCall;
  qualification_data: Qualification;
  feedback_sessions: FeedbackSession;
  webhook_endpoints: WebhookEndpoint;
  webhook_deliveries: WebhookDelivery;
  delivery_attempts: DeliveryAttempt;
  profiles: Profile;
  scenarios: Scenario;
  demo_videos: DemoVideo;
  calls: Call;
  call_recordings: CallRecording;
  call_transcriptions: CallTranscription;
  sms_messages: SmsMessage;
  phone_numbers: PhoneNumber;
  notifications: Notification;
  bookings: Booking;
  payments: Payment;
  received_messages: ReceivedMessage;
}

export type TableName = keyof Tables;
