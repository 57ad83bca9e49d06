/** Rings when something happened: the stream of events, for pages that read more than the stream holds. */
import { watchEvents } from "../convohooks.js";

/** Call `ring()` for each sign of something new until the page is left; the live connection's state is shown. */
export function hangBell(place, ring) {
  const watch = watchEvents(
    place.client,
    {
      onEvents: (_rows, { isHistory }) => isHistory || ring(),
      onStatus: (status) => place.showStatus(status),
      onError() {},
    },
    { pageSize: 1 },
  );
  place.signal.addEventListener("abort", () => watch.stop());
}
