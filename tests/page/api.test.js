/* What a refusal of the API means to the page. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Refusal } from "../../registry/web/page/api.js";

/** @param {number} status @param {string} [kind] */
const refusal = (status, kind) => new Refusal(status, kind ? { type: `/api/docs#${kind}` } : {});

test("what an operator or a restart mends may be sent again", () => {
  for (const each of [
    refusal(503, "hub-unavailable"),
    refusal(503, "misconfigured"),
    refusal(500),
    refusal(503),
  ]) {
    assert.equal(each.again, true);
  }
});

test("what is refused for good, or for want of a key, may not", () => {
  for (const each of [
    refusal(409, "registry-closed"),
    refusal(429, "sent-just-now"),
    refusal(401),
    refusal(403),
  ]) {
    assert.equal(each.again, false);
  }
});

test("why the registry cannot be reached is nothing to a visitor", () => {
  for (const kind of ["hub-unavailable", "misconfigured"]) {
    assert.match(refusal(503, kind).message, /cannot be reached just now/);
  }
});
