// Bytes as people write and read them.

/** The bytes that hexadecimal digits mean, blanks between them or not; null where they mean none. */
export function parseHex(text) {
  const digits = text.replace(/[\s,:]|0x/gi, '');
  if (!/^([0-9a-f]{2})*$/i.test(digits)) return null;
  return Uint8Array.from(digits.match(/../g) ?? [], pair => parseInt(pair, 16));
}

/** Sixteen bytes a line: where they stand, what they are, and the ASCII among them. */
export function hexDump(bytes) {
  const lines = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const line = [...bytes.subarray(at, at + 16)];
    const ascii = line.map(byte => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : '.'));
    lines.push(`${hex(at, 8)}  ${line.map(byte => hex(byte, 2)).join(' ').padEnd(47)}  ${ascii.join('')}`);
  }
  return lines.join('\n');
}

/** A random name with 64 bits and more, also where a page without TLS may not have a UUID. */
export function randomName() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map(byte => hex(byte, 2)).join('');
}

function hex(number, digits) {
  return number.toString(16).padStart(digits, '0');
}
