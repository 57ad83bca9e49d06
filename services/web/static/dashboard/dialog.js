/** Questions and short notes. */
import { byId } from "../dom.js";
import { html, nothing, render } from "./lit.js";

const SHOWN_MS = 6_000;

/** Ask before something is done; resolves to whether it was agreed to. Escape is no. */
export function confirm({ title, text = "", action = "Continue", isDangerous = false }) {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "dialog-title");
  render(
    html`<form method="dialog">
      <h2 id="dialog-title">${title}</h2>
      ${text ? html`<div class="dialog-text">${text}</div>` : nothing}
      <p class="dialog-buttons">
        <button value="no" autofocus>Cancel</button>
        <button value="yes" class=${isDangerous ? "main danger" : "main"}>${action}</button>
      </p>
    </form>`,
    dialog,
  );
  return opened(dialog);
}

function opened(dialog) {
  const before = document.activeElement;
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(dialog.returnValue === "yes");
    });
  });
}

/** Say that something was done, for some seconds. */
export function toast(text) {
  const note = document.createElement("p");
  note.className = "toast";
  note.textContent = text;
  byId("toasts").append(note);
  setTimeout(() => note.remove(), SHOWN_MS);
}
