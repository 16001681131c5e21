//! What the journal's thread does beside its orders: it carries over what is
//! written, and lets go of what is not kept any longer.

use std::time::{Duration, Instant, SystemTime};

use log::warn;

use super::{Writer, boot, store};
use crate::journal::sqlite::SECONDS_PER_DAY;

impl Writer {
    /// Does what is due aside, a small step at a time.
    pub(super) fn do_chores(&mut self) {
        let now = Instant::now();
        if self.checkpoint_at.is_some_and(|at| at <= now) {
            self.checkpoint_at = None;
            let checkpoint = "PRAGMA wal_checkpoint(PASSIVE)";
            if let Err(error) = self
                .database
                .connection
                .query_row(checkpoint, [], |_| Ok(()))
            {
                warn!("{}: {error}", self.database.path.display());
            }
        }
        if self.probe_at.is_some_and(|at| at <= now) {
            self.probe_at = Some(now + PROBE_PAUSE);
            self.probe();
        }
        if self.sweep_at <= now {
            let is_over = !self.sweep().unwrap_or_else(|error| {
                warn!("{}: {error}", self.database.path.display());
                false
            });
            if is_over {
                self.swept = 0;
            }
            self.sweep_at = now + if is_over { SWEEP_PAUSE } else { SWEEP_INTERVAL };
        }
    }

    /// Sees whether something can be kept again, since nobody may come to try while
    /// it is told that nothing can.
    fn probe(&mut self) {
        if !self.database.is_in_place() {
            return;
        }
        let durability = self.database.durability;
        let kept = self.transact(|writer| {
            let connection = &writer.database.connection;
            // Of the two, one changes something: a page is written.
            store::set_clean(connection)?;
            store::set_unclean(connection, &boot(), durability)
        });
        if kept.is_ok() {
            self.heal();
        }
    }

    /// Looks through one more room for what is to go; whether that is not all.
    pub(in crate::journal::sqlite) fn sweep(&mut self) -> rusqlite::Result<bool> {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = since_1970.unwrap_or_default();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let before = |time: Duration| millis(now.saturating_sub(time));
        let connection = &self.database.connection;
        let Some((id, name, seq)) = store::next_room(connection, self.swept)? else {
            let (since, most) = (before(KEEP_SESSIONS), self.keep.sessions);
            self.seen.clear();
            self.transact(|writer| {
                store::forget_sessions(&writer.database.connection, since, most)
            })?;
            return Ok(false);
        };
        let up_to = seq.saturating_sub(self.keep.messages);
        let before = self.keep.time.map_or(0, before);
        let overdue = store::overdue(connection, id, up_to, before, SWEEP_STEP)?;
        let in_use = self.rooms.contains_key(name.as_str());
        if overdue.last.is_some() || (overdue.is_all && !in_use) {
            let last = overdue.last.unwrap_or_default();
            self.transact(|writer| {
                store::delete_up_to(&writer.database.connection, id, last)?;
                if overdue.is_all && !in_use {
                    store::delete_room(&writer.database.connection, id)?;
                }
                Ok(())
            })?;
            if let Some(room) = self.rooms.get_mut(name.as_str()) {
                room.gone = room.gone.max(last);
            }
        }
        if overdue.is_rest {
            self.swept = id;
        }
        Ok(true)
    }
}

/// Between two tries whether something can be kept again.
pub(super) const PROBE_PAUSE: Duration = Duration::from_secs(2);

/// After the start, between two rooms that are looked through for what is to go,
/// and before all of them are again.
pub(super) const SWEEP_DELAY: Duration = Duration::from_secs(10);
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);
const SWEEP_PAUSE: Duration = Duration::from_secs(600);

/// How many entries go at once.
const SWEEP_STEP: usize = 500;

/// How long a session is known that says nothing.
const KEEP_SESSIONS: Duration = Duration::from_secs(30 * SECONDS_PER_DAY);
