//! The chat in memory: its wire format, as independent clients see it.
#![cfg(feature = "chat")]
#![allow(clippy::unwrap_used)]

#[path = "common/ends.rs"]
mod ends;
#[path = "common/world.rs"]
mod world;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::Message as Frame;
use veche::chat::{Busy, Chat, Job, Journal, Outcome, SUBPROTOCOL, Settings};
use veche::journal::memory::MemoryJournal;
use veche::{Close, CloseCode, Config, Handler};
use world::{Client, World, close};

const HOME: &str = "127.0.0.1";

type Town = World<Chat<MemoryJournal>>;

fn town() -> Town {
    town_with(Settings::default())
}

fn town_with(settings: Settings) -> Town {
    town_over(settings, MemoryJournal::new(1_000, 100, 7))
}

fn town_over<J: Journal>(settings: Settings, journal: J) -> World<Chat<J>> {
    let config = Config {
        subprotocols: vec![SUBPROTOCOL],
        ..Config::default()
    };
    let mut state = 1_u64;
    let random = move |bytes: &mut [u8]| {
        for byte in bytes {
            // Numerical Recipes' generator: as good as any here.
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            *byte = state.to_be_bytes()[0];
        }
    };
    World::new(config, Chat::new(settings, journal, random))
}

/// Somebody who has said hello.
fn guest<H: Handler>(town: &mut World<H>, name: &str) -> (Client, Value) {
    guest_as(town, json!({"type": "hello", "name": name}))
}

fn guest_as<H: Handler>(town: &mut World<H>, hello: Value) -> (Client, Value) {
    let mut client = town.connect(HOME);
    let welcome = ask(town, &mut client, hello);
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    (client, welcome)
}

/// Sends one command and returns the one frame that comes back.
fn ask<H: Handler>(town: &mut World<H>, client: &mut Client, command: Value) -> Value {
    let mut frames = tell(town, client, command);
    assert_eq!(frames.len(), 1, "{frames:?}");
    frames.remove(0)
}

/// Sends one command and returns all frames that come back.
fn tell<H: Handler>(town: &mut World<H>, client: &mut Client, command: Value) -> Vec<Value> {
    client.say(&command);
    town.run();
    client.frames()
}

/// Somebody who has joined a room and has read what came of it.
fn member<H: Handler>(town: &mut World<H>, name: &str, room: &str) -> (Client, Value) {
    let (mut client, welcome) = guest(town, name);
    join(town, &mut client, room, None);
    (client, welcome)
}

fn join<H: Handler>(
    town: &mut World<H>,
    client: &mut Client,
    room: &str,
    after: Option<(&Value, u64)>,
) -> Value {
    let mut command = json!({"type": "join", "room": room});
    if let Some((epoch, seq)) = after {
        command["after"] = json!({"epoch": epoch, "seq": seq});
    }
    let mut frames = tell(town, client, command);
    assert_eq!(frames[0]["type"], "joined", "{frames:?}");
    frames.remove(0)
}

fn say(cid: &str, text: &str) -> Value {
    json!({"type": "message", "room": "lobby", "cid": cid, "text": text})
}

fn seqs(entries: &Value) -> Vec<u64> {
    let entries = entries.as_array().unwrap().iter();
    entries
        .map(|entry| entry["seq"].as_u64().unwrap())
        .collect()
}

fn code(frame: &Value) -> &str {
    assert_eq!(frame["type"], "error", "{frame}");
    frame["code"].as_str().unwrap()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn two_people_chat_and_the_sender_gets_its_own_message_too() {
    let mut town = town();
    let (mut ann, welcome) = member(&mut town, "Ann", "lobby");
    let (mut bob, _) = member(&mut town, "Bob", "lobby");
    town.advance(seconds(1));
    ann.frames();
    let own = ask(&mut town, &mut ann, say("c1", "hello <b>"));
    assert_eq!(own["from"], json!({"id": welcome["id"], "name": "Ann"}));
    assert_eq!(own["text"], "hello <b>");
    assert_eq!((&own["seq"], &own["cid"]), (&json!(1), &json!("c1")));
    assert_eq!(own["time"], 1_767_225_601_000_u64);
    assert_eq!(bob.frames().pop(), Some(own));
}

#[test]
fn welcome_tells_limits_and_commands() {
    let mut town = town();
    let (_, welcome) = guest(&mut town, " Ann ");
    assert_eq!(welcome["name"], "Ann");
    assert_eq!(welcome["limits"]["text_bytes"], 8192);
    assert_eq!(welcome["ping_seconds"], 20);
    assert_eq!(welcome["session"].as_str().unwrap().len(), 22);
    assert_ne!(welcome["session"], welcome["id"]);
    let commands = welcome["commands"].as_array().unwrap().iter();
    let names: Vec<_> = commands.map(|command| &command["name"]).collect();
    assert_eq!(names, ["help", "name", "msg", "me", "who", "date", "time"]);
}

#[test]
fn hello_comes_first_and_once() {
    let mut town = town();
    let mut client = town.connect(HOME);
    for command in ["join", "message", "ping", "no such type"] {
        let error = ask(&mut town, &mut client, json!({"type": command, "cid": "c"}));
        assert_eq!((code(&error), &error["cid"]), ("hello_first", &json!("c")));
    }
    ask(
        &mut town,
        &mut client,
        json!({"type": "hello", "name": "Ann"}),
    );
    let error = ask(
        &mut town,
        &mut client,
        json!({"type": "hello", "name": "Ann"}),
    );
    assert_eq!(code(&error), "already_welcome");
}

#[test]
fn whatever_is_wrong_gets_its_error_and_the_connection_lives_on() {
    let mut town = town_with(Settings {
        rate_per_second: 0,
        ..Settings::default()
    });
    let (mut ann, _) = member(&mut town, "Ann", "lobby");
    town.advance(seconds(2));
    ann.frames();
    let deep = format!("{{\"type\":{}{}}}", "[".repeat(1000), "]".repeat(1000));
    let long = json!({"type": "message", "room": "lobby", "cid": "c", "text": "ж".repeat(4097)})
        .to_string();
    for (text, expected) in [
        ("", "bad_json"),
        ("hello", "bad_json"),
        ("{", "bad_json"),
        (&deep, "bad_json"),
        ("{\"type\":\"ping\",\"n\":1}}", "bad_json"),
        ("[]", "bad_request"),
        ("null", "bad_request"),
        ("{}", "bad_request"),
        ("{\"type\":1}", "bad_request"),
        ("{\"type\":\"ping\"}", "bad_request"),
        ("{\"type\":\"ping\",\"n\":-1}", "bad_request"),
        ("{\"type\":\"ping\",\"n\":1,\"cid\":\"a b\"}", "bad_request"),
        ("{\"type\":\"ping\",\"n\":1,\"cid\":7}", "bad_request"),
        ("{\"type\":\"dance\"}", "unknown_type"),
        ("{\"type\":\"join\",\"room\":\"a b\"}", "bad_room"),
        (
            "{\"type\":\"join\",\"room\":\"lobby\",\"after\":{}}",
            "bad_request",
        ),
        (
            "{\"type\":\"message\",\"room\":\"lobby\",\"text\":\"x\"}",
            "bad_request",
        ),
        (
            "{\"type\":\"message\",\"room\":\"lobby\",\"text\":\" \",\"cid\":\"c\"}",
            "bad_request",
        ),
        (
            "{\"type\":\"message\",\"room\":\"other\",\"text\":\"x\",\"cid\":\"c\"}",
            "not_joined",
        ),
        (&long, "too_large"),
        ("{\"type\":\"typing\",\"room\":\"other\"}", "not_joined"),
        ("{\"type\":\"leave\",\"room\":\"other\"}", "not_joined"),
        (
            "{\"type\":\"history\",\"room\":\"other\",\"before\":1}",
            "not_joined",
        ),
        ("{\"type\":\"history\",\"room\":\"lobby\"}", "bad_request"),
        (
            "{\"type\":\"history\",\"room\":\"lobby\",\"before\":1,\"after\":1}",
            "bad_request",
        ),
        (
            "{\"type\":\"direct\",\"to\":\"nobody\",\"text\":\"x\",\"cid\":\"c\"}",
            "not_present",
        ),
        ("{\"type\":\"rename\",\"name\":\"a\\u202eb\"}", "bad_name"),
        ("{\"type\":\"command\"}", "bad_request"),
    ] {
        ann.send(text);
        town.run();
        let frames = ann.frames();
        assert_eq!(frames.len(), 1, "{text}: {frames:?}");
        assert_eq!(code(&frames[0]), expected, "{text}: {frames:?}");
        assert!(!frames[0]["text"].as_str().unwrap().is_empty());
    }
    ann.send(Frame::binary(vec![0, 1]));
    town.run();
    assert_eq!(code(&ann.frames()[0]), "bad_file");
    let pong = json!({"type": "pong", "n": 1, "cid": "c"});
    let ping = json!({"type": "ping", "n": 1, "cid": "c", "unknown": [1]});
    assert_eq!(ask(&mut town, &mut ann, ping), pong);
}

#[test]
fn taken_name_is_refused_with_one_that_is_free() {
    let mut town = town();
    let (_ann, _) = guest(&mut town, "Ann");
    let mut other = town.connect(HOME);
    let hello = json!({"type": "hello", "name": "aNN", "cid": "h"});
    let error = ask(&mut town, &mut other, hello);
    assert_eq!((code(&error), &error["cid"]), ("name_taken", &json!("h")));
    let suggestion = error["suggestion"].clone();
    assert_eq!(suggestion, "aNN-2");
    let welcome = ask(
        &mut town,
        &mut other,
        json!({"type": "hello", "name": suggestion}),
    );
    assert_eq!(welcome["name"], "aNN-2");
}

#[test]
fn name_is_free_when_its_grace_is_over_and_the_session_comes_back_as_who_it_was() {
    let mut town = town();
    let (mut ann, welcome) = guest(&mut town, "Ann");
    ann.reset();
    town.advance(seconds(4));
    let mut other = town.connect(HOME);
    let error = ask(
        &mut town,
        &mut other,
        json!({"type": "hello", "name": "Ann"}),
    );
    assert_eq!(code(&error), "name_taken");
    town.advance(seconds(2));
    let stolen = ask(
        &mut town,
        &mut other,
        json!({"type": "hello", "name": "Ann"}),
    );
    assert_ne!(stolen["id"], welcome["id"]);
    let hello = json!({"type": "hello", "name": "Anna", "session": welcome["session"]});
    let (_, back) = guest_as(&mut town, hello);
    assert_eq!(
        (&back["id"], &back["session"]),
        (&welcome["id"], &welcome["session"])
    );
}

#[test]
fn unknown_session_is_a_new_one() {
    let mut town = town();
    let (_, welcome) = guest_as(
        &mut town,
        json!({"type": "hello", "name": "Ann", "session": "AAAAAAAAAAAAAAAAAAAAAA"}),
    );
    assert_ne!(welcome["session"], "AAAAAAAAAAAAAAAAAAAAAA");
}

#[test]
fn sessions_that_are_gone_are_remembered_up_to_a_bound() {
    let mut town = town_with(Settings {
        max_sessions: 2,
        ..Settings::default()
    });
    let mut gone = Vec::new();
    for name in ["a", "b", "c"] {
        let (mut client, welcome) = guest(&mut town, name);
        client.reset();
        town.advance(seconds(6));
        gone.push(welcome);
    }
    let mut back = gone.iter().map(|welcome| {
        let hello =
            json!({"type": "hello", "name": welcome["name"], "session": welcome["session"]});
        let (_, back) = guest_as(&mut town, hello);
        back["id"] == welcome["id"]
    });
    assert_eq!(back.next(), Some(false), "the longest gone is forgotten");
    assert_eq!(back.next(), Some(true));
    assert_eq!(back.next(), Some(true));
}

#[test]
fn message_sent_again_is_stored_once_and_answered_again() {
    let mut town = town();
    let (mut ann, _) = member(&mut town, "Ann", "lobby");
    let (mut bob, _) = member(&mut town, "Bob", "lobby");
    town.advance(seconds(1));
    ann.frames();
    bob.frames();
    let first = ask(&mut town, &mut ann, say("c1", "once"));
    bob.frames();
    let again = ask(&mut town, &mut ann, say("c1", "changed"));
    assert_eq!(again, first);
    assert!(bob.frames().is_empty(), "the others have it");
    // Another session's c1 is another message.
    assert_eq!(ask(&mut town, &mut bob, say("c1", "mine"))["seq"], 2);
}

#[test]
fn who_comes_back_gets_exactly_what_it_missed() {
    let mut town = town();
    let (mut ann, _) = member(&mut town, "Ann", "lobby");
    let (mut bob, welcome) = guest(&mut town, "Bob");
    let joined = join(&mut town, &mut bob, "lobby", None);
    assert_eq!(
        (&joined["seq"], &joined["more"]),
        (&json!(0), &json!(false))
    );
    bob.reset();
    town.run();
    for i in 0..5 {
        ann.say(&say(&format!("c{i}"), "x"));
    }
    town.run();
    let hello = json!({"type": "hello", "name": "Bob", "session": welcome["session"]});
    let (mut bob, _) = guest_as(&mut town, hello);
    let epoch = &joined["epoch"];
    let back = join(&mut town, &mut bob, "lobby", Some((epoch, 2)));
    assert_eq!(
        (&back["recovered"], seqs(&back["entries"])),
        (&json!(true), vec![3, 4, 5])
    );
    assert_eq!(back["more"], true);
    let broadcast = ann.frames().into_iter().find(|frame| frame["seq"] == 4);
    assert_eq!(
        broadcast.as_ref(),
        Some(&back["entries"][1]),
        "as it was broadcast"
    );
    let back = join(&mut town, &mut bob, "lobby", Some((epoch, 5)));
    assert_eq!(
        (&back["recovered"], seqs(&back["entries"])),
        (&json!(true), vec![])
    );
    for (epoch, seq) in [(epoch, 6), (epoch, u64::MAX), (&json!("other"), 2)] {
        let back = join(&mut town, &mut bob, "lobby", Some((epoch, seq)));
        assert_eq!(back["recovered"], false, "{epoch} {seq}");
        assert_eq!(seqs(&back["entries"]), [1, 2, 3, 4, 5]);
    }
}

#[test]
fn gap_longer_than_what_is_kept_at_hand_is_told_and_filled_through_history() {
    let mut town = town_with(Settings {
        rate_per_second: 0,
        ..Settings::default()
    });
    let (mut ann, _) = guest(&mut town, "Ann");
    let epoch = join(&mut town, &mut ann, "lobby", None)["epoch"].clone();
    for i in 0..250 {
        ann.say(&say(&format!("c{i}"), "x"));
    }
    town.run();
    ann.frames();
    let back = join(&mut town, &mut ann, "lobby", Some((&epoch, 100)));
    assert_eq!(
        (&back["recovered"], &back["more"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(seqs(&back["entries"]), (151..=250).collect::<Vec<_>>());
    let ask_for =
        json!({"type": "history", "room": "lobby", "after": 100, "limit": 50, "cid": "h"});
    let page = ask(&mut town, &mut ann, ask_for);
    assert_eq!(seqs(&page["entries"]), (101..=150).collect::<Vec<_>>());
    assert_eq!((&page["more"], &page["cid"]), (&json!(true), &json!("h")));
    let older = json!({"type": "history", "room": "lobby", "before": 31});
    let page = ask(&mut town, &mut ann, older);
    assert_eq!(seqs(&page["entries"]), (1..=30).collect::<Vec<_>>());
    assert_eq!(page["more"], false);
}

#[test]
fn page_of_history_is_bounded_in_bytes_and_holds_the_nearest() {
    let mut town = town_with(Settings {
        rate_per_second: 0,
        ..Settings::default()
    });
    let (mut ann, _) = member(&mut town, "Ann", "lobby");
    for i in 0..20 {
        ann.say(&say(&format!("c{i}"), &"x".repeat(8_000)));
    }
    town.run();
    ann.frames();
    let before = json!({"type": "history", "room": "lobby", "before": 100});
    let page = ask(&mut town, &mut ann, before);
    assert_eq!(seqs(&page["entries"]), (13..=20).collect::<Vec<_>>());
    assert_eq!(page["more"], true);
    let after = json!({"type": "history", "room": "lobby", "after": 0});
    let page = ask(&mut town, &mut ann, after);
    assert_eq!(seqs(&page["entries"])[0], 1);
    assert!(page.to_string().len() <= 66_000 && page["more"] == true);
    let joined = join(&mut town, &mut ann, "lobby", None);
    assert!(joined.to_string().len() <= 67_000 && joined["more"] == true);
}

#[test]
fn arrivals_and_departures_are_told_at_most_once_a_second() {
    let mut town = town();
    let (mut ann, _) = member(&mut town, "Ann", "lobby");
    town.advance(seconds(2));
    ann.frames();
    let mut guests: Vec<_> = ["Bob", "Cid", "Dan"]
        .map(|name| member(&mut town, name, "lobby"))
        .into();
    let frames = ann.frames();
    assert_eq!(frames.len(), 1, "the first at once: {frames:?}");
    assert_eq!(
        (&frames[0]["count"], &frames[0]["arrived"][0]["name"]),
        (&json!(2), &json!("Bob"))
    );
    town.advance(seconds(1));
    let frames = ann.frames();
    assert_eq!(frames.len(), 1, "the others together: {frames:?}");
    assert_eq!(frames[0]["count"], 4);
    assert_eq!(frames[0]["arrived"].as_array().unwrap().len(), 2);
    let leave = json!({"type": "leave", "room": "lobby", "cid": "l"});
    let frames = tell(&mut town, &mut guests[0].0, leave);
    assert_eq!(
        frames.last().unwrap(),
        &json!({"type": "left", "room": "lobby", "cid": "l"})
    );
    town.advance(seconds(1));
    let frames = ann.frames();
    assert_eq!(
        (&frames[0]["count"], &frames[0]["left"][0]["name"]),
        (&json!(3), &json!("Bob"))
    );
    assert!(frames[0].get("arrived").is_none());
}

#[test]
fn newcomer_learns_that_one_it_was_shown_has_left() {
    let mut town = town();
    let (mut ann, _) = member(&mut town, "Ann", "lobby");
    town.advance(Duration::from_millis(500));
    let (mut bob, _) = member(&mut town, "Bob", "lobby");
    let (mut cid, _) = guest(&mut town, "Cid");
    let joined = join(&mut town, &mut cid, "lobby", None);
    assert_eq!(joined["count"], 3);
    tell(
        &mut town,
        &mut bob,
        json!({"type": "leave", "room": "lobby"}),
    );
    town.advance(seconds(1));
    let news = cid.frames().pop().unwrap();
    assert_eq!(
        (&news["count"], &news["left"][0]["name"]),
        (&json!(2), &json!("Bob"))
    );
    assert_eq!(news["arrived"][0]["name"], "Cid");
    ann.frames();
    // Nobody came in between: who came and left within the second never was.
    let (mut dan, _) = member(&mut town, "Dan", "lobby");
    tell(
        &mut town,
        &mut dan,
        json!({"type": "leave", "room": "lobby"}),
    );
    town.advance(seconds(1));
    let news = ann.frames();
    assert!(
        news.iter().all(|news| news.get("left").is_none()),
        "{news:?}"
    );
}

#[test]
fn reload_is_no_departure_and_a_lost_line_is_one_after_the_grace() {
    let mut town = town();
    let (mut ann, _) = member(&mut town, "Ann", "lobby");
    let (mut bob, welcome) = member(&mut town, "Bob", "lobby");
    town.advance(seconds(2));
    ann.frames();
    bob.reset();
    town.advance(seconds(4));
    let hello = json!({"type": "hello", "name": "Bob", "session": welcome["session"]});
    let (mut bob, _) = guest_as(&mut town, hello);
    join(&mut town, &mut bob, "lobby", None);
    town.advance(seconds(10));
    assert_eq!(ann.frames(), Vec::<Value>::new(), "never away");
    bob.reset();
    town.advance(seconds(4));
    assert_eq!(ann.frames(), Vec::<Value>::new());
    town.advance(seconds(2));
    let frames = ann.frames();
    assert_eq!(
        (&frames[0]["count"], &frames[0]["left"][0]["id"]),
        (&json!(1), &welcome["id"])
    );
}

#[test]
fn several_tabs_are_one_person() {
    let mut town = town();
    let (mut ann, welcome) = member(&mut town, "Ann", "lobby");
    let hello = json!({"type": "hello", "name": "Ann", "session": welcome["session"]});
    let (mut tab, _) = guest_as(&mut town, hello);
    let joined = join(&mut town, &mut tab, "lobby", None);
    assert_eq!(
        (
            &joined["count"],
            joined["members"].as_array().unwrap().len()
        ),
        (&json!(1), 1)
    );
    town.advance(seconds(2));
    ann.frames();
    tab.frames();
    let said = ask(&mut town, &mut ann, say("c", "both see it"));
    assert_eq!(tab.frames(), [said]);
    let (mut bob, _) = member(&mut town, "Bob", "lobby");
    town.advance(seconds(2));
    bob.frames();
    tab.reset();
    town.advance(seconds(10));
    assert_eq!(bob.frames(), Vec::<Value>::new(), "one tab is left");
    tell(
        &mut town,
        &mut ann,
        json!({"type": "leave", "room": "lobby"}),
    );
    town.advance(seconds(1));
    assert_eq!(bob.frames()[0]["left"][0]["name"], "Ann");
}

#[test]
fn rename_is_told_to_the_rooms_and_later_messages_bear_it() {
    let mut town = town();
    let (mut ann, welcome) = member(&mut town, "Ann", "lobby");
    let (mut bob, _) = member(&mut town, "Bob", "lobby");
    town.advance(seconds(2));
    ann.frames();
    bob.frames();
    ann.say(&say("c1", "as Ann"));
    let renamed = tell(
        &mut town,
        &mut ann,
        json!({"type": "rename", "name": "Anna", "cid": "r"}),
    );
    let answer = json!({"type": "renamed", "name": "Anna", "cid": "r"});
    assert!(renamed.contains(&answer), "{renamed:?}");
    let frames = bob.frames();
    assert_eq!(frames[0]["from"]["name"], "Ann");
    assert_eq!(
        frames[1]["renamed"],
        json!([{"id": welcome["id"], "name": "Anna"}])
    );
    assert_eq!(
        ask(&mut town, &mut ann, say("c2", "x"))["from"]["name"],
        "Anna"
    );
    let error = ask(
        &mut town,
        &mut ann,
        json!({"type": "rename", "name": "BOB"}),
    );
    assert_eq!(
        (code(&error), &error["suggestion"]),
        ("name_taken", &json!("BOB-2"))
    );
    let (_, other) = guest(&mut town, "Ann");
    assert_eq!(other["name"], "Ann", "the old name is free");
}

#[test]
fn direct_message_reaches_all_connections_of_both_and_nobody_else_and_once() {
    let mut town = town();
    let (mut ann, welcome) = member(&mut town, "Ann", "lobby");
    let (mut bob, to) = member(&mut town, "Bob", "lobby");
    let (mut eve, _) = member(&mut town, "Eve", "lobby");
    let hello = json!({"type": "hello", "name": "Ann", "session": welcome["session"]});
    let (mut tab, _) = guest_as(&mut town, hello);
    town.advance(seconds(2));
    for client in [&mut ann, &mut bob, &mut eve, &mut tab] {
        client.frames();
    }
    let direct = json!({"type": "direct", "to": to["id"], "cid": "d", "text": "psst"});
    let got = ask(&mut town, &mut ann, direct.clone());
    assert_eq!(
        (&got["from"]["name"], &got["to"]["name"]),
        (&json!("Ann"), &json!("Bob"))
    );
    assert_eq!((bob.frames(), tab.frames()), (vec![got.clone()], vec![got]));
    assert!(eve.frames().is_empty());
    assert_eq!(
        ask(&mut town, &mut ann, direct)["cid"],
        "d",
        "answered again"
    );
    assert!(bob.frames().is_empty(), "delivered once");
}

#[test]
fn direct_message_that_was_delivered_is_no_failure_when_the_other_has_gone() {
    let mut town = town();
    let (mut ann, _) = guest(&mut town, "Ann");
    let (mut bob, to) = guest(&mut town, "Bob");
    let direct = json!({"type": "direct", "to": to["id"], "cid": "d", "text": "psst"});
    let first = ask(&mut town, &mut ann, direct.clone());
    assert_eq!(bob.frames().len(), 1);
    bob.reset();
    town.advance(seconds(10));
    assert_eq!(ask(&mut town, &mut ann, direct), first);
    let other = json!({"type": "direct", "to": to["id"], "cid": "e", "text": "psst"});
    assert_eq!(code(&ask(&mut town, &mut ann, other)), "not_present");
}

#[test]
fn typing_is_told_to_the_room_and_not_stored() {
    let mut town = town();
    let (mut ann, _) = member(&mut town, "Ann", "lobby");
    let (mut bob, welcome) = member(&mut town, "Bob", "lobby");
    town.advance(seconds(2));
    ann.frames();
    tell(
        &mut town,
        &mut bob,
        json!({"type": "typing", "room": "Lobby"}),
    );
    let from = json!({"id": welcome["id"], "name": "Bob"});
    assert_eq!(
        ann.frames(),
        [json!({"type": "typing", "room": "lobby", "from": from})]
    );
    assert_eq!(join(&mut town, &mut ann, "lobby", None)["seq"], 0);
}

#[test]
fn commands_answer() {
    let mut town = town();
    let (mut ann, _) = member(&mut town, "Ann", "lobby");
    let (mut bob, _) = member(&mut town, "Bob B.", "lobby");
    town.advance(seconds(2));
    ann.frames();
    bob.frames();
    let command =
        |line: &str| json!({"type": "command", "room": "lobby", "line": line, "cid": "k"});
    let mut notice = |line: &str| {
        let notice = ask(&mut town, &mut ann, command(line));
        assert_eq!(
            (&notice["type"], &notice["cid"]),
            (&json!("notice"), &json!("k")),
            "{line}"
        );
        notice["text"].as_str().unwrap().to_owned()
    };
    assert!(notice("/help").contains("/msg NAME TEXT"));
    assert_eq!(notice("/date"), "Thu, 01 Jan 2026");
    assert_eq!(notice("/time"), "00:00:02 GMT");
    assert_eq!(notice("/who"), "2 here: Ann, Bob B.");
    assert!(notice("/dance").contains("/help"));
    assert!(notice("/me").contains("/me TEXT"));
    assert!(notice("/name").contains("/name NAME"));
    assert!(notice("/msg Bob").contains("/msg NAME TEXT"));
    let long = notice(&format!("/{}", "x".repeat(8_000)));
    assert!(long.len() < 200, "{long}");
    let said = ask(&mut town, &mut ann, command("/me waves"));
    assert_eq!(
        (&said["text"], &said["cid"]),
        (&json!("/me waves"), &json!("k"))
    );
    let direct = ask(&mut town, &mut ann, command("/msg \"Bob B.\" good morning"));
    assert_eq!(
        (&direct["text"], &direct["to"]["name"]),
        (&json!("good morning"), &json!("Bob B."))
    );
    assert_eq!(bob.frames().last(), Some(&direct));
    let mut nobody = command("/msg Nobody hi");
    nobody["cid"] = json!("n");
    assert_eq!(code(&ask(&mut town, &mut ann, nobody)), "not_present");
    let endless = command(&format!("/msg {}", "a ".repeat(100_000)));
    assert_eq!(code(&ask(&mut town, &mut ann, endless)), "too_large");
    let renamed = tell(&mut town, &mut ann, command("/name Anna"));
    assert_eq!(renamed[0]["name"], "Anna");
}

#[test]
fn too_many_commands_wait_their_time() {
    let mut town = town();
    let (mut ann, _) = guest(&mut town, "Ann");
    let ping = json!({"type": "ping", "n": 1, "cid": "p"});
    for _ in 0..30 {
        assert_eq!(ask(&mut town, &mut ann, ping.clone())["type"], "pong");
    }
    let error = ask(&mut town, &mut ann, ping.clone());
    assert_eq!(
        (code(&error), &error["retry_ms"]),
        ("rate_limited", &json!(200))
    );
    assert_eq!(error["cid"], "p", "it is told which one");
    town.advance(Duration::from_millis(200));
    assert_eq!(ask(&mut town, &mut ann, ping)["type"], "pong");
}

#[test]
fn strangers_have_a_budget_too() {
    let mut town = town();
    let mut client = town.connect(HOME);
    let hello = json!({"type": "hello", "name": ""});
    let answers: Vec<_> = (0..40)
        .map(|_| ask(&mut town, &mut client, hello.clone()))
        .collect();
    let limited = answers
        .iter()
        .filter(|answer| code(answer) == "rate_limited");
    assert_eq!(limited.count(), 10);
}

#[test]
fn many_sessions_of_one_address_share_ten_budgets() {
    let mut town = town();
    let mut answered = 0;
    for i in 0..11 {
        let mut client = town.connect("192.0.2.1");
        client.say(&json!({"type": "hello", "name": format!("n{i}")}));
        for _ in 0..30 {
            client.say(&json!({"type": "ping", "n": 1}));
        }
        town.run();
        let frames = client.frames().into_iter();
        answered += frames.filter(|frame| frame["type"] != "error").count();
    }
    assert_eq!(answered, 300);
}

#[test]
fn one_connection_is_in_a_bounded_number_of_rooms() {
    let mut town = town_with(Settings {
        rate_per_second: 0,
        ..Settings::default()
    });
    let (mut ann, _) = guest(&mut town, "Ann");
    for i in 0..64 {
        join(&mut town, &mut ann, &format!("r{i}"), None);
    }
    let one_more = json!({"type": "join", "room": "r64"});
    assert_eq!(
        code(&ask(&mut town, &mut ann, one_more.clone())),
        "too_many_rooms"
    );
    join(&mut town, &mut ann, "r0", None);
    tell(&mut town, &mut ann, json!({"type": "leave", "room": "r0"}));
    let frames = tell(&mut town, &mut ann, one_more);
    assert_eq!(frames[0]["type"], "joined");
}

#[test]
fn rooms_in_use_are_bounded_and_their_place_is_free_when_all_have_left() {
    let mut town = town_with(Settings {
        max_rooms: 1,
        ..Settings::default()
    });
    let (mut ann, _) = member(&mut town, "Ann", "one");
    let two = json!({"type": "join", "room": "two"});
    assert_eq!(code(&ask(&mut town, &mut ann, two)), "too_many_rooms");
    tell(&mut town, &mut ann, json!({"type": "leave", "room": "one"}));
    join(&mut town, &mut ann, "two", None);
}

#[test]
fn crowd_is_only_counted() {
    let mut town = town();
    let mut guests: Vec<_> = (0..103)
        .map(|i| member(&mut town, &format!("n{i}"), "lobby"))
        .collect();
    town.advance(seconds(2));
    let frames = guests[0].0.frames();
    let last = frames.last().unwrap();
    assert_eq!(
        last,
        &json!({"type": "presence", "room": "lobby", "count": 103})
    );
    let joined = join(&mut town, &mut guests[0].0, "lobby", None);
    assert_eq!(joined["members"].as_array().unwrap().len(), 100);
    assert_eq!(joined["count"], 103);
    for (guest, _) in &mut guests[100..] {
        guest.reset();
    }
    town.advance(seconds(7));
    let frames = guests[0].0.frames();
    let last = frames.last().unwrap();
    assert_eq!(
        last["members"].as_array().unwrap().len(),
        100,
        "all are named again"
    );
}

#[test]
fn reader_that_lags_is_closed_with_4008() {
    let mut town = town_with(Settings {
        rate_per_second: 0,
        ..Settings::default()
    });
    let (mut ann, _) = member(&mut town, "Ann", "lobby");
    let (mut bob, _) = member(&mut town, "Bob", "lobby");
    bob.set_capacity(Some(0));
    for i in 0..50 {
        ann.say(&say(&format!("c{i}"), &"x".repeat(8_000)));
        town.run();
    }
    let seqs = ann
        .frames()
        .into_iter()
        .filter(|f| f["type"] == "message")
        .count();
    assert_eq!(seqs, 50, "the others lose nothing");
    bob.set_capacity(None);
    town.run();
    assert_eq!(
        bob.closed(),
        Some(close(4008, "too slow: come back and read on"))
    );
}

/// A journal that takes its time, and does not always succeed.
#[derive(Clone, Default)]
struct Slow(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    jobs: VecDeque<Job>,
    done: VecDeque<Outcome>,
    is_full: bool,
}

impl Slow {
    fn finish(&self, outcome: Outcome) {
        let mut inner = self.0.borrow_mut();
        inner.jobs.pop_front().expect("a job waits");
        inner.done.push_back(outcome);
    }
}

impl Journal for Slow {
    fn submit(&mut self, job: Job) -> Result<(), Busy> {
        let mut inner = self.0.borrow_mut();
        if inner.is_full {
            return Err(Busy);
        }
        inner.jobs.push_back(job);
        Ok(())
    }

    fn outcome(&mut self) -> Option<Outcome> {
        self.0.borrow_mut().done.pop_front()
    }
}

fn empty_room() -> Outcome {
    Outcome::Loaded {
        epoch: "e".into(),
        seq: 0,
        entries: Vec::new(),
        more: false,
    }
}

fn begin_stop<H: Handler>(town: &mut World<H>) {
    let code = CloseCode::SERVICE_RESTART;
    town.core.stop(Close::new(code, "soon"));
    town.run();
}

fn wake<H: Handler>(town: &mut World<H>) {
    town.core.wake();
    town.run();
}

#[test]
fn joins_wait_for_their_room_to_be_loaded_once() {
    let journal = Slow::default();
    let mut town = town_over(Settings::default(), journal.clone());
    let (mut ann, _) = guest(&mut town, "Ann");
    let (mut bob, _) = guest(&mut town, "Bob");
    let (mut gone, _) = guest(&mut town, "Gone");
    for client in [&mut ann, &mut bob, &mut gone] {
        let frames = tell(
            &mut town,
            client,
            json!({"type": "join", "room": "lobby", "cid": "j"}),
        );
        assert!(frames.is_empty());
    }
    gone.reset();
    town.run();
    assert_eq!(journal.0.borrow().jobs.len(), 1);
    journal.finish(empty_room());
    wake(&mut town);
    for client in [&mut ann, &mut bob] {
        let joined = &client.frames()[0];
        assert_eq!(
            (&joined["type"], &joined["cid"]),
            (&json!("joined"), &json!("j"))
        );
    }
    town.advance(seconds(6));
    ann.frames();
    assert_eq!(join(&mut town, &mut ann, "lobby", None)["count"], 2);
}

#[test]
fn what_follows_a_question_to_the_journal_waits_for_its_answer() {
    let journal = Slow::default();
    let mut town = town_over(Settings::default(), journal.clone());
    let (mut ann, _) = guest(&mut town, "Ann");
    for n in 0..3 {
        let join = json!({"type": "join", "room": format!("room-{n}"), "cid": n.to_string()});
        assert!(tell(&mut town, &mut ann, join).is_empty());
    }
    assert!(tell(&mut town, &mut ann, json!({"type": "ping", "n": 7})).is_empty());
    for n in 0..3 {
        assert_eq!(journal.0.borrow().jobs.len(), 1);
        journal.finish(empty_room());
        wake(&mut town);
        assert_eq!(ann.frames()[0]["cid"], n.to_string());
    }
}

#[test]
fn whoever_waits_for_the_journal_is_not_taken_for_dead() {
    let journal = Slow::default();
    let mut town = town_over(Settings::default(), journal.clone());
    let (mut ann, _) = guest(&mut town, "Ann");
    let join = json!({"type": "join", "room": "lobby"});
    assert!(tell(&mut town, &mut ann, join).is_empty());
    town.advance(seconds(300));
    journal.finish(empty_room());
    wake(&mut town);
    assert_eq!(ann.frames()[0]["type"], "joined");
}

#[test]
fn server_that_stops_waits_for_what_is_on_its_way_to_the_journal() {
    let journal = Slow::default();
    let mut town = town_over(Settings::default(), journal.clone());
    let (mut ann, _) = guest(&mut town, "Ann");
    let join = json!({"type": "join", "room": "lobby"});
    tell(&mut town, &mut ann, join);
    journal.finish(empty_room());
    wake(&mut town);
    tell(&mut town, &mut ann, say("c1", "x"));
    begin_stop(&mut town);
    ann.say(&say("c2", "not read any more"));
    town.run();
    let Some(Job::Append { draft, .. }) = journal.0.borrow().jobs.front().cloned() else {
        panic!("an entry waits");
    };
    journal.finish(Outcome::Appended(veche::chat::Entry { seq: 1, draft }));
    wake(&mut town);
    assert_eq!(journal.0.borrow().jobs.len(), 0);
    let messages = ann.messages();
    let [.., Frame::Text(text), Frame::Close(told)] = &messages[..] else {
        panic!("{messages:?}");
    };
    assert!(text.contains("\"cid\":\"c1\""), "{text}");
    assert_eq!(told, &Some(close(1012, "soon")));
}

#[test]
fn server_that_stops_does_not_wait_for_ever() {
    let journal = Slow::default();
    let mut town = town_over(Settings::default(), journal.clone());
    let (mut ann, _) = guest(&mut town, "Ann");
    tell(
        &mut town,
        &mut ann,
        json!({"type": "join", "room": "lobby"}),
    );
    begin_stop(&mut town);
    town.advance(Duration::from_millis(2_400));
    assert_eq!(ann.closed(), None);
    town.advance(Duration::from_millis(200));
    assert_eq!(ann.closed(), Some(close(1012, "soon")));
}

#[test]
fn nobody_sees_what_is_not_kept_yet() {
    let journal = Slow::default();
    let mut town = town_over(Settings::default(), journal.clone());
    let (mut ann, _) = guest(&mut town, "Ann");
    tell(
        &mut town,
        &mut ann,
        json!({"type": "join", "room": "lobby"}),
    );
    journal.finish(empty_room());
    wake(&mut town);
    town.advance(seconds(2));
    ann.frames();
    assert!(tell(&mut town, &mut ann, say("c1", "x")).is_empty());
    let Some(Job::Append { draft, .. }) = journal.0.borrow().jobs.front().cloned() else {
        panic!("an entry waits");
    };
    let entry = veche::chat::Entry { seq: 1, draft };
    journal.finish(Outcome::Appended(entry));
    wake(&mut town);
    assert_eq!(ann.frames()[0]["seq"], 1);
}

#[test]
fn members_get_all_that_a_slow_journal_keeps_at_once() {
    const MESSAGES: u64 = 4_000;
    let journal = Slow::default();
    let unlimited = Settings {
        rate_per_second: 0,
        ..Settings::default()
    };
    let mut town = town_over(unlimited, journal.clone());
    let (mut ann, _) = guest(&mut town, "Ann");
    tell(
        &mut town,
        &mut ann,
        json!({"type": "join", "room": "lobby"}),
    );
    journal.finish(empty_room());
    wake(&mut town);
    for number in 1..=MESSAGES {
        tell(&mut town, &mut ann, say(&number.to_string(), "x"));
    }
    ann.frames();
    for seq in 1..=MESSAGES {
        let Some(Job::Append { draft, .. }) = journal.0.borrow().jobs.front().cloned() else {
            panic!("an entry waits");
        };
        let entry = veche::chat::Entry { seq, draft };
        journal.finish(Outcome::Appended(entry));
    }
    wake(&mut town);
    // More than a room keeps for those who receive slowly.
    town.advance(seconds(1));
    let heard = ann.frames();
    let bytes: usize = heard.iter().map(|frame| frame.to_string().len()).sum();
    assert!(bytes > Config::default().tape_bytes, "{bytes}");
    assert!(heard.iter().map(|frame| &frame["seq"]).eq(1..=MESSAGES));
}

#[test]
fn journal_that_fails_or_is_behind_is_told_to_those_who_asked() {
    let journal = Slow::default();
    let mut town = town_over(Settings::default(), journal.clone());
    let (mut ann, _) = guest(&mut town, "Ann");
    tell(
        &mut town,
        &mut ann,
        json!({"type": "join", "room": "lobby", "cid": "j"}),
    );
    journal.finish(Outcome::Failed);
    wake(&mut town);
    let error = &ann.frames()[0];
    assert_eq!((code(error), &error["cid"]), ("storage", &json!("j")));
    tell(
        &mut town,
        &mut ann,
        json!({"type": "join", "room": "lobby"}),
    );
    journal.finish(empty_room());
    wake(&mut town);
    town.advance(seconds(2));
    ann.frames();
    tell(&mut town, &mut ann, say("c1", "x"));
    journal.finish(Outcome::Failed);
    wake(&mut town);
    let error = &ann.frames()[0];
    assert_eq!((code(error), &error["cid"]), ("storage", &json!("c1")));
    town.advance(seconds(10));
    ann.frames();
    journal.0.borrow_mut().is_full = true;
    for _ in 0..100 {
        let error = ask(&mut town, &mut ann, say("c2", "x"));
        assert_eq!(
            (code(&error), &error["retry_ms"]),
            ("busy", &json!(500)),
            "costs no budget"
        );
    }
}

#[test]
fn who_leaves_while_the_room_is_being_loaded_has_joined_before() {
    let journal = Slow::default();
    let mut town = town_over(Settings::default(), journal.clone());
    let (mut ann, _) = guest(&mut town, "Ann");
    let join = json!({"type": "join", "room": "lobby", "cid": "j"});
    let leave = json!({"type": "leave", "room": "lobby", "cid": "l"});
    assert!(tell(&mut town, &mut ann, join).is_empty());
    assert!(tell(&mut town, &mut ann, leave).is_empty());
    journal.finish(empty_room());
    wake(&mut town);
    let frames = ann.frames();
    let answers = frames.iter().filter(|frame| frame["cid"].is_string());
    let answers: Vec<&Value> = answers.map(|frame| &frame["type"]).collect();
    assert_eq!(answers, ["joined", "left"]);
    assert_eq!(town.core.handler().usage().rooms, 0);
}

#[test]
fn member_that_renamed_left_and_came_back_within_a_second_is_known_by_the_new_name() {
    let mut town = town();
    let (mut ann, welcome) = member(&mut town, "Ann", "lobby");
    let (mut bob, _) = member(&mut town, "Bob", "lobby");
    town.advance(seconds(2));
    // Tells at once, so that what follows waits for a second.
    tell(
        &mut town,
        &mut bob,
        json!({"type": "rename", "name": "Rob"}),
    );
    bob.frames();
    tell(
        &mut town,
        &mut ann,
        json!({"type": "rename", "name": "Anna"}),
    );
    tell(
        &mut town,
        &mut ann,
        json!({"type": "leave", "room": "lobby"}),
    );
    join(&mut town, &mut ann, "lobby", None);
    town.advance(seconds(2));
    let news = bob.frames().pop().unwrap();
    let anna = json!([{"id": welcome["id"], "name": "Anna"}]);
    assert_eq!(news["arrived"], anna, "{news}");
}

#[test]
fn members_are_listed_by_the_names_that_the_room_knows() {
    let mut town = town();
    let (mut ann, welcome) = member(&mut town, "Ann", "lobby");
    let (mut bob, _) = member(&mut town, "Bob", "lobby");
    town.advance(seconds(2));
    ann.reset();
    town.run();
    let session = &welcome["session"];
    let hello = |name| json!({"type": "hello", "name": name, "session": session});
    // In grace in the room, and renamed there and back outside of it.
    let (mut ann, _) = guest_as(&mut town, hello("Anna"));
    let (_cid, _) = member(&mut town, "Cid", "lobby");
    bob.frames();
    let joined = join(&mut town, &mut bob, "lobby", None);
    assert_eq!(joined["members"][0]["name"], "Ann", "{joined}");
    join(&mut town, &mut ann, "lobby", None);
    town.advance(seconds(2));
    let news = bob.frames().pop().unwrap();
    let anna = json!([{"id": welcome["id"], "name": "Anna"}]);
    assert_eq!(news["renamed"], anna, "{news}");
}

#[test]
fn departure_is_told_although_another_session_has_the_place() {
    let mut town = town_with(Settings {
        max_sessions: 1,
        ..Settings::default()
    });
    let (mut eve, _) = member(&mut town, "Eve", "lobby");
    let (mut ann, welcome) = member(&mut town, "Ann", "lobby");
    let (mut bob, _) = member(&mut town, "Bob", "lobby");
    let (mut cid, _) = guest(&mut town, "Cid");
    town.advance(seconds(2));
    for gone in [&mut eve, &mut ann, &mut cid] {
        gone.reset();
        town.run();
    }
    // That Eve has left is told at once, and that Ann has, within a second.
    town.advance(seconds(5));
    let (_dan, _) = member(&mut town, "Dan", "lobby");
    town.advance(seconds(2));
    let ann = json!({"id": welcome["id"], "name": "Ann"});
    let frames = bob.frames();
    let left = frames.iter().flat_map(|frame| frame["left"].as_array());
    assert!(left.flatten().any(|person| *person == ann), "{frames:?}");
}
