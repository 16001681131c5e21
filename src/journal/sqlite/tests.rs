//! The journal over files of its own.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::SystemTime;

use rusqlite::Connection;

use super::*;
use crate::chat::{Draft, Entry, Page, Person};

mod files;

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
        draft: Draft {
            room: room.into(),
            from: Person {
                id: "a".into(),
                name: "Ann".into(),
            },
            time: 1_000,
            text: text.into(),
            cid: cid.into(),
            file: None,
        },
        secret: "secret".into(),
        bytes: None,
    }
}

/// Somebody says something at some time.
fn said(room: &str, person: &str, cid: u64, time: u64) -> Order {
    let mut job = append(room, &cid.to_string(), "x");
    let Job::Append { draft, .. } = &mut job else {
        panic!("an entry");
    };
    draft.from.id = person.into();
    draft.time = time;
    Order::Do(job)
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
fn oldest_entries_go_as_new_ones_come() {
    let folder = Folder::new();
    let retention = Retention {
        messages: 100,
        ..Retention::default()
    };
    let mut desk = Desk::with(&folder.file(), Durability::Normal, retention);
    for seq in 1..=1_000 {
        assert_eq!(seq_of(desk.say("lobby", &seq.to_string())), seq);
    }
    let (kept, more) = desk.page(Page::After(0), 1_000);
    assert!(!more && (100..=165).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept.last(), Some(&1_000));
}

#[test]
fn what_is_too_old_goes_room_by_room_and_empty_rooms_with_it() {
    let folder = Folder::new();
    let database = Database::open(&folder.file(), Durability::Full, false).expect("a database");
    let retention = Retention {
        days: 1,
        sessions: 1,
        ..Retention::default()
    };
    let mut writer = Writer::new(database, retention.into());
    let now = now();
    let old = |cid| said("lobby", "old", cid, now - 90_000_000);
    let young = said("lobby", "new", 700, now);
    let aside = said("hall", "old", 701, now - 90_000_000);
    let batch = (0..700).map(old).chain([young, aside]);
    assert_eq!(work(&mut writer, batch).len(), 702);
    // The lobby is in use, the hall is not.
    work(&mut writer, [Order::Unload("hall".into())]);
    while writer.sweep().expect("swept") {}
    let count = |table: &str| {
        let query = format!("SELECT count(*) FROM {table}");
        let connection = Connection::open(folder.file()).expect("a database");
        connection.query_row(&query, [], |row| row.get::<_, i64>(0))
    };
    assert_eq!(count("entries"), Ok(1));
    assert_eq!(count("rooms"), Ok(1));
    assert_eq!(count("sessions"), Ok(1));
    // Those that are gone have had their numbers.
    let mut answered = work(&mut writer, [said("lobby", "new", 702, now)]);
    assert_eq!(seq_of(answered.remove(0)), 702);
}

#[test]
fn room_in_use_that_has_lost_all_goes_on_counting_after_the_end_too() {
    let folder = Folder::new();
    let retention = Retention {
        days: 1,
        ..Retention::default()
    };
    let open = || {
        let database = Database::open(&folder.file(), Durability::Full, false);
        Writer::new(database.expect("a database"), retention.into())
    };
    let seq_of_next = |writer: &mut Writer, cid, time| {
        let mut answered = work(writer, [said("lobby", "old", cid, time)]);
        seq_of(answered.remove(0))
    };
    let mut writer = open();
    assert_eq!(seq_of_next(&mut writer, 1, 1_000), 1);
    assert_eq!(seq_of_next(&mut writer, 2, 1_000), 2);
    while writer.sweep().expect("swept") {}
    drop(writer);
    assert_eq!(seq_of_next(&mut open(), 3, now()), 3);
}

#[test]
fn batch_of_which_one_entry_fails_leaves_nothing_and_can_be_repeated() {
    let folder = Folder::new();
    let database = Database::open(&folder.file(), Durability::Full, false).expect("a database");
    let mut writer = Writer::new(database, Retention::default().into());
    let other = Connection::open(folder.file()).expect("a database");
    let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON entries WHEN new.person = 'bad'
        BEGIN SELECT raise(FAIL, 'refused'); END";
    other.execute_batch(trigger).expect("a trigger");
    let batch = [said("lobby", "a", 1, 0), said("lobby", "bad", 2, 0)];
    let refused = work(&mut writer, batch);
    assert_eq!(refused, [Outcome::Failed, Outcome::Failed]);
    let mut answered = work(&mut writer, [said("lobby", "a", 1, 0)]);
    assert_eq!(seq_of(answered.remove(0)), 1);
    let sessions = "SELECT count(*) FROM sessions WHERE person = 'a'";
    let known = other.query_row(sessions, [], |row| row.get::<_, i64>(0));
    assert_eq!(known, Ok(1));
}

#[test]
fn sessions_that_said_something_are_known_again_the_last_one_last() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    for (number, person) in (0_u8..).zip(["a", "b", "c"]) {
        let Job::Append { mut draft, .. } = append("lobby", "x", "x") else {
            panic!("an entry");
        };
        draft.from.id = person.into();
        draft.time = 100_000_000 * u64::from(number);
        let secret = number.to_string().into();
        desk.ask(Job::Append {
            draft,
            secret,
            bytes: None,
        });
    }
    drop(desk);
    let mut desk = Desk::open(&folder.file());
    let known = desk.journal.sessions(2);
    let known: Vec<_> = known
        .iter()
        .map(|known| (&*known.id, &*known.secret))
        .collect();
    assert_eq!(known, [("b", "1"), ("c", "2")]);
}

#[test]
fn entry_that_is_not_kept_leaves_no_hole_and_reading_goes_on() {
    let folder = Folder::new();
    let file = folder.file();
    let mut desk = Desk::open(&file);
    desk.say("lobby", "x");
    let away = folder.0.join("away.db");
    fs::rename(&file, &away).expect("moved away");
    assert_eq!(desk.say("lobby", "y"), Outcome::Failed);
    assert_eq!(desk.say("new", "y"), Outcome::Failed);
    assert_eq!(desk.page(Page::After(0), 10), (vec![1], false));
    fs::rename(&away, &file).expect("moved back");
    assert_eq!(seq_of(desk.say("lobby", "y")), 2);
    assert_eq!(seq_of(desk.say("new", "z")), 1);
}

#[test]
fn log_that_is_deleted_takes_nothing_with_it_that_was_kept() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    desk.say("lobby", "x");
    fs::remove_file(folder.0.join("veche.db-wal")).expect("removed");
    assert_eq!(desk.say("lobby", "y"), Outcome::Failed);
    assert_eq!(desk.page(Page::After(0), 10), (vec![1], false));
    drop(desk);
    let mut desk = Desk::open(&folder.file());
    assert_eq!(desk.load("lobby").2, [1]);
    assert_eq!(seq_of(desk.say("lobby", "y")), 2);
}

#[test]
fn entry_of_any_size_is_taken_when_nothing_waits() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    let text = "x".repeat(MAX_BYTES + 1);
    assert_eq!(seq_of(desk.ask(append("lobby", "x", &text))), 1);
}

#[test]
fn links_that_would_lead_two_servers_to_one_file_are_refused() {
    let folder = Folder::new();
    let file = folder.file();
    let link = folder.0.join("link.db");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    assert!(refusal(&link).starts_with("this link leads nowhere; name"));
    drop(Desk::open(&file));
    let hard = folder.0.join("hard.db");
    fs::hard_link(&file, &hard).expect("a link");
    for name in [file, hard] {
        assert!(refusal(&name).starts_with("it has several names (hard links); remove"));
    }
}

#[test]
fn another_program_that_has_it_locked_is_waited_for() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    let other = Connection::open(folder.file()).expect("a database");
    other.execute_batch("BEGIN IMMEDIATE").expect("a lock");
    desk.journal
        .submit(append("lobby", "x", "x"))
        .expect("not busy");
    let in_time = desk.woken.recv_timeout(Duration::from_millis(1_500));
    assert!(in_time.is_err(), "answered while locked");
    other.execute_batch("ROLLBACK").expect("no lock");
    assert_eq!(seq_of(desk.outcome()), 1);
}

#[test]
fn other_programs_read_while_it_is_open() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    desk.say("lobby", "x");
    let other = Connection::open(folder.file()).expect("a database");
    let query = "SELECT text FROM entries JOIN rooms ON rooms.id = room WHERE rooms.name = 'lobby'";
    let read = || other.query_row(query, [], |row| row.get::<_, String>(0));
    assert_eq!(read().as_deref(), Ok("x"));
}

#[test]
fn one_file_has_one_server_by_whatever_name() {
    let folder = Folder::new();
    let file = folder.file();
    let _first = Database::open(&file, Durability::Full, false).expect("a database");
    let link = folder.0.join("other.db");
    std::os::unix::fs::symlink(&file, &link).expect("a link");
    for name in [file, link] {
        assert!(refusal(&name).starts_with("another server has it open; stop"));
    }
}

#[test]
fn what_is_no_database_of_ours_is_refused_and_left_alone() {
    let folder = Folder::new();
    let text = folder.0.join("text.db");
    fs::write(&text, "Dear diary,\n".repeat(1_000)).expect("a file");
    assert!(refusal(&text).starts_with("it is no database; name"));
    assert!(
        fs::read(&text)
            .expect("the file")
            .starts_with(b"Dear diary")
    );

    let other = folder.0.join("other.db");
    let connection = Connection::open(&other).expect("a database");
    connection
        .execute_batch("CREATE TABLE x (y)")
        .expect("a table");
    drop(connection);
    let before = fs::read(&other).expect("the file");
    assert!(refusal(&other).starts_with("it belongs to another program; name"));
    assert_eq!(fs::read(&other).expect("the file"), before);
}

#[test]
fn damaged_database_is_refused_and_left_alone() {
    let folder = Folder::new();
    let file = folder.file();
    drop(Desk::open(&file));
    let mut bytes = fs::read(&file).expect("the file");
    bytes[100..4_000].fill(0xff);
    fs::write(&file, &bytes).expect("the file");
    assert!(refusal(&file).starts_with("it is damaged, or beside it"));
    assert_eq!(fs::read(&file).expect("the file"), bytes);
}

#[test]
fn database_of_a_newer_version_is_refused() {
    let folder = Folder::new();
    let file = folder.file();
    drop(Desk::open(&file));
    let connection = Connection::open(&file).expect("a database");
    connection
        .pragma_update(None, "user_version", 1_000)
        .expect("a version");
    drop(connection);
    assert!(refusal(&file).starts_with("it was written by a newer version"));
}

#[test]
fn database_of_an_older_version_is_carried_over_and_a_copy_is_kept() {
    let folder = Folder::new();
    let file = folder.file();
    let mut desk = Desk::open(&file);
    desk.say("lobby", "x");
    drop(desk);
    let first = include_str!("schema.sql");
    let next = [first, "ALTER TABLE entries ADD COLUMN mood TEXT;"];
    let open = || file::open_with(&file, &next);
    let database = open().expect("carried over");
    let count = |connection: &Connection, query| {
        connection.query_row(query, [], |row| row.get::<_, i64>(0))
    };
    let with_mood = "SELECT count(*) FROM entries WHERE mood IS NULL";
    assert_eq!(count(&database.connection, with_mood), Ok(1));
    let copy = Connection::open(folder.0.join("veche.db.v1")).expect("the copy");
    assert_eq!(count(&copy, "SELECT count(*) FROM entries"), Ok(1));
    assert!(count(&copy, with_mood).is_err());
    drop(database);
    open().expect("there is nothing to be done a second time");
}

#[test]
fn failed_migration_changes_nothing() {
    let folder = Folder::new();
    let file = folder.file();
    drop(Desk::open(&file));
    let next = [
        include_str!("schema.sql"),
        "CREATE TABLE more (x); SELECT nonsense;",
    ];
    assert!(file::open_with(&file, &next).is_err());
    fs::remove_file(folder.0.join("veche.db.v1")).expect("the copy");
    drop(Desk::open(&file));
}

#[test]
fn epochs_are_new_where_entries_may_be_missing_or_it_is_asked_for() {
    let folder = Folder::new();
    let file = folder.file();
    let mut desk = Desk::with(&file, Durability::Normal, Retention::default());
    desk.say("lobby", "x");
    let first = desk.load("lobby").0;
    drop(desk);
    // The end was clean.
    let mut desk = Desk::open(&file);
    assert_eq!(desk.load("lobby").0, first);
    drop(desk);
    let unclean = |durability: &str, boot: &str| {
        let connection = Connection::open(&file).expect("a database");
        let update = "UPDATE state SET is_clean = 0, durability = ?1, boot = ?2";
        connection
            .execute(update, [durability, boot])
            .expect("a state");
    };
    // The program was killed, but the machine went on.
    unclean("normal", &file::boot());
    assert_eq!(Desk::open(&file).load("lobby").0, first);
    // What was kept was on the disk.
    unclean("full", "another");
    assert_eq!(Desk::open(&file).load("lobby").0, first);
    unclean("normal", "another");
    let second = Desk::open(&file).load("lobby").0;
    assert_ne!(second, first);
    assert_eq!(Desk::open(&file).load("lobby").0, second);
    drop(Database::open(&file, Durability::Full, true).expect("a database"));
    assert_ne!(Desk::open(&file).load("lobby").0, second);
}

#[test]
fn that_entries_may_be_missing_is_on_record_before_the_first_of_them() {
    let folder = Folder::new();
    let file = folder.file();
    let open = || Desk::with(&file, Durability::Normal, Retention::default());
    let mut desk = open();
    desk.say("lobby", "x");
    let epoch = desk.load("lobby").0;
    drop(desk);
    let mut desk = open();
    desk.say("lobby", "y");

    // A power cut after which only the first transaction is on the disk.
    let cut = folder.0.join("cut.db");
    fs::copy(&file, &cut).expect("a copy");
    let wal = fs::read(folder.0.join("veche.db-wal")).expect("what is not carried over");
    fs::write(folder.0.join("cut.db-wal"), first_transaction(&wal)).expect("a copy");
    let connection = Connection::open(&cut).expect("a database");
    connection
        .execute("UPDATE state SET boot = 'another'", [])
        .expect("another start of the machine");
    drop(connection);
    let (after, seq, ..) = Desk::open(&cut).load("lobby");
    assert_eq!(seq, 1);
    assert_ne!(after, epoch);
}

/// The start of a log: its header, and the frames up to the first that ends a
/// transaction (<https://sqlite.org/fileformat2.html#walformat>).
fn first_transaction(wal: &[u8]) -> &[u8] {
    let number = |at: usize| u32::from_be_bytes(wal[at..at + 4].try_into().expect("a number"));
    let frame = 24 + usize::try_from(number(8)).expect("the size of a page");
    let mut frames = (32..).step_by(frame);
    let last = frames.find(|&at| number(at + 4) != 0).expect("a frame");
    &wal[..last + frame]
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
