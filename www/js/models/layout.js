// From a room's items to the rows of its log: days set apart, messages grouped by author.

const GROUP_MS = 5 * 60_000;

/**
 * Rows are `{key, kind, item?, day?, grouped?, reader?}`. A key names the same row for as long as it is
 * shown; one's own message keeps its key from pending to delivered.
 */
export function layout(items, pending, me) {
  const rows = [];
  let day = null;
  let previous = null;
  for (const item of [...items, ...pending.map(asItem)]) {
    const time = item.entry?.time ?? item.time;
    if (time !== undefined && dayOf(time) !== day) {
      day = dayOf(time);
      rows.push({ key: `day ${day}`, kind: 'day', time });
      previous = null;
    }
    const row = { key: item.key, kind: item.kind, item };
    if (item.entry) {
      row.mine = Boolean(item.pending) || item.entry.from?.id === me.id;
      if (row.mine && item.entry.cid) row.key = `own ${item.entry.cid}`;
      row.grouped = continues(previous, item.entry);
      if (!row.mine) row.reader = me.name;
    }
    if (item.kind === 'direct') row.mine = item.message.from.id === me.id;
    previous = item.entry && isSpeech(item.entry) ? item.entry : null;
    rows.push(row);
  }
  return rows;

  function asItem(item) {
    const entry = { ...item.body, from: me, time: item.time };
    return { key: item.cid, kind: 'entry', entry, pending: item };
  }
}

export function isAction(entry) {
  return entry.type !== 'file' && Boolean(entry.text?.startsWith('/me '));
}

/** What can stand in a group under its author's name. */
function isSpeech(entry) {
  return !isAction(entry) && entry.type !== 'direct' && entry.type !== 'command';
}

function continues(previous, entry) {
  return (
    previous !== null &&
    isSpeech(entry) &&
    previous.from?.id === entry.from?.id &&
    previous.from?.name === entry.from?.name &&
    Math.abs(entry.time - previous.time) < GROUP_MS
  );
}

function dayOf(time) {
  const date = new Date(time);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}
