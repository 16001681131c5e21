//! A journal with moods.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use veche::chat::{Busy, Job, Journal, Outcome};
use veche::journal::memory::MemoryJournal;

/// Keeps entries in memory, when it is in the mood to, and takes note of which
/// rooms are loaded.
pub struct Moody {
    pub mood: Mood,
    kept: MemoryJournal,
    loaded: HashSet<Arc<str>>,
    /// Whether the jobs that wait have failed, in order.
    failed: VecDeque<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Nothing comes back.
    Slow,
    /// Nothing is taken.
    Busy,
    /// Nothing is done, and comes back as failed.
    Failing,
}

impl Moody {
    pub fn new(keep_messages: usize, max_rooms: usize) -> Self {
        Moody {
            mood: Mood::Well,
            kept: MemoryJournal::new(keep_messages, max_rooms, 7),
            loaded: HashSet::new(),
            failed: VecDeque::new(),
        }
    }

    pub fn is_slow(&self) -> bool {
        self.mood == Mood::Slow
    }

    /// How many rooms the chat has asked for and has not let go of.
    pub fn loaded(&self) -> usize {
        self.loaded.len()
    }
}

impl Journal for Moody {
    fn submit(&mut self, job: Job) -> Result<(), Busy> {
        if self.mood == Mood::Busy {
            return Err(Busy);
        }
        if let Job::Load { room, .. } = &job {
            assert!(self.loaded.insert(Arc::clone(room)), "loaded twice");
        }
        let fails = self.mood == Mood::Failing;
        if !fails {
            self.kept.submit(job)?;
        }
        self.failed.push_back(fails);
        Ok(())
    }

    fn outcome(&mut self) -> Option<Outcome> {
        if self.mood == Mood::Slow {
            return None;
        }
        let has_failed = self.failed.pop_front()?;
        if has_failed {
            return Some(Outcome::Failed);
        }
        self.kept.outcome()
    }

    fn unload(&mut self, room: &str) {
        assert!(self.loaded.remove(room), "unloaded without being loaded");
        self.kept.unload(room);
    }
}
