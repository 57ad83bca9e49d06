// Keeps each webhook once, and handles it after it was answered.
// A table of your own database and your own job queue do the same.
import { DatabaseSync } from "node:sqlite";

const TABLE = `create table if not exists inbox (
  webhook_id text primary key,
  body blob not null,
  due integer default 0 -- null once it is handled
)`;
const KEEP = "insert into inbox (webhook_id, body) values (?, ?) on conflict do nothing";
// Who takes a webhook has ten minutes to handle it. If that fails it is taken again then.
const TAKE = `update inbox set due = unixepoch() + 600 where webhook_id = (
  select webhook_id from inbox where due <= unixepoch() order by due, rowid limit 1
) returning webhook_id, body`;
const DONE = "update inbox set due = null where webhook_id = ?";

export class Inbox {
  #database;
  #handle;
  #busy = false;

  constructor(path, handle) {
    this.#database = new DatabaseSync(path, { timeout: 5000 });
    this.#database.exec(TABLE);
    this.#handle = handle;
    setInterval(() => this.#work(), 60_000);
    this.#work();
  }

  // Stores a webhook, unless it is there; it is handled soon.
  keep(webhookId, body) {
    this.#database.prepare(KEEP).run(webhookId, body);
    setImmediate(() => this.#work());
  }

  async #work() {
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let taken = this.#take(); taken; taken = this.#take()) {
        await this.#try(taken.webhook_id, taken.body);
      }
    } catch (error) {
      console.error("the inbox cannot be read", error);
    } finally {
      this.#busy = false;
    }
  }

  #take() {
    return this.#database.prepare(TAKE).get();
  }

  async #try(webhookId, body) {
    try {
      await this.#handle(webhookId, JSON.parse(Buffer.from(body).toString()));
      this.#database.prepare(DONE).run(webhookId);
    } catch (error) {
      console.error(`${webhookId} failed and is tried again in ten minutes`, error);
    }
  }
}
