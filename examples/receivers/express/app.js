// Receives webhooks with Express. Run it: npm ci && node app.js
import express from "express";
import { Webhook } from "standardwebhooks";

import { Inbox } from "./inbox.js";

// Does what the webhook is for: the sender does not wait for it any more.
async function handle(webhookId, payload) {
  console.log("handled", webhookId, payload.type ?? "a message");
}

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const inbox = new Inbox(process.env.INBOX ?? "inbox.db", handle);
const app = express();

// express.raw, not express.json: the signature is that of the bytes as they came.
app.post("/webhook", express.raw({ type: () => true, limit: 10_000_000 }), (request, response) => {
  try {
    webhook.verify(request.body, request.headers, { jsonParse: false });
  } catch {
    return response.sendStatus(401);
  }
  inbox.keep(request.get("webhook-id"), request.body);
  response.sendStatus(204);
});

app.listen(process.env.PORT ?? 3000);
