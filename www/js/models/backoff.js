// When to come back after a lost connection.

const FIRST_CEILING_MS = 500;
const LAST_CEILING_MS = 20_000;

/**
 * Full jitter: anything between nothing and a ceiling that doubles with each attempt. A crowd
 * that lost its server together comes back spread out, not in step.
 */
export function backoffDelay(attempt, random) {
  return random() * Math.min(LAST_CEILING_MS, FIRST_CEILING_MS * 2 ** attempt);
}

/** Close codes 4500–4999 say: do not come back by yourself. */
export function isFinal(code) {
  return code >= 4500 && code <= 4999;
}

/**
 * The server may name its own delay in the close reason, as a restart does with `retry_ms=N`.
 * Everybody got the same number, so up to as much again is added at random.
 */
export function askedDelay(reason, random) {
  const match = /(?:^|\W)retry_ms=(\d{1,8})\b/.exec(reason ?? '');
  return match ? Number(match[1]) * (1 + random()) : null;
}
