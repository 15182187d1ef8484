/*
 * A registry as this visitor knows it: what the API said last, and what the visitor adds and takes
 * back. No DOM.
 */

/**
 * @typedef {"sending" | "unsure" | "in" | "leaving" | "refused"} State
 * @typedef {"changed" | "added" | "refused" | "removed" | "trouble"} Event
 * @typedef {{
 *   key: string,
 *   text: string,
 *   from: number,
 *   state: State,
 *   reason?: string,
 *   kind?: string,
 * }} Gift
 *   `from` is how many items there were when it was typed.
 * @typedef {{text: string, gift?: Gift, isIn: boolean}} Line
 * @typedef {{status: string, registry: {
 *   id: string,
 *   items: string[],
 *   openedAt: string,
 *   closesAt: string,
 *   closedAt: string | null,
 *   closedBy: string | null,
 *   processing: string,
 * }}} Shown
 * @typedef {{gifts: Partial<Gift>[], finished: boolean, draft: string}} Kept
 * @typedef {{
 *   call: typeof import("./api.js").call,
 *   recall: (id: string) => Kept | null,
 *   keep: (id: string, kept: Kept) => void,
 *   pause: (milliseconds: number) => Promise<unknown>,
 *   notify: (registry: Registry, what: Event, about?: any) => void,
 * }} Services What a registry uses: the API, the device's memory, and the page that shows it.
 */

/** Whether an error is a refusal for good. @param {any} error */
const isFinal = (error) => error.again === false;

/** A new idempotency key. */
function newKey() {
  const bytes = [...crypto.getRandomValues(new Uint8Array(16))];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Gifts of this visitor go on being sent while another registry is shown. */
export class Registry {
  /** @type {Shown | null} */
  shown = null;
  etag = "";
  /** @type {Promise<unknown>} One call after the other, so that gifts stay in order. */
  queue = Promise.resolve();
  failures = 0; // of polls in a row
  pollsSinceClose = 0;

  /** @param {string} id @param {Services} services */
  constructor(id, services) {
    this.id = id;
    this.services = services;
    const kept = services.recall(id);
    this.finished = Boolean(kept?.finished); // by this visitor
    this.draft = kept?.draft || "";
    /** @type {Gift[]} */
    this.mine = [];
    for (const gift of kept?.gifts || []) this.resume(/** @type {Gift} */ (gift));
  }

  get isClosed() {
    return this.shown?.status === "Closed";
  }

  get items() {
    return this.shown ? this.shown.registry.items : [];
  }

  get pending() {
    return this.mine.filter(({ state }) => ["sending", "unsure", "leaving"].includes(state));
  }

  get refused() {
    return this.mine.filter(({ state }) => state === "refused");
  }

  get late() {
    return this.refused.filter(({ kind }) => kind === "registry-closed");
  }

  /**
   * Those in the registry, then those that are not yet. A gift of this visitor is the first of its
   * text that came after it was typed, and is not another one of theirs.
   * @returns {Line[]}
   */
  lines() {
    /** @type {Map<number, Gift>} */
    const known = new Map();
    const rest = this.mine.filter((gift) => {
      const at = this.items.findIndex(
        (item, index) => index >= gift.from && item === gift.text && !known.has(index),
      );
      if (at < 0 || gift.state === "refused") return gift.state !== "in" || !this.isClosed;
      known.set(at, gift);
      return false;
    });
    const shown = rest.filter((gift) => !this.late.includes(gift));
    return [
      ...this.items.map((text, index) => ({ text, gift: known.get(index), isIn: true })),
      ...shown.map((gift) => ({ text: gift.text, gift, isIn: false })),
    ];
  }

  /**
   * Takes what the API says now. Items are appended and taken back, never moved; so what is left of
   * the old ones is a part of the new ones, in order. Returns the gifts of others that are new.
   * @param {Shown} shown
   */
  show(shown) {
    const isFirst = !this.shown, old = this.items, items = shown.registry.items;
    let left = 0;
    const survivors = old.map((text) => (text === items[left] ? ++left : left));
    for (const gift of this.mine) gift.from = survivors[gift.from - 1] ?? 0;
    this.shown = shown;
    this.keep();
    if (isFirst) return [];

    const ofOthers = this.lines().slice(left).filter(({ gift, isIn }) => isIn && !gift);
    return ofOthers.map(({ text }) => text);
  }

  /** @param {string} text */
  add(text) {
    this.send({ key: newKey(), text, from: this.items.length, state: "sending" });
  }

  /** Goes on with a gift after a reload. @param {Gift} gift */
  resume(gift) {
    if (gift.state === "in" || gift.state === "refused") this.mine.push(gift);
    else if (gift.state === "leaving") this.remove(gift);
    else this.send({ ...gift, state: "unsure" });
  }

  /** Sends a gift until the outcome is known: under its key it counts once. @param {Gift} gift */
  send(gift) {
    this.mine.push(gift);
    this.keep();
    const headers = { "Content-Type": "application/json", "Idempotency-Key": gift.key };
    const options = { method: "POST", headers, body: JSON.stringify({ item: gift.text }) };
    this.queue = this.queue.then(async () => {
      const error = await this.insist(gift, `add/${this.id}`, options);
      gift.state = error ? "refused" : "in";
      if (error) Object.assign(gift, { reason: error.message, kind: error.kind });
      this.finishedWith(error ? "refused" : "added", gift);
    });
  }

  /** Takes a gift back; one that the registry closed with stays. @param {Gift} gift */
  remove(gift) {
    if (!this.mine.includes(gift)) this.mine.push(gift);
    gift.state = "leaving";
    this.keep();
    this.queue = this.queue.then(async () => {
      const path = `remove/${this.id}?itemKey=${gift.key}`;
      const error = await this.insist(gift, path, { method: "POST" });
      if (error) Object.assign(gift, { state: "in" });
      else this.drop(gift);
      this.finishedWith(error ? "trouble" : "removed", error || gift);
    });
  }

  /** Forgets a gift that is not in the registry any more, or never was. @param {Gift} gift */
  drop(gift) {
    const at = this.lines().findIndex((line) => line.isIn && line.gift === gift);
    this.mine = this.mine.filter((each) => each !== gift);
    if (at >= 0 && this.shown) {
      const items = this.items.filter((_, index) => index !== at);
      this.show({ ...this.shown, registry: { ...this.shown.registry, items } });
    }
    this.etag = "";
    this.keep();
  }

  /**
   * Calls until the outcome is known. Returns what refused it for good, if anything did.
   * @param {Gift} gift @param {string} path @param {any} options
   * @returns {Promise<any>}
   */
  async insist(gift, path, options) {
    /** @param {any} body */
    const isAbout = (body) => body.itemKey === gift.key || body.detail;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const { status } = await this.services.call(path, isAbout, options);
        this.services.notify(this, "trouble");
        if (status === 200) return null;
      } catch (error) {
        if (isFinal(error)) return error;
        this.services.notify(this, "trouble", error);
      }
      if (gift.state === "sending") gift.state = "unsure";
      this.services.notify(this, "changed");
      await this.services.pause(Math.min(500 * 2 ** attempt, 8000));
    }
  }

  /** @param {"added" | "removed" | "refused" | "trouble"} what @param {any} about */
  finishedWith(what, about) {
    this.keep();
    this.services.notify(this, what, about);
    this.services.notify(this, "changed");
  }

  /** What is this visitor's survives a reload. */
  keep() {
    this.services.keep(this.id, { gifts: this.mine, finished: this.finished, draft: this.draft });
  }
}

/** The number and the noun, agreeing. @param {number} number @param {string} noun */
export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

/**
 * The id in the fragment of a link: its first 32 hex digits, whatever a chat app hung on.
 * @param {string} fragment
 */
export const idIn = (fragment) => (/[0-9a-f]{32}/i.exec(fragment)?.[0] || "").toLowerCase();

/** The gifts in a text of several lines, without bullets. @param {string} text */
export const several = (text) => {
  const lines = text.split(/\r?\n/);
  return lines.map((line) => line.replace(/^\s*([-*•]|\d+[.)])\s+/, "").trim()).filter(Boolean);
};

/** The text in parts, of which each second one is a web address. @param {string} text */
export const parts = (text) => text.split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)'\]}])/i);

/**
 * How many of so many lights are still lit.
 * @param {number} left @param {number} whole @param {number} lights
 */
export function lit(left, whole, lights) {
  return Math.max(0, Math.min(lights, Math.ceil((left / whole) * lights)));
}

/**
 * The list as text, or as Markdown.
 * @param {Shown} shown @param {boolean} isMarkdown @param {string} when
 */
export function written(shown, isMarkdown, when) {
  /** @param {string} text */
  const marked = (text) => text.replace(/[\\`*_[\]<>#|]/g, "\\$&").replace(/\r?\n/g, "  \n   ");
  const texts = shown.registry.items.map((text) => (isMarkdown ? marked(text) : text));
  const lines = texts.length ? texts.map((text, at) => `${at + 1}. ${text}`) : ["No gifts."];
  const title = `${isMarkdown ? "## " : ""}Holiday Registry, ${when}`;
  return [title, "", ...lines, ""].join("\n");
}
