//! Entries kept in memory until the program ends.

use std::collections::hash_map::{Entry as Slot, RandomState};
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use log::warn;

use crate::chat::{Busy, Draft, Entry, FileBytes, Job, Journal, Outcome, Page, Person};

#[cfg(test)]
mod tests;

/// Keeps the newest entries of each room in memory. Each start is a new epoch.
#[derive(Debug)]
pub struct MemoryJournal {
    rooms: HashMap<Arc<str>, Ring>,
    /// Where an entry is, by a hash of author and `cid`.
    by_cid: HashMap<u64, (Arc<str>, u64)>,
    hashes: RandomState,
    /// What all entries take.
    bytes: usize,
    /// By the entries' rooms and numbers.
    files: HashMap<(Arc<str>, u64), Kept>,
    /// Whose they are, the oldest first.
    files_by_age: VecDeque<(u64, (Arc<str>, u64))>,
    /// What they take.
    file_bytes: usize,
    keep_files: usize,
    outcomes: VecDeque<Outcome>,
    keep_messages: usize,
    max_rooms: usize,
    epoch: u64,
}

/// What is in a file.
#[derive(Debug)]
struct Kept {
    bytes: FileBytes,
    /// Which one it was, counted from the first.
    age: u64,
}

/// The newest entries of one room.
#[derive(Debug)]
struct Ring {
    epoch: String,
    entries: VecDeque<Entry>,
    /// What they take.
    bytes: usize,
    /// The number of the newest entry.
    seq: u64,
    in_use: bool,
    /// Counts up with each use, to tell which room was not used for longest.
    used: u64,
}

impl MemoryJournal {
    /// Keeps at most `keep_messages` entries and 4 MiB a room, in at most
    /// `max_rooms` rooms (0 = no limit) and 64 MiB. Beyond, a room that nobody
    /// is in gives way: the one that was not used for longest. Where all are in
    /// use, whoever writes does so at the cost of what was said in that room. What
    /// is in files takes 64 MiB at most besides.
    /// `epoch` must be another one at each start: random.
    #[must_use]
    pub fn new(keep_messages: usize, max_rooms: usize, epoch: u64) -> Self {
        let or_no_limit = |limit| if limit == 0 { usize::MAX } else { limit };
        MemoryJournal {
            rooms: HashMap::new(),
            by_cid: HashMap::new(),
            hashes: RandomState::new(),
            bytes: 0,
            files: HashMap::new(),
            files_by_age: VecDeque::new(),
            file_bytes: 0,
            keep_files: MAX_FILE_BYTES,
            outcomes: VecDeque::new(),
            keep_messages: or_no_limit(keep_messages),
            max_rooms: or_no_limit(max_rooms),
            epoch,
        }
    }

    /// Keeps less than 64 MiB of files; of one that is larger, that one alone.
    #[must_use]
    pub fn keep_files(mut self, bytes: usize) -> Self {
        self.keep_files = bytes.min(MAX_FILE_BYTES);
        self
    }

    fn append(&mut self, draft: Arc<Draft>, bytes: Option<FileBytes>) -> Outcome {
        if let Some(entry) = self.known(&draft.from.id, &draft.cid) {
            return Outcome::Repeated(entry.clone());
        }
        let key = self.key(&draft.from.id, &draft.cid);
        let Some(ring) = self.ring(&draft.room) else {
            return Outcome::Failed;
        };
        ring.seq += 1;
        let entry = Entry {
            seq: ring.seq,
            draft,
        };
        ring.bytes += bytes_of(&entry);
        ring.entries.push_back(entry.clone());
        self.bytes += bytes_of(&entry);
        let room = &entry.draft.room;
        self.by_cid.insert(key, (Arc::clone(room), entry.seq));
        if let Some(bytes) = bytes {
            self.keep_file((Arc::clone(room), entry.seq), bytes);
        }
        while let Some(ring) = self.rooms.get(room)
            && (ring.entries.len() > self.keep_messages || ring.bytes > MAX_ROOM_BYTES)
        {
            self.drop_oldest(room);
        }
        while self.bytes > MAX_BYTES && self.forget_idle_room() {}
        while self.bytes > MAX_BYTES && self.rooms.get(room).is_some_and(|r| r.entries.len() > 1) {
            self.drop_oldest(room);
        }
        Outcome::Appended(entry)
    }

    fn keep_file(&mut self, place: (Arc<str>, u64), bytes: FileBytes) {
        self.file_bytes += bytes.len();
        let age = self.files_by_age.back().map_or(0, |(age, _)| age + 1);
        self.files_by_age.push_back((age, place.clone()));
        self.files.insert(place, Kept { bytes, age });
        while self.file_bytes > self.keep_files
            && self.files.len() > 1
            && let Some((_, oldest)) = self.files_by_age.pop_front()
        {
            self.forget_file(&oldest);
        }
    }

    fn forget_file(&mut self, place: &(Arc<str>, u64)) {
        if let Some(file) = self.files.remove(place) {
            let by_age = &mut self.files_by_age;
            if let Ok(index) = by_age.binary_search_by_key(&file.age, |(age, _)| *age) {
                by_age.remove(index);
            }
            self.file_bytes -= file.bytes.len();
        }
    }

    fn fetch(&self, place: &(Arc<str>, u64), limit: usize) -> Outcome {
        let entry = self.rooms.get(&place.0).and_then(|ring| ring.get(place.1));
        let file = entry.and_then(|entry| entry.draft.file.as_deref().cloned());
        let kept = self.files.get(place);
        let kept = kept.filter(|kept| kept.bytes.len() <= limit);
        Outcome::Fetched(file.zip(kept.map(|kept| Arc::clone(&kept.bytes))))
    }

    fn remove(&mut self, place: &(Arc<str>, u64)) -> Option<Entry> {
        self.forget_file(place);
        let ring = self.rooms.get_mut(&place.0)?;
        let index = ring.index(place.1);
        let entry = ring.entries.get_mut(index);
        let entry = entry.filter(|entry| entry.seq == place.1)?;
        let before = bytes_of(entry);
        let draft = Arc::make_mut(&mut entry.draft);
        draft.text = String::new();
        draft.file = None;
        let less = before - bytes_of(entry);
        ring.bytes -= less;
        self.bytes -= less;
        Some(entry.clone())
    }

    /// What was kept of this author under this `cid`.
    fn known(&self, person: &str, cid: &str) -> Option<&Entry> {
        let (room, seq) = self.by_cid.get(&self.key(person, cid))?;
        let entry = self.rooms.get(room)?.get(*seq)?;
        let is_same = entry.draft.from.id == person && entry.draft.cid == cid;
        is_same.then_some(entry)
    }

    fn key(&self, person: &str, cid: &str) -> u64 {
        self.hashes.hash_one((person, cid))
    }

    fn drop_oldest(&mut self, room: &Arc<str>) {
        let ring = self.rooms.get_mut(room);
        if let Some(ring) = ring
            && let Some(entry) = ring.entries.pop_front()
        {
            ring.bytes -= bytes_of(&entry);
            self.forget(&entry);
        }
    }

    /// An entry is kept no longer.
    fn forget(&mut self, entry: &Entry) {
        self.bytes -= bytes_of(entry);
        if entry.draft.file.is_some() {
            self.forget_file(&(Arc::clone(&entry.draft.room), entry.seq));
        }
        let Draft { from, cid, .. } = &*entry.draft;
        if let Slot::Occupied(slot) = self.by_cid.entry(self.key(&from.id, cid))
            && slot.get().1 == entry.seq
            && slot.get().0 == entry.draft.room
        {
            slot.remove();
        }
    }

    fn load(&mut self, room: &Arc<str>, limit: usize) -> Outcome {
        let Some(ring) = self.ring(room) else {
            return Outcome::Failed;
        };
        ring.in_use = true;
        let (entries, more) = ring.page(Page::Before(u64::MAX), limit);
        Outcome::Loaded {
            epoch: ring.epoch.clone(),
            seq: ring.seq,
            entries,
            more,
        }
    }

    /// The ring of a room, made where there is none yet.
    fn ring(&mut self, room: &Arc<str>) -> Option<&mut Ring> {
        let has_place = self.rooms.contains_key(room) || self.rooms.len() < self.max_rooms;
        if !has_place && !self.forget_idle_room() {
            warn!("all rooms are in use: raise --max-rooms");
            return None;
        }
        // Counts uses, and with them gives every ring an epoch of its own.
        self.epoch = self.epoch.wrapping_add(1);
        let used = self.epoch;
        let ring = match self.rooms.entry(Arc::clone(room)) {
            Slot::Occupied(slot) => slot.into_mut(),
            Slot::Vacant(slot) => slot.insert(Ring::new(used)),
        };
        ring.used = used;
        Some(ring)
    }

    /// Forgets the room that was not used for longest; whether there was one.
    fn forget_idle_room(&mut self) -> bool {
        let idle = self.rooms.iter().filter(|(_, ring)| !ring.in_use);
        let oldest = idle.min_by_key(|(_, ring)| ring.used);
        let room = oldest.map(|(room, _)| Arc::clone(room));
        let Some(ring) = room.and_then(|room| self.rooms.remove(&room)) else {
            return false;
        };
        ring.entries.iter().for_each(|entry| self.forget(entry));
        true
    }
}

impl Journal for MemoryJournal {
    fn submit(&mut self, job: Job) -> Result<(), Busy> {
        if self.outcomes.len() >= MAX_OUTCOMES {
            return Err(Busy);
        }
        let outcome = match job {
            Job::Append { draft, bytes, .. } => self.append(draft, bytes),
            Job::Find { person, cid } => match self.known(&person, &cid) {
                Some(entry) => Outcome::Repeated(entry.clone()),
                None => Outcome::Unknown,
            },
            Job::Load { room, limit } => self.load(&room, limit),
            Job::History { room, page, limit } => {
                let page = self.rooms.get(&room).map(|ring| ring.page(page, limit));
                let (entries, more) = page.unwrap_or_default();
                Outcome::History { entries, more }
            }
            Job::Fetch { room, seq, limit } => self.fetch(&(room, seq), limit),
            Job::Remove { room, seq } => Outcome::Removed(self.remove(&(room, seq))),
        };
        self.outcomes.push_back(outcome);
        Ok(())
    }

    fn outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    fn unload(&mut self, room: &str) {
        if let Some(ring) = self.rooms.get_mut(room) {
            ring.in_use = false;
            // An empty room leaves nothing to come back to.
            if ring.seq == 0 {
                self.rooms.remove(room);
            }
        }
    }
}

impl Ring {
    fn new(epoch: u64) -> Self {
        Ring {
            epoch: format!("{epoch:016x}"),
            entries: VecDeque::new(),
            bytes: 0,
            seq: 0,
            in_use: false,
            used: 0,
        }
    }

    fn oldest(&self) -> u64 {
        self.entries.front().map_or(self.seq + 1, |entry| entry.seq)
    }

    fn index(&self, seq: u64) -> usize {
        usize::try_from(seq.saturating_sub(self.oldest())).unwrap_or(usize::MAX)
    }

    fn get(&self, seq: u64) -> Option<&Entry> {
        let index = self.index(seq);
        self.entries.get(index).filter(|entry| entry.seq == seq)
    }

    /// Some entries, ascending, and whether there are more in that direction.
    fn page(&self, page: Page, limit: usize) -> (Vec<Entry>, bool) {
        let length = self.entries.len();
        let (from, to, more) = match page {
            Page::Before(seq) => {
                let to = self.index(seq).min(length);
                let from = to.saturating_sub(limit);
                (from, to, from > 0)
            }
            Page::After(seq) => {
                let from = self.index(seq.saturating_add(1)).min(length);
                let to = from.saturating_add(limit).min(length);
                (from, to, to < length)
            }
        };
        (self.entries.range(from..to).cloned().collect(), more)
    }
}

/// What an entry takes, with its place among the `cid`s.
fn bytes_of(entry: &Entry) -> usize {
    let Draft {
        from,
        text,
        cid,
        file,
        ..
    } = &*entry.draft;
    let texts = [&from.id, &from.name, text, cid];
    let file = file.as_ref().map_or(0, |file| 256 + file.name.len());
    // Who has another name each time is one more person each time.
    let parts = size_of::<Entry>() + size_of::<Draft>() + size_of::<Person>();
    parts + SHARED_BYTES + file + texts.map(String::len).iter().sum::<usize>()
}

/// What it takes besides: the counts of who shares an entry and its author, and
/// the place among the `cid`s.
const SHARED_BYTES: usize = 2 * 16 + 32;

/// What a room's entries may take.
const MAX_ROOM_BYTES: usize = 4 << 20;

/// What all entries may take.
const MAX_BYTES: usize = 64 << 20;

/// What may be in all files.
const MAX_FILE_BYTES: usize = 64 << 20;

/// Jobs whose outcomes nobody has taken yet.
const MAX_OUTCOMES: usize = 4096;
