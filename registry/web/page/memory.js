/* What this device remembers: in its tab what is the visitor's own, beyond that which registries were visited. */

const VISITS = "visits", MOST = 8;

/** @typedef {{id: string, openedAt: string, gifts: number, isClosed: boolean}} Visit */

/** @param {Storage} storage @param {string} name @returns {any} */
function read(storage, name) {
  return JSON.parse(storage.getItem(name) || "null");
}

/** What `action` returns, or `otherwise` where there is no storage. @template T @param {() => T} action @param {T} otherwise */
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
export const keep = (id, kept) => tried(() => sessionStorage.setItem(id, JSON.stringify(kept)), undefined);

/** @returns {Visit[]} */
export const visits = () => tried(() => read(localStorage, VISITS), []);

/** @param {Visit} visit */
export function visited(visit) {
  const all = visits(), at = all.findIndex(({ id }) => id === visit.id);
  if (at < 0) all.unshift(visit);
  else if (JSON.stringify(all[at]) === JSON.stringify(visit)) return;
  else all[at] = visit;
  tried(() => localStorage.setItem(VISITS, JSON.stringify(all.slice(0, MOST))), undefined);
}

/** @param {string} id */
export function forget(id) {
  tried(() => localStorage.setItem(VISITS, JSON.stringify(visits().filter((visit) => visit.id !== id))), undefined);
  tried(() => sessionStorage.removeItem(id), undefined);
}

/** The function key: it moves from the address into the tab, so that it never is in a link that is shared. */
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
