//! How much somebody may send.

use veche::chat::Settings;
use veche::journal::memory::MemoryJournal;

use crate::{
    Town, assert_error, file, member, member_from, seconds, send, settings, town, town_over,
};

/// A thousand bytes a day.
fn thousand() -> Settings {
    Settings {
        file_quota_bytes: 1_000,
        ..settings()
    }
}

fn send_bytes(town: &mut Town, client: &mut crate::Client, cid: &str, count: usize) -> bool {
    let answer = send(town, client, file(cid, &vec![7; count]));
    if answer["type"] == "file" {
        return true;
    }
    assert_error(&answer, "quota");
    assert_eq!(answer["cid"], cid);
    assert!(answer["retry_ms"].as_u64().unwrap() > 0);
    false
}

#[test]
fn quota_may_be_used_at_once_and_comes_back_over_the_day() {
    let (mut town, _) = town(thousand());
    let mut ann = member(&mut town, "Ann");
    assert!(send_bytes(&mut town, &mut ann, "a", 600));
    assert!(!send_bytes(&mut town, &mut ann, "b", 401));
    assert!(send_bytes(&mut town, &mut ann, "c", 400));
    let error = send(&mut town, &mut ann, file("d", &[7; 100]));
    assert_error(&error, "quota");
    let tenth = error["retry_ms"].as_u64().unwrap();
    assert!((8_630_000..=8_640_000).contains(&tenth), "{error}");
    // The clock of the world stands still for nobody's pings.
    drop(ann);
    town.freeze(seconds(8_640));
    let mut bob = member(&mut town, "Bob");
    assert!(
        send_bytes(&mut town, &mut bob, "a", 1_000),
        "has one of his own"
    );
}

#[test]
fn quota_of_somebody_who_comes_back_is_the_same() {
    let (mut town, _) = town(thousand());
    let mut ann = town.connect("127.0.0.1");
    let hello = serde_json::json!({"type": "hello", "name": "Ann"}).to_string();
    let welcome = send(&mut town, &mut ann, hello.into());
    let back = |town: &mut Town| {
        let mut ann = town.connect("127.0.0.1");
        ann.say(
            &serde_json::json!({"type": "hello", "name": "Ann", "session": welcome["session"]}),
        );
        ann.say(&serde_json::json!({"type": "join", "room": "lobby"}));
        town.run();
        ann.frames();
        ann
    };
    let mut ann = back(&mut town);
    assert!(send_bytes(&mut town, &mut ann, "a", 1_000));
    ann.reset();
    town.run();
    let mut ann = back(&mut town);
    assert!(
        send_bytes(&mut town, &mut ann, "a", 1_000),
        "the answer again"
    );
    assert!(!send_bytes(&mut town, &mut ann, "b", 1));
    ann.reset();
    town.run();
    town.freeze(seconds(864));
    let mut ann = back(&mut town);
    assert!(send_bytes(&mut town, &mut ann, "b", 10));
    assert!(!send_bytes(&mut town, &mut ann, "c", 1));
}

#[test]
fn repeats_are_free() {
    let (mut town, _) = town(thousand());
    let mut ann = member(&mut town, "Ann");
    for _ in 0..3 {
        assert!(send_bytes(&mut town, &mut ann, "a", 600));
    }
    assert!(send_bytes(&mut town, &mut ann, "b", 400));
    for cid in ["a", "b"] {
        assert!(send_bytes(&mut town, &mut ann, cid, 600));
    }
    assert!(!send_bytes(&mut town, &mut ann, "c", 1));
}

#[test]
fn what_the_journal_refuses_is_free() {
    let (mut town, journal) = town(thousand());
    let mut ann = member(&mut town, "Ann");
    journal.0.is_busy.set(true);
    let error = send(&mut town, &mut ann, file("a", &[7; 1_000]));
    assert_error(&error, "busy");
    journal.0.is_busy.set(false);
    journal.0.fails.set(true);
    let error = send(&mut town, &mut ann, file("b", &[7; 1_000]));
    assert_error(&error, "storage");
    journal.0.fails.set(false);
    assert!(send_bytes(&mut town, &mut ann, "c", 1_000));
    assert!(!send_bytes(&mut town, &mut ann, "d", 1));
}

#[test]
fn repeat_that_is_refused_gives_back_nothing_of_the_first() {
    let (mut town, journal) = town(thousand());
    let mut ann = member(&mut town, "Ann");
    journal.0.is_slow.set(true);
    ann.send(file("a", &[7; 1_000]));
    town.run();
    journal.0.is_busy.set(true);
    let error = send(&mut town, &mut ann, file("a", &[7; 1_000]));
    assert_error(&error, "busy");
    journal.0.is_busy.set(false);
    journal.0.is_slow.set(false);
    journal.work();
    town.core.wake();
    town.run();
    assert_eq!(ann.frames()[0]["type"], "file");
    assert!(!send_bytes(&mut town, &mut ann, "b", 1));
}

#[test]
fn address_has_ten_times_as_much_and_the_loopback_has_no_bound() {
    let (mut town, _) = town(thousand());
    for (address, most) in [
        ("192.0.2.1", 10),
        ("2001:db8::1", 10),
        ("127.0.0.1", 12),
        ("::1", 12),
    ] {
        let mut sent = 0;
        for number in 0..12 {
            let name = format!("{number} of {address}").replace(':', "-");
            let mut client = member_from(&mut town, &name, address);
            sent += usize::from(send_bytes(&mut town, &mut client, "a", 1_000));
            client.reset();
            town.run();
        }
        assert_eq!(sent, most, "{address}");
    }
}

#[test]
fn zero_is_no_quota() {
    let (mut town, _) = town(Settings {
        file_quota_bytes: 0,
        ..settings()
    });
    let mut ann = member_from(&mut town, "Ann", "192.0.2.1");
    for number in 0..60 {
        assert!(send_bytes(
            &mut town,
            &mut ann,
            &number.to_string(),
            1_000_000
        ));
    }
}

#[test]
fn file_costs_a_command_too() {
    let (mut town, _) = town(Settings::default());
    let mut ann = member(&mut town, "Ann");
    // Joining was one of thirty.
    for number in 0..29 {
        assert!(send_bytes(&mut town, &mut ann, &number.to_string(), 1));
    }
    let error = send(&mut town, &mut ann, file("x", b"x"));
    assert_error(&error, "rate_limited");
    assert_eq!(error["cid"], "x");
}

#[test]
fn file_that_is_gone_has_its_price_again() {
    let journal = MemoryJournal::new(2, 100, 7);
    let (mut town, _) = town_over(thousand(), journal);
    let mut ann = member(&mut town, "Ann");
    let mut again = |round: u32| {
        for side in ["a", "b"] {
            assert!(send_bytes(
                &mut town,
                &mut ann,
                &format!("{side}{round}"),
                1
            ));
        }
        send_bytes(&mut town, &mut ann, "again", 400)
    };
    let taken: Vec<bool> = (0..4).map(&mut again).collect();
    assert_eq!(taken, [true, true, false, false]);
}
