//! What goes in time, and what is left when something fails.

use super::*;

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
        let draft = Draft {
            from: super::person(person),
            time: 100_000_000 * u64::from(number),
            ..draft("lobby", "x", "x")
        };
        let secret = Some(number.to_string().into());
        desk.ask(Job::Append {
            draft: draft.into(),
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
