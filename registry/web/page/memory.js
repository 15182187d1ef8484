/*
 * What this device remembers: in the tab, what the visitor added; beyond the tab, which registries
 * were visited.
 */

const VISITS = "visits", MOST = 8;

/** @typedef {{id: string, openedAt: string, gifts: number, isClosed: boolean}} Visit */

/** @param {Storage} storage @param {string} name @returns {any} */
function read(storage, name) {
  return JSON.parse(storage.getItem(name) || "null");
}

/**
 * What `action` returns, or `otherwise` where there is no storage.
 * @template T @param {() => T} action @param {T} otherwise
 */
function tried(action, otherwise) {
  try {
    return action() ?? otherwise;
  } catch {
    return otherwise;
  }
}

/** @param {string} id @returns {import("./gifts.js").Kept | null} */
export const recall = (id) => tried(() => read(sessionStorage, id), null);

/** @param {string} id @param {import("./gifts.js").Kept} kept */
export function keep(id, kept) {
  tried(() => sessionStorage.setItem(id, JSON.stringify(kept)), undefined);
}

/** @returns {Visit[]} */
export const visits = () => tried(() => read(localStorage, VISITS), []);

/** @param {Visit[]} all */
function store(all) {
  tried(() => localStorage.setItem(VISITS, JSON.stringify(all)), undefined);
}

/** @param {Visit} visit */
export function visited(visit) {
  const all = visits(), at = all.findIndex(({ id }) => id === visit.id);
  if (at < 0) all.unshift(visit);
  else if (JSON.stringify(all[at]) === JSON.stringify(visit)) return;
  else all[at] = visit;
  store(all.slice(0, MOST));
}

/** @param {string} id */
export function forget(id) {
  store(visits().filter((visit) => visit.id !== id));
  tried(() => sessionStorage.removeItem(id), undefined);
}

/** The function key: it moves from the address into the tab, so that no shared link has it. */
export function functionKey() {
  const address = new URL(location.href);
  const names = [...address.searchParams.keys()].filter((name) => name.toLowerCase() === "code");
  const given = names.length ? address.searchParams.get(names[0]) || "" : "";
  if (!names.length) return tried(() => sessionStorage.getItem("code"), "") || "";
  tried(() => sessionStorage.setItem("code", given), undefined);
  names.forEach((name) => address.searchParams.delete(name));
  history.replaceState(null, "", address);
  return given;
}
