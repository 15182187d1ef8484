/* A registry as one visitor knows it, with an API that answers as each test says. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Registry, count, idIn, lit, parts, several, written,
} from "../../registry/web/page/gifts.js";

const ID = "0123456789abcdef0123456789abcdef";

/** @param {string[]} items @param {any} more */
const shown = (items, more = {}) => ({
  status: "Open",
  registry: {
    id: ID, items, openedAt: "2026-12-24T18:00:00Z", closesAt: "2026-12-24T18:05:00Z",
    closedAt: null, closedBy: null, processing: "pending",
  },
  ...more,
});

const DIED = Object.assign(
  new Error("The host stumbled over this."), { status: 500, kind: "", again: true },
);
const CLOSED = Object.assign(
  new Error("It has closed."), { status: 409, kind: "registry-closed", again: false },
);
const LONG = Object.assign(
  new Error("It is too long."), { status: 413, kind: "item-too-long", again: false },
);

/**
 * Services whose API gives these answers, one after the other, and then takes everything.
 * @param {any[]} answers
 */
function fakeServices(...answers) {
  const calls = /** @type {any[]} */ ([]), events = /** @type {string[]} */ ([]);
  const store = /** @type {Record<string, any>} */ ({});
  return {
    calls, events, store,
    call: async (/** @type {string} */ path, /** @type {any} */ _, /** @type {any} */ options) => {
      calls.push([path, options.headers?.["Idempotency-Key"]]);
      const answer = answers.shift() ?? 200;
      if (answer instanceof Error) throw answer;
      return { status: answer, body: {}, etag: "" };
    },
    recall: (/** @type {string} */ id) => (store[id] ? JSON.parse(store[id]) : null),
    keep: (/** @type {string} */ id, /** @type {any} */ kept) => {
      store[id] = JSON.stringify(kept);
    },
    pause: async () => {},
    notify: (/** @type {any} */ _, /** @type {string} */ what) => { events.push(what); },
  };
}

/** @param {Registry} registry */
const texts = (registry) =>
  registry.lines().map(({ text, gift }) => (gift ? `${text} (${gift.state})` : text));

test("a gift is sent under one key until it is in: also after a worker died with it", async () => {
  const services = fakeServices(DIED, 202, new TypeError("offline"));
  const registry = new Registry(ID, services);
  registry.add("Bike");
  await registry.queue;
  assert.equal(services.calls.length, 4);
  assert.equal(new Set(services.calls.map(String)).size, 1);
  registry.show(shown(["Ball", "Bike"]));
  assert.deepEqual(texts(registry), ["Ball", "Bike (in)"]);
});

test("gifts go one after the other", async () => {
  const services = fakeServices(DIED);
  const registry = new Registry(ID, services);
  for (const text of ["a", "b", "c"]) registry.add(text);
  assert.deepEqual(texts(registry), ["a (sending)", "b (sending)", "c (sending)"]);
  await registry.queue;
  const keys = registry.mine.map(({ key }) => key);
  assert.deepEqual(services.calls.map(([, key]) => key), [keys[0], keys[0], keys[1], keys[2]]);
});

test("the gift of another one who had the same idea is not mine", async () => {
  const registry = new Registry(ID, fakeServices());
  registry.show(shown(["Bike"]));
  registry.add("Bike");
  assert.deepEqual(texts(registry), ["Bike", "Bike (sending)"]);
  await registry.queue;
  registry.show(shown(["Bike", "Bike"]));
  assert.deepEqual(texts(registry), ["Bike", "Bike (in)"]);
});

test("new gifts of others are returned, and no others", async () => {
  const registry = new Registry(ID, fakeServices());
  assert.deepEqual(registry.show(shown(["Ball"])), []);
  registry.add("Bike");
  await registry.queue;
  assert.deepEqual(registry.show(shown(["Ball", "Bike", "Book"])), ["Book"]);
  assert.deepEqual(registry.show(shown(["Ball", "Bike", "Book"])), []);
});

test("what others take back moves no gift of mine to another one", async () => {
  const registry = new Registry(ID, fakeServices());
  registry.show(shown(["Ball", "Bike"]));
  registry.add("Bike");
  await registry.queue;
  registry.show(shown(["Ball", "Bike", "Bike"]));
  registry.show(shown(["Bike", "Bike"]));
  assert.deepEqual(texts(registry), ["Bike", "Bike (in)"]);
});

test("a gift can be taken back, and again added under a new key", async () => {
  const services = fakeServices(200, DIED, 202);
  const registry = new Registry(ID, services);
  registry.show(shown([]));
  registry.add("Bike");
  await registry.queue;
  registry.show(shown(["Bike"]));
  const [gift] = registry.mine;
  registry.remove(gift);
  assert.deepEqual(texts(registry), ["Bike (leaving)"]);
  await registry.queue;
  assert.deepEqual(texts(registry), []);
  assert.equal(services.calls.at(-1)[0], `remove/${ID}?itemKey=${gift.key}`);
  registry.add("Bike");
  await registry.queue;
  assert.notEqual(services.calls.at(-1)[1], gift.key);
});

test("a gift that the registry closed with stays", async () => {
  const registry = new Registry(ID, fakeServices(200, CLOSED));
  registry.show(shown([]));
  registry.add("Bike");
  await registry.queue;
  registry.show(shown(["Bike"]));
  registry.remove(registry.mine[0]);
  await registry.queue;
  assert.deepEqual(texts(registry), ["Bike (in)"]);
});

test("a gift that came too late stands apart; one that is refused stays in the list", async () => {
  const registry = new Registry(ID, fakeServices(LONG, CLOSED));
  registry.add("xxx");
  registry.add("Bike");
  await registry.queue;
  assert.deepEqual(texts(registry), ["xxx (refused)"]);
  assert.deepEqual(registry.late.map(({ text }) => text), ["Bike"]);
});

test("nothing is lost over a reload", async () => {
  const services = fakeServices();
  services.call = () => new Promise(() => {});
  new Registry(ID, services).add("Bike");
  const again = fakeServices();
  again.store[ID] = services.store[ID];
  const registry = new Registry(ID, again);
  assert.deepEqual(texts(registry), ["Bike (unsure)"]);
  await registry.queue;
  assert.equal(again.calls[0][1], JSON.parse(services.store[ID]).gifts[0].key);
});

test("the first 32 hex digits of a fragment count, in any case, whatever hangs on", () => {
  const fragments = [ID, `#${ID.toUpperCase()}`, `#${ID})`, `#${ID}?utm_source=chat`, `#${ID}abc`];
  for (const fragment of fragments) {
    assert.equal(idIn(fragment), ID);
  }
  assert.equal(idIn("#nonsense"), "");
});

test("several lines are several gifts", () => {
  assert.deepEqual(several("- Bike\r\n\n 2. Book \n* Ball\n"), ["Bike", "Book", "Ball"]);
  assert.deepEqual(several("Bike-2 x"), ["Bike-2 x"]);
});

test("web addresses in a gift are found, and no others", () => {
  assert.deepEqual(
    parts("A (https://x.example/a?b=1), please."),
    ["A (", "https://x.example/a?b=1", "), please."],
  );
  assert.deepEqual(parts("javascript:alert(1)"), ["javascript:alert(1)"]);
});

test("lights go out one by one", () => {
  assert.deepEqual(
    [300, 271, 270, 30, 1, 0, -1, 400].map((left) => lit(left, 300, 10)),
    [10, 10, 9, 1, 1, 0, 0, 10],
  );
});

test("the list as text and as Markdown", () => {
  const plain = written(shown(["*Bike*"]), false, "today");
  assert.equal(plain, "Holiday Registry, today\n\n1. *Bike*\n");
  const markdown = written(shown(["*Bike*"]), true, "today");
  assert.equal(markdown, "## Holiday Registry, today\n\n1. \\*Bike\\*\n");
  assert.equal(written(shown([]), false, "today"), "Holiday Registry, today\n\nNo gifts.\n");
});

test("numbers and nouns agree", () => {
  const counts = [0, 1, 2].map((number) => count(number, "gift"));
  assert.deepEqual(counts, ["0 gifts", "1 gift", "2 gifts"]);
});
