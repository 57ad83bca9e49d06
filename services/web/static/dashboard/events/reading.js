/** Whether somebody is reading a list, so that its rows may not move under their eyes. */

const SCROLLED = 160;

/** Call `onEnd()` whenever the reading may have ended; returns a function that tells whether it goes on. */
export function watchReading(root, { signal, onEnd }) {
  const isReading = () =>
    scrollY > SCROLLED || Boolean(root.querySelector("tbody:hover")) || Boolean(document.activeElement?.closest?.("tbody")) || isSelecting(root);
  const look = () => {
    if (!isReading()) onEnd();
  };
  const soon = () => setTimeout(look);
  const options = { signal, passive: true };
  addEventListener("scroll", look, options);
  root.addEventListener("pointerout", soon, options);
  root.addEventListener("focusout", soon, options);
  document.addEventListener("selectionchange", look, options);
  return isReading;
}

function isSelecting(root) {
  const selection = getSelection();
  return !selection.isCollapsed && root.contains(selection.anchorNode);
}
