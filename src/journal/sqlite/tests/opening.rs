//! Which files are opened, carried over and refused, and when numbering begins anew.

use super::*;

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
    let first = include_str!("../schema.sql");
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
        include_str!("../schema.sql"),
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
