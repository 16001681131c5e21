//! Entries kept in memory until the program ends.

use std::collections::hash_map::{Entry as Slot, RandomState};
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use log::warn;

use crate::chat::{Busy, Draft, Entry, FileBytes, Job, Journal, Outcome, Page};

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

    fn append(&mut self, draft: Draft, bytes: Option<FileBytes>) -> Outcome {
        let key = self.key(&draft);
        if let Some(entry) = self.known(key, &draft) {
            return Outcome::Repeated(entry.clone());
        }
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

    /// What was kept of this author under this `cid`.
    fn known(&self, key: u64, draft: &Draft) -> Option<&Entry> {
        let (room, seq) = self.by_cid.get(&key)?;
        let entry = self.rooms.get(room)?.get(*seq)?;
        let is_same = entry.draft.from.id == draft.from.id && entry.draft.cid == draft.cid;
        is_same.then_some(entry)
    }

    fn key(&self, draft: &Draft) -> u64 {
        self.hashes.hash_one((&draft.from.id, &draft.cid))
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
        if let Slot::Occupied(slot) = self.by_cid.entry(self.key(&entry.draft))
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
            Job::Load { room, limit } => self.load(&room, limit),
            Job::History { room, page, limit } => {
                let page = self.rooms.get(&room).map(|ring| ring.page(page, limit));
                let (entries, more) = page.unwrap_or_default();
                Outcome::History { entries, more }
            }
            Job::Fetch { room, seq, limit } => self.fetch(&(room, seq), limit),
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
    } = &entry.draft;
    let texts = [&from.id, &from.name, text, cid];
    let file = file.as_ref().map_or(0, |file| 256 + file.name.len());
    size_of::<Entry>() + 32 + file + texts.map(String::len).iter().sum::<usize>()
}

/// What a room's entries may take.
const MAX_ROOM_BYTES: usize = 4 << 20;

/// What all entries may take.
const MAX_BYTES: usize = 64 << 20;

/// What may be in all files.
const MAX_FILE_BYTES: usize = 64 << 20;

/// Jobs whose outcomes nobody has taken yet.
const MAX_OUTCOMES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{File, Media, Person};

    fn draft(room: &str, cid: &str, text: &str) -> Draft {
        Draft {
            room: room.into(),
            from: Person {
                id: "a".into(),
                name: "Ann".into(),
            },
            time: 1,
            text: text.into(),
            cid: cid.into(),
            file: None,
        }
    }

    fn append_job(draft: Draft) -> Job {
        Job::Append {
            draft,
            secret: "".into(),
            bytes: None,
        }
    }

    /// Keeps a file of so many bytes.
    fn append_file(journal: &mut MemoryJournal, room: &str, cid: &str, size: usize) -> u64 {
        let mut draft = draft(room, cid, "");
        draft.file = Some(Box::new(File {
            name: cid.to_owned(),
            media: Media::Other,
            size: size as u64,
        }));
        let job = Job::Append {
            draft,
            secret: "".into(),
            bytes: Some(vec![7; size].into()),
        };
        match submit(journal, job) {
            Outcome::Appended(entry) => entry.seq,
            other => panic!("{other:?}"),
        }
    }

    /// How large the file is that is kept of an entry.
    fn fetch(journal: &mut MemoryJournal, room: &str, seq: u64, limit: usize) -> Option<usize> {
        let room = room.into();
        match submit(journal, Job::Fetch { room, seq, limit }) {
            Outcome::Fetched(found) => found.map(|(file, bytes)| {
                assert_eq!(file.size, bytes.len() as u64);
                bytes.len()
            }),
            other => panic!("{other:?}"),
        }
    }

    fn submit(journal: &mut MemoryJournal, job: Job) -> Outcome {
        journal.submit(job).expect("not busy");
        journal.outcome().expect("answered at once")
    }

    fn append(journal: &mut MemoryJournal, cid: &str) -> u64 {
        match submit(journal, append_job(draft("lobby", cid, cid))) {
            Outcome::Appended(entry) => entry.seq,
            other => panic!("{other:?}"),
        }
    }

    fn page(journal: &mut MemoryJournal, page: Page, limit: usize) -> (Vec<u64>, bool) {
        let room = "lobby".into();
        match submit(journal, Job::History { room, page, limit }) {
            Outcome::History { entries, more } => (entries.iter().map(|e| e.seq).collect(), more),
            other => panic!("{other:?}"),
        }
    }

    fn load(journal: &mut MemoryJournal, room: &str) -> Option<(String, u64)> {
        let room = room.into();
        match submit(journal, Job::Load { room, limit: 10 }) {
            Outcome::Loaded { epoch, seq, .. } => Some((epoch, seq)),
            _ => None,
        }
    }

    #[test]
    fn entries_are_numbered_without_holes() {
        let mut journal = MemoryJournal::new(10, 0, 7);
        let seqs: Vec<u64> = (0..5)
            .map(|i| append(&mut journal, &i.to_string()))
            .collect();
        assert_eq!(seqs, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn repeat_changes_nothing_as_long_as_the_entry_is_kept() {
        let mut journal = MemoryJournal::new(2, 0, 7);
        append(&mut journal, "x");
        let repeat = append_job(draft("lobby", "x", "other text"));
        match submit(&mut journal, repeat) {
            Outcome::Repeated(entry) => {
                assert_eq!((entry.seq, entry.draft.text.as_str()), (1, "x"))
            }
            other => panic!("{other:?}"),
        }
        append(&mut journal, "y");
        append(&mut journal, "z");
        assert_eq!(append(&mut journal, "x"), 4);
    }

    #[test]
    fn same_cid_of_another_author_is_no_repeat() {
        let mut journal = MemoryJournal::new(10, 0, 7);
        append(&mut journal, "x");
        let mut other = draft("lobby", "x", "mine");
        other.from.id = "b".into();
        let outcome = submit(&mut journal, append_job(other));
        assert!(matches!(outcome, Outcome::Appended(Entry { seq: 2, .. })));
    }

    #[test]
    fn repeat_in_another_room_gives_what_was_kept_in_the_first() {
        let mut journal = MemoryJournal::new(10, 0, 7);
        append(&mut journal, "x");
        let elsewhere = append_job(draft("hall", "x", "other text"));
        let outcome = submit(&mut journal, elsewhere);
        let Outcome::Repeated(entry) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!((entry.seq, &*entry.draft.room), (1, "lobby"));
    }

    #[test]
    fn pages_go_both_ways_and_tell_whether_there_is_more() {
        let mut journal = MemoryJournal::new(5, 0, 7);
        for i in 0..8 {
            append(&mut journal, &i.to_string());
        }
        let journal = &mut journal;
        assert_eq!(page(journal, Page::Before(u64::MAX), 2), (vec![7, 8], true));
        assert_eq!(page(journal, Page::Before(7), 2), (vec![5, 6], true));
        assert_eq!(page(journal, Page::Before(5), 2), (vec![4], false));
        assert_eq!(page(journal, Page::Before(4), 2), (vec![], false));
        assert_eq!(page(journal, Page::After(0), 2), (vec![4, 5], true));
        assert_eq!(page(journal, Page::After(6), 2), (vec![7, 8], false));
        assert_eq!(page(journal, Page::After(8), 2), (vec![], false));
        assert_eq!(page(journal, Page::After(u64::MAX), 2), (vec![], false));
        assert_eq!(page(journal, Page::Before(0), 2), (vec![], false));
    }

    #[test]
    fn room_is_bounded_in_bytes() {
        let mut journal = MemoryJournal::new(0, 0, 7);
        for i in 0..5 {
            let text = "x".repeat((1 << 20) - 1_000);
            submit(
                &mut journal,
                append_job(draft("lobby", &i.to_string(), &text)),
            );
        }
        assert_eq!(
            page(&mut journal, Page::After(0), 9),
            (vec![2, 3, 4, 5], false)
        );
    }

    #[test]
    fn oldest_files_go_and_their_entries_stay() {
        let mut journal = MemoryJournal::new(0, 0, 7).keep_files(1_000);
        let journal = &mut journal;
        assert_eq!(append_file(journal, "lobby", "a", 400), 1);
        assert_eq!(append_file(journal, "hall", "b", 300), 1);
        assert_eq!(append_file(journal, "lobby", "c", 300), 2);
        assert_eq!(fetch(journal, "lobby", 1, 400), Some(400));
        assert_eq!(
            fetch(journal, "lobby", 1, 399),
            None,
            "larger than asked for"
        );
        assert_eq!(append_file(journal, "lobby", "d", 1), 3);
        assert_eq!(fetch(journal, "lobby", 1, 1_000), None);
        assert_eq!(fetch(journal, "hall", 1, 1_000), Some(300));
        assert_eq!(append_file(journal, "lobby", "e", 2_000), 4);
        assert_eq!(fetch(journal, "lobby", 4, 2_000), Some(2_000), "one alone");
        assert_eq!(fetch(journal, "hall", 1, 1_000), None);
        assert_eq!(page(journal, Page::After(0), 9), (vec![1, 2, 3, 4], false));
        assert_eq!(journal.file_bytes, 2_000);
        for (room, seq) in [("lobby", 5), ("nowhere", 1), ("lobby", 0)] {
            assert_eq!(fetch(journal, room, seq, 1_000), None);
        }
    }

    #[test]
    fn files_go_with_their_entries_and_rooms() {
        let mut journal = MemoryJournal::new(2, 2, 7);
        append_file(&mut journal, "lobby", "a", 10);
        append(&mut journal, "b");
        append_file(&mut journal, "lobby", "c", 10);
        assert_eq!(fetch(&mut journal, "lobby", 1, 10), None);
        assert_eq!(fetch(&mut journal, "lobby", 2, 10), None, "no file");
        assert_eq!(fetch(&mut journal, "lobby", 3, 10), Some(10));
        assert_eq!(journal.file_bytes, 10);
        for room in ["x", "y"] {
            append_file(&mut journal, room, room, 1);
        }
        assert_eq!(journal.file_bytes, 2);
        assert_eq!(append(&mut journal, "again"), 1);
        assert_eq!(fetch(&mut journal, "lobby", 3, 10), None);
        assert_eq!(journal.files_by_age.len(), journal.files.len());
    }

    #[test]
    fn all_rooms_together_are_bounded_in_bytes() {
        let mut journal = MemoryJournal::new(0, 0, 7);
        assert!(load(&mut journal, "lobby").is_some());
        append(&mut journal, "first");
        let text = "x".repeat(1_000_000);
        for i in 0..100 {
            let room = format!("room-{i}");
            submit(&mut journal, append_job(draft(&room, &room, &text)));
        }
        assert!(journal.bytes <= MAX_BYTES && journal.rooms.len() == 68);
        let seqs = page(&mut journal, Page::After(0), 9).0;
        assert_eq!(seqs, [1], "what is in use stays");
        for i in 0..100 {
            assert!(load(&mut journal, &format!("room-{i}")).is_some());
            submit(
                &mut journal,
                append_job(draft("lobby", &i.to_string(), "x")),
            );
        }
        assert!(journal.bytes <= MAX_BYTES);
        let counted: usize = journal.rooms.values().map(|ring| ring.bytes).sum();
        assert_eq!(journal.bytes, counted);
    }

    #[test]
    fn room_that_gave_way_comes_back_in_another_epoch() {
        let mut journal = MemoryJournal::new(10, 2, 7);
        append(&mut journal, "x");
        let (epoch, _) = load(&mut journal, "lobby").expect("there");
        journal.unload("lobby");
        for room in ["a", "b"] {
            submit(&mut journal, append_job(draft(room, room, "x")));
        }
        let (other, seq) = load(&mut journal, "lobby").expect("made again");
        assert_eq!(seq, 0);
        assert_ne!(epoch, other);
    }

    #[test]
    fn room_in_use_does_not_give_way() {
        let mut journal = MemoryJournal::new(10, 2, 7);
        assert!(load(&mut journal, "a").is_some());
        assert!(load(&mut journal, "b").is_some());
        assert_eq!(load(&mut journal, "c"), None);
        journal.unload("a");
        assert!(load(&mut journal, "c").is_some());
    }

    #[test]
    fn queue_is_bounded() {
        let mut journal = MemoryJournal::new(10, 0, 7);
        let job = || Job::Load {
            room: "a".into(),
            limit: 1,
        };
        for _ in 0..MAX_OUTCOMES {
            assert_eq!(journal.submit(job()), Ok(()));
        }
        assert_eq!(journal.submit(job()), Err(Busy));
        journal.outcome();
        assert_eq!(journal.submit(job()), Ok(()));
    }
}
