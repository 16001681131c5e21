// Close codes: their names, and which text explains them (RFC 6455 §7.4, the IANA registry of
// close codes, and those of veche.v1).

const names = {
  1000: 'Normal Closure',
  1001: 'Going Away',
  1002: 'Protocol error',
  1003: 'Unsupported Data',
  1004: 'Reserved',
  1005: 'No Status Rcvd',
  1006: 'Abnormal Closure',
  1007: 'Invalid frame payload data',
  1008: 'Policy Violation',
  1009: 'Message Too Big',
  1010: 'Mandatory Ext.',
  1011: 'Internal Error',
  1012: 'Service Restart',
  1013: 'Try Again Later',
  1014: 'Bad Gateway',
  1015: 'TLS handshake',
  3000: 'Unauthorized',
  3003: 'Forbidden',
  3008: 'Timeout',
  4008: 'Too slow',
  4012: 'No pong',
  4500: 'Bad token',
  4503: 'Kicked',
};

/** `{name, key}`: the registered name, if there is one, and the key of the explanation. */
export function explain(code) {
  const name = names[code];
  if (name) return { name, key: `code${code}` };
  return { name: '', key: `codes${range(code)}` };
}

function range(code) {
  if (code < 1000) return 'Unused';
  if (code < 3000) return 'Protocol';
  if (code < 4000) return 'Registered';
  if (code < 4500) return 'Return';
  return code < 5000 ? 'Final' : 'Unused';
}
