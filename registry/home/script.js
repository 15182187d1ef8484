"use strict";

const $ = (id) => document.getElementById(id);
const POLL = 1200, LONGEST = 30000, STATS = 10000; // ms between polls

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

const code = new URLSearchParams(location.search).get("code"); // the function key, where the host wants one

class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail || words(status));
    this.status = status;
    this.again = status >= 500 || status === 429 || status === 408;
  }
}

function words(status) {
  if (status === 401 || status === 403) return "This host wants a key: open this page with ?code=… and the key.";
  return `The host answered with ${status}, which this page does not understand. Reload it, or try again later.`;
}

/* Calls the API. Throws Refusal for an error that the API tells of, TypeError where nothing answered. */
async function call(path, options = {}) {
  const headers = { ...options.headers, ...(code && { "x-functions-key": code }) };
  const sent = performance.now();
  const answer = await fetch(path, { ...options, headers, cache: "no-store", signal: AbortSignal.timeout(15000) });
  clock.learn(answer.headers.get("Date"), sent, performance.now());
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(answer.status, body);
  return { status: answer.status, body };
}

let id = "", shown = null, polls = 0, failures = 0, settling = 0, timer = 0, asking = false;
let mine = []; // items of this visitor that no peek has shown yet: {key, text, state, ackedAt}

function say(text) { set("news", text); }
let passing = false; // whether the alert is about the connection, and goes when that is back
function alarm(text, passes = false) { passing = passes; set("alert", text); }
function relieve() { if (passing) alarm(""); }

function explain(error) {
  if (error instanceof Refusal) return error.message;
  if (!navigator.onLine) return "You are offline. What you add is kept here, and sent when you are back.";
  return "The registry does not answer. What you add is kept here, and sent when it does.";
}

function enter() {
  const wanted = location.hash.slice(1);
  if (wanted && wanted === id) return;
  id = wanted;
  shown = null;
  mine = [];
  failures = settling = 0;
  alarm("");
  $("start").hidden = Boolean(id);
  $("registry").hidden = !id;
  $("link").value = location.href;
  render();
  if (id) poll();
}

function soon(milliseconds) {
  clearTimeout(timer);
  timer = setTimeout(poll, milliseconds);
}

async function poll() {
  if (!id || document.hidden) return clearTimeout(timer);
  const of = id, began = ++polls;
  clearTimeout(timer);
  asking = true;
  try {
    const { body } = await call(`peek/${encodeURIComponent(of)}`);
    if (of !== id || began !== polls) return; // of another registry, or a later poll is under way
    failures = 0;
    relieve();
    show(body, began);
  } catch (error) {
    if (of !== id || began !== polls) return;
    if (error instanceof Refusal && error.status === 404) return unknown();
    alarm(explain(error), true);
    failures += 1;
  } finally {
    if (began === polls) asking = false;
  }
  if (shown && shown.status === "Closed") {
    if (!failures && shown.registry.processing !== "pending") return;
    settling += 1; // a delivery may take a day
  }
  soon(Math.min(POLL * 2 ** (failures + settling), LONGEST));
}

function unknown() {
  id = "";
  history.replaceState(null, "", location.pathname + location.search);
  $("start").hidden = false;
  $("registry").hidden = true;
  alarm("There is no such registry: the link is not complete, or the registry was forgotten. Open another one.");
}

function show(body, began) {
  const before = shown;
  shown = body;
  mine = mine.filter((item) => !(item.state === "in" && item.ackedAt < began));
  if (before && body.status === "Open") {
    const more = body.registry.items.length - before.registry.items.length;
    if (more > 0) say(`${body.registry.items.length} gifts, the newest: ${body.registry.items.at(-1)}`);
  }
  if (before && before.status === "Open" && body.status === "Closed") {
    const hadFocus = $("add").contains(document.activeElement) || document.activeElement === $("finish");
    render();
    $("confirm").close();
    if (hadFocus) $("registry-title").focus();
    return;
  }
  render();
}

const PROCESSING = {
  off: "It is kept here, and sent nowhere.",
  pending: "It is on its way to be wrapped up.",
  delivered: "It was sent to be wrapped up.",
  failed: "It could not be sent to be wrapped up. Nothing is lost.",
};

function render() {
  const closed = Boolean(shown) && shown.status === "Closed";
  const registry = shown && shown.registry;
  $("registry-title").textContent = !shown ? "Loading…" : closed ? "The registry is closed" : "The registry is open";
  $("ending").hidden = $("processing").hidden = !closed;
  if (closed) {
    const at = new Date(registry.closedAt).toLocaleTimeString();
    const by = registry.closedBy === "user" ? "Somebody finished it" : "Its time was up";
    set("ending", `${by} at ${at}.`);
    set("processing", PROCESSING[registry.processing]);
  }
  $("again").hidden = !closed || registry.processing !== "failed";
  $("add").hidden = $("share").hidden = closed || !shown;
  $("finish").hidden = closed || !shown;
  $("another").hidden = !closed;
  $("time").hidden = closed || !shown;
  list(registry ? registry.items : []);
  tick();
}

function set(name, text) { if ($(name).textContent !== text) $(name).textContent = text; }

const STATES = { sending: "sending…", unsure: "not yet confirmed, trying again…", in: "" };

function list(items) {
  const entries = [...items.map((text) => ({ text, state: "in" })), ...mine];
  $("empty").hidden = entries.length > 0;
  const lines = [...$("items").children];
  entries.forEach(({ text, state }, index) => {
    const line = lines[index] || $("items").appendChild(document.createElement("li"));
    const wanted = JSON.stringify([text, state]);
    if (line.dataset.shown === wanted) return;
    line.dataset.shown = wanted;
    line.textContent = text; // only ever as text
    line.className = state === "in" ? "" : "unsure";
    if (STATES[state]) line.append(Object.assign(document.createElement("small"), { textContent: STATES[state] }));
  });
  lines.slice(entries.length).forEach((line) => line.remove());
}

function tick() {
  if (!shown || shown.status === "Closed") return;
  const left = Date.parse(shown.registry.closesAt) - clock.now();
  const seconds = Math.max(0, Math.ceil(left / 1000));
  set("time", `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`);
  if (seconds === 60 || seconds === 10) say(`${seconds} seconds left`);
  if (seconds === 0 && failures === 0 && !asking) poll();
}

let sending = Promise.resolve();

async function send(item, of) {
  const options = { method: "POST", body: JSON.stringify({ item: item.text }) };
  options.headers = { "Content-Type": "application/json", "Idempotency-Key": item.key };
  for (let attempt = 0; of === id; attempt += 1) {
    try {
      const { status } = await call(`add/${of}`, options);
      if (status === 200) {
        [item.state, item.ackedAt] = ["in", polls];
        say(`${item.text} is in the registry`);
        relieve();
        break;
      }
    } catch (error) {
      if (error instanceof Refusal && !error.again) {
        refused(item, error);
        break;
      }
      alarm(explain(error), true);
    }
    item.state = "unsure"; // with its key it counts once, however often it is sent
    list(shown ? shown.registry.items : []);
    await new Promise((resume) => setTimeout(resume, Math.min(500 * 2 ** attempt, 8000)));
  }
  if (of === id) list(shown ? shown.registry.items : []), poll(), stats();
}

function refused(item, error) {
  mine = mine.filter((each) => each !== item);
  alarm(`“${item.text.slice(0, 60)}” was not added. ${error.message}`);
  if (!$("item").value) $("item").value = item.text;
}

async function guarded(button, action) {
  button.disabled = true;
  try {
    await action();
  } catch (error) {
    alarm(explain(error));
  } finally {
    button.disabled = false;
  }
}

$("open").addEventListener("click", () => guarded($("open"), async () => {
  const { body } = await call("open", { method: "POST" });
  history.pushState(null, "", `#${body.id}`); // is no hashchange: the focus goes to the field for gifts
  enter();
  show({ status: body.status, registry: { ...body, items: [], closedAt: null, closedBy: null } }, 0);
  $("item").focus();
  say("The registry is open. Share its link.");
  stats();
}));

$("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("item").value;
  if (!text.trim()) return alarm("Name a gift, then press Enter.");
  alarm("");
  const of = id;
  const key = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const item = { key, text, state: "sending" };
  mine.push(item);
  $("item").value = "";
  list(shown ? shown.registry.items : []);
  sending = sending.then(() => send(item, of)); // one after the other, so that they stay in order
});

$("copy").addEventListener("click", async () => {
  $("link").select();
  try {
    await navigator.clipboard.writeText($("link").value);
    say("The link is copied");
    $("copy").textContent = "Copied";
  } catch {
    say("Copy the selected link");
  }
});

$("finish").addEventListener("click", () => $("confirm").showModal());
$("confirm").addEventListener("close", () => {
  if ($("confirm").returnValue !== "finish") return;
  $("confirm").returnValue = "";
  const of = id;
  guarded($("finish"), async () => {
    const { status, body } = await call(`finish/${of}`, { method: "POST" });
    if (of !== id) return;
    if (status === 200) show(body, ++polls);
    else alarm("The registry is being closed…", true);
    $("registry-title").focus();
    poll();
    stats();
  });
});

$("again").addEventListener("click", () => guarded($("again"), async () => {
  const { body } = await call(`process/${id}`, { method: "POST" });
  if (body.registry) show(body, ++polls);
  settling = 0;
  poll();
}));

async function stats() {
  try {
    const { body } = await call("stats");
    for (const name of ["registryCount", "itemsCount", "openCount"]) set(name, String(body[name]));
    set("delivered", String(body.processing.delivered));
  } catch { /* the registry itself tells of trouble */ }
}

addEventListener("hashchange", () => {
  enter();
  (id ? $("registry-title") : $("start-title")).focus();
});
addEventListener("online", () => { failures = 0; poll(); });
addEventListener("offline", () => alarm(explain(new TypeError()), true));
addEventListener("beforeunload", (event) => { if (mine.some((item) => item.state !== "in")) event.preventDefault(); });
document.addEventListener("visibilitychange", () => { poll(); if (!document.hidden) stats(); });
setInterval(tick, 250);
setInterval(() => { if (!document.hidden) stats(); }, STATS);
enter();
stats();
