//! Where entries become durable and get their numbers.

use std::sync::Arc;

use super::media::Media;
use crate::server::Histogram;

/// Keeps the entries of all rooms, in order.
///
/// A job is submitted and its outcome comes back later: there is exactly one
/// for each job, in the order of submission, so whoever submits keeps a queue
/// of what it asked for. A journal with a thread of its own wakes the server
/// when outcomes wait. The journal alone numbers entries, and only those that
/// it has kept, so the numbers of a room have no holes.
pub trait Journal {
    /// Hands a job in.
    ///
    /// # Errors
    /// [`Busy`] where too many wait already: nothing was done, try again later.
    fn submit(&mut self, job: Job) -> Result<(), Busy>;

    /// The next outcome that is there.
    fn outcome(&mut self) -> Option<Outcome>;

    /// The sessions that are known from before, at most so many, the one that
    /// was seen last at the end. Asked for once, before the first job.
    fn sessions(&mut self, limit: usize) -> Vec<KnownSession> {
        let _ = limit;
        Vec::new()
    }

    /// Nobody is in this room any more: its next use begins with a
    /// [`Job::Load`].
    fn unload(&mut self, room: &str) {
        let _ = room;
    }

    /// How it does, for those who watch it.
    fn report(&self) -> Report {
        Report::default()
    }
}

impl<J: Journal + ?Sized> Journal for Box<J> {
    fn submit(&mut self, job: Job) -> Result<(), Busy> {
        (**self).submit(job)
    }

    fn outcome(&mut self) -> Option<Outcome> {
        (**self).outcome()
    }

    fn sessions(&mut self, limit: usize) -> Vec<KnownSession> {
        (**self).sessions(limit)
    }

    fn unload(&mut self, room: &str) {
        (**self).unload(room);
    }

    fn report(&self) -> Report {
        (**self).report()
    }
}

/// How a journal does.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// It keeps nothing at the moment, for a reason that is in the log.
    pub is_failing: bool,
    /// Jobs that it has not begun.
    pub waiting: usize,
    /// What it has written, where it writes.
    pub commits: Option<Commits>,
}

/// What a journal has written since it started.
#[derive(Clone, Debug)]
pub struct Commits {
    /// How long it took until entries were kept, in nanoseconds.
    pub times: Histogram,
    /// How many were kept at once.
    pub sizes: Histogram,
}

impl Default for Commits {
    fn default() -> Self {
        Commits {
            times: Histogram::times(),
            sizes: Histogram::sizes(),
        }
    }
}

/// Something for the journal to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Job {
    /// Keep an entry, and with it the session of whoever wrote it.
    Append {
        /// The entry.
        draft: Arc<Draft>,
        /// The secret of the author's session, where the author has one.
        secret: Option<SecretHash>,
        /// What is in the file, where the draft has one.
        bytes: Option<FileBytes>,
    },
    /// Give what is kept of this author under this `cid`.
    Find {
        /// The author's id.
        person: String,
        /// What the author calls the entry.
        cid: String,
    },
    /// Give the newest `limit` entries of a room, which is in use from now on.
    Load {
        /// The room.
        room: Arc<str>,
        /// How many entries at the most.
        limit: usize,
    },
    /// Give some older entries of a room.
    History {
        /// The room.
        room: Arc<str>,
        /// Which part of it.
        page: Page,
        /// How many entries at the most.
        limit: usize,
    },
    /// Give the file of an entry.
    Fetch {
        /// The room.
        room: Arc<str>,
        /// The entry's number.
        seq: u64,
        /// How many bytes it may have.
        limit: usize,
    },
    /// Remove what an entry says, with its file. It keeps its number, so that there
    /// is no hole, and its `cid`, so that it is not said again.
    Remove {
        /// The room.
        room: Arc<str>,
        /// The entry's number.
        seq: u64,
    },
}

/// An entry before it has its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The room it is for.
    pub room: Arc<str>,
    /// Who wrote it.
    pub from: Arc<Person>,
    /// When it was accepted: Unix milliseconds.
    pub time: u64,
    /// Plain text. That of a file may be empty; that of an entry without a file is
    /// where it was removed.
    pub text: String,
    /// What the author calls it. The same author and `cid` again is a repeat.
    pub cid: String,
    /// The file that it is about. What is in there is kept beside it, and may be
    /// gone when the entry is not.
    pub file: Option<Box<File>>,
}

impl Draft {
    /// Whether what it said is removed.
    #[must_use]
    pub fn is_removed(&self) -> bool {
        self.text.is_empty() && self.file.is_none()
    }
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, without folders.
    pub name: String,
    /// What it is.
    pub media: Media,
    /// How many bytes it has.
    pub size: u64,
}

/// What is in a file.
pub type FileBytes = Arc<[u8]>;

/// One numbered entry of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number: 1, 2, 3 … within the room and its epoch.
    pub seq: u64,
    /// What was said.
    pub draft: Arc<Draft>,
}

/// Somebody as others see them.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Person {
    /// Public and the same as long as the session is remembered.
    pub id: String,
    /// The name at that time.
    pub name: String,
    /// What the member of a site is there; not kept with what they say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// A hash of a session's secret, which is kept nowhere itself: SHA-1 in
/// base64url.
pub type SecretHash = Arc<str>;

/// A session that the journal has kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSession {
    /// The id of the person whose it is.
    pub id: String,
    /// What it is known by.
    pub secret: SecretHash,
}

/// A part of a room's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The newest entries below this number.
    Before(u64),
    /// The oldest entries above this number.
    After(u64),
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The entry is kept.
    Appended(Entry),
    /// It was kept before, and this is what was kept then. Nothing has changed.
    Repeated(Entry),
    /// Nothing is kept under this `cid`.
    Unknown,
    /// A room's newest entries, ascending.
    Loaded {
        /// Names the numbering.
        epoch: String,
        /// The number of the newest entry; 0 where there is none.
        seq: u64,
        /// The entries.
        entries: Vec<Entry>,
        /// Whether there are older ones.
        more: bool,
    },
    /// Some of a room's entries, ascending.
    History {
        /// The entries.
        entries: Vec<Entry>,
        /// Whether there are more in the direction asked for.
        more: bool,
    },
    /// The entry as it is from now on, if there is one of that number.
    Removed(Option<Entry>),
    /// A file, if it is still kept and as small as asked for.
    Fetched(Option<(File, FileBytes)>),
    /// It could not be done, for a reason that is in the log; nothing changed.
    Failed,
}

/// Too many jobs wait: try again later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;
