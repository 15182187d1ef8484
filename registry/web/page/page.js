/* The page: what people do with it, and what it does by itself. */

import { Refusal, call, clock, useKey } from "./api.js";
import { Registry, count, idIn, lit, several, written } from "./gifts.js";
import { forget, functionKey, keep, recall, visited, visits } from "./memory.js";
import { $, code, element, late, list, on, say, set, trouble } from "./view.js";

const POLL = 1200, LONGEST = 30000, STATS = 10000; // ms between polls
const LIGHTS = 10, STEP = 60, LATE = 30; // seconds before the end
const FINISH_ATTEMPTS = 3; // while each crashes a worker

/** @param {number} milliseconds */
const pause = (milliseconds) => new Promise((resume) => {
  setTimeout(resume, milliseconds);
  addEventListener("online", resume, { once: true });
});

/** @type {Map<string, Registry>} */
const known = new Map();
/** @type {Registry | null} */
let current = null;
/** @type {Registry | null} */
let asked = null; // the one that the dialog is about
let polls = 0, asking = 0, timer = 0, announced = 0, typed = -Infinity;

/** @param {unknown} error */
function explain(error) {
  if (error instanceof Refusal) return error.message;
  const advice = current ? "What you add is kept here, and sent when it does." : "Try again.";
  return `The registry does not answer. ${advice}`;
}

/**
 * Takes what became of a gift of this visitor.
 * @param {Registry} registry @param {import("./gifts.js").Event} what @param {any} about
 */
function notify(registry, what, about) {
  if (what === "trouble") trouble("send", about ? explain(about) : "");
  if (what === "refused") trouble("send", "");
  if (what === "added" || what === "removed") stats();
  if (registry !== current) return;
  if (what === "added") say(`${about.text} is in the registry`);
  if (what === "removed") offerUndo(about.text);
  if (what === "refused") refused(registry, about);
  if (what !== "trouble" && what !== "changed") {
    polls += 1; // a poll that is under way may have seen less
    poll();
  }
  render();
}

/**
 * A gift that is not taken goes back to where it was typed, or is marked in the list.
 * @param {Registry} registry @param {any} gift
 */
function refused(registry, gift) {
  const name = `“${gift.text.slice(0, 60)}”`;
  if (gift.kind === "registry-closed") return say(`${name} came too late.`);
  const all = registry.refused.length - registry.late.length;
  const what = all > 1 ? `${all} gifts were` : `${name} was`;
  trouble("action", `${what} not added. ${gift.reason}`);
  if (!$("item").value) edit(registry, gift);
}

/** @param {Registry} registry @param {any} gift */
function edit(registry, gift) {
  registry.drop(gift);
  $("item").value = gift.text;
}

/** @param {string} text */
function offerUndo(text) {
  set("undo-text", `“${text.slice(0, 60)}” is taken back.`);
  $("undo").hidden = false;
  $("undo-button").onclick = () => {
    $("undo").hidden = true;
    current?.add(text);
    render();
    $("item").focus();
  };
  say($("undo-text").textContent);
}

function enter() {
  const id = idIn(location.hash), isLink = location.hash.length > 1;
  if (id && location.hash !== `#${id}`) history.replaceState(null, "", `#${id}`);
  if (current && current.id === id) return;
  for (const dialog of ["confirm", "invite", "paste"]) $(dialog).close();
  current = null;
  $("undo").hidden = true;
  $("bow").className = $("item").value = "";
  trouble("action", "");
  trouble("poll", "");
  if (isLink && !id) return unknown();
  if (id) {
    current = known.get(id) || new Registry(id, { call, recall, keep, pause, notify });
    known.set(id, current);
    current.failures = current.pollsSinceClose = 0;
    $("item").value = current.draft;
  }
  render();
  poll();
}

function unknown() {
  const hadFocus = $("registry").contains(document.activeElement);
  if (current) forget(current.id);
  current = null;
  render();
  const reason = "the link is not complete, or the registry was forgotten";
  trouble("action", `There is no such registry: ${reason}. Open another one.`);
  if (hadFocus) $("start-title").focus();
}

async function poll() {
  clearTimeout(timer);
  const registry = current;
  if (!registry || document.hidden) return;
  const began = ++polls;
  asking += 1;
  try {
    /** @type {Record<string, string>} */
    const headers = registry.etag ? { "If-None-Match": registry.etag } : {};
    const { status, body, etag } = await call(`peek/${registry.id}`, isRegistry, { headers });
    if (registry !== current || began !== polls) return; // a later one is under way
    registry.failures = 0;
    trouble("poll", "");
    if (status !== 304) show(registry, body, etag);
  } catch (error) {
    if (registry !== current || began !== polls) return;
    if (error instanceof Refusal && error.kind === "unknown-registry") return unknown();
    trouble("poll", explain(error));
    registry.failures += 1;
  } finally {
    asking -= 1;
  }
  if (registry.isClosed) {
    if (!registry.failures && registry.shown?.registry.processing !== "pending") return;
    registry.pollsSinceClose += 1; // a delivery may take a day
  }
  const doublings = registry.failures + registry.pollsSinceClose;
  timer = setTimeout(poll, Math.min(POLL * 2 ** doublings, LONGEST));
}

/** @param {any} body */
const isRegistry = (body) => Array.isArray(body.registry?.items);

/**
 * Shows what the API says, and announces what is new.
 * @param {Registry} registry @param {any} body @param {string} etag
 */
function show(registry, body, etag = "") {
  const before = registry.shown, wasOpen = before && !registry.isClosed;
  const others = registry.show(body);
  registry.etag = etag;
  const { id, items, isClosed } = registry;
  visited({ id, openedAt: body.registry.openedAt, gifts: items.length, isClosed });
  if (registry !== current) return;
  if (wasOpen && registry.isClosed) return closed(registry);
  render();
  const what = others.length === 1 ? "A new gift" : `${others.length} new gifts, the newest`;
  if (others.length) say(`${what}: ${others.at(-1)}`);
  if (registry.isClosed && before && before.registry.processing !== body.registry.processing) {
    say($("processing").textContent);
    stats();
  }
}

/**
 * Focus and dialogs were about what is no longer there; what was being typed is handed back.
 * @param {Registry} registry
 */
function closed(registry) {
  const dialogs = ["confirm", "invite", "paste"].map($);
  const wasInside = $("registry").contains(document.activeElement);
  const hadFocus = wasInside || dialogs.some(({ open }) => open);
  dialogs.forEach((dialog) => dialog.close());
  trouble("action", "");
  registry.draft = $("item").value;
  registry.keep();
  $("undo").hidden = true;
  $("bow").className = "ties";
  render();
  if (hadFocus) $("registry-title").focus();
  say(`The registry is closed. ${$("ending").textContent} ${$("processing").textContent}`);
  stats();
}

/** What became of the delivery, in people's words. @param {any} registry */
function delivery({ items, processing }) {
  if (!items.length && processing === "off") return "There is nothing to wrap up.";
  const gifts = items.length ? `${count(items.length, "gift")}` : "The empty list";
  const [were, are] = items.length > 1 ? ["were", "are"] : ["was", "is"];
  /** @type {Record<string, string>} */
  const words = {
    off: `${gifts} ${are} kept here, and sent nowhere.`,
    pending: `${gifts} ${are} on the way to be wrapped up.`,
    delivered: `${gifts} ${were} sent to be wrapped up.`,
    failed: `${gifts} could not be sent to be wrapped up. Nothing is lost.`,
  };
  return words[processing];
}

/** @param {string} time */
const clockTime = (time) => new Date(time).toLocaleTimeString([], { timeStyle: "medium" });

/** Who closed it, and when. @param {Registry} registry @param {any} shown */
function ending({ finished }, { closedBy, closedAt, closesAt, openedAt }) {
  const user = finished ? "You finished it" : "Somebody finished it";
  const reason = closedBy === "user" ? user : "Its time was up";
  const times = [closedAt || closesAt, openedAt].map(clockTime);
  return `${reason} at ${times[0]}. It opened at ${times[1]}.`;
}

function render() {
  $("start").hidden = Boolean(current);
  $("registry").hidden = !current;
  document.title = "Holiday Registry";
  if (!current) return recent();
  const { shown, isClosed } = current, registry = shown?.registry;
  const title = isClosed ? "The registry is closed" : "The registry is open";
  set("registry-title", shown ? title : "Loading…");
  $("ending").hidden = $("processing").hidden = $("result").hidden = $("bow").hidden = !isClosed;
  $("add").hidden = $("share").hidden = $("finish").hidden = $("time").hidden = isClosed || !shown;
  $("lights").hidden = $("item-help").hidden = $("add").hidden;
  $("again").hidden = !isClosed || registry?.processing !== "failed";
  if (isClosed && registry) {
    set("ending", ending(current, registry));
    set("processing", delivery(registry));
    $("processing").className = registry.processing;
  }
  const unsent = isClosed && current.draft.trim() ? [current.draft] : [];
  late([...current.late.map(({ text }) => text), ...unsent]);
  list(current);
  tick();
}

function recent() {
  const all = visits();
  $("recent").hidden = !all.length;
  $("visits").replaceChildren(...all.map((visit) => {
    const line = element("li", "");
    const opened = new Date(visit.openedAt);
    const when = opened.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
    const link = Object.assign(element("a", when), { href: `#${visit.id}` });
    const button = Object.assign(element("button", "Forget"), { type: "button" });
    button.setAttribute("aria-label", `Forget the registry of ${when}`);
    button.onclick = () => {
      forget(visit.id);
      known.delete(visit.id);
      recent();
      $("start-title").focus();
      say("It is forgotten on this device.");
    };
    line.append(link, ` · ${count(visit.gifts, "gift")} `, button);
    return line;
  }));
}

function tick() {
  if (!current?.shown || current.isClosed) return;
  const { openedAt, closesAt } = current.shown.registry;
  const end = Date.parse(closesAt), duration = end - Date.parse(openedAt);
  const left = Math.min(duration, end - clock.now());
  const seconds = Math.max(0, Math.ceil(left / 1000));
  const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  set("time", time);
  $("head").className = seconds <= LATE ? "late" : seconds <= STEP ? "minute" : "";
  const burning = lit(left, duration, LIGHTS);
  [...$("lights").children].forEach((light, at) => {
    light.className = at < burning ? "" : "out";
  });
  document.title = `${time} · Holiday Registry`;
  if ((seconds === 60 || seconds === 10) && announced !== seconds) say(`${seconds} seconds left`);
  announced = seconds;
  if (seconds === 0 && !current.failures && !asking) poll();
}

async function stats() {
  try {
    const { body } = await call("stats", (body) => body.processing);
    for (const name of ["registryCount", "itemsCount", "openCount"]) set(name, String(body[name]));
    set("itemsCount-of", body.itemsCount === 1 ? "gift" : "gifts");
    set("delivered", String(body.processing.delivered));
    $("all").hidden = !body.registryCount;
  } catch { /* the polls of the registry show it */ }
}

/**
 * Does what a button is for, once at a time; what failed is offered again. A disabled button would
 * lose focus.
 * @param {any} button @param {() => Promise<unknown>} action @param {string} [failed]
 */
async function guarded(button, action, failed = "") {
  if (button.getAttribute("aria-disabled")) return;
  button.setAttribute("aria-disabled", "true");
  trouble("action", "");
  const registry = current;
  try {
    await action();
  } catch (error) {
    if (registry !== current) return;
    const again = () => {
      button.focus();
      guarded(button, action, failed);
    };
    trouble("action", `${failed}${explain(error)}`, again);
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

async function open() {
  const { body } = await call("open", (body) => body.id && body.closesAt, { method: "POST" });
  // Not a hashchange: the focus goes to the field for gifts.
  history.pushState(null, "", `#${body.id}`);
  enter();
  if (current) show(current, { status: body.status, registry: { ...body, items: [] } });
  $("item").focus();
  say("The registry is open. Share its link.");
  stats();
}
for (const id of ["open", "another"]) {
  $(id).onclick = () => guarded($(id), open, "The registry was not opened. ");
}

on("add", "submit", (event) => {
  event.preventDefault();
  const text = $("item").value, isDouble = performance.now() - typed < 800;
  $("item").focus();
  if (!text && isDouble) return;
  trouble("action", text.trim() ? "" : "Name a gift, then press Enter.");
  if (!text.trim() || !current) return;
  adopt([text]);
  $("item").value = "";
});

/** @param {string[]} texts */
function adopt(texts) {
  typed = performance.now();
  for (const text of texts) current?.add(text);
  if (current) current.draft = "";
  render();
}

on("item", "input", () => {
  trouble("action", "");
  if (!current) return;
  current.draft = $("item").value;
  current.keep();
});

on("item", "paste", (event) => {
  const text = event.clipboardData?.getData("text/plain") || "", gifts = several(text);
  if (gifts.length < 2) return;
  event.preventDefault();
  set("paste-title", `Add ${count(gifts.length, "gift")}?`);
  $("pasted").replaceChildren(...gifts.map((gift) => element("li", gift)));
  $("paste").returnValue = "";
  $("paste").onclose = () => {
    if ($("paste").returnValue === "all") adopt(gifts);
    if ($("paste").returnValue === "one") $("item").value += gifts.join(" ");
    if (!$("add").hidden) $("item").focus();
  };
  $("paste").showModal();
});

on("items", "click", (event) => {
  const { action } = event.target.dataset, line = event.target.closest("li");
  if (!action || !current) return;
  if (action === "unfold") {
    line.classList.add("whole");
    event.target.remove();
    return;
  }
  if (action === "edit") edit(current, line.gift);
  if (action === "remove") current.remove(line.gift);
  render();
  $("item").focus();
});

on("late-gifts", "click", (event) => {
  if (event.target.dataset.action === "copy") copy(event.target, event.target.closest("li").text);
});

/** @param {any} button @param {string} text */
async function copy(button, text) {
  const label = button.dataset.label || button.textContent;
  button.dataset.label = label;
  try {
    await navigator.clipboard.writeText(text);
    say("It is copied");
    button.textContent = "Copied";
  } catch { // only pages that came over https, or from this machine, may
    say("It could not be copied: select it, and copy it yourself");
    button.textContent = "Not copied";
  }
  setTimeout(() => { button.textContent = label; }, 3000);
}

const link = () => `${location.origin}${location.pathname}#${current?.id}`;

$("share").onclick = async () => {
  $("link").value = link();
  code(link());
  if (!$("invite").open) $("invite").showModal();
  if (!navigator.share) return copy($("copy"), link());
  // Whoever changes their mind sees the code.
  await navigator.share({ title: "Holiday Registry", url: link() }).catch(() => {});
};
$("copy").onclick = () => {
  $("link").select();
  copy($("copy"), link());
};

/** @param {boolean} isMarkdown */
const result = (isMarkdown) => {
  const shown = current?.shown;
  if (!shown) return "";
  const { closedAt, closesAt } = shown.registry;
  return written(shown, isMarkdown, new Date(closedAt || closesAt).toLocaleString());
};
$("copy-text").onclick = () => copy($("copy-text"), result(false));
$("copy-markdown").onclick = () => copy($("copy-markdown"), result(true));
$("print").onclick = () => print();
$("share-result").onclick = async () => {
  const text = `${result(false)}\n${link()}`;
  if (!navigator.share) return copy($("share-result"), text);
  await navigator.share({ title: "Holiday Registry", text }).catch(() => {});
};

$("finish").onclick = () => {
  if ($("confirm").open || !current) return;
  asked = current;
  const pending = current.pending.length;
  const warning = `Not yet confirmed of your gifts: ${pending}. They get a few seconds more.`;
  set("unconfirmed", pending ? warning : "");
  $("confirm").returnValue = "";
  $("confirm").showModal();
};

/** @param {any} body */
const isRegistryOrNote = (body) => isRegistry(body) || body.detail;

/** @param {unknown} error */
const isCrash = (error) => error instanceof Refusal && error.status === 500 && !error.kind;

/**
 * Closes a registry; again while the outcome is not known, or a worker crashed.
 * @param {Registry} registry
 */
async function finish(registry) {
  await Promise.race([registry.queue, pause(5000)]);
  const path = `finish/${registry.id}`;
  for (let crashes = 0; ;) {
    try {
      const { status, body } = await call(path, isRegistryOrNote, { method: "POST" });
      if (status !== 202) return body;
      say("The registry is being closed…");
    } catch (error) {
      if (!isCrash(error)) throw error;
      crashes += 1;
      if (crashes === FINISH_ATTEMPTS) throw error;
    }
    await pause(1000);
  }
}

on("confirm", "close", () => {
  const registry = asked;
  if ($("confirm").returnValue !== "finish" || !registry) return;
  guarded($("finish"), async () => {
    registry.finished ||= !registry.isClosed; // before a poll shows it
    const body = await finish(registry).catch((error) => {
      registry.finished = false;
      throw error;
    });
    polls += 1; // a poll that is under way may have seen less
    show(registry, body);
    registry.keep();
    render();
    poll();
  }, "The registry was not finished. ");
});

$("again").onclick = () => guarded($("again"), async () => {
  const registry = current;
  if (!registry) return;
  const { body } = await call(`process/${registry.id}`, isRegistryOrNote, { method: "POST" });
  polls += 1;
  registry.pollsSinceClose = 0;
  if (isRegistry(body)) show(registry, body);
  poll();
}, "It was not sent again. ");

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
  const promise = current ? " What you add is kept here, and sent when you are back." : "";
  trouble("network", `You are offline.${promise}`);
});
addEventListener("beforeunload", (event) => {
  if ([...known.values()].some((registry) => registry.pending.length)) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  poll();
  stats();
});
setInterval(tick, 250);
setInterval(() => { if (!document.hidden) stats(); }, STATS);
$("lights").append(...Array.from({ length: LIGHTS }, () => document.createElement("span")));
useKey(functionKey());
enter();
stats();
