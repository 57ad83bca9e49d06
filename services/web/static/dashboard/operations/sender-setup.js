/** How each sender is set up: the settings it needs, and the page of the documentation that says the rest. */

const SOURCES = { doc: "docs/senders/sources.md", settings: ["WEBHOOK_SOURCES"], what: "A sender that the settings declare." };

const SETUP = {
  tavus: { doc: "docs/senders/tavus.md", settings: ["CALLBACK_SIGNING_KEY", "TAVUS_WEBHOOK_TOKEN", "TAVUS_WEBHOOK_SECRET"], what: "Conversations of the video agent." },
  stripe: { doc: "docs/senders/stripe.md", settings: ["STRIPE_WEBHOOK_SECRET"], what: "Payments." },
  calendly: { doc: "docs/senders/calendly.md", settings: ["CALENDLY_WEBHOOK_SIGNING_KEY", "CALENDLY_WEBHOOK_TOKEN"], what: "Bookings." },
  twilio: { doc: "docs/senders/twilio.md", settings: ["TWILIO_AUTH_TOKEN", "TWILIO_SHARED_KEYS"], what: "Calls and short messages." },
};

/** Return {doc, settings, what} of a sender; one of the settings is enough. */
export const setupOf = (source) => SETUP[source] ?? SOURCES;
