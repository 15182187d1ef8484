/* QR codes of bytes, at error correction level M, up to version 10 (213 bytes): ISO/IEC 18004. */

// By version: codewords of error correction in a block, blocks, and codewords in all.
const CHECKS = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26];
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5];
const WORDS = [26, 44, 70, 100, 134, 172, 196, 242, 292, 346];

const EXP = new Uint8Array(255), LOG = new Uint8Array(256); // of the field with 256 elements
for (let power = 0, value = 1; power < 255; power += 1) {
  EXP[power] = value;
  LOG[value] = power;
  value = (value << 1) ^ (value & 0x80 ? 0x11d : 0);
}
/** @param {number} a @param {number} b */
const times = (a, b) => (a && b ? EXP[(LOG[a] + LOG[b]) % 255] : 0);

/** The codewords of Reed and Solomon for a block. @param {number[]} block @param {number} degree */
function checks(block, degree) {
  let generator = [1];
  for (let root = 0; root < degree; root += 1) {
    const factor = EXP[root], before = [0, ...generator];
    generator = [...generator, 0].map((each, at) => each ^ times(before[at], factor));
  }
  const rest = [...block, ...Array(degree).fill(0)];
  block.forEach((_, at) => {
    const factor = rest[at];
    generator.forEach((each, offset) => { rest[at + offset] ^= times(each, factor); });
  });
  return rest.slice(block.length);
}

/** All codewords, blocks interleaved. @param {Uint8Array} bytes @param {number} version */
function codewords(bytes, version) {
  const blocks = BLOCKS[version - 1], degree = CHECKS[version - 1];
  const room = WORDS[version - 1] - blocks * degree;
  let bits = `0100${bytes.length.toString(2).padStart(version < 10 ? 8 : 16, "0")}`;
  for (const byte of bytes) bits += byte.toString(2).padStart(8, "0");
  bits = bits.padEnd(Math.min(bits.length + 4, room * 8), "0");
  const data = (bits.match(/.{1,8}/g) || []).map((byte) => parseInt(byte.padEnd(8, "0"), 2));
  for (let pad = 0xec; data.length < room; pad ^= 0xec ^ 0x11) data.push(pad);
  const short = Math.floor(room / blocks), longer = room % blocks;
  const parted = Array.from({ length: blocks }, (_, at) => {
    const begin = at * short + Math.max(0, at - (blocks - longer));
    return data.slice(begin, begin + short + (at >= blocks - longer ? 1 : 0));
  });
  /** @param {number[][]} rows */
  const weave = (rows) => {
    const longest = rows[blocks - 1];
    return longest.flatMap((_, at) => rows.flatMap((row) => row.slice(at, at + 1)));
  };
  return [...weave(parted), ...weave(parted.map((block) => checks(block, degree)))];
}

/**
 * A value with its remainder by a polynomial, as formats and versions are written.
 * @param {number} value @param {number} polynomial
 */
function guarded(value, polynomial) {
  const degree = Math.floor(Math.log2(polynomial));
  let rest = value << degree;
  for (let bit = Math.floor(Math.log2(rest || 1)); bit >= degree; bit -= 1) {
    if ((rest >> bit) & 1) rest ^= polynomial << (bit - degree);
  }
  return (value << degree) | rest;
}

/** @type {((x: number, y: number) => boolean)[]} */
const MASKS = [
  (x, y) => (x + y) % 2 === 0,
  (_, y) => y % 2 === 0,
  (x) => x % 3 === 0,
  (x, y) => (x + y) % 3 === 0,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2 === 0,
  (x, y) => ((x * y) % 2) + ((x * y) % 3) === 0,
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2 === 0,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2 === 0,
];

/** How hard a code is to read, as the standard counts. @param {boolean[][]} rows */
function penalty(rows) {
  const size = rows.length, columns = rows.map((_, x) => rows.map((row) => row[x]));
  let points = 0, dark = 0;
  for (const line of [...rows, ...columns]) {
    const text = line.map(Number).join("");
    for (const run of text.match(/0{5,}|1{5,}/g) || []) points += run.length - 2;
    points += 40 * (text.match(/(?=10111010000|00001011101)/g) || []).length;
  }
  rows.forEach((row, y) => row.forEach((cell, x) => {
    dark += Number(cell);
    if (!x || !y) return;
    const above = rows[y - 1];
    if ([row[x - 1], above[x], above[x - 1]].every((other) => other === cell)) points += 3;
  }));
  return points + 10 * Math.floor(Math.abs((dark * 20) / (size * size) - 10));
}

/**
 * The patterns that every code of a version has: cells, dark or light. Cells for data are left out.
 * @param {number} version
 */
function frame(version) {
  const size = version * 4 + 17;
  /** @type {(boolean | undefined)[][]} */
  const cells = Array.from({ length: size }, () => Array(size).fill(undefined));
  /** @param {number} x @param {number} y @param {boolean} dark */
  const put = (x, y, dark) => {
    if (x >= 0 && y >= 0 && x < size && y < size) cells[y][x] = dark;
  };
  /** @param {number} cx @param {number} cy @param {number} reach @param {number[]} light */
  const square = (cx, cy, reach, light) => {
    for (let y = -reach; y <= reach; y += 1) {
      for (let x = -reach; x <= reach; x += 1) {
        put(cx + x, cy + y, !light.includes(Math.max(Math.abs(x), Math.abs(y))));
      }
    }
  };
  for (let at = 0; at < size; at += 1) {
    put(6, at, at % 2 === 0);
    put(at, 6, at % 2 === 0);
  }
  const last = size - 7;
  const middle = version > 6 ? [6, size / 2 - 0.5, last] : version > 1 ? [6, last] : [];
  for (const x of middle) {
    for (const y of middle) {
      const isFree = Math.min(x, y) > 6 || (x !== y && Math.max(x, y) < last);
      if (isFree) square(x, y, 2, [1]);
    }
  }
  for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]]) square(x, y, 4, [2, 4]);
  if (version > 6) {
    const bits = guarded(version, 0x1f25);
    for (let at = 0; at < 18; at += 1) {
      const dark = Boolean((bits >> at) & 1), far = size - 11 + (at % 3), near = Math.floor(at / 3);
      put(far, near, dark);
      put(near, far, dark);
    }
  }
  return { cells, put, size };
}

/**
 * The code of a text, by rows; true is dark. Throws RangeError where it is too long.
 * @param {string} text @returns {boolean[][]}
 */
export function qr(text) {
  const bytes = new TextEncoder().encode(text);
  const version = 1 + WORDS.findIndex((words, at) => {
    const head = at < 9 ? 2 : 3;
    return bytes.length + head <= words - BLOCKS[at] * CHECKS[at];
  });
  if (!version) throw new RangeError("The text is too long for a QR code.");
  const bits = codewords(bytes, version).map((word) => word.toString(2).padStart(8, "0")).join("");
  const codes = MASKS.map((mask, number) => {
    const { cells, put, size } = frame(version);
    const format = guarded(number, 0x537) ^ 0x5412; // level M is 00
    for (let at = 0; at < 15; at += 1) {
      const dark = Boolean((format >> at) & 1);
      put(8, at < 6 ? at : at < 8 ? at + 1 : size - 15 + at, dark);
      put(at < 8 ? size - 1 - at : at < 9 ? 7 : 14 - at, 8, dark);
    }
    put(8, size - 8, true);
    let next = 0;
    for (let right = size - 1; right > 0; right -= 2) {
      if (right === 6) right = 5; // the column of the timing pattern
      for (let step = 0; step < size; step += 1) {
        const y = ((right + 1) & 2) === 0 ? size - 1 - step : step;
        for (const x of [right, right - 1]) {
          if (cells[y][x] === undefined) put(x, y, (bits[next++] === "1") !== mask(x, y));
        }
      }
    }
    return /** @type {boolean[][]} */ (cells);
  });
  return codes.reduce((best, code) => (penalty(code) < penalty(best) ? code : best));
}
