//! Entries kept in a file, by SQLite.
//!
//! A thread of its own has the database. It takes every job that has come since
//! it last looked, does all of them in one transaction, commits that, and only
//! then hands the outcomes out and wakes the server; while it waits for the
//! disk, the next jobs gather (group commit). So the server never waits, and
//! what it is told of is kept.
//!
//! | module | what it is for |
//! |---|---|
//! | [`mod@file`] | opens the database, or says why not; its schema and versions |
//! | `queue` | what passes between it and the server |
//! | `store` | the statements |
//! | `writer` | the thread: batches and failures; in `chores` what is done aside |
//!
//! The tables are described in [`mod@file`]; other programs may read them while the
//! server runs.

use core::fmt;
use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use log::warn;

use crate::chat::{Busy, Job, Journal, KnownSession, Outcome, Report};

pub mod file;
mod queue;
mod store;
#[cfg(test)]
mod tests;
mod writer;

pub use self::file::{Database, Durability, OpenError};
use self::queue::Queue;
use self::writer::{Order, State, Writer};

/// How long entries are kept; 0 means for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retention {
    /// How many entries of each room.
    pub messages: usize,
    /// How many days.
    pub days: usize,
    /// How many bytes of files.
    pub files: usize,
    /// How many sessions, those that said something last. Beyond 30 days of
    /// silence none is.
    pub sessions: usize,
}

/// The same in plain bounds.
#[derive(Clone, Copy, Debug)]
struct Keep {
    messages: u64,
    /// In bytes.
    files: u64,
    time: Option<Duration>,
    sessions: usize,
}

impl From<Retention> for Keep {
    fn from(retention: Retention) -> Self {
        let Retention {
            messages,
            days,
            files,
            sessions,
        } = retention;
        let days = u64::try_from(days).unwrap_or(u64::MAX);
        let or_all = |most| if most == 0 { u64::MAX } else { most as u64 };
        Keep {
            messages: or_all(messages),
            files: or_all(files),
            time: (days > 0).then(|| Duration::from_secs(days.saturating_mul(SECONDS_PER_DAY))),
            sessions: match sessions {
                0 => usize::MAX,
                sessions => sessions,
            },
        }
    }
}

/// Keeps entries in a file. Ends with what was submitted done and kept.
pub struct SqliteJournal {
    orders: Arc<Queue<Order>>,
    /// Those of the last batches that nobody has asked for yet.
    answers: Arc<Queue<Outcome>>,
    /// Those taken from there.
    outcomes: VecDeque<Outcome>,
    /// Without a sender when the thread has panicked.
    finished: Receiver<()>,
    /// What the jobs that are not answered yet take.
    costs: VecDeque<Cost>,
    state: Arc<Mutex<State>>,
    bytes: usize,
    file_bytes: usize,
    sessions: Vec<KnownSession>,
}

impl SqliteJournal {
    /// Begins to work on a database. `wake` is called, on another thread, when
    /// there are outcomes.
    ///
    /// # Errors
    /// Where the system has no thread.
    pub fn start(
        database: Database,
        retention: Retention,
        wake: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let orders = Arc::new(Queue::new());
        let answers = Arc::new(Queue::new());
        let (finish, finished) = channel();
        let keep = Keep::from(retention);
        let sessions = database.sessions(keep.sessions);
        let mut writer = Writer::new(database, keep);
        let state = Arc::clone(&writer.state);
        let (received, answered) = (Arc::clone(&orders), Arc::clone(&answers));
        thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || {
                writer.run(&received, |outcomes| {
                    answered.append(outcomes);
                    wake();
                });
                drop(writer);
                // Nobody may wait for it any more.
                let _ = finish.send(());
            })?;
        Ok(SqliteJournal {
            orders,
            answers,
            outcomes: VecDeque::new(),
            finished,
            costs: VecDeque::with_capacity(MAX_JOBS),
            state,
            bytes: 0,
            file_bytes: 0,
            sessions,
        })
    }
}

impl Journal for SqliteJournal {
    fn submit(&mut self, job: Job) -> Result<(), Busy> {
        let cost = cost_of(&job);
        // One alone may be as large as it is.
        let is_full = |held: usize, more| held > 0 && more > 0 && held + more > MAX_BYTES;
        if self.costs.len() >= MAX_JOBS
            || is_full(self.bytes, cost.bytes)
            || is_full(self.file_bytes, cost.file_bytes)
        {
            return Err(Busy);
        }
        self.bytes += cost.bytes;
        self.file_bytes += cost.file_bytes;
        self.costs.push_back(cost);
        self.orders.push(Order::Do(job));
        Ok(())
    }

    fn outcome(&mut self) -> Option<Outcome> {
        if self.costs.is_empty() {
            return None;
        }
        if self.outcomes.is_empty() {
            // Asked first: what it has answered before it ended is there then.
            let is_over = self.finished.try_recv() == Err(TryRecvError::Disconnected);
            self.answers.take(&mut self.outcomes);
            if self.outcomes.is_empty() && is_over {
                self.outcomes.push_back(Outcome::Failed);
            }
        }
        let outcome = self.outcomes.pop_front()?;
        let cost = self.costs.pop_front().unwrap_or_default();
        self.bytes -= cost.bytes;
        self.file_bytes -= cost.file_bytes;
        Some(outcome)
    }

    fn sessions(&mut self, limit: usize) -> Vec<KnownSession> {
        let mut sessions = core::mem::take(&mut self.sessions);
        sessions.drain(..sessions.len().saturating_sub(limit));
        sessions
    }

    fn unload(&mut self, room: &str) {
        self.orders.push(Order::Unload(room.into()));
    }

    fn report(&self) -> Report {
        let is_over = self.finished.try_recv() == Err(TryRecvError::Disconnected);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Report {
            is_failing: state.is_failing || is_over,
            waiting: self.orders.len(),
            commits: Some(state.commits.clone()),
        }
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        self.orders.close();
        // Where answers are missing the time for them is over already.
        let is_over = !self.costs.is_empty();
        if is_over || self.finished.recv_timeout(FINISH_TIMEOUT).is_err() {
            warn!("the file was slow or locked: the next start has to look through its -wal");
        }
    }
}

impl fmt::Debug for SqliteJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteJournal").finish_non_exhaustive()
    }
}

/// What a job takes until its outcome is taken. Files are counted apart, so that
/// large ones keep nobody from writing.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    bytes: usize,
    file_bytes: usize,
}

fn cost_of(job: &Job) -> Cost {
    let (bytes, file_bytes) = match job {
        Job::Append { draft, bytes, .. } => (
            size_of::<Job>() + draft.text.len(),
            bytes.as_ref().map_or(0, |bytes| bytes.len()),
        ),
        Job::Find { .. } | Job::Load { .. } | Job::History { .. } => (store::MAX_PAGE_BYTES, 0),
        Job::Remove { .. } => (size_of::<Job>(), 0),
        Job::Fetch { limit, .. } => (size_of::<Job>(), *limit),
    };
    Cost { bytes, file_bytes }
}

/// How many jobs may wait.
const MAX_JOBS: usize = 4096;

/// How much they and their outcomes may take, and the files among them.
const MAX_BYTES: usize = 8 << 20;

/// How long the end may take, when all is answered.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;
