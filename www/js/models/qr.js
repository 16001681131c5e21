// A QR code of a link (ISO/IEC 18004): bytes, error correction of the lowest level, which is enough
// for a screen.

/** By version, from 1: codewords of error correction in a block, and blocks. */
const CORRECTION = [7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22, 24, 28, 30, 28, 28];
const BLOCKS = [1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6, 6, 6, 6, 7, 8];
/** What format says of the lowest level. */
const LEVEL = 1;

const MASKS = [
  (x, y) => (x + y) % 2,
  (x, y) => y % 2,
  x => x % 3,
  (x, y) => (x + y) % 3,
  (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2,
  (x, y) => ((x * y) % 2) + ((x * y) % 3),
  (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2,
  (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2,
];

/** Rows of dark (true) and light modules, or null if the text is too long: some 850 bytes. */
export function qrCode(text) {
  const bytes = new TextEncoder().encode(text);
  for (let version = 1; version <= BLOCKS.length; version += 1) {
    const codewords = encode(bytes, version);
    if (codewords) return best(draw(version, interleave(codewords, version)));
  }
  return null;
}

/** Data codewords of a version, filled up; nothing if the bytes do not fit. */
function encode(bytes, version) {
  const size = capacity(version) - CORRECTION[version - 1] * BLOCKS[version - 1];
  const wide = version > 9;
  if (bytes.length + (wide ? 3 : 2) > size) return null;
  // The mode 4 for bytes and their number are no whole bytes: everything stands half a byte off.
  const head = wide ? [4, bytes.length >> 12, bytes.length >> 8, bytes.length >> 4, bytes.length] : [4, bytes.length >> 4, bytes.length];
  const halves = [...head, ...Array.from(bytes).flatMap(byte => [byte >> 4, byte]), 0].map(half => half & 15);
  const codewords = Array.from({ length: halves.length >> 1 }, (_, i) => (halves[2 * i] << 4) | halves[2 * i + 1]);
  for (let pad = 0xec; codewords.length < size; pad ^= 0xfd) codewords.push(pad);
  return codewords;
}

/** All codewords that there is room for. */
function capacity(version) {
  const size = sizeOf(version);
  const lines = centres(version).length;
  const alignment = lines && (lines ** 2 - 3) * 25 - (lines - 2) * 10;
  const versions = version > 6 ? 36 : 0;
  return (size ** 2 - 3 * 64 - 2 * (size - 16) - 31 - alignment - versions) >> 3;
}

const sizeOf = version => 17 + 4 * version;

/** Where alignment patterns have their centres, in both directions. */
function centres(version) {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const step = Math.ceil((version * 4 + 4) / (count * 2 - 2)) * 2;
  const last = sizeOf(version) - 7;
  return [6, ...Array.from({ length: count - 1 }, (_, i) => last - step * (count - 2 - i))];
}

/** Blocks of about the same length, each with its correction, codeword by codeword in turn. */
function interleave(codewords, version) {
  const count = BLOCKS[version - 1];
  const short = Math.floor(codewords.length / count);
  const long = codewords.length % count;
  const blocks = [];
  for (let from = 0; blocks.length < count; ) {
    const to = from + short + (blocks.length >= count - long ? 1 : 0);
    blocks.push(codewords.slice(from, to));
    from = to;
  }
  const parities = blocks.map(block => remainder(block, CORRECTION[version - 1]));
  return [...inTurn(blocks), ...inTurn(parities)];
}

function inTurn(blocks) {
  const longest = blocks.at(-1).length;
  return Array.from({ length: longest }, (_, i) => blocks.flatMap(block => block[i] ?? [])).flat();
}

/** Of the division by the Reed–Solomon polynomial of this degree. */
function remainder(block, degree) {
  const divisor = [...Array(degree - 1).fill(0), 1];
  for (let i = 0, root = 1; i < degree; i += 1, root = times(root, 2)) {
    for (let j = 0; j < degree; j += 1) divisor[j] = times(divisor[j], root) ^ (divisor[j + 1] ?? 0);
  }
  const rest = Array(degree).fill(0);
  for (const codeword of block) {
    const factor = codeword ^ rest.shift();
    rest.push(0);
    divisor.forEach((coefficient, i) => (rest[i] ^= times(coefficient, factor)));
  }
  return rest;
}

/** In the field of 256 elements. */
function times(a, b) {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    product = (product << 1) ^ ((product >> 7) * 0x11d) ^ (((b >> bit) & 1) * a);
  }
  return product;
}

/** Patterns and data, unmasked: modules, and which of them are data. */
function draw(version, codewords) {
  const size = sizeOf(version);
  const rows = Array.from({ length: size }, () => Array(size).fill(null));
  const put = (x, y, dark) => {
    if (rows[y]?.[x] !== undefined) rows[y][x] = !!dark;
  };
  for (let i = 0; i < size; i += 1) {
    put(6, i, i % 2 === 0);
    put(i, 6, i % 2 === 0);
  }
  const square = (x, y, reach, light) => {
    for (let dy = -reach; dy <= reach; dy += 1) {
      for (let dx = -reach; dx <= reach; dx += 1) {
        put(x + dx, y + dy, !light.includes(Math.max(Math.abs(dx), Math.abs(dy))));
      }
    }
  };
  for (const [x, y] of [[3, 3], [size - 4, 3], [3, size - 4]]) square(x, y, 4, [2, 4]);
  const lines = centres(version);
  const last = lines.at(-1);
  for (const y of lines) {
    for (const x of lines) {
      const corner = (x === 6 && y === 6) || (x === 6 && y === last) || (x === last && y === 6);
      if (!corner) square(x, y, 2, [1]);
    }
  }
  if (version > 6) {
    const bits = (version << 12) | check(version, 0x1f25, 12);
    for (let i = 0; i < 18; i += 1) {
      const [a, b] = [size - 11 + (i % 3), Math.floor(i / 3)];
      put(a, b, (bits >> i) & 1);
      put(b, a, (bits >> i) & 1);
    }
  }
  format(rows, 0);
  const data = rows.map(row => row.map(module => module === null));
  fill(rows, data, codewords);
  return { rows, data };
}

/** Up and down in columns of two, from the right. */
function fill(rows, data, codewords) {
  const size = rows.length;
  let bit = 0;
  for (let right = size - 1; right > 0; right -= 2) {
    // The column of the timing pattern counts for none.
    if (right === 6) right -= 1;
    const up = ((right + 1) & 2) === 0;
    for (let step = 0; step < size; step += 1) {
      const y = up ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (!data[y][x]) continue;
        rows[y][x] = !!((codewords[bit >> 3] >> (7 - (bit & 7))) & 1);
        bit += 1;
      }
    }
  }
}

/** Level and mask, twice. */
function format(rows, mask) {
  const size = rows.length;
  const value = (LEVEL << 3) | mask;
  const bits = ((value << 10) | check(value, 0x537, 10)) ^ 0x5412;
  for (let i = 0; i < 15; i += 1) {
    const dark = !!((bits >> i) & 1);
    if (i < 8) {
      rows[i + (i > 5)][8] = dark;
      rows[8][size - 1 - i] = dark;
    } else {
      rows[8][i === 8 ? 7 : 14 - i] = dark;
      rows[size - 15 + i][8] = dark;
    }
  }
  rows[size - 8][8] = true;
}

/** The check bits of a BCH code. */
function check(value, polynomial, degree) {
  let rest = value;
  for (let i = 0; i < degree; i += 1) rest = (rest << 1) ^ ((rest >> (degree - 1)) * polynomial);
  return rest;
}

/** The mask that leaves the fewest areas of one colour. */
function best({ rows, data }) {
  const masked = MASKS.map((light, mask) => {
    const picture = rows.map((row, y) => row.map((dark, x) => dark !== (data[y][x] && !light(x, y))));
    format(picture, mask);
    return picture;
  });
  return masked.reduce((one, other) => (penalty(other) < penalty(one) ? other : one));
}

function penalty(rows) {
  let sum = 0;
  const columns = rows.map((_, x) => rows.map(row => row[x]));
  for (const line of [...rows, ...columns]) {
    for (let from = 0, to = 0; from < line.length; from = to) {
      while (line[to] === line[from]) to += 1;
      if (to - from >= 5) sum += to - from - 2;
    }
  }
  for (let y = 1; y < rows.length; y += 1) {
    for (let x = 1; x < rows.length; x += 1) {
      const square = [rows[y - 1][x - 1], rows[y - 1][x], rows[y][x - 1]];
      if (square.every(dark => dark === rows[y][x])) sum += 3;
    }
  }
  return sum;
}
