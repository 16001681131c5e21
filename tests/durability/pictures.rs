//! What people send, and how long it is kept.

use serde_json::{Value, json};

use crate::Folder;
use crate::common::{Ended, run};
use crate::guest::Guest;

#[test]
fn file_is_there_after_a_restart_and_sent_again_is_the_same() {
    let folder = Folder::new("pictures");
    let picture: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    let program = folder.start(&[]);
    let mut ann = Guest::arrive(program.address(), "Ann", None).unwrap();
    ann.join(None);
    let shown = send(&mut ann, "1", &picture);
    let size = picture.len();
    assert_eq!((&shown["seq"], &shown["size"]), (&json!(1), &json!(size)));
    assert_eq!(ann.fetch(1).as_ref(), Ok(&picture));
    drop(program);

    let program = folder.start(&[]);
    let mut bob = Guest::arrive(program.address(), "Bob", None).unwrap();
    assert_eq!(bob.join(None)["entries"], json!([shown]));
    assert_eq!(bob.fetch(1).as_ref(), Ok(&picture));
    let mut ann = Guest::arrive(program.address(), "Ann", Some(&ann.secret)).unwrap();
    ann.join(None);
    assert_eq!(send(&mut ann, "1", b"another"), shown);
    assert_eq!(ann.say("2"), 2);
    assert_eq!(ann.fetch(1), Ok(picture));
}

#[test]
fn oldest_files_are_gone_when_they_are_too_many() {
    let folder = Folder::new("too-many-pictures");
    let program = folder.start(&["--keep-files=2500K"]);
    let mut ann = Guest::arrive(program.address(), "Ann", None).unwrap();
    ann.join(None);
    for number in 1..=4 {
        send(&mut ann, &number.to_string(), &vec![number; 900_000]);
    }
    let gone = || Err("gone".to_owned());
    assert_eq!(ann.fetch(1), gone());
    assert_eq!(ann.fetch(2), gone());
    assert_eq!(ann.fetch(3), Ok(vec![3; 900_000]));
    assert_eq!(ann.fetch(4), Ok(vec![4; 900_000]));
    assert_eq!(ann.history("before", 5).0, [1, 2, 3, 4]);
    // With less to be kept from now on, the next one makes room.
    drop(program);
    let program = folder.start(&["--keep-files=1M"]);
    let mut ann = Guest::arrive(program.address(), "Ann", Some(&ann.secret)).unwrap();
    ann.join(None);
    send(&mut ann, "5", b"small");
    assert_eq!(ann.fetch(3), gone());
    assert_eq!(ann.fetch(4), Ok(vec![4; 900_000]));
}

#[test]
fn files_go_with_their_messages() {
    let folder = Folder::new("old-pictures");
    let program = folder.start(&["--keep-messages=10"]);
    let mut ann = Guest::arrive(program.address(), "Ann", None).unwrap();
    ann.join(None);
    send(&mut ann, "picture", b"x");
    assert_eq!(ann.fetch(1), Ok(b"x".to_vec()));
    for number in 0..100 {
        ann.say(&number.to_string());
    }
    assert_eq!(ann.fetch(1), Err("gone".to_owned()));
}

#[test]
fn file_that_would_not_fit_is_told_at_the_start_with_the_remedy() {
    for (option, remedy) in [
        (
            "--max-file-bytes=2000000",
            "--max-message-bytes 1048576: raise that to 2032768",
        ),
        (
            "--max-message-bytes=64K",
            "--max-message-bytes 65536: raise that to 1032768",
        ),
        (
            "--outbox-bytes=1000000",
            "--outbox-bytes 1000000: raise that to 1032768",
        ),
    ] {
        let Ended { status, errors, .. } = run(&[option]);
        assert_eq!(status.code(), Some(2));
        assert!(errors[0].contains(remedy), "{errors:?}");
    }
}

/// Sends a file: how it is shown.
#[track_caller]
fn send(guest: &mut Guest, cid: &str, bytes: &[u8]) -> Value {
    guest.send_file(cid, bytes);
    let shown = guest.hear().unwrap();
    assert_eq!(
        (&shown["type"], &shown["cid"]),
        (&json!("file"), &json!(cid)),
        "{shown}"
    );
    shown
}
