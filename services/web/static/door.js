/** The sign-in form, and who is signed in. */
import { byId } from "./dom.js";
import { continueAsGuest, signIn, signOut } from "./session.js";

/** Make the form and the buttons work; `onLeave` is called before signing out. */
export function openDoor(client, onLeave) {
  const form = byId("sign-in-form");
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { email, password } = form.elements;
    attempt(() => signIn(client, email.value.trim(), password.value));
  });
  byId("guest").addEventListener("click", () => attempt(() => continueAsGuest(client)));
  byId("sign-out").addEventListener("click", () => {
    onLeave();
    signOut(client);
  });
}

/** Show who is signed in; null is nobody. */
export function showPerson(person) {
  byId("person").hidden = !person;
  byId("person-name").textContent = person?.name ?? "";
  if (!person) byId("sign-in-form").reset();
}

async function attempt(task) {
  const buttons = document.querySelectorAll("#sign-in button");
  for (const button of buttons) button.disabled = true;
  say("");
  try {
    say(await task());
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

function say(text) {
  const problem = byId("sign-in-problem");
  problem.textContent = text ?? "";
  problem.hidden = !text;
}
