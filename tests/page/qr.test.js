/* QR codes beside those of another implementation (the npm package qrcode 1.5.4). */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { qr } from "../../registry/web/page/qr.js";

const TEXT = "https://registry.example/#0123456789abcdef".repeat(6);
/**
 * The first digits of the SHA-256 of the rows, by the length of the text.
 * @type {Record<number, string>}
 */
const KNOWN = {
  1: "848f621f7ecfca7e",
  14: "fc12d99ed9fa2e2d",
  15: "cbd9b1c6cb38ef59",
  42: "0f7abbfdb7b38a14",
  62: "adcdc0f0775b394e",
  84: "805e600cecc59ed6",
  106: "25a7a64eacd4aaae",
  122: "a5c2d585e52bca42",
  152: "2c88eecbbeb34274",
  180: "891dfdde04c7cf90",
  213: "209aa5f585e1575b",
};

/** @param {string} text */
const rows = (text) => qr(text).map((row) => row.map(Number).join(""));

for (const [length, digest] of Object.entries(KNOWN)) {
  test(`a code of ${length} bytes is as others draw it`, () => {
    const drawn = rows(TEXT.slice(0, Number(length))).join("\n");
    assert.equal(createHash("sha256").update(drawn).digest("hex").slice(0, 16), digest);
  });
}

test("what is too long is refused", () => {
  assert.throws(() => qr("x".repeat(214)), RangeError);
});
