//! What the journal in memory keeps, and for how long.

use super::*;
use crate::chat::{File, Media};
use crate::journal::testing::{draft, person};

fn append_job(draft: Draft) -> Job {
    Job::Append {
        draft: draft.into(),
        secret: None,
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
        draft: draft.into(),
        secret: None,
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
    other.from = person("b");
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

#[test]
fn what_is_removed_takes_no_room_and_keeps_its_number() {
    let mut journal = MemoryJournal::new(10, 0, 7);
    append_file(&mut journal, "lobby", "a", 1_000);
    append(&mut journal, "b");
    let before = journal.bytes;
    let mut remove = |seq| {
        let room = "lobby".into();
        match submit(&mut journal, Job::Remove { room, seq }) {
            Outcome::Removed(entry) => entry,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(remove(3), None);
    assert_eq!(remove(0), None);
    let left = remove(1).expect("what is left");
    assert!(left.draft.is_removed() && left.seq == 1 && left.draft.cid == "a");
    assert_eq!(remove(1), Some(left.clone()));
    assert_eq!(fetch(&mut journal, "lobby", 1, 2_000), None);
    assert_eq!(journal.file_bytes, 0);
    assert!(journal.bytes < before);
    let again = submit(&mut journal, append_job(draft("lobby", "a", "x")));
    assert_eq!(again, Outcome::Repeated(left));
    assert_eq!(page(&mut journal, Page::After(0), 9), (vec![1, 2], false));
    // What is counted is what there is.
    let room: Arc<str> = "lobby".into();
    while !journal.rooms[&room].entries.is_empty() {
        journal.drop_oldest(&room);
    }
    assert_eq!((journal.bytes, journal.rooms[&room].bytes), (0, 0));
}
