"use strict";

const $ = (id) => document.getElementById(id);
const API = location.pathname.replace(/\/*(api(\/home)?)?\/*$/i, "/api/"); // the page is at /, /api and /api/home
const POLL = 1200, LONGEST = 30000, STATS = 10000; // ms between polls
const LATE = 30; // seconds before the end

const set = (name, text) => { if ($(name).textContent !== text) $(name).textContent = text; };
const say = (text) => set("news", text);
const pause = (milliseconds) => new Promise((resume) => {
  setTimeout(resume, milliseconds);
  addEventListener("online", resume, { once: true });
});

/* The alert: of each kind of trouble the latest, until that is over. */
const troubles = { action: "", network: "", send: "", poll: "" };
function trouble(kind, text) {
  troubles[kind] = text;
  set("alert", Object.values(troubles).find(Boolean) || "");
}

/* The server's clock, from the Date of its answers: whole seconds, so each answer narrows down where it stands. The
   visitor's clock plays no part: performance.now() only counts. */
const clock = {
  low: -Infinity,
  high: Infinity,
  learn(date, sent, received) {
    const second = Date.parse(date);
    if (Number.isNaN(second)) return;
    this.low = Math.max(this.low, second - received);
    this.high = Math.min(this.high, second + 1000 - sent);
    if (this.low > this.high) [this.low, this.high] = [second - received, second + 1000 - sent];
  },
  now() {
    return this.high === Infinity ? Date.now() : performance.now() + (this.low + this.high) / 2;
  },
};

const WORDS = { // for visitors, where the API's own are for those who write programs
  "hub-unavailable": "The registry cannot be reached just now. Try again in a moment.",
  "registry-closed": "The registry has closed, and takes no more gifts.",
  "processing-off": "This host sends registries nowhere.",
};

function words(status) {
  if (status === 401 || status === 403) return "This host wants a key: open this page with ?code=… and the key.";
  return `The host answered with ${status}, which this page does not understand. Try again later.`;
}

/* An answer that is not what was asked for: a problem that the API tells of, or none of the API's at all. */
class Refusal extends Error {
  constructor(status, problem) {
    const kind = String(problem.type || "").split("#").at(-1);
    super(WORDS[kind] || (kind && problem.detail) || words(status));
    this.kind = kind;
    this.again = kind ? kind === "hub-unavailable" : status !== 401 && status !== 403;
  }
}

const code = new URLSearchParams(location.search).get("code"); // the function key, where the host wants one

/* Calls the API, whose answer must be as `isWhole` says. Throws Refusal, or TypeError where nothing answered. */
async function call(path, isWhole, options = {}) {
  const headers = { ...options.headers, ...(code && { "x-functions-key": code }) };
  const sent = performance.now();
  const answer = await fetch(API + path, { ...options, headers, cache: "no-store", signal: AbortSignal.timeout(15000) });
  clock.learn(answer.headers.get("Date"), sent, performance.now());
  const body = await answer.json().catch(() => null);
  if (!answer.ok || !body || !isWhole(body)) throw new Refusal(answer.status, body || {});
  return { status: answer.status, body };
}

function explain(error) {
  if (error instanceof Refusal) return error.message;
  return `The registry does not answer. ${current ? "What you add is kept here, and sent when it does." : "Try again."}`;
}

/* A registry that this page has shown. Gifts of its visitor go on being sent while another one is shown. */
class Registry {
  shown = null; // what the API said last
  queue = Promise.resolve(); // one gift after the other, so that they stay in order
  failures = 0; // of polls in a row
  settling = 0; // polls since the close

  constructor(id) {
    this.id = id;
    this.mine = []; // gifts of this visitor: {key, text, from, state}
    for (const gift of recall(id)) this.send({ ...gift, state: "unsure" });
  }

  get isClosed() { return this.shown?.status === "Closed"; }
  get items() { return this.shown ? this.shown.registry.items : []; }
  get pending() { return this.mine.filter(({ state }) => state === "sending" || state === "unsure"); }

  /* Which of the items are gifts of mine, by index; and the gifts that are not among them. Items are only ever
     appended, so a gift is the first of its text that came after it was typed, and is not another one of mine. */
  sorted() {
    const known = new Set();
    const rest = this.mine.filter(({ text, from, state }) => {
      const index = this.items.findIndex((item, at) => at >= from && item === text && !known.has(at));
      if (index < 0 || state === "refused") return true;
      known.add(index);
      return false;
    });
    return { known, rest };
  }

  add(text) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const key = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    this.send({ key, text, from: this.items.length, state: "sending" });
  }

  send(gift) {
    this.mine.push(gift);
    this.keep();
    this.queue = this.queue.then(() => this.insist(gift));
  }

  /* Sends a gift until the outcome is known: under its key it counts once, however often it is sent. */
  async insist(gift) {
    const headers = { "Content-Type": "application/json", "Idempotency-Key": gift.key };
    const options = { method: "POST", headers, body: JSON.stringify({ item: gift.text }) };
    for (let attempt = 0; gift.state !== "in"; attempt += 1) {
      try {
        const { status } = await call(`add/${this.id}`, (body) => body.itemKey === gift.key, options);
        trouble("send", "");
        if (status === 200) {
          gift.state = "in";
          if (this === current) say(`${gift.text} is in the registry`);
          break;
        }
      } catch (error) {
        if (error instanceof Refusal && !error.again) {
          this.refuse(gift, error);
          break;
        }
        trouble("send", explain(error));
      }
      gift.state = "unsure";
      render();
      await pause(Math.min(500 * 2 ** attempt, 8000));
    }
    this.keep();
    render();
    if (this === current) poll();
    stats();
  }

  /* A gift that is not taken goes back to where it was typed, or is marked in the list. */
  refuse(gift, error) {
    Object.assign(gift, { state: "refused", reason: error.message });
    trouble("send", "");
    if (this !== current) return;
    const refused = this.mine.filter(({ state }) => state === "refused").length;
    const what = refused > 1 ? `${refused} gifts were` : `“${gift.text.slice(0, 60)}” was`;
    trouble("action", `${what} not added. ${error.message}`);
    if (error.kind !== "registry-closed" && !$("item").value) this.edit(gift);
  }

  edit(gift) {
    this.mine = this.mine.filter((each) => each !== gift);
    $("item").value = gift.text;
  }

  /* What is pending outlives a reload. */
  keep() {
    const pending = this.pending.map(({ key, text, from }) => ({ key, text, from }));
    try {
      if (pending.length) sessionStorage.setItem(this.id, JSON.stringify(pending));
      else sessionStorage.removeItem(this.id);
    } catch { /* no storage here: then only the warning before the page is left */ }
  }

  show(body) {
    const wasOpen = this.shown && !this.isClosed;
    const before = this.items.length;
    const isFirst = !this.shown;
    this.shown = body;
    if (this !== current) return;
    if (wasOpen && this.isClosed) return closed();
    render();
    if (isFirst) return;
    const { known } = this.sorted();
    const others = this.items.filter((_, at) => at >= before && !known.has(at));
    if (others.length) say(`${others.length === 1 ? "A new gift" : `${others.length} new gifts, the newest`}: ${others.at(-1)}`);
  }
}

function recall(id) {
  try {
    return JSON.parse(sessionStorage.getItem(id)) || [];
  } catch {
    return [];
  }
}

const visited = new Map();
let current = null, asked = null; // the registry that is shown, and the one that the dialog is about
let polls = 0, asking = 0, timer = 0, told = 0;

function enter() {
  const id = location.hash.slice(1);
  if (current && current.id === id) return;
  $("confirm").close();
  current = null;
  trouble("action", "");
  trouble("poll", "");
  if (id && !/^[0-9a-f]{32}$/.test(id)) return unknown();
  if (id) {
    if (!visited.has(id)) visited.set(id, new Registry(id));
    current = visited.get(id);
    current.failures = current.settling = 0;
  }
  render();
  poll();
}

function unknown() {
  const hadFocus = $("registry").contains(document.activeElement);
  current = null;
  render();
  trouble("action", "There is no such registry: the link is not complete, or the registry was forgotten. Open another one.");
  if (hadFocus) $("start-title").focus();
}

async function poll() {
  clearTimeout(timer);
  const registry = current;
  if (!registry || document.hidden) return;
  const began = ++polls;
  asking += 1;
  try {
    const { body } = await call(`peek/${registry.id}`, isRegistry);
    if (registry !== current || began !== polls) return; // a later one is under way
    registry.failures = 0;
    trouble("poll", "");
    registry.show(body);
  } catch (error) {
    if (registry !== current || began !== polls) return;
    if (error.kind === "unknown-registry") return unknown();
    trouble("poll", explain(error));
    registry.failures += 1;
  } finally {
    asking -= 1;
  }
  if (registry.isClosed) {
    if (!registry.failures && registry.shown.registry.processing !== "pending") return;
    registry.settling += 1; // a delivery may take a day
  }
  timer = setTimeout(poll, Math.min(POLL * 2 ** (registry.failures + registry.settling), LONGEST));
}

const isRegistry = (body) => Array.isArray(body.registry?.items);

/* Focus and dialog were about what is no longer there. */
function closed() {
  const hadFocus = $("confirm").open || $("registry").contains(document.activeElement);
  $("confirm").close();
  render();
  if (hadFocus) $("registry-title").focus();
  say(`The registry is closed. ${$("ending").textContent}`);
  stats();
}

const PROCESSING = {
  off: "It is kept here, and sent nowhere.",
  pending: "It is on its way to be wrapped up.",
  delivered: "It was sent to be wrapped up.",
  failed: "It could not be sent to be wrapped up. Nothing is lost.",
};

function render() {
  $("start").hidden = Boolean(current);
  $("registry").hidden = !current;
  document.title = "Holiday Registry";
  if (!current) return;
  const { shown, isClosed } = current, registry = shown && shown.registry;
  set("registry-title", !shown ? "Loading…" : isClosed ? "The registry is closed" : "The registry is open");
  $("ending").hidden = $("processing").hidden = $("another").hidden = !isClosed;
  $("add").hidden = $("share").hidden = $("finish").hidden = $("time").hidden = isClosed || !shown;
  $("again").hidden = !isClosed || registry.processing !== "failed";
  $("link").value = location.href;
  if (isClosed) {
    const by = registry.closedBy === "user" ? "Somebody finished it" : "Its time was up";
    set("ending", `${by} at ${new Date(registry.closedAt).toLocaleTimeString()}.`);
    set("processing", PROCESSING[registry.processing]);
    $("processing").className = registry.processing;
  }
  list();
  tick();
}

const STATES = { in: "", sending: "sending…", unsure: "not yet confirmed, trying again…", refused: "not added" };

/* The newest first. Only lines that differ are touched. */
function list() {
  const gifts = [...current.items.map((text) => ({ text, state: "in" })), ...current.sorted().rest];
  $("empty").hidden = gifts.length > 0 || !current.shown;
  const lines = [...$("items").children].reverse();
  gifts.forEach((gift, index) => {
    const line = lines[index] || document.createElement("li");
    if (!lines[index]) $("items").prepend(line);
    const { text, state, reason } = gift, wanted = JSON.stringify([text, state, current.isClosed]);
    line.gift = gift;
    if (line.dataset.shown === wanted) return;
    line.dataset.shown = wanted;
    line.className = state === "in" ? "" : "unsure";
    line.replaceChildren(element("bdi", text)); // only ever as text
    if (STATES[state]) line.append(" ", element("small", reason ? `${STATES[state]}: ${reason}` : STATES[state]));
    if (state === "refused" && !current.isClosed) line.append(" ", element("button", "Edit"));
  });
  lines.slice(gifts.length).forEach((line) => line.remove());
}

function element(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}

function tick() {
  if (!current || !current.shown || current.isClosed) return;
  const left = Date.parse(current.shown.registry.closesAt) - clock.now();
  const seconds = Math.max(0, Math.ceil(left / 1000));
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  set("time", time);
  $("time").className = seconds <= LATE ? "late" : "";
  document.title = `${time} · Holiday Registry`;
  if ((seconds === 60 || seconds === 10) && told !== seconds) say(`${seconds} seconds left`);
  told = seconds;
  if (seconds === 0 && !current.failures && !asking) poll();
}

async function stats() {
  try {
    const { body } = await call("stats", (body) => body.processing);
    for (const name of ["registryCount", "itemsCount", "openCount"]) set(name, String(body[name]));
    set("delivered", String(body.processing.delivered));
  } catch { /* the registry itself tells of trouble */ }
}

/* Does what a button is for, once at a time. The button keeps the focus, which one that is disabled would lose. */
async function guarded(button, action) {
  if (button.getAttribute("aria-disabled")) return;
  button.setAttribute("aria-disabled", "true");
  trouble("action", "");
  try {
    await action();
  } catch (error) {
    trouble("action", explain(error));
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

$("open").addEventListener("click", () => guarded($("open"), async () => {
  const { body } = await call("open", (body) => body.id && body.closesAt, { method: "POST" });
  history.pushState(null, "", `#${body.id}`); // is no hashchange: the focus goes to the field for gifts
  enter();
  current.show({ status: body.status, registry: { ...body, items: [] } });
  $("item").focus();
  say("The registry is open. Share its link.");
  stats();
}));

$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("item").value;
  trouble("action", text.trim() ? "" : "Name a gift, then press Enter.");
  if (!text.trim()) return;
  $("item").value = "";
  current.add(text);
  render();
});

$("items").addEventListener("click", (event) => {
  if (event.target.tagName !== "BUTTON") return;
  current.edit(event.target.parentElement.gift);
  render();
  $("item").focus();
});

$("copy").addEventListener("click", async () => {
  $("link").select();
  try {
    await navigator.clipboard.writeText($("link").value);
    say("The link is copied");
    set("copy", "Copied");
  } catch { // only pages that came over https, or from this machine, may
    say("The link is selected: copy it");
    set("copy", "Selected");
  }
  setTimeout(() => set("copy", "Copy"), 3000);
});

$("finish").addEventListener("click", () => {
  asked = current;
  const count = asked.pending.length;
  set("unconfirmed", count ? `Not yet confirmed of your gifts: ${count}. They get a few seconds more.` : "");
  $("confirm").returnValue = "";
  $("confirm").showModal();
});

$("confirm").addEventListener("close", () => {
  if ($("confirm").returnValue !== "finish") return;
  const registry = asked;
  guarded($("finish"), async () => {
    await Promise.race([registry.queue, pause(5000)]);
    const finish = () => call(`finish/${registry.id}`, (body) => isRegistry(body) || body.detail, { method: "POST" });
    let answer = await finish();
    while (answer.status === 202) { // its outcome is not known yet
      say("The registry is being closed…");
      await pause(1000);
      answer = await finish();
    }
    polls += 1; // a poll that is under way may have seen less
    registry.show(answer.body);
    poll();
  });
});

$("again").addEventListener("click", () => guarded($("again"), async () => {
  const registry = current;
  const { body } = await call(`process/${registry.id}`, (body) => isRegistry(body) || body.detail, { method: "POST" });
  polls += 1;
  registry.settling = 0;
  if (isRegistry(body)) registry.show(body);
  poll();
}));

addEventListener("hashchange", () => {
  enter();
  (current ? $("registry-title") : $("start-title")).focus();
});
addEventListener("online", () => {
  trouble("network", "");
  if (current) current.failures = 0;
  poll();
  stats();
});
addEventListener("offline", () => {
  trouble("network", `You are offline.${current ? " What you add is kept here, and sent when you are back." : ""}`);
});
addEventListener("beforeunload", (event) => {
  if ([...visited.values()].some((registry) => registry.pending.length)) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  poll();
  stats();
});
setInterval(tick, 250);
setInterval(() => { if (!document.hidden) stats(); }, STATS);
$("key-hint").hidden = !code;
$("description").href = `${API}openapi.json`;
enter();
stats();
