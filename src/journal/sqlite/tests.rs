//! The journal over files of its own.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::SystemTime;

use rusqlite::Connection;

use super::*;
use crate::chat::{Draft, Entry, Page};
use crate::journal::testing::{draft, person};

mod files;
mod keeping;
mod opening;

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("veche-journal-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        Folder(folder)
    }

    fn file(&self) -> PathBuf {
        self.0.join("veche.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A journal at work, and how it wakes.
struct Desk {
    journal: SqliteJournal,
    woken: Receiver<()>,
}

impl Desk {
    fn open(file: &Path) -> Self {
        Desk::with(file, Durability::Full, Retention::default())
    }

    fn with(file: &Path, durability: Durability, retention: Retention) -> Self {
        let database = Database::open(file, durability, false).expect("a database");
        let (wake, woken) = channel();
        let journal = SqliteJournal::start(database, retention, move || {
            let _ = wake.send(());
        });
        let journal = journal.expect("a thread");
        Desk { journal, woken }
    }

    fn outcome(&mut self) -> Outcome {
        loop {
            if let Some(outcome) = self.journal.outcome() {
                return outcome;
            }
            self.woken.recv_timeout(DEADLINE).expect("woken in time");
        }
    }

    fn ask(&mut self, job: Job) -> Outcome {
        self.journal.submit(job).expect("not busy");
        self.outcome()
    }

    fn say(&mut self, room: &str, cid: &str) -> Outcome {
        self.ask(append(room, cid, cid))
    }

    fn load(&mut self, room: &str) -> (String, u64, Vec<u64>, bool) {
        let room = room.into();
        match self.ask(Job::Load { room, limit: 10 }) {
            Outcome::Loaded {
                epoch,
                seq,
                entries,
                more,
            } => (epoch, seq, seqs(&entries), more),
            other => panic!("{other:?}"),
        }
    }

    fn page(&mut self, page: Page, limit: usize) -> (Vec<u64>, bool) {
        let room = "lobby".into();
        match self.ask(Job::History { room, page, limit }) {
            Outcome::History { entries, more } => (seqs(&entries), more),
            other => panic!("{other:?}"),
        }
    }
}

fn append(room: &str, cid: &str, text: &str) -> Job {
    Job::Append {
        draft: draft(room, cid, text).into(),
        secret: Some("secret".into()),
        bytes: None,
    }
}

/// Somebody says something at some time.
fn said(room: &str, author: &str, cid: u64, time: u64) -> Order {
    let draft = Draft {
        from: person(author),
        time,
        ..draft(room, &cid.to_string(), "x")
    };
    Order::Do(Job::Append {
        draft: draft.into(),
        secret: Some("secret".into()),
        bytes: None,
    })
}

/// Does a batch without a thread.
fn work(writer: &mut Writer, batch: impl IntoIterator<Item = Order>) -> Vec<Outcome> {
    let (mut batch, mut outcomes) = (batch.into_iter().collect(), VecDeque::new());
    writer.work(&mut batch, &mut outcomes);
    assert!(batch.is_empty());
    outcomes.into()
}

/// Unix milliseconds.
fn now() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since_1970.expect("a time").as_millis()).expect("a time")
}

fn seqs(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.seq).collect()
}

fn seq_of(outcome: Outcome) -> u64 {
    match outcome {
        Outcome::Appended(entry) => entry.seq,
        other => panic!("{other:?}"),
    }
}

fn refusal(file: &Path) -> String {
    let refused = Database::open(file, Durability::Full, false);
    let text = refused.expect_err("refused").to_string();
    let name = format!("--db {}: ", file.display());
    text.strip_prefix(&name)
        .expect("the option and the file")
        .to_owned()
}

#[test]
fn entries_and_numbering_survive_the_end() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    let (epoch, ..) = desk.load("lobby");
    for cid in ["x", "y", "z"] {
        desk.say("lobby", cid);
    }
    drop(desk);
    let mut desk = Desk::open(&folder.file());
    assert_eq!(desk.load("lobby"), (epoch, 3, vec![1, 2, 3], false));
    assert_eq!(seq_of(desk.say("lobby", "w")), 4);
}

#[test]
fn rooms_that_nothing_was_said_in_are_not_stored() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    let (epoch, seq, ..) = desk.load("lobby");
    assert_eq!((seq, &desk.load("lobby").0), (0, &epoch));
    drop(desk);
    let connection = Connection::open(folder.file()).expect("a database");
    let rooms = connection.query_row("SELECT count(*) FROM rooms", [], |row| row.get::<_, i64>(0));
    assert_eq!(rooms, Ok(0));
}

#[test]
fn repeat_gives_what_was_kept_then_in_the_same_batch_and_after_the_end() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    for text in ["first", "second"] {
        let job = append("lobby", "x", text);
        desk.journal.submit(job).expect("not busy");
    }
    assert_eq!(seq_of(desk.outcome()), 1);
    let again = desk.outcome();
    drop(desk);
    let mut desk = Desk::open(&folder.file());
    let after_the_end = desk.ask(append("lobby", "x", "third"));
    let elsewhere = desk.ask(append("hall", "x", "fourth"));
    for outcome in [again, after_the_end, elsewhere] {
        let Outcome::Repeated(entry) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!((entry.seq, &*entry.draft.room), (1, "lobby"));
        assert_eq!(entry.draft.text, "first");
    }
    assert_eq!(desk.load("lobby").1, 1);
}

#[test]
fn what_is_kept_under_a_cid_is_found_and_what_is_not_is_unknown() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    desk.say("lobby", "x");
    let mut find = |person: &str, cid: &str| {
        let (person, cid) = (person.into(), cid.into());
        desk.ask(Job::Find { person, cid })
    };
    let Outcome::Repeated(entry) = find("a", "x") else {
        panic!("unknown");
    };
    assert_eq!((entry.seq, &*entry.draft.room), (1, "lobby"));
    assert_eq!(find("a", "y"), Outcome::Unknown);
    assert_eq!(find("b", "x"), Outcome::Unknown);
}

#[test]
fn pages_go_both_ways_and_tell_whether_there_is_more() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    for seq in 1..=9 {
        desk.say("lobby", &seq.to_string());
    }
    assert_eq!(desk.page(Page::Before(10), 3), (vec![7, 8, 9], true));
    assert_eq!(desk.page(Page::Before(4), 3), (vec![1, 2, 3], false));
    assert_eq!(desk.page(Page::After(0), 3), (vec![1, 2, 3], true));
    assert_eq!(desk.page(Page::After(6), 3), (vec![7, 8, 9], false));
    assert_eq!(desk.page(Page::After(9), 3), (vec![], false));
    assert_eq!(desk.page(Page::Before(1), 3), (vec![], false));
}

#[test]
fn page_has_a_bound_in_bytes_and_at_least_one_entry() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    let text = "x".repeat(store::MAX_PAGE_BYTES / 2);
    for seq in 1..=4 {
        desk.ask(append("lobby", &seq.to_string(), &text));
    }
    desk.ask(append("lobby", "long", &text.repeat(3)));
    assert_eq!(desk.page(Page::After(0), 100), (vec![1, 2], true));
    assert_eq!(desk.page(Page::Before(5), 100), (vec![3, 4], true));
    assert_eq!(desk.page(Page::Before(6), 100), (vec![5], true));
}

#[test]
fn jobs_are_bounded_in_number_and_bytes() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    let mut taken = 0;
    while desk
        .journal
        .submit(append("lobby", &taken.to_string(), "x"))
        == Ok(())
    {
        taken += 1;
    }
    assert_eq!(taken, MAX_JOBS);
    for _ in 0..taken {
        desk.outcome();
    }
    let load = || Job::Load {
        room: "lobby".into(),
        limit: 1,
    };
    let reads = (0..).take_while(|_| desk.journal.submit(load()) == Ok(()));
    assert_eq!(reads.count(), MAX_BYTES / store::MAX_PAGE_BYTES);
}

#[test]
fn entry_of_any_size_is_taken_when_nothing_waits() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    let text = "x".repeat(MAX_BYTES + 1);
    assert_eq!(seq_of(desk.ask(append("lobby", "x", &text))), 1);
}

#[test]
fn jobs_fail_when_the_thread_is_gone() {
    let folder = Folder::new();
    let database = Database::open(&folder.file(), Durability::Full, false).expect("a database");
    let journal = SqliteJournal::start(database, Retention::default(), || panic!("on purpose"));
    let mut journal = journal.expect("a thread");
    let mut ask = |cid| {
        journal.submit(append("lobby", cid, "x")).expect("not busy");
        let deadline = std::time::Instant::now() + DEADLINE;
        loop {
            if let Some(outcome) = journal.outcome() {
                return outcome;
            }
            assert!(std::time::Instant::now() < deadline, "an outcome in time");
            thread::yield_now();
        }
    };
    assert_eq!(seq_of(ask("x")), 1);
    assert_eq!(ask("y"), Outcome::Failed);
    assert_eq!(ask("z"), Outcome::Failed);
}

/// How long anything may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);
