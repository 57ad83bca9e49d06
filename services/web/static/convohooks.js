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

// src/query.ts
var MOST = 500;
var LEAST = 10;
var IDS = 100;
var FIRST_IDS = 4;
var ANSWER_CHARACTERS = 1e6;
var LONGEST_MS = 3e4;
var LATE_MS = 3e5;
var RESERVED = /[,()"\\]|^\s|\s$/;
var LateError = class extends Error {
};
async function rowsOf(request, signal) {
  return (await answerOf(request, signal)).rows;
}
async function answerOf(request, signal) {
  const { data, error, count } = await inTime(request, signal);
  if (error) throw new Error(error.message, { cause: error });
  return { rows: data, count: count ?? Infinity };
}
async function inTime(request, signal) {
  const given = new AbortController();
  const giveUp = () => given.abort();
  signal.addEventListener("abort", giveUp);
  if (signal.aborted) giveUp();
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(new LateError("Supabase does not answer"));
      giveUp();
    }, LONGEST_MS);
  });
  try {
    return await Promise.race([request.abortSignal(given.signal), late]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", giveUp);
  }
}
var createPace = () => ({ size: MOST, lateAt: -Infinity });
function readPaced(pace, most, ask, signal) {
  return atPace(pace, most, (size) => rowsOf(ask(size), signal));
}
async function atPace(pace, most, read) {
  const size = Math.min(pace.size, most);
  try {
    const given = await read(size);
    if (size === pace.size && Math.abs(Date.now() - pace.lateAt) > LATE_MS) pace.size = Math.min(MOST, size * 2);
    return given;
  } catch (error) {
    if (error instanceof LateError) Object.assign(pace, { size: Math.max(LEAST, size >> 1), lateAt: Date.now() });
    throw error;
  }
}
async function readFirst(pace, most, ask, signal) {
  const rows = /* @__PURE__ */ new Map();
  for (let from = 0; from < most; ) {
    const page = (size) => ask().range(from, from + size - 1);
    const { rows: found, count } = await atPace(pace, most - from, (size) => answerOf(page(size), signal));
    for (const row of found) rows.set(row.id, row);
    from += found.length;
    if (!found.length || from >= count) break;
  }
  return [...rows.values()];
}
function createById(select, signal) {
  let size = FIRST_IDS;
  async function read(ids, take) {
    for (const left = [...ids]; left.length; ) {
      const some = left.splice(0, size);
      const rows = await rowsOf(select("*").in("id", some), signal).catch((error) => {
        if (error instanceof LateError) size = Math.max(1, some.length >> 1);
        throw error;
      });
      if (rows.length) size = fitting(rows);
      const found = new Set(rows.map(({ id }) => id));
      if (rows.length) left.unshift(...some.filter((id) => !found.has(id)));
      take(rows, rows.length ? [...found] : some);
    }
  }
  return { read };
}
function fitting(rows) {
  const each = JSON.stringify(rows).length / rows.length;
  return Math.min(IDS, Math.max(1, Math.floor(ANSWER_CHARACTERS / each)));
}
function equals(column, value) {
  const text = String(value);
  return `${column}=eq.${RESERVED.test(text) ? `"${text.replace(/["\\]/g, "\\$&")}"` : text}`;
}

// src/arrivals.ts
var COLUMNS = "id,conversation_id,user_id,updated_at";
function createArrivals(context, onArrival) {
  const { client, signal, timing } = context;
  const pace = createPace();
  const known = /* @__PURE__ */ new Map();
  let newest = null;
  function take({ conversation_id: named, user_id: owner, updated_at: updated }) {
    if (typeof named !== "string" || known.has(named) && (owner === void 0 || known.get(named) === owner)) return false;
    remember({ conversation_id: named, user_id: owner });
    onArrival(named, updated ? Date.parse(updated) : Infinity);
    return true;
  }
  function remember({ conversation_id: named, user_id: owner }) {
    if (named) known.set(named, owner ?? null);
  }
  async function look() {
    const rows = newest === null ? await readNewest() : await readSince(newest - timing.depth);
    if (newest !== null) rows.forEach(take);
    newest = rows.reduce((latest, row) => Math.max(latest, timeOf(row)), newest ?? 0);
  }
  function readNewest() {
    return rowsOf(from().order("updated_at", { ascending: false, nullsFirst: false }).limit(1), signal);
  }
  async function readSince(time) {
    const rows = [];
    const since = () => from().gte("updated_at", new Date(Math.max(0, time)).toISOString()).order("id");
    for (let page = null; !page || page.length; ) {
      const last = rows.at(-1)?.id;
      page = await readPaced(pace, MOST, (size) => (last ? since().gt("id", last) : since()).limit(size), signal);
      rows.push(...page);
    }
    return rows;
  }
  const from = () => client.from("conversations").select(COLUMNS);
  return { take, remember, look, isBegun: () => newest !== null };
}
function timeOf({ updated_at }) {
  return Date.parse(updated_at ?? "") || 0;
}

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
function spaced(task, rest, signal) {
  let timer;
  let isWanted = false;
  function run() {
    isWanted = false;
    timer = setTimeout(() => {
      timer = void 0;
      if (isWanted) run();
    }, rest);
    task();
  }
  signal.addEventListener("abort", () => clearTimeout(timer));
  return () => {
    if (signal.aborted) return;
    if (timer === void 0) run();
    else isWanted = true;
  };
}

// src/events.ts
var KEY = "id,seq,processed_at,conversation_id";
var NAMED = 50;
var PLAIN = /^[\w.:-]+$/;
function createEventLog(context, { select, includes, pageSize, onEvents }) {
  const { signal } = context;
  const byId = createById(select, signal);
  const pace = createPace();
  const seen = /* @__PURE__ */ new Set();
  const unread = /* @__PURE__ */ new Set();
  const historic = /* @__PURE__ */ new Set();
  const arrived = /* @__PURE__ */ new Map();
  let checkpoint = null;
  let oldest = Infinity;
  let begun = null;
  let newestTime = -Infinity;
  let sweptTime = -Infinity;
  let hasEarlier = false;
  function accept(rows, isHistory, isLater = true) {
    const fresh = rows.filter((row) => !seen.has(row.id) && includes(row)).sort((a, b) => a.seq - b.seq);
    for (const { id } of fresh) seen.add(id);
    if (fresh.length) context.tell(() => onEvents(fresh, { isHistory }, isLater));
  }
  async function receive({ new: row, errors }) {
    if (!row.id) return;
    if (!errors?.length && "event_data" in row) return accept([row], false);
    unread.add(row.id);
    await readUnread();
  }
  async function read(isDeep) {
    await readUnread();
    const since = checkpoint;
    if (since === null) await readNewest();
    await readArrived();
    if (since !== null) await readSince(since, isDeep);
  }
  async function readNewest() {
    const page = await readPage(Infinity);
    checkpoint = page[0] ? page[0].seq - 1 : 0;
    settle(page);
    sweptTime = newestTime;
    accept(page, true, false);
  }
  async function readSince(seq, isDeep) {
    const lowest = oldest;
    const since = [];
    try {
      await readKeys((after) => select(KEY).gt("seq", after ?? seq), since);
    } finally {
      settle(since);
    }
    if (isDeep) await readLate(seq);
    if (isDeep && oldest === lowest) sweptTime = newestTime;
  }
  function readLate(upTo) {
    const from = new Date(Math.max(0, sweptTime - context.timing.depth)).toISOString();
    return readKeys((after) => keysAfter(after).lte("seq", upTo).gte("processed_at", from));
  }
  const keysAfter = (after) => after === null ? select(KEY).gte("seq", oldest) : select(KEY).gt("seq", after);
  async function readArrived() {
    for (const named of grouped([...arrived.keys()])) {
      const times = new Map(arrived);
      const isBefore = (key) => timeOf2(key) < (times.get(key.conversation_id) ?? 0);
      await readKeys((after) => ofConversations(keysAfter(after), named), [], isBefore);
      for (const id of named) if (arrived.get(id) === times.get(id)) arrived.delete(id);
    }
  }
  async function readUnread() {
    const missing = [...unread].filter((id) => !seen.has(id) || !unread.delete(id));
    await byId.read(missing, (rows, ids) => {
      accept(rows.filter(({ id }) => historic.has(id)), true);
      accept(rows, false);
      for (const id of ids) unread.delete(id) && historic.delete(id);
    });
  }
  const readEarlier = oneAtATime(async () => {
    if (hasEarlier) accept(await readPage(oldest), true, false);
  });
  async function readPage(before) {
    if (begun?.before !== before) begun = { before, sweptTime, rows: [] };
    const { rows } = begun;
    for (let isEnd = false; rows.length <= pageSize && !isEnd; ) {
      const found = await readBelow(rows.at(-1)?.seq ?? null, before, pageSize + 1 - rows.length);
      rows.push(...found);
      isEnd = !found.length;
    }
    sweptTime = Math.min(sweptTime, begun.sweptTime);
    begun = null;
    const page = rows.slice(0, pageSize).reverse();
    hasEarlier = rows.length > pageSize;
    oldest = hasEarlier && page[0]?.seq || 0;
    return page;
  }
  async function readBelow(last, before, most) {
    const newest = () => select("*").order("seq", { ascending: false });
    if (last !== null) {
      const rows2 = await readPaced(pace, most, (size) => newest().lte("seq", last).limit(size + 1), signal);
      if (!rows2.length) throw outOfSight();
      return rows2.filter(({ seq }) => seq < last);
    }
    const below = () => before === Infinity ? newest() : newest().lt("seq", before);
    const rows = await readPaced(pace, most, (size) => below().limit(size), signal);
    if (before !== Infinity && !rows.length && !await isSighted()) throw outOfSight();
    return rows;
  }
  function outOfSight() {
    begun = null;
    return new Error("The rows cannot be seen at the moment");
  }
  async function isSighted() {
    return (await rowsOf(select("id").order("seq", { ascending: false }).limit(1), signal)).length > 0;
  }
  async function readKeys(ask, keys = [], isHistory = (_key) => false) {
    for (let page = null; !page || page.length; ) {
      const after = keys.at(-1)?.seq ?? null;
      page = await readPaced(pace, MOST, (size) => ask(after).order("seq").limit(size), signal);
      const missing = page.filter(({ id }) => !seen.has(id));
      for (const key of missing) unread.add(key.id);
      for (const key of missing) if (isHistory(key)) historic.add(key.id);
      await readUnread();
      keys.push(...page);
    }
  }
  function settle(keys) {
    const times = keys.map(timeOf2).filter(Number.isFinite);
    newestTime = times.reduce((latest, time) => Math.max(latest, time), newestTime);
    const end = newestTime - context.timing.overlap;
    const young = keys.findIndex((key) => !(timeOf2(key) < end));
    const old = young < 0 ? keys : keys.slice(0, young);
    checkpoint = old.at(-1)?.seq ?? checkpoint;
  }
  return { receive, read, readEarlier, hasEarlier: () => hasEarlier, expect: (id, time) => void arrived.set(id, time) };
}
function grouped(names) {
  const plain = names.filter((name) => PLAIN.test(name));
  const groups = names.filter((name) => !PLAIN.test(name)).map((name) => [name]);
  while (plain.length) groups.push(plain.splice(0, NAMED));
  return groups;
}
function ofConversations(query, names) {
  return names.length === 1 ? query.eq("conversation_id", names[0]) : query.in("conversation_id", names);
}
function timeOf2({ processed_at }) {
  return Date.parse(processed_at ?? "");
}

// src/loop.ts
var NEWEST_DELAY = 0.8;
var MOST_FAILURES = 2;
function createLoop({ read, signal, timing, onStatus, onError, onRead }) {
  const state = { isOpen: false, isComplete: false, wasLive: false, opened: 0, failures: 0, polls: 0, isDeepDue: false, sweptAt: Date.now() };
  let status = null;
  let timer;
  const run = oneAtATime(async () => {
    if (signal.aborted) return;
    const { opened: opened2 } = state;
    const isDeep = state.isDeepDue || isDue(state.sweptAt, timing.sweep);
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
    onRead(state.isOpen);
  }
  function fail(error, isDeep) {
    if (signal.aborted) return;
    Object.assign(state, { failures: state.failures + 1, polls: 0, isDeepDue: state.isDeepDue || isDeep });
    if (state.failures >= MOST_FAILURES) state.isComplete = false;
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
function isDue(since, interval) {
  const passed = Date.now() - since;
  return passed < 0 || passed >= interval;
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
    if (before && id !== before) return handlers.onLeave();
    const isArrival = before === null && id;
    if (isArrival || before && isRenewal) setTimeout(() => signal.aborted || (isArrival ? handlers.onArrival() : handlers.onRenewal()));
  }
  async function look() {
    const id = subjectOf(await tokenOf(client));
    if (!signal.aborted) change(id, false);
    if (!signal.aborted) await client.realtime.setAuth().catch(() => {
    });
  }
  const subscription = subscribe(client, (event, id) => signal.aborted || change(id, event === "TOKEN_REFRESHED"));
  signal.addEventListener("abort", () => subscription?.unsubscribe());
  return { look: async () => subscription ? void 0 : look() };
}
function subscribe(client, onEvent) {
  try {
    return client.auth.onAuthStateChange((event, session) => onEvent(event, session?.user.id ?? null)).data.subscription;
  } catch {
    return null;
  }
}
async function tokenOf(client) {
  const { accessToken } = client;
  return await accessToken?.call(client) ?? null;
}
function subjectOf(token) {
  const [, claims] = token?.split(".") ?? [];
  if (!claims) return null;
  try {
    const { sub } = JSON.parse(atob(claims.replace(/-/g, "+").replace(/_/g, "/")));
    return typeof sub === "string" ? sub : null;
  } catch {
    return null;
  }
}

// src/stream.ts
var MOST_RETRIES = 5;
var MOST_REFUSALS = 10;
var PAUSE_MS = 20;
var opened = 0;
function openStream(client, options) {
  const { signal, timing } = options;
  let channel = null;
  let failures = 0;
  let refusals = 0;
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
    if (status !== "ok") return onRefusal(message);
    clearTimeout(timer);
    failures = refusals = 0;
    options.onOpen();
  }
  function onRefusal(message) {
    const delay = Math.min(timing.poll * 2 ** refusals, Math.max(timing.poll, timing.sweep));
    refusals = Math.min(refusals + 1, MOST_REFUSALS);
    lose(delay, refusals > 1 ? void 0 : new Error(message));
  }
  function onJoin(status, error) {
    if (status === "SUBSCRIBED") return;
    client.realtime.setAuth().catch(() => {
    });
    failures = Math.min(failures + 1, MOST_RETRIES);
    const isLeftAlone = status === "CLOSED" || !client.realtime.isConnected();
    lose(isLeftAlone ? failures * timing.retry : timing.start, failures === 2 ? error : void 0);
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
  const trouble = /* @__PURE__ */ new Set();
  const tellError = (error, of = "read") => {
    trouble.add(of);
    attempt(() => handlers.onError?.(error));
  };
  const onError = (error) => tellError(error);
  const tell = (call) => signal.aborted || attempt(call, onError);
  const feed = createFeed({ client, signal, timing, tell, read: () => void loop.read(), refresh: () => void loop.refresh() });
  const loop = createLoop({
    read,
    signal,
    timing,
    onStatus: (status) => attempt(() => handlers.onStatus?.(status), onError),
    onError,
    onRead
  });
  const bindings = feed.bindings.map((binding) => ({ ...binding, onChange: (change) => void take(binding, change) }));
  const rejoin = openStream(client, { name, bindings, signal, timing, onOpen: loop.open, onLost: loop.lose, onError: (error) => tellError(error, "stream") });
  async function read(isDeep) {
    await person.look();
    if (!signal.aborted) await feed.read(isDeep);
  }
  async function readEarlier() {
    await person.look();
    signal.throwIfAborted();
    await feed.readEarlier();
  }
  function onRead(isOpen) {
    const wasTrouble = trouble.size > 0;
    trouble.delete("read");
    if (isOpen) trouble.clear();
    if (wasTrouble && !trouble.size) attempt(() => handlers.onRecovery?.(), onError);
  }
  async function take(binding, change) {
    try {
      await binding.onChange(change);
    } catch {
      loop.read();
    }
  }
  const stop = () => ended.abort();
  const person = followPerson(client, signal, {
    onArrival: () => void Promise.all([rejoin(), loop.refresh()]),
    onRenewal: () => void loop.read(),
    onLeave: stop
  });
  whenSeen(signal, loop.read);
  return {
    stop,
    refresh: loop.refresh,
    readEarlier,
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
    const result = call();
    if (result instanceof Promise) result.catch(onError);
  } catch (error) {
    onError(error);
  }
}

// src/records.ts
var NEWEST = 500;
var REST_MS = 1e3;
var ALL = ["conversation", "messages", "toolCalls", "qualification", "feedback"];
var CHANGES = [
  [/message|utterance|transcription_ready|^conversation\.ended$/, "messages"],
  [/tool/, "toolCalls"],
  [/objective|qualification/, "qualification"],
  [/feedback|analysis|transcription_ready|^conversation\.ended$|^system\.shutdown$/, "feedback"]
];
function createRecords(context, conversationId, handlers, onKnown = () => {
}) {
  const pace = createPace();
  const shown = /* @__PURE__ */ new Map();
  const wanted = /* @__PURE__ */ new Set();
  let conversation = null;
  let told = 0;
  const readings = {
    conversation: readConversation,
    messages: async () => {
      const rows = await first(NEWEST, "conversation_messages", inOrder);
      show("messages", rows.reverse(), handlers.onMessages);
    },
    toolCalls: async () => {
      const rows = await first(NEWEST, "tool_calls", byCall);
      show("toolCalls", rows.reverse(), handlers.onToolCalls);
    },
    qualification: async () => {
      const rows = await first(Infinity, "qualification_data", byCreation);
      show("qualification", rows, handlers.onQualification);
    },
    feedback: async () => {
      const sessions = conversation ? from("feedback_sessions", conversation.id).order("created_at", { ascending: false }) : null;
      const [row] = sessions ? await rowsOf(sessions.limit(1), context.signal) : [];
      show("feedback", row ?? null, handlers.onFeedback);
    }
  };
  function from(table, id = conversationId, options) {
    return context.client.from(table).select("*", options).eq("conversation_id", id);
  }
  function first(most, table, order) {
    return readFirst(pace, most, () => order(from(table, conversationId, { count: "exact" })), context.signal);
  }
  async function readConversation() {
    const before = told;
    const [row] = await rowsOf(from("conversations").limit(1), context.signal);
    if (row?.id === conversation?.id || before === told) return row ? keep(row) : lose();
    await readConversation();
  }
  function show(name, rows, handler) {
    const text = JSON.stringify(rows);
    if (shown.get(name) === text) return;
    shown.set(name, text);
    context.tell(() => handler?.(rows));
  }
  function keep(row) {
    const isOther = row.id !== conversation?.id;
    if (conversation && !isOther && row.version < conversation.version) return;
    conversation = row;
    show("conversation", row, handlers.onConversation);
    if (!isOther) return;
    ask(ALL);
    onKnown(row);
  }
  function lose() {
    if (!conversation) return;
    conversation = null;
    show("conversation", null, handlers.onConversation);
    ask(ALL);
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
  async function take({ eventType, errors, new: row, old }) {
    if (eventType === "DELETE") return old?.id === conversation?.id ? request(["conversation"]) : void 0;
    const columns = Object.keys(conversation ?? {});
    const isWhole = eventType === "INSERT" || columns.length > 0 && columns.every((column) => column in row);
    const isTold = isWhole && !errors?.length;
    if (!row.id) return;
    told += 1;
    if (isTold) keep(row);
    await request(isTold ? [] : ["conversation"]);
  }
  const readSoon = spaced(() => readWanted().catch(context.read), REST_MS, context.signal);
  return {
    take,
    isKnown: () => conversation !== null,
    /** Read the row, if somebody listens to it. */
    look: () => request(["conversation"]),
    /** Read all at first and when far back is read; else the row, which may change without an event. */
    read: (isDeep) => request(isDeep || !shown.size ? ALL : ["conversation"]),
    /** Read soon what these events have changed. */
    readAfter(events) {
      ask(events.flatMap(changedBy));
      if (wanted.size) readSoon();
    }
  };
}
function changedBy({ event_type }) {
  return CHANGES.filter(([pattern]) => pattern.test(event_type ?? "")).map(([, name]) => name);
}
function byCall(query) {
  return query.order("called_at", { ascending: false, nullsFirst: true }).order("created_at", { ascending: false }).order("id", { ascending: false });
}
function byCreation(query) {
  return query.order("created_at").order("id");
}
function inOrder(query) {
  return query.order("position", { ascending: false, nullsFirst: true }).order("seq", { ascending: false, nullsFirst: true }).order("turn_idx", { ascending: false, nullsFirst: true }).order("timestamp", { ascending: false, nullsFirst: false }).order("created_at", { ascending: false }).order("id", { ascending: false });
}

// src/rowset.ts
function createRowSet(context, options) {
  const { select, orderBy, onRows } = options;
  const byId = createById(select, context.signal);
  const pace = createPace();
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
    const [row] = isWhole(change) ? [change.new] : await readByIds([id]);
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
    const fresh = isWhole2 ? listed : await readByIds(changed.map(({ id }) => id));
    const isChanged = [forget(listed), ...fresh.filter(isStill).map(keep)].some(Boolean);
    if (isChanged || !isRead) tell();
  });
  async function readList() {
    const isWhole2 = !rows.size || ![...rows.values()].every(isVersioned);
    const columns = isWhole2 ? "*" : [.../* @__PURE__ */ new Set(["id", "version", orderBy])].join();
    const newest = () => select(columns).order(orderBy, { ascending: false, nullsFirst: false }).order("id", { ascending: false });
    const listed = await readFirst(pace, size + 1, newest, context.signal);
    hasEarlier = listed.length > size;
    return { listed: listed.slice(0, size), isWhole: isWhole2 };
  }
  async function readByIds(ids) {
    const found = [];
    await byId.read(ids, (some) => found.push(...some));
    return found;
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
  demand(conversationId, "conversationId");
  return follow(client, `convohooks:${conversationId}`, handlers, options, (context) => {
    let isRead = false;
    const records = createRecords(context, conversationId, handlers, (row) => feed.expect(row, isRead));
    const onEvents = (events, about, isLater) => {
      if (isLater) records.readAfter(events);
      return handlers.onEvents?.(events, about);
    };
    const feed = createEventFeed(context, onEvents, { ...options, conversationId }, records.take);
    async function read(isDeep) {
      if (isRead && !records.isKnown()) await records.look();
      await feed.read(isDeep);
      await records.read(isDeep);
      isRead = true;
    }
    return { ...feed, read };
  });
}
function watchEvents(client, handlers, options = {}) {
  for (const [, name] of FILTERS) if (name in options) demand(options[name], name);
  const { conversationId } = options;
  return follow(
    client,
    "convohooks:events",
    handlers,
    options,
    (context) => createEventFeed(context, (events, about) => handlers.onEvents?.(events, about), { ...options, conversationId })
  );
}
function watchRows(client, table, handlers, options) {
  const { column, value, orderBy, pageSize = ROW_PAGE } = options;
  const isFiltered = "column" in options || "value" in options;
  if (isFiltered) demand(column, "column");
  if (isFiltered) demand(value, "value");
  return follow(client, `convohooks:${table}`, handlers, options, (context) => {
    const select = (columns) => {
      const query = context.client.from(table).select(columns);
      return isFiltered ? query.eq(column, value) : query;
    };
    const onRows = (rows) => handlers.onRows?.(rows);
    const set = createRowSet(context, { select, orderBy, pageSize, onRows });
    const filter = isFiltered ? { filter: equals(column, value) } : {};
    return { ...set, bindings: [{ event: "*", table, ...filter, onChange: set.receive }] };
  });
}
function createEventFeed(context, onEvents, options, take = async () => {
}) {
  const { conversationId, pageSize = EVENT_PAGE } = options;
  const asked = FILTERS.flatMap(([column, name]) => options[name] === void 0 ? [] : [[column, options[name]]]);
  const select = (columns) => {
    const query = context.client.from(EVENTS).select(columns);
    return asked.reduce((narrowed, [column, value]) => narrowed.eq(column, value), query);
  };
  const includes = (event) => asked.every(([column, value]) => event[column] === value);
  const log = createEventLog(context, { select, includes, pageSize, onEvents });
  const filter = asked[0] ? { filter: equals(...asked[0]) } : {};
  const arrivals = createArrivals(context, log.expect);
  function onConversation(change) {
    if (change.new?.id && arrivals.take(change.new)) context.read();
    return take(change);
  }
  async function read(isDeep) {
    if (conversationId === void 0 && (isDeep || !arrivals.isBegun())) await arrivals.look();
    await log.read(isDeep);
  }
  const only = conversationId === void 0 ? {} : { filter: equals("conversation_id", conversationId) };
  return {
    ...log,
    read,
    expect: (conversation, isNews) => void (isNews ? arrivals.take(conversation) : arrivals.remember(conversation)),
    bindings: [
      { event: "INSERT", table: EVENTS, ...filter, onChange: log.receive },
      { event: "*", table: "conversations", ...only, onChange: onConversation }
    ]
  };
}
function demand(value, name) {
  if (value === void 0 || value === null || value === "") throw new TypeError(`${name} is ${value === "" ? "empty" : value}`);
}
export {
  TIMING,
  watchConversation,
  watchEvents,
  watchRows
};
