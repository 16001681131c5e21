//! The thread that has the database.

use core::mem;
use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use log::{error, info, warn};
use rusqlite::Connection;

use super::Keep;
use super::file::{Database, Durability, boot};
use super::queue::{Queue, Taken};
use super::store::{self, Room};
use crate::chat::{Commits, Draft, Entry, Job, Outcome, Page, Person};

mod chores;

/// What the thread is asked to do.
#[derive(Debug)]
pub(super) enum Order {
    /// It is answered by its outcome.
    Do(Job),
    /// A room is out of use.
    Unload(Arc<str>),
}

/// What became of an order.
enum Done {
    /// The entry has this number.
    Appended(u64),
    Other(Outcome),
    /// Nothing is said of that.
    Unloaded,
}

/// How the writer does.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) is_failing: bool,
    pub(super) commits: Commits,
}

pub(super) struct Writer {
    database: Database,
    keep: Keep,
    /// Those in use.
    rooms: HashMap<Arc<str>, Room>,
    /// The rooms that a transaction changes, as they were before.
    changed: HashMap<Arc<str>, Room>,
    /// When it was noted of a person that they said something.
    seen: HashMap<String, u64>,
    /// It is on record that something is being written.
    is_unclean: bool,
    /// What the server may look at.
    pub(super) state: Arc<Mutex<State>>,
    /// What is written is not carried over from `-wal` yet; when to do that.
    checkpoint_at: Option<Instant>,
    /// When to try whether something can be kept again.
    probe_at: Option<Instant>,
    /// When to look through the next room for what is to go.
    sweep_at: Instant,
    /// The last room that was looked through.
    swept: i64,
}

impl Writer {
    pub(super) fn new(database: Database, keep: Keep) -> Self {
        Writer {
            database,
            keep,
            rooms: HashMap::new(),
            changed: HashMap::new(),
            seen: HashMap::new(),
            is_unclean: false,
            state: Arc::default(),
            checkpoint_at: None,
            probe_at: None,
            sweep_at: Instant::now() + chores::SWEEP_DELAY,
            swept: 0,
        }
    }

    /// Works until there can be no more orders. `answer` takes the outcomes of
    /// a batch and leaves an empty queue.
    pub(super) fn run(
        &mut self,
        orders: &Queue<Order>,
        mut answer: impl FnMut(&mut VecDeque<Outcome>),
    ) {
        let (mut batch, mut outcomes) = (VecDeque::new(), VecDeque::new());
        loop {
            let times = [self.checkpoint_at, self.probe_at];
            let next = times.into_iter().flatten().min();
            match orders.wait(&mut batch, next.unwrap_or(self.sweep_at).min(self.sweep_at)) {
                Taken::Items => {
                    self.work(&mut batch, &mut outcomes);
                    if !outcomes.is_empty() {
                        answer(&mut outcomes);
                    }
                }
                Taken::Nothing => {}
                Taken::Closed => break,
            }
            self.do_chores();
        }
        if self.is_unclean
            && let Err(error) = store::set_clean(&self.database.connection)
        {
            self.fail(&error);
        }
    }

    /// Does all of a batch, says what became of it, and leaves it empty.
    pub(super) fn work(&mut self, batch: &mut VecDeque<Order>, outcomes: &mut VecDeque<Outcome>) {
        let entries = batch.iter().filter(|order| writes(order)).count();
        let started = Instant::now();
        let done = if entries == 0 {
            self.read_only(batch)
        } else if !self.database.is_in_place() {
            // What is in a `-wal` that has no name any more is carried over.
            self.checkpoint_at = Some(Instant::now());
            self.lose();
            self.read_only(batch)
        } else {
            match self.transact(|writer| batch.iter().map(|order| writer.follow(order)).collect()) {
                Ok(done) => {
                    self.heal();
                    let mut state = self.state();
                    state.commits.times.record_time(started.elapsed());
                    state.commits.sizes.record(entries as u64);
                    done
                }
                Err(error) => {
                    self.fail(&error);
                    self.read_only(batch)
                }
            }
        };
        let answers = batch.drain(..).zip(done).filter_map(|done| match done {
            // A draft goes back to whom it came from.
            (Order::Do(Job::Append { draft, .. }), Done::Appended(seq)) => {
                Some(Outcome::Appended(Entry { seq, draft }))
            }
            (_, Done::Other(outcome)) => Some(outcome),
            _ => None,
        });
        outcomes.extend(answers);
    }

    /// What can be read; nothing is kept.
    fn read_only(&mut self, batch: &VecDeque<Order>) -> Vec<Done> {
        let done = batch.iter().map(|order| match order {
            order if writes(order) => Done::Other(Outcome::Failed),
            order => self.follow(order).unwrap_or_else(|error| {
                warn!("{}: {error}", self.database.path.display());
                Done::Other(Outcome::Failed)
            }),
        });
        done.collect()
    }

    /// Everything in one transaction, or nothing. While another program has the
    /// database locked this waits, for a while: that passes.
    fn transact<T>(
        &mut self,
        mut work: impl FnMut(&mut Self) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let tries = if self.state().is_failing {
            1
        } else {
            BUSY_TRIES
        };
        for count in 1..tries {
            let done = self.try_transact(&mut work);
            let code = done
                .as_ref()
                .err()
                .and_then(rusqlite::Error::sqlite_error_code);
            if code != Some(rusqlite::ErrorCode::DatabaseBusy) {
                return done;
            }
            if count == 1 {
                let file = self.database.path.display();
                warn!("{file}: another program has it locked; messages wait");
            }
        }
        self.try_transact(&mut work)
    }

    fn try_transact<T>(
        &mut self,
        work: &mut impl FnMut(&mut Self) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.prepare()?;
        self.database.connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = work(self).and_then(|done| {
            self.database.connection.execute_batch("COMMIT")?;
            Ok(done)
        });
        match done {
            Ok(done) => {
                self.changed.clear();
                self.checkpoint_at = Some(Instant::now() + CHECKPOINT_PAUSE);
                Ok(done)
            }
            Err(error) => {
                // Some errors have done so already.
                let _ = self.database.connection.execute_batch("ROLLBACK");
                self.seen.clear();
                for (name, before) in self.changed.drain() {
                    if let Some(room) = self.rooms.get_mut(&name) {
                        *room = before;
                    }
                }
                Err(error)
            }
        }
    }

    /// Takes note once that something is written from now on. That has to be on
    /// the disk before anything else is: what a power cut takes away would not
    /// be missed otherwise.
    fn prepare(&mut self) -> rusqlite::Result<()> {
        if self.is_unclean {
            return Ok(());
        }
        let Database {
            connection,
            durability,
            ..
        } = &self.database;
        connection.pragma_update(None, "synchronous", Durability::Full.name())?;
        store::set_unclean(connection, &boot(), *durability)?;
        connection.pragma_update(None, "synchronous", durability.name())?;
        self.is_unclean = true;
        Ok(())
    }

    /// Does what an order says, in a transaction where it writes.
    fn follow(&mut self, order: &Order) -> rusqlite::Result<Done> {
        Ok(match order {
            Order::Do(Job::Append {
                draft,
                secret,
                bytes,
            }) => self.append(draft, secret.as_deref(), bytes.as_deref())?,
            Order::Do(Job::Find { person, cid }) => Done::Other(self.find(person, cid)?),
            Order::Do(Job::Load { room, limit }) => Done::Other(self.load(room, *limit)?),
            Order::Do(Job::History { room, page, limit }) => {
                Done::Other(self.history(room, *page, *limit)?)
            }
            Order::Do(Job::Fetch { room, seq, limit }) => {
                Done::Other(self.fetch(room, *seq, *limit)?)
            }
            Order::Do(Job::Remove { room, seq }) => Done::Other(self.remove(room, *seq)?),
            Order::Unload(room) => {
                self.rooms.remove(room);
                Done::Unloaded
            }
        })
    }

    fn append(
        &mut self,
        draft: &Draft,
        secret: Option<&str>,
        bytes: Option<&[u8]>,
    ) -> rusqlite::Result<Done> {
        let keep = self.keep.messages;
        let connection = &self.database.connection;
        let room = room(&mut self.rooms, connection, &draft.room)?;
        if !self.changed.contains_key(&draft.room) {
            self.changed.insert(Arc::clone(&draft.room), room.clone());
        }
        let id = match room.id {
            Some(id) => id,
            None => *room
                .id
                .insert(store::insert_room(connection, &draft.room, &room.epoch)?),
        };
        let Person { id: person, .. } = &*draft.from;
        if !store::insert(connection, id, room.seq + 1, draft)? {
            return Ok(Done::Other(self.find(person, &draft.cid)?));
        }
        room.seq += 1;
        if let Some(bytes) = bytes {
            store::insert_file(connection, id, room.seq, bytes, self.keep.files)?;
        }
        // Most have said something not long ago.
        let seen = self.seen.get(person).copied();
        if let Some(secret) = secret
            && seen.is_none_or(|seen| draft.time > seen + store::SEEN_STEP)
        {
            store::see(connection, person, secret, draft.time)?;
            if self.seen.len() >= MAX_SEEN {
                self.seen.clear();
            }
            self.seen.insert(person.clone(), draft.time);
        }
        if room.seq.saturating_sub(room.gone) > keep.saturating_add(PRUNE_SLACK) {
            room.gone = (room.gone + PRUNE_STEP).min(room.seq - keep);
            store::delete_up_to(connection, id, room.gone)?;
        }
        Ok(Done::Appended(room.seq))
    }

    fn find(&self, person: &str, cid: &str) -> rusqlite::Result<Outcome> {
        let known = store::known(&self.database.connection, person, cid)?;
        Ok(known.map_or(Outcome::Unknown, Outcome::Repeated))
    }

    fn load(&mut self, name: &Arc<str>, limit: usize) -> rusqlite::Result<Outcome> {
        let connection = &self.database.connection;
        let room = room(&mut self.rooms, connection, name)?;
        let (entries, more) = match room.id {
            Some(id) => store::page(connection, name, id, Page::Before(u64::MAX), limit)?,
            None => Default::default(),
        };
        Ok(Outcome::Loaded {
            epoch: room.epoch.clone(),
            seq: room.seq,
            entries,
            more,
        })
    }

    fn history(&mut self, name: &Arc<str>, page: Page, limit: usize) -> rusqlite::Result<Outcome> {
        let connection = &self.database.connection;
        let (entries, more) = match room(&mut self.rooms, connection, name)?.id {
            Some(id) => store::page(connection, name, id, page, limit)?,
            None => Default::default(),
        };
        Ok(Outcome::History { entries, more })
    }

    fn fetch(&mut self, name: &Arc<str>, seq: u64, limit: usize) -> rusqlite::Result<Outcome> {
        let connection = &self.database.connection;
        let found = match room(&mut self.rooms, connection, name)?.id {
            Some(id) => store::file(connection, id, seq, limit)?,
            None => None,
        };
        Ok(Outcome::Fetched(found))
    }

    fn remove(&mut self, name: &Arc<str>, seq: u64) -> rusqlite::Result<Outcome> {
        let connection = &self.database.connection;
        let removed = match room(&mut self.rooms, connection, name)?.id {
            Some(id) => store::remove(connection, name, id, seq)?,
            None => None,
        };
        Ok(Outcome::Removed(removed))
    }

    fn fail(&mut self, why: &rusqlite::Error) {
        self.probe_at = Some(Instant::now() + chores::PROBE_PAUSE);
        if !mem::replace(&mut self.state().is_failing, true) {
            let file = self.database.path.display();
            error!("{file}: {why}; messages are refused until it can be written again");
        }
    }

    fn lose(&mut self) {
        self.probe_at = Some(Instant::now() + chores::PROBE_PAUSE);
        if !mem::replace(&mut self.state().is_failing, true) {
            let file = self.database.path.display();
            error!(
                "{file}: it is gone, or another file is in its place; messages are refused until it is back, or the server starts again"
            );
        }
    }

    fn heal(&mut self) {
        self.probe_at = None;
        if mem::replace(&mut self.state().is_failing, false) {
            info!("{}: messages are kept again", self.database.path.display());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whole even where a thread has panicked with it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A room in use, read when it is used first.
fn room<'r>(
    rooms: &'r mut HashMap<Arc<str>, Room>,
    connection: &Connection,
    name: &Arc<str>,
) -> rusqlite::Result<&'r mut Room> {
    Ok(match rooms.entry(Arc::clone(name)) {
        Slot::Occupied(slot) => slot.into_mut(),
        Slot::Vacant(slot) => slot.insert(store::room(connection, name)?),
    })
}

fn writes(order: &Order) -> bool {
    matches!(order, Order::Do(Job::Append { .. } | Job::Remove { .. }))
}

/// What is written is carried over when nothing was for so long.
const CHECKPOINT_PAUSE: Duration = Duration::from_secs(1);

/// How often a database that another program has locked is tried, for a second
/// each: after that, messages are refused, and reading goes on.
const BUSY_TRIES: u32 = 10;

/// So many more entries than are to be kept may be there, and how many go at
/// once then, at the most.
const PRUNE_SLACK: u64 = 64;
const PRUNE_STEP: u64 = 2 * PRUNE_SLACK;

/// Of how many people it is known when that was noted.
const MAX_SEEN: usize = 10_000;
