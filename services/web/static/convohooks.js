// Built from client/ by `make client`: change that, not this.

// src/watch.ts
var TIMING = {
  live: 3e4,
  poll: 1e4,
  retry: 2e3,
  start: 6e4,
  overlap: 6e4,
  sweep: 3e5,
  depth: 9e5
};

// src/flight.ts
function oneAtATime(task) {
  let running = null;
  let again = false;
  async function run() {
    try {
      do {
        again = false;
        await task();
      } while (again);
    } finally {
      running = null;
    }
  }
  return () => {
    if (running) again = true;
    else running = run();
    return running;
  };
}

// src/query.ts
var IDS = 100;
var LONGEST_MS = 3e4;
var RESERVED = /[,()"\\]|^\s|\s$/;
async function rowsOf(request) {
  const { data, error } = await inTime(request);
  if (error) throw new Error(error.message, { cause: error });
  return data;
}
function inTime(request) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("Supabase does not answer")), LONGEST_MS);
  });
  return Promise.race([request, late]).finally(() => clearTimeout(timer));
}
async function readByIds(select, ids) {
  const rows = [];
  for (let place = 0; place < ids.length; place += IDS) {
    rows.push(...await rowsOf(select("*").in("id", ids.slice(place, place + IDS))));
  }
  return rows;
}
function equals(column, value) {
  const text = String(value);
  return `${column}=eq.${RESERVED.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : text}`;
}

// src/events.ts
var KEY = "id,seq,processed_at";
var KEYS = 1e3;
function createEventLog(context, { select, includes, pageSize, onEvents }) {
  const seen = /* @__PURE__ */ new Set();
  const unread = /* @__PURE__ */ new Set();
  const arrived = /* @__PURE__ */ new Set();
  let checkpoint = null;
  let oldest = Infinity;
  let newestTime = -Infinity;
  let sweptTime = -Infinity;
  let hasEarlier = false;
  function accept(rows, about) {
    const fresh = rows.filter((row) => !seen.has(row.id) && includes(row)).sort((a, b) => a.seq - b.seq);
    for (const { id } of fresh) seen.add(id);
    if (fresh.length) context.tell(() => onEvents(fresh, about));
  }
  async function receive({ new: row, errors }) {
    if (!row.id) return;
    if (!errors?.length && "event_data" in row) return accept([row], { isHistory: false });
    unread.add(row.id);
    await readUnread();
  }
  async function read(isDeep) {
    await readUnread();
    if (checkpoint === null) await readNewest();
    else await readSince(checkpoint, isDeep);
    await readArrived();
  }
  async function readNewest() {
    const page = await readPage(select("*"));
    checkpoint = page[0] ? page[0].seq - 1 : 0;
    settle(page);
    sweptTime = newestTime;
    accept(page, { isHistory: true });
  }
  async function readSince(seq, isDeep) {
    const since = await readKeys((after) => select(KEY).gt("seq", after ?? seq));
    const late = isDeep ? await readLate(seq) : [];
    await readMissing([...late, ...since]);
    settle(since);
    if (isDeep) sweptTime = newestTime;
  }
  function readLate(upTo) {
    const from = new Date(Math.max(0, sweptTime - context.timing.depth)).toISOString();
    return readKeys((after) => keysAfter(after).lte("seq", upTo).gte("processed_at", from));
  }
  const keysAfter = (after) => after === null ? select(KEY).gte("seq", oldest) : select(KEY).gt("seq", after);
  async function readArrived() {
    for (const id of arrived) {
      await readMissing(await readKeys((after) => keysAfter(after).eq("conversation_id", id)));
      arrived.delete(id);
    }
  }
  async function readMissing(keys) {
    for (const { id } of keys) if (!seen.has(id)) unread.add(id);
    await readUnread();
  }
  async function readUnread() {
    const ids = [...unread];
    for (let place = 0; place < ids.length; place += IDS) {
      const some = ids.slice(place, place + IDS);
      accept(await readByIds(select, some.filter((id) => !seen.has(id))), { isHistory: false });
      for (const id of some) unread.delete(id);
    }
  }
  const readEarlier = oneAtATime(async () => {
    if (hasEarlier) accept(await readPage(select("*").lt("seq", oldest)), { isHistory: true });
  });
  async function readPage(query) {
    const rows = await rowsOf(query.order("seq", { ascending: false }).limit(pageSize + 1));
    const page = rows.slice(0, pageSize).reverse();
    hasEarlier = rows.length > pageSize;
    oldest = hasEarlier && page[0]?.seq || 0;
    return page;
  }
  function settle(keys) {
    const times = keys.map(timeOf).filter(Number.isFinite);
    newestTime = Math.max(newestTime, ...times);
    const end = newestTime - context.timing.overlap;
    const young = keys.findIndex((key) => !(timeOf(key) < end));
    const old = young < 0 ? keys : keys.slice(0, young);
    checkpoint = old.at(-1)?.seq ?? checkpoint;
  }
  return { receive, read, readEarlier, hasEarlier: () => hasEarlier, expect: (id) => void arrived.add(id) };
}
async function readKeys(query) {
  const keys = [];
  for (let page = null; !page || page.length === KEYS; ) {
    page = await rowsOf(query(keys.at(-1)?.seq ?? null).order("seq").limit(KEYS));
    keys.push(...page);
  }
  return keys;
}
function timeOf({ processed_at }) {
  return Date.parse(processed_at ?? "");
}

// src/loop.ts
var NEWEST_DELAY = 0.8;
function createLoop({ read, signal, timing, onStatus, onError }) {
  const state = { isOpen: false, isComplete: false, wasLive: false, opened: 0, failures: 0, polls: 0, isDeepDue: false, sweptAt: Date.now() };
  let status = null;
  let timer;
  const run = oneAtATime(async () => {
    if (signal.aborted) return;
    const { opened: opened2 } = state;
    const isDeep = state.isDeepDue || Date.now() - state.sweptAt >= timing.sweep;
    state.isDeepDue = false;
    try {
      await read(isDeep);
      succeed(opened2, isDeep);
    } catch (error) {
      fail(error, isDeep);
    }
    report();
    after(delayOf(state, timing));
  });
  function succeed(opened2, isDeep) {
    state.failures = 0;
    if (isDeep) state.sweptAt = Date.now();
    if (state.isOpen && opened2 === state.opened) state.isComplete = state.wasLive = true;
  }
  function fail(error, isDeep) {
    if (signal.aborted) return;
    Object.assign(state, { failures: state.failures + 1, polls: 0, isDeepDue: state.isDeepDue || isDeep });
    if (state.failures === 1) onError(error);
  }
  function poll() {
    if (!state.isOpen && !state.failures) state.polls += 1;
    run();
  }
  function after(delay) {
    clearTimeout(timer);
    const jitter = NEWEST_DELAY + Math.random() * (1 - NEWEST_DELAY);
    if (!signal.aborted) timer = setTimeout(poll, delay * jitter);
  }
  function report() {
    const now = signal.aborted ? "stopped" : statusOf(state);
    if (now === status) return;
    status = now;
    onStatus(now);
  }
  function refresh() {
    state.isDeepDue = true;
    return run();
  }
  function open() {
    Object.assign(state, { isOpen: true, isComplete: false, opened: state.opened + 1, polls: 0 });
    refresh();
  }
  function lose() {
    if (state.isOpen) after(timing.poll);
    Object.assign(state, { isOpen: false, isComplete: false });
    report();
  }
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    report();
  });
  queueMicrotask(() => {
    report();
    run();
  });
  return {
    read: run,
    refresh,
    open,
    lose,
    get status() {
      return status ?? "connecting";
    }
  };
}
function statusOf({ isComplete, polls, wasLive, failures }) {
  if (isComplete) return "live";
  if (polls) return "polling";
  return wasLive || failures > 1 ? "reconnecting" : "connecting";
}
function delayOf({ failures, isOpen }, timing) {
  if (failures) return Math.min(failures * timing.retry, timing.poll);
  return isOpen ? timing.live : timing.poll;
}

// src/person.ts
function followPerson(client, signal, handlers) {
  let current;
  function change(id, isRenewal) {
    const before = current;
    current = id;
    if (before === void 0) return;
    if (before === null) return id ? handlers.onArrival() : void 0;
    if (id !== before) handlers.onLeave();
    else if (isRenewal) handlers.onRenewal();
  }
  const subscription = subscribe(client, (event, id) => {
    setTimeout(() => signal.aborted || change(id, event === "TOKEN_REFRESHED"));
  });
  signal.addEventListener("abort", () => subscription?.unsubscribe());
}
function subscribe(client, onEvent) {
  try {
    return client.auth.onAuthStateChange((event, session) => onEvent(event, session?.user.id ?? null)).data.subscription;
  } catch {
    return null;
  }
}

// src/stream.ts
var MOST_RETRIES = 5;
var PAUSE_MS = 20;
var opened = 0;
function openStream(client, options) {
  const { signal, timing } = options;
  let channel = null;
  let failures = 0;
  let timer;
  const join = oneAtATime(async () => {
    const left = channel;
    channel = null;
    try {
      await prepare();
      if (signal.aborted) return;
      after(timing.start);
      channel = subscribe2();
    } catch (error) {
      lose(timing.poll, error);
    } finally {
      leave(left);
    }
  });
  async function prepare() {
    clearTimeout(timer);
    await client.realtime.setAuth().catch(() => {
    });
    while (client.realtime.isDisconnecting()) await pause(PAUSE_MS);
  }
  function after(delay) {
    clearTimeout(timer);
    if (!signal.aborted) timer = setTimeout(join, delay);
  }
  function subscribe2() {
    const made = client.channel(`${options.name}:${opened += 1}`);
    const isOurs = () => made === channel && !signal.aborted;
    for (const { onChange, ...asked } of options.bindings) {
      const deliver = (change) => isOurs() && onChange(change);
      made.on("postgres_changes", { schema: "public", ...asked }, deliver);
    }
    made.on("system", {}, (said) => isOurs() && onSystem(said));
    return made.subscribe((status, error) => isOurs() && onJoin(status, error));
  }
  function onSystem({ extension, status, message }) {
    if (extension !== "postgres_changes") return;
    if (status !== "ok") return lose(timing.poll, new Error(message));
    clearTimeout(timer);
    failures = 0;
    options.onOpen();
  }
  function onJoin(status, error) {
    if (status === "SUBSCRIBED") return;
    client.realtime.setAuth().catch(() => {
    });
    failures = Math.min(failures + 1, MOST_RETRIES);
    lose(status === "CLOSED" ? failures * timing.retry : timing.start, failures > 1 ? error : void 0);
  }
  function lose(delay, error) {
    after(delay);
    options.onLost();
    if (error) options.onError(error);
  }
  function leave(left) {
    if (left) client.removeChannel(left).catch(() => {
    });
  }
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    leave(channel);
  });
  join();
  return join;
}
function pause(delay) {
  return new Promise((resolve) => setTimeout(resolve, delay));
}

// src/follow.ts
function follow(client, name, handlers, options, createFeed) {
  const ended = new AbortController();
  const { signal } = ended;
  const timing = { ...TIMING, ...options.timing };
  const onError = (error) => attempt(() => handlers.onError?.(error));
  const tell = (call) => signal.aborted || attempt(call, onError);
  const feed = createFeed({ client, signal, timing, tell, read: () => void loop.read(), refresh: () => void loop.refresh() });
  const loop = createLoop({
    read: feed.read,
    signal,
    timing,
    onStatus: (status) => attempt(() => handlers.onStatus?.(status), onError),
    onError
  });
  const bindings = feed.bindings.map((binding) => ({ ...binding, onChange: (change) => void take(binding, change) }));
  const rejoin = openStream(client, { name, bindings, signal, timing, onOpen: loop.open, onLost: loop.lose, onError });
  async function take(binding, change) {
    try {
      await binding.onChange(change);
    } catch {
      loop.read();
    }
  }
  const stop = () => ended.abort();
  followPerson(client, signal, {
    onArrival: () => void Promise.all([rejoin(), loop.refresh()]),
    onRenewal: () => void loop.read(),
    onLeave: stop
  });
  whenSeen(signal, loop.read);
  return {
    stop,
    refresh: loop.refresh,
    readEarlier: feed.readEarlier,
    get hasEarlier() {
      return feed.hasEarlier();
    },
    get status() {
      return loop.status;
    }
  };
}
function whenSeen(signal, task) {
  const { document, window } = globalThis;
  document?.addEventListener("visibilitychange", () => document.visibilityState === "visible" && task(), { signal });
  window?.addEventListener?.("online", task, { signal });
}
function attempt(call, onError = (error) => console.error(error)) {
  try {
    call();
  } catch (error) {
    onError(error);
  }
}

// src/records.ts
var NEWEST = 500;
var ALL = ["conversation", "messages", "toolCalls", "qualification", "feedback"];
var CHANGES = [
  [/message|utterance|transcription_ready|^conversation\.ended$/, "messages"],
  [/tool/, "toolCalls"],
  [/objective|qualification/, "qualification"],
  [/feedback|analysis|transcription_ready|^conversation\.ended$|^system\.shutdown$/, "feedback"]
];
function createRecords(context, conversationId, handlers) {
  const shown = /* @__PURE__ */ new Map();
  const wanted = /* @__PURE__ */ new Set();
  let conversation = null;
  const readings = {
    conversation: async () => keep((await rowsOf(from("conversations").limit(1)))[0]),
    messages: async () => {
      const rows = await rowsOf(inOrder(from("conversation_messages")).limit(NEWEST));
      show("messages", rows.reverse(), handlers.onMessages);
    },
    toolCalls: async () => {
      const newest = from("tool_calls").order("called_at", { ascending: false, nullsFirst: true }).order("created_at", { ascending: false });
      show("toolCalls", (await rowsOf(newest.limit(NEWEST))).reverse(), handlers.onToolCalls);
    },
    qualification: async () => {
      const rows = await rowsOf(from("qualification_data").order("created_at"));
      show("qualification", rows, handlers.onQualification);
    },
    feedback: async () => {
      const sessions = conversation ? from("feedback_sessions", conversation.id).order("created_at", { ascending: false }) : null;
      const [row] = sessions ? await rowsOf(sessions.limit(1)) : [];
      show("feedback", row ?? null, handlers.onFeedback);
    }
  };
  function from(table, id = conversationId) {
    return context.client.from(table).select("*").eq("conversation_id", id).abortSignal(context.signal);
  }
  function show(name, rows, handler) {
    const text = JSON.stringify(rows);
    if (shown.get(name) === text) return;
    shown.set(name, text);
    context.tell(() => handler?.(rows));
  }
  function keep(row) {
    if (!row || row.version < (conversation?.version ?? 0)) return;
    if (!conversation) ask(ALL);
    conversation = row;
    show("conversation", row, handlers.onConversation);
  }
  const isHeard = {
    conversation: handlers.onConversation || handlers.onFeedback,
    messages: handlers.onMessages,
    toolCalls: handlers.onToolCalls,
    qualification: handlers.onQualification,
    feedback: handlers.onFeedback
  };
  const readWanted = oneAtATime(async () => {
    for (const name of ALL) {
      if (!wanted.delete(name)) continue;
      await readings[name]().catch((error) => {
        wanted.add(name);
        throw error;
      });
    }
  });
  function ask(names) {
    for (const name of names) if (isHeard[name]) wanted.add(name);
  }
  async function request(names) {
    ask(names);
    if (wanted.size) await readWanted();
  }
  async function take({ eventType, errors, new: row }) {
    const columns = Object.keys(conversation ?? {});
    const isWhole = eventType === "INSERT" || columns.length > 0 && columns.every((column) => column in row);
    const isTold = isWhole && !errors?.length;
    if (isTold) keep(row);
    if (row.id) await request(isTold ? [] : ["conversation"]);
  }
  return {
    take,
    /** Read all at first and when far back is read; else the row, which may change without an event. */
    read: (isDeep) => request(isDeep || !shown.size ? ALL : ["conversation"]),
    readAfter: (events) => request(events.flatMap(changedBy))
  };
}
function changedBy({ event_type }) {
  return CHANGES.filter(([pattern]) => pattern.test(event_type ?? "")).map(([, name]) => name);
}
function inOrder(query) {
  return query.order("position", { ascending: false, nullsFirst: true }).order("seq", { ascending: false, nullsFirst: true }).order("turn_idx", { ascending: false, nullsFirst: true }).order("timestamp", { ascending: false, nullsFirst: false }).order("created_at", { ascending: false });
}

// src/rowset.ts
var PAGE = 500;
function createRowSet(context, options) {
  const { select, orderBy, onRows } = options;
  const rows = /* @__PURE__ */ new Map();
  let told = /* @__PURE__ */ new Set();
  let size = options.pageSize;
  let hasEarlier = false;
  let isRead = false;
  const order = byNewest(orderBy);
  const sorted = () => [...rows.values()].sort(order);
  function tell() {
    const all = sorted();
    for (const { id } of all.splice(size)) hasEarlier = rows.delete(id);
    isRead = true;
    context.tell(() => onRows(all));
  }
  function keep(row) {
    const known = rows.get(row.id);
    if (known && isVersioned(known) && versionOf(row) <= versionOf(known)) return false;
    if (known && JSON.stringify(known) === JSON.stringify(row)) return false;
    rows.set(row.id, row);
    return true;
  }
  async function receive(change) {
    const id = change.new?.id ?? change.old?.id;
    if (!id) return;
    told.add(id);
    if (change.eventType === "DELETE") return void (rows.delete(id) && tell());
    const [row] = isWhole(change) ? [change.new] : await readByIds(select, [id]);
    if (row && !isBelow(row) && keep(row) && isRead) tell();
  }
  function isWhole({ eventType, errors, new: row }) {
    if (errors?.length) return false;
    const [known] = rows.values();
    return eventType === "INSERT" || !!known && Object.keys(known).every((column) => column in row);
  }
  function isBelow(row) {
    const last = hasEarlier && !rows.has(row.id) ? sorted().at(-1) : null;
    return !!last && order(last, row) < 0;
  }
  const read = oneAtATime(async () => {
    told = /* @__PURE__ */ new Set();
    const { listed, isWhole: isWhole2 } = await readList();
    const changed = listed.filter(isNews);
    const fresh = isWhole2 ? listed : await readByIds(select, changed.map(({ id }) => id));
    const isChanged = [forget(listed), ...fresh.filter(isStill).map(keep)].some(Boolean);
    if (isChanged || !isRead) tell();
  });
  async function readList() {
    const isWhole2 = !rows.size || ![...rows.values()].every(isVersioned);
    const columns = isWhole2 ? "*" : [.../* @__PURE__ */ new Set(["id", "version", orderBy])].join();
    const listed = [];
    for (let asked = 0; listed.length === asked && asked <= size; ) {
      const from = asked;
      asked = Math.min(from + PAGE, size + 1);
      const query = select(columns).order(orderBy, { ascending: false, nullsFirst: false }).order("id", { ascending: false });
      listed.push(...await rowsOf(query.range(from, asked - 1)));
    }
    hasEarlier = listed.length > size;
    return { listed: listed.slice(0, size), isWhole: isWhole2 };
  }
  function isNews(row) {
    const known = rows.get(row.id);
    return !known || versionOf(row) > versionOf(known);
  }
  function isStill({ id }) {
    return rows.has(id) || !told.has(id);
  }
  function forget(listed) {
    const there = new Set(listed.map(({ id }) => id));
    const gone = [...rows.keys()].filter((id) => !there.has(id) && !told.has(id));
    return gone.map((id) => rows.delete(id)).some(Boolean);
  }
  async function readEarlier() {
    if (hasEarlier) size += options.pageSize;
    await read();
  }
  return { receive, read, readEarlier, hasEarlier: () => hasEarlier };
}
function byNewest(column) {
  return (a, b) => compare(valueOf(b, column), valueOf(a, column)) || compare(b.id, a.id);
}
function valueOf(row, column) {
  return row[column] ?? null;
}
function compare(a, b) {
  if (a === b) return 0;
  if (a === null || b === null) return a === null ? -1 : 1;
  return a < b ? -1 : 1;
}
function versionOf({ version }) {
  return version ?? 0;
}
function isVersioned({ version }) {
  return typeof version === "number";
}

// src/watches.ts
var EVENTS = "processed_webhook_events";
var EVENT_PAGE = 200;
var ROW_PAGE = 50;
var FILTERS = [
  ["conversation_id", "conversationId"],
  ["event_type", "eventType"],
  ["source", "source"]
];
function watchConversation(client, conversationId, handlers, options = {}) {
  return follow(client, `convohooks:${conversationId}`, handlers, options, (context) => {
    const records = createRecords(context, conversationId, handlers);
    const onEvents = (events, about) => {
      if (!about.isHistory) records.readAfter(events).catch(context.read);
      handlers.onEvents?.(events, about);
    };
    const feed = createEventFeed(context, { onEvents }, { ...options, conversationId }, records.take);
    return { ...feed, read: (isDeep) => feed.read(isDeep).then(() => records.read(isDeep)) };
  });
}
function watchEvents(client, handlers, options = {}) {
  return follow(client, "convohooks:events", handlers, options, (context) => createEventFeed(context, handlers, options));
}
function watchRows(client, table, handlers, { column, value, orderBy, pageSize = ROW_PAGE, ...options }) {
  const isFiltered = column !== void 0 && value !== void 0;
  return follow(client, `convohooks:${table}`, handlers, options, (context) => {
    const select = (columns) => {
      const query = context.client.from(table).select(columns).abortSignal(context.signal);
      return isFiltered ? query.eq(column, value) : query;
    };
    const onRows = (rows) => handlers.onRows?.(rows);
    const set = createRowSet(context, { select, orderBy, pageSize, onRows });
    const filter = isFiltered ? { filter: equals(column, value) } : {};
    return { ...set, bindings: [{ event: "*", table, ...filter, onChange: set.receive }] };
  });
}
function createEventFeed(context, { onEvents = () => {
} }, options, take = async () => {
}) {
  const { conversationId, pageSize = EVENT_PAGE } = options;
  const asked = FILTERS.flatMap(([column, name]) => options[name] === void 0 ? [] : [[column, options[name]]]);
  const select = (columns) => {
    const query = context.client.from(EVENTS).select(columns).abortSignal(context.signal);
    return asked.reduce((narrowed, [column, value]) => narrowed.eq(column, value), query);
  };
  const includes = (event2) => asked.every(([column, value]) => event2[column] === value);
  const known = /* @__PURE__ */ new Set();
  const log = createEventLog(context, { select, includes, pageSize, onEvents });
  const filter = asked[0] ? { filter: equals(...asked[0]) } : {};
  function onConversation(change) {
    const { id, conversation_id: named } = change.new;
    if (id && typeof named === "string" && !known.has(named)) {
      known.add(named);
      log.expect(named);
      context.read();
    }
    return take(change);
  }
  const event = conversationId === void 0 ? "INSERT" : "*";
  const only = conversationId === void 0 ? {} : { filter: equals("conversation_id", conversationId) };
  return {
    ...log,
    bindings: [
      { event: "INSERT", table: EVENTS, ...filter, onChange: log.receive },
      { event, table: "conversations", ...only, onChange: onConversation }
    ]
  };
}
export {
  TIMING,
  watchConversation,
  watchEvents,
  watchRows
};
