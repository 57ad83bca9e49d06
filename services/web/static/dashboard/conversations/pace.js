/** When each line of a talk was said: transcripts often do not tell, but what was heard live does. */

/**
 * Return for each message, in their order, {at, order}: `at` is the time that was told in milliseconds, or null; `order` is
 * where the line belongs among everything else that happened. `heard` are the events of the talk's live lines.
 */
export function paceOf(messages, heard, { from = null, until = null } = {}) {
  const told = withHeard(messages, heard);
  const places = told.map((at) => at);
  // A line never stands before the line ahead of it, whatever the clocks said.
  rise(places);
  bridge(places, from ?? places.find(Number.isFinite) ?? 0, until ?? places.findLast(Number.isFinite) ?? from ?? 0);
  return told.map((at, index) => ({ at, order: places[index] }));
}

/** Return a time in milliseconds, or null for what is no time. */
export function moment(text) {
  const at = typeof text === "string" ? Date.parse(text) : NaN;
  return Number.isFinite(at) ? at : null;
}

// The nth line of one party with these words was heard the nth time that it was said.
function withHeard(messages, heard) {
  const times = new Map();
  for (const { role, content, at } of heard) {
    const key = JSON.stringify([role, content]);
    if (!times.has(key)) times.set(key, []);
    times.get(key).push(at);
  }
  return messages.map(({ role, content, timestamp }) => {
    const live = times.get(JSON.stringify([role, content]))?.shift() ?? null;
    return moment(timestamp) ?? live;
  });
}

function rise(places) {
  let latest = -Infinity;
  places.forEach((at, index) => {
    if (at === null) return;
    latest = Math.max(latest, at);
    places[index] = latest;
  });
}

// What has no time stands evenly between its neighbours that have one.
function bridge(places, from, until) {
  let left = from;
  for (let start = 0; start < places.length; start++) {
    if (places[start] !== null) {
      left = places[start];
      continue;
    }
    let end = start;
    while (end < places.length && places[end] === null) end++;
    const right = end < places.length ? places[end] : Math.max(left, until);
    const step = (right - Math.min(left, right)) / (end - start + 1);
    for (let index = start; index < end; index++) places[index] = right - step * (end - index);
    start = end - 1;
  }
}
