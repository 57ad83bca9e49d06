/** What leaves the page: files and the clipboard. */
import { toast } from "./dialog.js";
import { icon } from "./icons.js";
import { html } from "./lit.js";

/** Give the person a file. */
export function download(name, text, type = "text/plain") {
  const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  const link = document.createElement("a");
  Object.assign(link, { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Return a button that copies a text, or what a function returns. */
export const copyButton = (text, label = "Copy") =>
  html`<button type="button" class="quiet" @click=${() => copy(typeof text === "function" ? text() : text)}>${icon("copy")}${label}</button>`;

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("The browser did not let us copy. Select the text and copy it yourself.");
  }
}
