//! The statements.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Result, Row, params};

use super::file::Durability;
use crate::chat::{Draft, Entry, File, FileBytes, KnownSession, Media, Page, Person};

/// A room as it is stored, or will be with its first entry.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// `None` where nothing was said yet.
    pub(super) id: Option<i64>,
    pub(super) epoch: String,
    /// The number of the newest entry.
    pub(super) seq: u64,
    /// Entries up to this number are no longer kept.
    pub(super) gone: u64,
}

/// A room as it is stored; one of that name otherwise, with an epoch of its own.
pub(super) fn room(connection: &Connection, name: &str) -> Result<Room> {
    let mut stored = connection.prepare_cached(
        "SELECT id, epoch, gone, (SELECT max(seq) FROM entries WHERE room = rooms.id)
         FROM rooms WHERE name = ?1",
    )?;
    let room = stored.query_row([name], |row| {
        let gone = unsigned(row.get(2)?);
        let newest: Option<i64> = row.get(3)?;
        Ok(Room {
            id: Some(row.get(0)?),
            epoch: row.get(1)?,
            seq: newest.map_or(gone, unsigned),
            gone,
        })
    });
    if let Some(room) = room.optional()? {
        return Ok(room);
    }
    let mut epoch = connection.prepare_cached(&format!("SELECT {NEW_EPOCH}"))?;
    Ok(Room {
        id: None,
        epoch: epoch.query_row([], |row| row.get(0))?,
        seq: 0,
        gone: 0,
    })
}

pub(super) fn insert_room(connection: &Connection, name: &str, epoch: &str) -> Result<i64> {
    let mut insert =
        connection.prepare_cached("INSERT INTO rooms (name, epoch, gone) VALUES (?1, ?2, 0)")?;
    insert.insert(params![name, epoch])
}

/// Keeps an entry; whether it is new. Of one that is known nothing changes.
pub(super) fn insert(connection: &Connection, room: i64, seq: u64, draft: &Draft) -> Result<bool> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO entries (room, seq, time, person, name, cid, text, file, media, size)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (person, cid) DO NOTHING",
    )?;
    let Person { id, name, .. } = &*draft.from;
    let (time, cid, text) = (signed(draft.time), &draft.cid, &draft.text);
    let file = draft.file.as_deref();
    let (file, media, size) = match file {
        Some(File { name, media, size }) => (Some(name), Some(media.name()), Some(signed(*size))),
        None => (None, None, None),
    };
    let inserted = insert.execute(params![
        room,
        signed(seq),
        time,
        id,
        name,
        cid,
        text,
        file,
        media,
        size
    ])?;
    Ok(inserted > 0)
}

/// Keeps what is in a file. Of all the oldest go, but for this one, while they
/// take more than `keep` bytes.
pub(super) fn insert_file(
    connection: &Connection,
    room: i64,
    seq: u64,
    bytes: &[u8],
    keep: u64,
) -> Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT INTO files (room, seq, bytes) VALUES (?1, ?2, ?3)")?;
    let id = insert.insert(params![room, signed(seq), bytes])?;
    let mut size = connection.prepare_cached("SELECT bytes FROM files_size")?;
    let mut delete = connection
        .prepare_cached("DELETE FROM files WHERE id = (SELECT min(id) FROM files) AND id < ?1")?;
    while unsigned(size.query_row([], |row| row.get(0))?) > keep && delete.execute([id])? > 0 {}
    Ok(())
}

/// A file of at most so many bytes.
pub(super) fn file(
    connection: &Connection,
    room: i64,
    seq: u64,
    limit: usize,
) -> Result<Option<(File, FileBytes)>> {
    let mut select = connection.prepare_cached(
        "SELECT file, media, size, bytes FROM files JOIN entries USING (room, seq)
         WHERE room = ?1 AND seq = ?2 AND length(bytes) <= ?3",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let found = select.query_row(params![room, signed(seq), limit], |row| {
        let bytes = row.get_ref(3)?.as_blob()?.into();
        Ok(file_of(row, 0)?.map(|file| (file, bytes)))
    });
    Ok(found.optional()?.flatten())
}

/// Removes what an entry says, with its file; returns what is left of it.
pub(super) fn remove(
    connection: &Connection,
    name: &Arc<str>,
    room: i64,
    seq: u64,
) -> Result<Option<Entry>> {
    let mut delete = connection.prepare_cached("DELETE FROM files WHERE room = ?1 AND seq = ?2")?;
    delete.execute(params![room, signed(seq)])?;
    let mut update = connection.prepare_cached(
        "UPDATE entries SET text = '', file = NULL, media = NULL, size = NULL
         WHERE room = ?1 AND seq = ?2
         RETURNING seq, time, person, name, cid, text, file, media, size",
    )?;
    let removed = update.query_row(params![room, signed(seq)], |row| entry(row, name));
    removed.optional()
}

/// What is known of a file, in three columns from that one on.
fn file_of(row: &Row<'_>, column: usize) -> Result<Option<File>> {
    let Some(name) = row.get(column)? else {
        return Ok(None);
    };
    Ok(Some(File {
        name,
        media: Media::named(row.get_ref(column + 1)?.as_str()?),
        size: unsigned(row.get(column + 2)?),
    }))
}

/// What was kept under this `cid` of this person.
pub(super) fn known(connection: &Connection, person: &str, cid: &str) -> Result<Option<Entry>> {
    let mut select = connection.prepare_cached(
        "SELECT entries.seq, time, person, entries.name, cid, text, file, media, size, rooms.name
         FROM entries JOIN rooms ON rooms.id = entries.room WHERE person = ?1 AND cid = ?2",
    )?;
    let known = select.query_row([person, cid], |row| {
        let room: String = row.get(9)?;
        entry(row, &room.into())
    });
    known.optional()
}

/// Some entries of a room, ascending, and whether there are more in that
/// direction.
pub(super) fn page(
    connection: &Connection,
    name: &Arc<str>,
    room: i64,
    page: Page,
    limit: usize,
) -> Result<(Vec<Entry>, bool)> {
    let (seq, mut select) = match page {
        Page::Before(seq) => (
            seq,
            connection.prepare_cached(
                "SELECT seq, time, person, name, cid, text, file, media, size FROM entries
                 WHERE room = ?1 AND seq < ?2 ORDER BY seq DESC",
            )?,
        ),
        Page::After(seq) => (
            seq,
            connection.prepare_cached(
                "SELECT seq, time, person, name, cid, text, file, media, size FROM entries
                 WHERE room = ?1 AND seq > ?2 ORDER BY seq",
            )?,
        ),
    };
    let mut rows = select.query(params![room, signed(seq)])?;
    let (mut entries, mut bytes, mut more) = (Vec::new(), 0, false);
    while let Some(row) = rows.next()? {
        let entry = entry(row, name)?;
        bytes += entry.draft.text.len();
        more = entries.len() >= limit || (bytes > MAX_PAGE_BYTES && !entries.is_empty());
        if more {
            break;
        }
        entries.push(entry);
    }
    if matches!(page, Page::Before(_)) {
        entries.reverse();
    }
    Ok((entries, more))
}

fn entry(row: &Row<'_>, room: &Arc<str>) -> Result<Entry> {
    Ok(Entry {
        seq: unsigned(row.get(0)?),
        draft: Arc::new(Draft {
            room: Arc::clone(room),
            time: unsigned(row.get(1)?),
            from: Arc::new(Person {
                id: row.get(2)?,
                name: row.get(3)?,
                role: None,
            }),
            cid: row.get(4)?,
            text: row.get(5)?,
            file: file_of(row, 6)?.map(Box::new),
        }),
    })
}

/// Takes note of a session that said something at that time.
pub(super) fn see(connection: &Connection, person: &str, secret: &str, time: u64) -> Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO sessions (person, secret, seen) VALUES (?1, ?2, ?3)
         ON CONFLICT (person) DO UPDATE SET seen = excluded.seen
         WHERE excluded.seen > seen + ?4",
    )?;
    upsert.execute(params![person, secret, signed(time), signed(SEEN_STEP)])?;
    Ok(())
}

/// The sessions that said something last, the last one at the end.
pub(super) fn sessions(connection: &Connection, limit: usize) -> Result<Vec<KnownSession>> {
    let mut select =
        connection.prepare("SELECT person, secret FROM sessions ORDER BY seen DESC LIMIT ?1")?;
    let rows = select.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok(KnownSession {
            id: row.get(0)?,
            secret: row.get::<_, String>(1)?.into(),
        })
    })?;
    let mut sessions = rows.collect::<Result<Vec<_>>>()?;
    sessions.reverse();
    Ok(sessions)
}

/// Forgets sessions that have said nothing since, and those beyond a number.
pub(super) fn forget_sessions(connection: &Connection, since: u64, most: usize) -> Result<()> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    connection.execute(
        "DELETE FROM sessions WHERE seen < ?1 OR person NOT IN
         (SELECT person FROM sessions ORDER BY seen DESC LIMIT ?2)",
        params![signed(since), most],
    )?;
    Ok(())
}

/// The room that comes after another one: its id, name, and the number of its
/// newest entry that is left.
pub(super) fn next_room(connection: &Connection, id: i64) -> Result<Option<(i64, String, u64)>> {
    let mut select = connection.prepare_cached(
        "SELECT id, name, (SELECT max(seq) FROM entries WHERE room = rooms.id)
         FROM rooms WHERE id > ?1 ORDER BY id LIMIT 1",
    )?;
    let next = select.query_row([id], |row| {
        let newest: Option<i64> = row.get(2)?;
        Ok((row.get(0)?, row.get(1)?, newest.map_or(0, unsigned)))
    });
    next.optional()
}

/// The oldest entries of a room that are to go, as far as the last of them:
/// those up to a number, and those from before a time.
pub(super) fn overdue(
    connection: &Connection,
    room: i64,
    up_to: u64,
    before: u64,
    limit: usize,
) -> Result<Overdue> {
    let mut select = connection.prepare_cached(
        "SELECT seq, time, size FROM entries WHERE room = ?1 ORDER BY seq LIMIT ?2",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = select.query(params![room, limit])?;
    let mut overdue = Overdue {
        last: None,
        is_rest: true,
        is_all: true,
    };
    let (mut count, mut bytes) = (0, 0);
    while let Some(row) = rows.next()? {
        let (seq, time) = (unsigned(row.get(0)?), unsigned(row.get(1)?));
        let size: Option<i64> = row.get(2)?;
        // It takes long to let go of much.
        if bytes > MAX_OVERDUE_BYTES {
            count = limit;
            break;
        }
        bytes += size.map_or(0, unsigned);
        count += 1;
        if seq > up_to && time >= before {
            overdue.is_all = false;
            break;
        }
        overdue.last = Some(seq);
    }
    if overdue.is_all && count == limit {
        (overdue.is_all, overdue.is_rest) = (false, false);
    }
    Ok(overdue)
}

/// What of a room is to go.
#[derive(Debug)]
pub(super) struct Overdue {
    /// The last one.
    pub(super) last: Option<u64>,
    /// There are no more to go.
    pub(super) is_rest: bool,
    /// Nothing is left then.
    pub(super) is_all: bool,
}

pub(super) fn delete_up_to(connection: &Connection, room: i64, seq: u64) -> Result<()> {
    let mut delete =
        connection.prepare_cached("DELETE FROM entries WHERE room = ?1 AND seq <= ?2")?;
    delete.execute(params![room, signed(seq)])?;
    let mut delete =
        connection.prepare_cached("DELETE FROM files WHERE room = ?1 AND seq <= ?2")?;
    delete.execute(params![room, signed(seq)])?;
    let mut update = connection.prepare_cached("UPDATE rooms SET gone = ?2 WHERE id = ?1")?;
    update.execute(params![room, signed(seq)])?;
    Ok(())
}

pub(super) fn delete_room(connection: &Connection, room: i64) -> Result<()> {
    connection.execute("DELETE FROM rooms WHERE id = ?1", [room])?;
    Ok(())
}

/// Takes note that something is about to be written.
pub(super) fn set_unclean(
    connection: &Connection,
    boot: &str,
    durability: Durability,
) -> Result<()> {
    connection.execute(
        "UPDATE state SET is_clean = 0, boot = ?1, durability = ?2",
        [boot, durability.name()],
    )?;
    Ok(())
}

/// Takes note that everything written is kept.
pub(super) fn set_clean(connection: &Connection) -> Result<()> {
    connection.execute("UPDATE state SET is_clean = 1", [])?;
    Ok(())
}

/// Whether entries that were seen may be missing: the machine went down under a
/// server that did not wait for its disk.
pub(super) fn may_have_gone_back(connection: &Connection, boot: &str) -> Result<bool> {
    connection.query_row(
        "SELECT NOT is_clean AND durability = ?1 AND (boot = '' OR boot != ?2) FROM state",
        [Durability::Normal.name(), boot],
        |row| row.get(0),
    )
}

pub(super) fn renew_epochs(connection: &Connection) -> Result<()> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE;
         UPDATE rooms SET epoch = {NEW_EPOCH};
         UPDATE state SET is_clean = 1;
         COMMIT;"
    ))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

const NEW_EPOCH: &str = "lower(hex(randomblob(8)))";

/// How much text a page has, unless its first entry alone has more.
pub(super) const MAX_PAGE_BYTES: usize = 64 << 10;

/// Of how many bytes of files one goes at once, at the least.
const MAX_OVERDUE_BYTES: u64 = 16 << 20;

/// How exactly it is known when a session said something last: to the day, in
/// milliseconds.
pub(super) const SEEN_STEP: u64 = 86_400_000;

/// How many statements are kept prepared: all above.
pub(super) const STATEMENTS: usize = 26;
