//! Who gets what when, and what is gone.

use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::Message as Frame;
use veche::chat::Settings;
use veche::journal::memory::MemoryJournal;

use crate::ends::is_plain_only;
use crate::{
    Client, Town, arrived, assert_error, fetch, file, framed, member, seconds, send, settings,
    town, town_over,
};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

/// One file of somebody who has left: there is nothing else in the lobby.
fn with_file(town: &mut Town, bytes: &[u8]) {
    let mut ann = member(town, "Ann");
    let shown = send(town, &mut ann, file("c", bytes));
    assert_eq!(shown["seq"], 1);
    ann.reset();
    town.run();
}

/// Whether that is a file of so many bytes.
fn is_file((json, bytes): &(Value, Option<Vec<u8>>), size: usize) -> bool {
    json["type"] == "file" && bytes.as_ref().is_some_and(|bytes| bytes.len() == size)
}

#[test]
fn file_is_given_to_members_as_it_came() {
    let (mut town, _) = town(settings());
    let mut ann = member(&mut town, "Ann");
    let json = json!({"type": "file", "room": "lobby", "cid": "c", "name": "cat.png", "text": "x"});
    send(&mut town, &mut ann, framed(&json, PNG));
    let mut bob = member(&mut town, "Bob");
    bob.say(&fetch(1));
    bob.say(&json!({"type": "fetch", "room": "LOBBY", "seq": 1}));
    town.advance(seconds(1));
    let head = json!({"type": "file", "room": "lobby", "seq": 1, "name": "cat.png",
        "media": "image/png", "size": PNG.len()});
    let mut with_cid = head.clone();
    with_cid["cid"] = json!("f1");
    let bytes = Some(PNG.to_vec());
    assert_eq!(
        arrived(&mut bob),
        [(with_cid, bytes.clone()), (head, bytes)]
    );
}

#[test]
fn what_is_no_file_or_kept_no_longer_is_gone() {
    let journal = MemoryJournal::new(1_000, 100, 7).keep_files(1_000);
    let (mut town, _) = town_over(settings(), journal);
    let mut ann = member(&mut town, "Ann");
    send(&mut town, &mut ann, file("a", &[7; 600]));
    let text = json!({"type": "message", "room": "lobby", "cid": "b", "text": "x"}).to_string();
    send(&mut town, &mut ann, Frame::text(text));
    send(&mut town, &mut ann, file("c", &[7; 600]));
    for (seq, is_gone) in [
        (0, true),
        (1, true),
        (2, true),
        (3, false),
        (4, true),
        (u64::MAX, true),
    ] {
        ann.say(&fetch(seq));
        town.run();
        let [(answer, bytes)] = &arrived(&mut ann)[..] else {
            panic!("one answer");
        };
        assert_eq!(bytes.is_none(), is_gone, "{seq}: {answer}");
        assert_eq!(answer["cid"], format!("f{seq}"));
        if is_gone {
            assert_error(answer, "gone");
        }
    }
    ann.say(&json!({"type": "history", "room": "lobby", "before": 9}));
    town.run();
    let entries = &arrived(&mut ann)[0].0["entries"];
    assert_eq!(entries[0]["type"], "file", "its entry stays");
}

#[test]
fn file_larger_than_any_may_be_now_is_gone() {
    let journal = MemoryJournal::new(1_000, 100, 7);
    let (mut town, journal) = town_over(settings(), journal);
    with_file(&mut town, &[7; 1_001]);
    let small = Settings {
        max_file_bytes: 1_000,
        ..settings()
    };
    drop(town);
    let journal = std::rc::Rc::into_inner(journal.0).unwrap();
    let (mut town, _) = town_over(small, journal.memory.into_inner());
    let mut bob = member(&mut town, "Bob");
    bob.say(&fetch(1));
    town.run();
    assert_error(&arrived(&mut bob)[0].0, "gone");
}

#[test]
fn journal_that_cannot_read_is_told_of() {
    let (mut town, journal) = town(settings());
    with_file(&mut town, PNG);
    let mut bob = member(&mut town, "Bob");
    journal.0.fails.set(true);
    bob.say(&fetch(1));
    town.run();
    let error = &arrived(&mut bob)[0].0;
    assert_error(error, "storage");
    assert_eq!(error["cid"], "f1");
}

#[test]
fn what_follows_a_fetch_waits_for_its_answer() {
    let (mut town, journal) = town(settings());
    with_file(&mut town, PNG);
    let (mut bob, mut eve) = (member(&mut town, "Bob"), member(&mut town, "Eve"));
    town.advance(seconds(1));
    journal.0.is_slow.set(true);
    bob.say(&fetch(1));
    bob.say(&json!({"type": "ping", "n": 1}));
    bob.say(&fetch(1));
    bob.say(&fetch(2));
    eve.say(&json!({"type": "ping", "n": 2}));
    arrived(&mut bob);
    town.run();
    assert_eq!(arrived(&mut bob), []);
    assert!(!arrived(&mut eve).is_empty(), "others do not wait");
    journal.0.is_slow.set(false);
    journal.work();
    town.core.wake();
    town.advance(seconds(1));
    let kinds: Vec<_> = arrived(&mut bob)
        .into_iter()
        .map(|(json, bytes)| (json["type"].clone(), bytes.is_some()))
        .collect();
    let kind = |kind: &str, is_file| (json!(kind), is_file);
    let expected = [
        kind("file", true),
        kind("pong", false),
        kind("file", true),
        kind("error", false),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn crowd_that_wants_one_file_has_it_read_once() {
    let (mut town, journal) = town(settings());
    with_file(&mut town, PNG);
    let mut crowd: Vec<Client> = (0..50)
        .map(|number| member(&mut town, &format!("Guest {number}")))
        .collect();
    journal.0.is_slow.set(true);
    for guest in &mut crowd {
        guest.frames();
        guest.say(&fetch(1));
    }
    town.run();
    assert_eq!(journal.0.fetches.get(), 1);
    journal.work();
    town.core.wake();
    town.run();
    for guest in &mut crowd {
        let frames = arrived(guest);
        assert!(frames.iter().any(|frame| is_file(frame, PNG.len())));
    }
    assert_eq!(journal.0.fetches.get(), 1);
}

#[test]
fn few_files_are_read_at_once_and_all_in_the_end() {
    let (mut town, journal) = town(settings());
    let mut ann = member(&mut town, "Ann");
    for number in 0..20 {
        send(&mut town, &mut ann, file(&number.to_string(), &[7; 100]));
    }
    let mut crowd: Vec<Client> = (0..20)
        .map(|number| member(&mut town, &format!("Guest {number}")))
        .collect();
    journal.0.is_slow.set(true);
    for (seq, guest) in (1..).zip(&mut crowd) {
        guest.frames();
        guest.say(&fetch(seq));
    }
    town.run();
    assert_eq!(journal.0.jobs.borrow().len(), 4);
    journal.0.is_slow.set(false);
    journal.work();
    town.core.wake();
    town.run();
    for guest in &mut crowd {
        assert!(arrived(guest).iter().any(|frame| is_file(frame, 100)));
    }
}

#[test]
fn crowd_is_given_no_more_at_once_than_it_takes() {
    if is_plain_only("what is encrypted counts as taken, and makes room for others") {
        return;
    }
    let (mut town, _) = town(settings());
    with_file(&mut town, &[7; 1_000_000]);
    let mut crowd: Vec<Client> = (0..60)
        .map(|number| member(&mut town, &format!("Guest {number}")))
        .collect();
    town.advance(seconds(2));
    let mut before = Vec::new();
    for guest in &mut crowd {
        guest.frames();
        guest.set_capacity(Some(1_000));
        guest.say(&fetch(1));
        before.push(guest.pipe.written());
    }
    town.run();
    // Whoever is given something takes a thousand bytes of it.
    let served = |crowd: &[Client]| {
        let all = crowd.iter().zip(&before);
        all.filter(|(guest, before)| guest.pipe.written() >= *before + 1_000)
            .count()
    };
    assert_eq!(served(&crowd), 17);
    // Those who read get theirs, and then others.
    let reads = |town: &mut Town, crowd: &mut [Client]| {
        let mut got = 0;
        for guest in crowd {
            guest.set_capacity(None);
            town.run();
            let frames = arrived(guest);
            got += frames.iter().filter(|f| is_file(f, 1_000_000)).count();
        }
        got
    };
    assert_eq!(reads(&mut town, &mut crowd[..17]), 17);
    town.advance(Duration::from_millis(100));
    assert_eq!(served(&crowd), 34);
    // Those who take nothing are no burden to others after a while.
    town.advance(Duration::from_millis(300));
    assert_eq!(served(&crowd), 34);
    town.advance(Duration::from_millis(200));
    assert_eq!(served(&crowd), 51);
    let mut got = reads(&mut town, &mut crowd[17..]);
    town.advance(seconds(1));
    got += reads(&mut town, &mut crowd[17..]);
    assert_eq!(got, 43);
}

#[test]
fn who_takes_a_file_slowly_is_waited_for_but_not_for_long() {
    if is_plain_only("what is encrypted counts as taken, and makes room for others") {
        return;
    }
    let (mut town, _) = town(settings());
    with_file(&mut town, &[7; 1_000_000]);
    let mut crowd: Vec<Client> = (0..18)
        .map(|number| member(&mut town, &format!("Guest {number}")))
        .collect();
    town.advance(seconds(2));
    for guest in &mut crowd {
        guest.frames();
        guest.set_capacity(Some(100));
        guest.say(&fetch(1));
    }
    town.run();
    let before = crowd[17].pipe.written();
    let is_served = |crowd: &[Client]| crowd[17].pipe.written() >= before + 100;
    for tenth in 0..40 {
        for guest in &mut crowd[..17] {
            guest.read();
        }
        town.advance(Duration::from_millis(100));
        assert_eq!(is_served(&crowd), tenth >= 29, "{tenth}");
    }
}

#[test]
fn who_waits_too_long_may_ask_again() {
    let (mut town, journal) = town(settings());
    with_file(&mut town, PNG);
    let mut bob = member(&mut town, "Bob");
    bob.frames();
    journal.0.is_slow.set(true);
    bob.say(&fetch(1));
    town.advance(seconds(9));
    assert_eq!(arrived(&mut bob), []);
    town.advance(seconds(2));
    let error = &arrived(&mut bob)[0].0;
    assert_error(error, "busy");
    assert!(error["retry_ms"].is_u64() && error["cid"] == "f1");
    journal.0.is_slow.set(false);
    journal.work();
    town.core.wake();
    bob.say(&fetch(1));
    town.run();
    assert!(is_file(&arrived(&mut bob)[0], PNG.len()));
}

#[test]
fn journal_that_is_busy_is_asked_again() {
    let (mut town, journal) = town(settings());
    with_file(&mut town, PNG);
    let mut bob = member(&mut town, "Bob");
    bob.frames();
    journal.0.is_busy.set(true);
    bob.say(&fetch(1));
    town.advance(seconds(1));
    assert_eq!(arrived(&mut bob), []);
    journal.0.is_busy.set(false);
    town.advance(seconds(1));
    assert!(is_file(&arrived(&mut bob)[0], PNG.len()));
}

#[test]
fn who_leaves_while_waiting_leaves_nothing_behind() {
    let (mut town, journal) = town(settings());
    with_file(&mut town, PNG);
    let mut bob = member(&mut town, "Bob");
    journal.0.is_slow.set(true);
    bob.say(&fetch(1));
    town.run();
    bob.reset();
    town.advance(Duration::from_millis(100));
    journal.0.is_slow.set(false);
    journal.work();
    town.core.wake();
    town.advance(seconds(10));
    let usage = town.core.handler().usage();
    assert_eq!((usage.jobs, usage.fetches, usage.clients), (0, 0, 0));
}
