/* How things look in the document: text is only ever text, and only what differs is touched. */

import { parts } from "./gifts.js";
import { qr } from "./qr.js";

const LONG = 240; // characters of a gift that is clamped
const NAMESPACE = "http://www.w3.org/2000/svg";

/** An element of the page, of whatever kind. @param {string} id @returns {any} */
export const $ = (id) => document.getElementById(id);

/** @param {string} id @param {string} type @param {(event: any) => unknown} action */
export const on = (id, type, action) => $(id).addEventListener(type, action);

/** @param {string} id @param {string} text */
export const set = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };

/** For screen readers. @param {string} text */
export const say = (text) => set("news", text);

/** @param {string} name @param {string} text @returns {any} */
export function element(name, text) {
  return Object.assign(document.createElement(name), { textContent: text });
}

/**
 * The latest of each kind, until it is over; the first that there is is shown.
 * @type {Record<string, {text: string, retry?: () => void}>}
 */
const troubles = {
  action: { text: "" },
  network: { text: "" },
  send: { text: "" },
  poll: { text: "" },
};

/**
 * Shows what went wrong, with a way to try again.
 * @param {string} kind @param {string} text @param {() => void} [retry]
 */
export function trouble(kind, text, retry) {
  troubles[kind] = { text, retry };
  const first = Object.values(troubles).find((each) => each.text);
  set("alert", first?.text || "");
  $("retry").hidden = !first?.retry;
  $("retry").onclick = first?.retry || null;
}

/** A gift's text; its web addresses become links. @param {string} text */
function gift(text) {
  const whole = element("bdi", "");
  whole.append(...parts(text).map((part, at) => {
    if (at % 2 === 0 || !URL.canParse(part)) return part;
    const link = { href: part, rel: "noopener noreferrer", target: "_blank" };
    return Object.assign(element("a", part), link);
  }));
  if (text.length > LONG || text.split("\n").length > 4) whole.className = "clamp";
  return whole;
}

/** @param {string} label @param {string} text @param {string} action */
function button(label, text, action) {
  const made = Object.assign(element("button", label), { type: "button" });
  made.dataset.action = action;
  made.setAttribute("aria-label", `${label}: ${text.slice(0, 60)}`);
  return made;
}

/** @type {Record<string, string>} */
const STATES = {
  in: "",
  sending: "sending…",
  unsure: "not yet confirmed, trying again…",
  leaving: "being taken back…",
  refused: "not added",
};

/** @param {any} line @param {import("./gifts.js").Line} shown @param {boolean} isClosed */
function fill(line, { text, gift: mine, isIn }, isClosed) {
  const state = mine && !(isIn && mine.state !== "leaving") ? mine.state : "in";
  line.className = state === "in" ? "" : "unsure";
  line.replaceChildren(gift(text));
  if (line.firstChild.className) line.append(" ", button("Show all", text, "unfold"));
  if (mine) line.append(" ", Object.assign(element("small", "You"), { className: "you" }));
  const words = STATES[state] + (mine?.reason && state === "refused" ? `: ${mine.reason}` : "");
  if (words) line.append(" ", element("small", words));
  if (isClosed) return;
  if (state === "refused") line.append(" ", button("Edit", text, "edit"));
  else if (mine && state === "in" && mine.state === "in") {
    line.append(" ", button("Take back", text, "remove"));
  }
}

/**
 * The list: the newest first while it grows, in order when it is closed.
 * @param {import("./gifts.js").Registry} registry
 */
export function list(registry) {
  const shown = registry.lines(), isClosed = registry.isClosed;
  $("empty").hidden = shown.length > 0 || !registry.shown;
  $("items").reversed = !isClosed;
  if (isClosed !== ($("items").dataset.closed === "true")) $("items").replaceChildren();
  $("items").dataset.closed = String(isClosed);
  const lines = isClosed ? [...$("items").children] : [...$("items").children].reverse();
  shown.forEach((each, index) => {
    const line = lines[index] || document.createElement("li");
    if (!lines[index]) $("items")[isClosed ? "append" : "prepend"](line);
    line.gift = each.gift;
    const { text, isIn, gift } = each;
    const wanted = JSON.stringify([text, isIn, gift?.key, gift?.state, isClosed]);
    if (line.dataset.shown === wanted) return;
    line.dataset.shown = wanted;
    fill(line, each, isClosed);
  });
  lines.slice(shown.length).forEach((line) => line.remove());
}

/**
 * Gifts that came too late, and what was being typed, each with a way to take it elsewhere.
 * @param {string[]} texts
 */
export function late(texts) {
  $("late").hidden = texts.length === 0;
  $("late-gifts").replaceChildren(...texts.map((text) => {
    const line = element("li", "");
    line.append(gift(text), " ", button("Copy", text, "copy"));
    line.text = text;
    return line;
  }));
}

/** Draws the code of a link, with the margin that readers want. @param {string} link */
export function code(link) {
  const rows = qr(link), size = rows.length + 8;
  const path = document.createElementNS(NAMESPACE, "path");
  const squares = rows.flatMap((row, y) => row.map((dark, x) => (
    dark ? `M${x + 4} ${y + 4}h1v1h-1z` : ""
  )));
  path.setAttribute("d", squares.join(""));
  $("code").setAttribute("viewBox", `0 0 ${size} ${size}`);
  $("code").replaceChildren(path);
}
