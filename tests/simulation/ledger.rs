//! A journal that takes its time, is busy and fails at times, and keeps a
//! record of all that was ever committed, for comparison.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use veche::chat::{Busy, Entry, Job, Journal, Outcome};
use veche::journal::memory::MemoryJournal;

use super::scene::Scene;

/// A handle to the journal, which the chat and the simulation share.
#[derive(Clone)]
pub struct Ledger(Rc<RefCell<Book>>);

struct Book {
    scene: Scene,
    memory: MemoryJournal,
    keep_messages: usize,
    /// What was asked for and is not done yet.
    jobs: VecDeque<Job>,
    /// What is done and not taken yet.
    done: VecDeque<Outcome>,
    max_jobs: usize,
    /// How often in a hundred a job fails.
    fails: usize,
    /// By room and epoch: the entries 1, 2, 3 …
    committed: BTreeMap<(String, String), Vec<Entry>>,
    epochs: BTreeMap<String, String>,
}

impl Ledger {
    pub fn new(scene: &Scene, keep_messages: usize, max_rooms: usize) -> Self {
        Ledger(Rc::new(RefCell::new(Book {
            scene: scene.clone(),
            memory: MemoryJournal::new(keep_messages, max_rooms, 7),
            keep_messages: if keep_messages == 0 {
                usize::MAX
            } else {
                keep_messages
            },
            jobs: VecDeque::new(),
            done: VecDeque::new(),
            max_jobs: usize::MAX,
            fails: 0,
            committed: BTreeMap::new(),
            epochs: BTreeMap::new(),
        })))
    }

    /// From now on at most so many jobs wait, and some fail.
    pub fn set_trouble(&self, max_jobs: usize, fails: usize) {
        let mut book = self.0.borrow_mut();
        (book.max_jobs, book.fails) = (max_jobs, fails);
    }

    /// Commits the first of the jobs that wait.
    pub fn commit(&self, count: usize) {
        let mut book = self.0.borrow_mut();
        for _ in 0..count.min(book.jobs.len()) {
            book.commit_next();
        }
    }

    /// Whether outcomes wait to be taken.
    pub fn has_outcomes(&self) -> bool {
        !self.0.borrow().done.is_empty()
    }

    pub fn is_idle(&self) -> bool {
        let book = self.0.borrow();
        book.jobs.is_empty() && book.done.is_empty()
    }

    /// An entry that was committed.
    pub fn entry(&self, room: &str, epoch: &str, seq: u64) -> Option<Entry> {
        let book = self.0.borrow();
        let entries = book.committed.get(&(room.to_owned(), epoch.to_owned()))?;
        entries
            .get(usize::try_from(seq).ok()?.checked_sub(1)?)
            .cloned()
    }

    /// The number of the newest entry of a room.
    pub fn seq(&self, room: &str, epoch: &str) -> u64 {
        let book = self.0.borrow();
        let key = (room.to_owned(), epoch.to_owned());
        book.committed.get(&key).map_or(0, Vec::len) as u64
    }

    /// Whether the journal has dropped an entry since, to keep its bound.
    pub fn has_dropped(&self, room: &str, epoch: &str, seq: u64) -> bool {
        let keeps = self.0.borrow().keep_messages as u64;
        seq <= self.seq(room, epoch).saturating_sub(keeps)
    }

    /// The newest numbering of a room.
    pub fn epoch(&self, room: &str) -> Option<String> {
        self.0.borrow().epochs.get(room).cloned()
    }
}

impl Book {
    fn commit_next(&mut self) {
        let Some(job) = self.jobs.pop_front() else {
            return;
        };
        self.scene.moved();
        let outcome = if self.scene.chance(self.fails) {
            Outcome::Failed
        } else {
            self.memory.submit(job.clone()).expect("a queue of one");
            self.memory.outcome().expect("answered at once")
        };
        self.record(&job, &outcome);
        self.done.push_back(outcome);
    }

    fn record(&mut self, job: &Job, outcome: &Outcome) {
        let room = match job {
            Job::Append { draft, .. } => &draft.room,
            Job::Load { room, .. } | Job::History { room, .. } | Job::Fetch { room, .. } => room,
            Job::Find { .. } | Job::Remove { .. } => return,
        };
        let key = |epoch: &String| (room.to_string(), epoch.clone());
        match outcome {
            Outcome::Loaded { epoch, seq, .. } => {
                self.epochs.insert(room.to_string(), epoch.clone());
                let entries = self.committed.entry(key(epoch)).or_default();
                assert_eq!(*seq, entries.len() as u64, "numbers have no holes");
            }
            Outcome::Appended(entry) => {
                let epoch = self.epochs.get(&**room).expect("a room is loaded first");
                let keeps = self.keep_messages;
                let entries = self.committed.get_mut(&key(epoch)).expect("it was loaded");
                let kept = entries.iter().rev().take(keeps);
                let draft = &entry.draft;
                let is_same =
                    |e: &&Entry| e.draft.cid == draft.cid && e.draft.from.id == draft.from.id;
                let same = kept.into_iter().find(is_same);
                assert_eq!(same, None, "committed twice: {entry:?}");
                entries.push(entry.clone());
                assert_eq!(entry.seq, entries.len() as u64, "numbers have no holes");
                self.scene.tell(format_args!(
                    "          committed {} {} {}",
                    draft.room, entry.seq, draft.cid
                ));
            }
            _ => {}
        }
    }
}

impl Journal for Ledger {
    fn submit(&mut self, job: Job) -> Result<(), Busy> {
        let mut book = self.0.borrow_mut();
        if book.jobs.len() >= book.max_jobs {
            return Err(Busy);
        }
        book.jobs.push_back(job);
        Ok(())
    }

    fn outcome(&mut self) -> Option<Outcome> {
        self.0.borrow_mut().done.pop_front()
    }

    fn unload(&mut self, room: &str) {
        self.0.borrow_mut().memory.unload(room);
    }
}
