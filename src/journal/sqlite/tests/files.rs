//! What is in files.

use super::*;
use crate::chat::{File, Media};

impl Desk {
    /// How large the file is that is kept of an entry.
    fn fetch(&mut self, room: &str, seq: u64) -> Option<usize> {
        let (room, limit) = (room.into(), 2_000);
        match self.ask(Job::Fetch { room, seq, limit }) {
            Outcome::Fetched(found) => found.map(|(file, bytes)| {
                assert_eq!((file.media, file.size), (Media::Png, bytes.len() as u64));
                assert!(bytes.iter().all(|&byte| byte == 7));
                bytes.len()
            }),
            other => panic!("{other:?}"),
        }
    }
}

/// A file of so many bytes.
fn append_file(room: &str, cid: &str, size: usize) -> Job {
    let file = File {
        name: format!("{cid}.png"),
        media: Media::Png,
        size: size as u64,
    };
    let draft = Draft {
        file: Some(Box::new(file)),
        ..draft(room, cid, "")
    };
    Job::Append {
        draft: draft.into(),
        secret: Some("secret".into()),
        bytes: Some(vec![7; size].into()),
    }
}

#[test]
fn files_are_kept_beside_their_entries_and_survive_the_end() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    desk.say("lobby", "text");
    let Outcome::Appended(first) = desk.ask(append_file("lobby", "a", 1_000)) else {
        panic!("kept");
    };
    assert_eq!(desk.fetch("lobby", 2), Some(1_000));
    drop(desk);
    let mut desk = Desk::open(&folder.file());
    let again = desk.ask(append_file("hall", "a", 500));
    assert_eq!(again, Outcome::Repeated(first.clone()));
    let room = "lobby".into();
    match desk.ask(Job::Load { room, limit: 10 }) {
        Outcome::Loaded { entries, .. } => {
            assert_eq!(entries[0].draft.file, None);
            assert_eq!(entries[1], first);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(desk.fetch("lobby", 2), Some(1_000));
    desk.ask(append_file("lobby", "large", 2_001));
    for (room, seq) in [
        ("lobby", 1),
        ("lobby", 3),
        ("lobby", 4),
        ("hall", 1),
        ("none", 1),
    ] {
        assert_eq!(desk.fetch(room, seq), None, "{room} {seq}");
    }
}

#[test]
fn oldest_files_go_and_their_entries_stay() {
    let folder = Folder::new();
    let retention = Retention {
        files: 1_000,
        ..Retention::default()
    };
    let mut desk = Desk::with(&folder.file(), Durability::Full, retention);
    for (room, cid, size) in [("lobby", "a", 400), ("hall", "b", 300), ("lobby", "c", 300)] {
        desk.ask(append_file(room, cid, size));
    }
    assert_eq!(desk.fetch("lobby", 1), Some(400));
    desk.ask(append_file("lobby", "d", 1));
    assert_eq!(desk.fetch("lobby", 1), None);
    assert_eq!(desk.fetch("hall", 1), Some(300));
    desk.ask(append_file("lobby", "e", 2_000));
    assert_eq!(desk.fetch("lobby", 4), Some(2_000), "one alone");
    for (room, seq) in [("hall", 1), ("lobby", 2), ("lobby", 3)] {
        assert_eq!(desk.fetch(room, seq), None, "{room} {seq}");
    }
    assert_eq!(desk.page(Page::After(0), 9), (vec![1, 2, 3, 4], false));
    drop(desk);
    assert_eq!(files_in(&folder), (1, 2_000, 2_000));
}

#[test]
fn files_go_with_their_entries() {
    let folder = Folder::new();
    let database = Database::open(&folder.file(), Durability::Full, false).expect("opened");
    let retention = Retention {
        messages: 100,
        days: 1,
        ..Retention::default()
    };
    let mut writer = Writer::new(database, retention.into());
    let jobs = (0..200).map(|cid| Order::Do(append_file("lobby", &cid.to_string(), 10)));
    work(&mut writer, jobs);
    let (files, size, told) = files_in(&folder);
    assert!(
        (100..=164).contains(&files) && size == 10 * files,
        "{files}"
    );
    assert_eq!(size, told);
    // All are from 1970.
    work(&mut writer, [Order::Unload("lobby".into())]);
    while writer.sweep().expect("swept") {}
    assert_eq!(files_in(&folder), (0, 0, 0));
}

#[test]
fn files_have_a_bound_of_their_own_so_that_there_is_room_for_messages() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    let size = MAX_BYTES / 4;
    let taken = (0..).take_while(|cid| {
        let file = append_file("lobby", &cid.to_string(), size);
        desk.journal.submit(file) == Ok(())
    });
    assert_eq!(taken.count(), 4);
    let (room, limit) = ("lobby".into(), size);
    let fetch = Job::Fetch {
        room,
        seq: 1,
        limit,
    };
    assert_eq!(desk.journal.submit(fetch), Err(Busy));
    let text = append("lobby", "text", "x");
    assert_eq!(desk.journal.submit(text), Ok(()));
    for _ in 0..5 {
        seq_of(desk.outcome());
    }
    let huge = append_file("lobby", "huge", MAX_BYTES + 1);
    assert_eq!(desk.journal.submit(huge), Ok(()), "one alone");
    assert_eq!(seq_of(desk.outcome()), 6);
}

#[test]
fn much_goes_in_steps() {
    let folder = Folder::new();
    let database = Database::open(&folder.file(), Durability::Normal, false).expect("opened");
    let mut writer = Writer::new(
        database,
        Retention {
            days: 1,
            ..Retention::default()
        }
        .into(),
    );
    let jobs = (0..40).map(|cid| Order::Do(append_file("lobby", &cid.to_string(), 1 << 20)));
    work(&mut writer, jobs);
    assert!(writer.sweep().expect("swept"));
    assert_eq!(files_in(&folder).0, 23);
    while writer.sweep().expect("swept") {}
    assert_eq!(files_in(&folder), (0, 0, 0));
}

/// How many files there are, what they take, and what is told of that.
fn files_in(folder: &Folder) -> (u64, u64, u64) {
    let connection = rusqlite::Connection::open(folder.file()).expect("opened");
    let query = "SELECT count(*), coalesce(sum(length(bytes)), 0),
        (SELECT bytes FROM files_size) FROM files";
    let row = connection.query_row(query, [], |row| {
        let number = |column| {
            row.get::<_, i64>(column)
                .map(|n| u64::try_from(n).expect("one"))
        };
        Ok((number(0)?, number(1)?, number(2)?))
    });
    row.expect("a row")
}

#[test]
fn what_is_removed_is_gone_with_its_file_and_stays_so() {
    let folder = Folder::new();
    let mut desk = Desk::open(&folder.file());
    let Outcome::Appended(first) = desk.ask(append_file("lobby", "a", 1_000)) else {
        panic!("kept");
    };
    let remove = |room: &str, seq| Job::Remove {
        room: room.into(),
        seq,
    };
    let Outcome::Removed(Some(left)) = desk.ask(remove("lobby", 1)) else {
        panic!("removed");
    };
    let expected = Draft {
        text: String::new(),
        file: None,
        ..Draft::clone(&first.draft)
    };
    assert_eq!((left.seq, &*left.draft), (1, &expected));
    assert!(left.draft.is_removed() && !first.draft.is_removed());
    for (room, seq) in [("lobby", 2), ("none", 1)] {
        assert_eq!(desk.ask(remove(room, seq)), Outcome::Removed(None));
    }
    assert_eq!(desk.fetch("lobby", 1), None);
    drop(desk);
    assert_eq!(files_in(&folder), (0, 0, 0));
    let mut desk = Desk::open(&folder.file());
    let again = desk.ask(append_file("lobby", "a", 1_000));
    assert_eq!(again, Outcome::Repeated(left.clone()));
    assert_eq!(desk.ask(remove("lobby", 1)), Outcome::Removed(Some(left)));
    desk.say("lobby", "b");
    assert_eq!(desk.page(Page::After(0), 9), (vec![1, 2], false));
}
