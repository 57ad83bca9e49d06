/** Build an element. Children are nodes or texts, never markup: what they hold came from outside. */
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

export const byId = (id) => document.getElementById(id);

/** Show one of the page's areas and hide the others. */
export function showArea(id) {
  for (const area of document.querySelectorAll("[data-area]")) area.hidden = area.id !== id;
}

/** Tell something to those who do not see the page. */
export function announce(text) {
  byId("announcements").textContent = text;
}
