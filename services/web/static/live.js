/** The live page: sign in, then follow the conversation that the address names. */
import { readConfig } from "./config.js";
import { openDoor, showPerson } from "./door.js";
import { byId, showArea } from "./dom.js";
import { createClient, watchPerson } from "./session.js";
import { openConversation } from "./view.js";

const config = readConfig();
const client = createClient(config);
let close = () => {};

// Without its token a read would be refused.
openDoor(client, () => close());
watchPerson(client, (person) => {
  close();
  showPerson(person);
  showArea(person ? "loading" : "sign-in");
  close = person ? openConversation(client, config.conversationId, person) : () => {};
  if (!person) byId("sign-in-form").elements.email.focus();
});
