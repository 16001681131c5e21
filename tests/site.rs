//! What a site does over HTTP, and whom it vouches for, in memory.
#![cfg(feature = "site")]
#![allow(clippy::unwrap_used)]

#[path = "common/ends.rs"]
mod ends;
#[path = "common/world.rs"]
mod world;

use std::slice;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use veche::chat::{Chat, Settings};
use veche::http::assets::Embedded;
use veche::journal::memory::MemoryJournal;
use veche::{Close, CloseCode, Config};
use world::{Client, World};

const HOME: &str = "127.0.0.1";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const SECRET: &[u8] = b"a secret of the site and of nobody else";
/// What the clock on the wall shows when the server starts.
const NOW: u64 = 1_767_225_600;

type Town = World<Chat<MemoryJournal>>;

fn town() -> Town {
    town_with(|_| {})
}

fn town_with(change: impl FnOnce(&mut Settings)) -> Town {
    let mut settings = Settings {
        api_token: Some(TOKEN.into()),
        jwt_secret: Some(SECRET.to_vec()),
        ..Settings::default()
    };
    change(&mut settings);
    let config = Config {
        assets: Some(Box::new(Embedded::new(&[]))),
        websocket_paths: vec!["/ws"],
        ..Config::default()
    };
    let mut count = 0_u8;
    let random = move |bytes: &mut [u8]| {
        for byte in bytes {
            count = count.wrapping_mul(5).wrapping_add(113);
            *byte = count;
        }
    };
    let journal = MemoryJournal::new(1_000, 100, 7);
    World::new(config, Chat::new(settings, journal, random))
}

/// What a site is answered: the status, the head, and the JSON.
struct Answer {
    status: u16,
    head: String,
    json: Value,
}

/// What is asked for with the token: a method and a target, headers, and a body.
fn site(town: &mut Town, request: &str, headers: &[&str], body: &str) -> Answer {
    let authorization = format!("Authorization: Bearer {TOKEN}");
    let headers = [&[&*authorization], headers].concat();
    anybody(town, request, &headers, body)
}

fn anybody(town: &mut Town, request: &str, headers: &[&str], body: &str) -> Answer {
    let mut text = format!("{request} HTTP/1.1\r\nHost: veche\r\n");
    for header in headers {
        text += &format!("{header}\r\n");
    }
    text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let mut client = town.accept(HOME);
    client.write(text.as_bytes());
    town.run();
    let answer = String::from_utf8(client.read()).unwrap();
    client.reset();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
    Answer {
        status: head[9..12].parse().unwrap(),
        head: head.to_owned(),
        json: serde_json::from_str(body).unwrap_or_default(),
    }
}

fn post(town: &mut Town, text: &str) -> Answer {
    let target = "POST /api/rooms/lobby/messages";
    site(town, target, &["Content-Type: text/plain"], text)
}

/// Somebody who has joined the lobby.
fn member(town: &mut Town, name: &str) -> (Client, Value) {
    let (mut client, welcome) = hello(town, &json!({"type": "hello", "name": name}));
    join(town, &mut client);
    (client, welcome)
}

fn hello(town: &mut Town, hello: &Value) -> (Client, Value) {
    let mut client = town.connect(HOME);
    client.say(hello);
    town.run();
    let welcome = client.frames().remove(0);
    assert_eq!(welcome["type"], "welcome", "{welcome}");
    (client, welcome)
}

fn join(town: &mut Town, client: &mut Client) -> Value {
    client.say(&json!({"type": "join", "room": "lobby"}));
    town.run();
    let joined = client.frames().remove(0);
    assert_eq!(joined["type"], "joined", "{joined}");
    joined
}

/// What somebody has been sent, without arrivals and departures.
fn heard(town: &mut Town, client: &mut Client) -> Vec<Value> {
    town.run();
    let frames = client.frames().into_iter();
    frames.filter(|frame| frame["type"] != "presence").collect()
}

#[test]
fn site_says_something_and_everybody_in_the_room_hears_it() {
    let mut town = town();
    let (mut ann, _) = member(&mut town, "Ann");
    heard(&mut town, &mut ann);
    let form = "Content-Type: application/x-www-form-urlencoded";
    let json = "Content-Type: application/json; charset=utf-8";
    for (headers, body, text, name) in [
        (
            &[form][..],
            "text=a+%3C%D0%B6%3E&name=Shop",
            "a <ж>",
            "Shop",
        ),
        (&[form], "name=&text=x", "", ""),
        (
            &[form],
            "some words, not a form",
            "some words, not a form",
            "site",
        ),
        (
            &[json],
            r#"{"text":"<b>\u0416","name":"Shop"}"#,
            "<b>Ж",
            "Shop",
        ),
        (&["Content-Type: text/plain"], "a=b\n", "a=b", "site"),
        (&[], "no type", "no type", "site"),
    ] {
        let answer = site(&mut town, "POST /api/rooms/lobby/messages", headers, body);
        let frames = heard(&mut town, &mut ann);
        if text.is_empty() {
            assert_eq!((answer.status, frames.len()), (400, 0));
            assert_eq!(answer.json["code"], "bad_name");
            continue;
        }
        assert_eq!(answer.status, 201, "{}", answer.json);
        assert_eq!(answer.json["type"], "message");
        assert_eq!(answer.json["text"], text);
        assert_eq!(answer.json["from"], json!({"id": "site", "name": name}));
        assert_eq!(frames, [answer.json]);
    }
    let (mut bob, _) = hello(&mut town, &json!({"type": "hello", "name": "Bob"}));
    assert_eq!(join(&mut town, &mut bob)["seq"], 5);
}

#[test]
fn body_that_is_no_form_is_said_as_it_is_and_one_that_cannot_be_read_is_refused() {
    let mut town = town();
    let form = "Content-Type: application/x-www-form-urlencoded";
    let target = "POST /api/rooms/lobby/messages";
    let words = "see https://a/?q=1&b=2 100%";
    assert_eq!(site(&mut town, target, &[form], words).json["text"], words);
    for headers in [
        &["Content-Type: multipart/form-data; boundary=x"][..],
        &["Content-Type: application/octet-stream"],
        &[form, "Content-Encoding: gzip"],
    ] {
        let refused = site(&mut town, target, headers, "text=x");
        assert_eq!(refused.status, 415, "{headers:?}");
        assert_eq!(refused.json["code"], "unsupported");
    }
}

#[test]
fn key_names_one_message_and_no_other() {
    let mut town = town();
    let mut post = |room: &str, headers: &[&str], text: &str| {
        let target = format!("POST /api/rooms/{room}/messages");
        site(&mut town, &target, headers, text)
    };
    let key = ["Idempotency-Key: k"];
    assert_eq!(post("lobby", &key, "x").status, 201);
    for (room, text) in [("hall", "x"), ("lobby", "y")] {
        let refused = post(room, &key, text);
        assert_eq!(
            (refused.status, &refused.json["code"]),
            (409, &json!("key_used"))
        );
    }
    assert_eq!(post("lobby", &key, "x").status, 200);
    for wrong in [
        &["Idempotency-Key: \u{ff}"][..],
        &[key[0], key[0]],
        &["Idempotency-Key:"],
    ] {
        assert_eq!(post("lobby", wrong, "x").status, 400, "{wrong:?}");
    }
}

#[test]
fn what_is_posted_again_is_said_once() {
    let mut town = town();
    let (mut ann, _) = member(&mut town, "Ann");
    heard(&mut town, &mut ann);
    for (key, status) in [("\"order-17\"", 201), ("order-17", 200), ("order-18", 201)] {
        let key = format!("Idempotency-Key: {key}");
        let answer = site(&mut town, "POST /api/rooms/lobby/messages", &[&key], "paid");
        assert_eq!(answer.status, status);
        assert_eq!(answer.json["seq"], if key.contains("17") { 1 } else { 2 });
    }
    assert_eq!(heard(&mut town, &mut ann).len(), 2);
    let answer = site(
        &mut town,
        "POST /api/rooms/lobby/messages",
        &["Idempotency-Key: a b"],
        "paid",
    );
    assert_eq!(answer.status, 400);
}

#[test]
fn nobody_without_the_token_is_listened_to() {
    let mut town = town();
    let longer = format!("Authorization: Bearer {TOKEN}0");
    let twice = format!("Authorization: Bearer {TOKEN}");
    for headers in [
        &[][..],
        &["Authorization: Bearer "],
        &[&*longer],
        &["Authorization: Basic 0123456789abcdef0123456789abcdef"],
        &[&*twice, &*twice],
    ] {
        let answer = anybody(&mut town, "POST /api/rooms/lobby/messages", headers, "x");
        assert_eq!(answer.status, 401, "{headers:?}");
        assert!(answer.head.contains("\r\nWWW-Authenticate: Bearer\r\n"));
        assert_eq!(
            anybody(&mut town, "GET /api/rooms", headers, "").status,
            401
        );
    }
    assert_eq!(
        anybody(&mut town, "GET /api/rooms", &[&*twice], "").status,
        200
    );
    // Where there is no token there is nothing.
    let mut town = town_with(|settings| settings.api_token = None);
    assert_eq!(site(&mut town, "GET /api/rooms", &[], "").status, 404);
    assert_eq!(post(&mut town, "x").status, 405);
}

#[test]
fn rules_limits_and_errors_are_those_of_people() {
    let mut town = town_with(|settings| settings.max_text_bytes = 10);
    let (_ann, _) = member(&mut town, "Ann");
    let json = ["Content-Type: application/json"];
    for (target, body, status, code) in [
        (
            "lobby/messages",
            r#"{"text":"12345678901"}"#,
            413,
            "too_large",
        ),
        ("lobby/messages", r#"{"text":" "}"#, 400, "bad_request"),
        ("lobby/messages", r#"{"text":7}"#, 400, "bad_request"),
        ("lobby/messages", r#"{"text"#, 400, "bad_json"),
        (
            "lobby/messages",
            r#"{"text":"x","name":"a\u202eb"}"#,
            400,
            "bad_name",
        ),
        (
            "lobby/messages",
            r#"{"text":"x","name":"ANN"}"#,
            409,
            "name_taken",
        ),
        ("a%20b/messages", r#"{"text":"x"}"#, 400, "bad_room"),
        ("lobby%2Fx/messages", r#"{"text":"x"}"#, 404, "not_found"),
        ("lobby/messages/1", r#"{"text":"x"}"#, 405, ""),
        ("lobby/", r#"{"text":"x"}"#, 404, "not_found"),
    ] {
        let target = format!("POST /api/rooms/{target}");
        let answer = site(&mut town, &target, &json, body);
        assert_eq!(answer.status, status, "{target} {body} {}", answer.json);
        assert_eq!(answer.json["code"].as_str().unwrap_or_default(), code);
    }
    let too_long = "x".repeat(10 * 6 + 5_000);
    assert_eq!(post(&mut town, &too_long).status, 413);
    // Every character as six.
    let escaped = format!("{{\"text\":\"{}\"}}", "\\u0061".repeat(10));
    let target = "POST /api/rooms/lobby/messages";
    assert_eq!(site(&mut town, target, &json, &escaped).status, 201);
    // Nobody may pass for the site.
    let mut client = town.connect(HOME);
    client.say(&json!({"type": "hello", "name": "Site"}));
    town.run();
    assert_eq!(client.frames()[0]["code"], "name_taken");
}

#[test]
fn site_that_is_too_fast_is_told_when_to_come_back() {
    let mut town = town_with(|settings| settings.rate_per_second = 1);
    let statuses: Vec<u16> = (0..61).map(|_| post(&mut town, "x").status).collect();
    assert!(statuses[..60].iter().all(|status| *status == 201));
    assert_eq!(statuses[60], 429);
    let answer = post(&mut town, "x");
    assert!(
        answer.head.contains("\r\nRetry-After: 1\r\n"),
        "{}",
        answer.head
    );
    assert_eq!(answer.json["code"], "rate_limited");
    town.advance(Duration::from_millis(100));
    assert_eq!(post(&mut town, "x").status, 201);
}

#[test]
fn site_reads_rooms_members_and_history() {
    let mut town = town();
    for number in 1..=5 {
        assert_eq!(post(&mut town, &number.to_string()).status, 201);
    }
    let rooms = site(&mut town, "GET /api/rooms", &[], "").json;
    assert_eq!(rooms["rooms"], json!([]), "nobody is there");
    let (_ann, welcome) = member(&mut town, "Ann");
    let rooms = site(&mut town, "GET /api/rooms", &[], "").json;
    let expected =
        json!({"type": "rooms", "rooms": [{"room": "lobby", "count": 1}], "more": false});
    assert_eq!(rooms, expected);
    let after = site(&mut town, "GET /api/rooms?after=lobby", &[], "").json;
    assert_eq!(after["rooms"], json!([]));
    let room = site(&mut town, "GET /api/rooms/LOBBY", &[], "").json;
    let ann = json!({"id": welcome["id"], "name": "Ann"});
    assert_eq!(
        room,
        json!({"type": "room", "room": "lobby", "count": 1, "members": [ann]})
    );
    let nobody = site(&mut town, "GET /api/rooms/elsewhere", &[], "").json;
    assert_eq!(nobody["count"], 0);
    for (query, seqs, more) in [
        ("", &[1, 2, 3, 4, 5][..], false),
        ("?limit=2", &[4, 5], true),
        ("?before=3", &[1, 2], false),
        ("?after=3&limit=1", &[4], true),
        ("?after=9", &[], false),
    ] {
        let target = format!("GET /api/rooms/lobby/messages{query}");
        let history = site(&mut town, &target, &[], "").json;
        let entries = history["entries"].as_array().unwrap().iter();
        assert_eq!(
            entries
                .map(|e| e["seq"].as_u64().unwrap())
                .collect::<Vec<_>>(),
            seqs
        );
        assert_eq!(
            (&history["more"], &history["type"]),
            (&json!(more), &json!("history"))
        );
    }
    for wrong in ["?before=1&after=2", "?before=x", "?limit=-1"] {
        let target = format!("GET /api/rooms/lobby/messages{wrong}");
        assert_eq!(site(&mut town, &target, &[], "").status, 400, "{wrong}");
    }
    let head = site(&mut town, "HEAD /api/rooms/lobby/messages", &[], "");
    assert_eq!((head.status, head.json), (200, Value::Null));
}

#[test]
fn rooms_that_a_site_looks_into_are_not_kept() {
    let mut town = town();
    for number in 0..200 {
        let target = format!("GET /api/rooms/room{number}/messages");
        assert_eq!(site(&mut town, &target, &[], "").status, 200);
    }
    assert_eq!(town.core.handler().usage().rooms, 0);
    assert_eq!(post(&mut town, "x").status, 201);
    assert_eq!(town.core.handler().usage().rooms, 0);
}

#[test]
fn removed_message_is_gone_for_all_and_keeps_its_number() {
    let mut town = town();
    let (mut ann, _) = member(&mut town, "Ann");
    let (mut bob, _) = member(&mut town, "Bob");
    ann.say(&json!({"type": "message", "room": "lobby", "cid": "a", "text": "oh no"}));
    let said = heard(&mut town, &mut ann).remove(0);
    heard(&mut town, &mut bob);
    let removed = site(&mut town, "DELETE /api/rooms/lobby/messages/1", &[], "");
    assert_eq!(removed.status, 200);
    let expected = json!({
        "type": "removed", "room": "lobby", "seq": 1, "time": said["time"],
        "from": said["from"], "cid": "a",
    });
    assert_eq!(removed.json, expected);
    assert_eq!(heard(&mut town, &mut ann)[..], *slice::from_ref(&expected));
    assert_eq!(heard(&mut town, &mut bob)[..], *slice::from_ref(&expected));
    // Who comes later sees no more of it, nor do those who look back.
    let (mut eve, _) = hello(&mut town, &json!({"type": "hello", "name": "Eve"}));
    assert_eq!(join(&mut town, &mut eve)["entries"], json!([expected]));
    let history = site(&mut town, "GET /api/rooms/lobby/messages", &[], "").json;
    assert_eq!(history["entries"], json!([expected]));
    // It is not said again, and the next one is number 2.
    ann.say(&json!({"type": "message", "room": "lobby", "cid": "a", "text": "oh no"}));
    assert_eq!(heard(&mut town, &mut ann)[..], *slice::from_ref(&expected));
    assert_eq!(post(&mut town, "well").json["seq"], 2);
    let again = site(&mut town, "DELETE /api/rooms/lobby/messages/1", &[], "");
    assert_eq!((again.status, again.json), (200, expected));
    for (target, status) in [
        ("lobby/messages/9", 404),
        ("none/messages/1", 404),
        ("lobby/messages/x", 404),
    ] {
        let target = format!("DELETE /api/rooms/{target}");
        assert_eq!(site(&mut town, &target, &[], "").status, status);
    }
}

#[test]
fn who_was_away_hears_what_was_removed_meanwhile() {
    let mut town = town();
    for text in ["one", "two"] {
        assert_eq!(post(&mut town, text).status, 201);
    }
    let (mut ann, welcome) = hello(&mut town, &json!({"type": "hello", "name": "Ann"}));
    let epoch = join(&mut town, &mut ann)["epoch"].clone();
    ann.reset();
    town.run();
    site(&mut town, "DELETE /api/rooms/lobby/messages/1", &[], "");
    let session = &welcome["session"];
    let back = json!({"type": "hello", "name": "Ann", "session": session});
    let (mut ann, _) = hello(&mut town, &back);
    let after = json!({"epoch": epoch, "seq": 2});
    ann.say(&json!({"type": "join", "room": "lobby", "after": after}));
    let joined = heard(&mut town, &mut ann).remove(0);
    assert_eq!(joined["recovered"], true);
    let entries = joined["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (&entries[0]["type"], &entries[0]["seq"]),
        (&json!("removed"), &json!(1))
    );
}

#[test]
fn member_who_is_sent_out_is_told_not_to_come_back() {
    let mut town = town();
    let (mut ann, welcome) = member(&mut town, "Ann");
    let session = &welcome["session"];
    let (mut tab, _) = hello(
        &mut town,
        &json!({"type": "hello", "name": "Ann", "session": session}),
    );
    let target = format!("DELETE /api/members/{}", welcome["id"].as_str().unwrap());
    assert_eq!(site(&mut town, &target, &[], "").status, 204);
    for client in [&mut ann, &mut tab] {
        town.run();
        let close = client.closed().unwrap();
        assert_eq!(u16::from(close.code), 4503);
    }
    assert_eq!(
        site(&mut town, &target, &[], "").status,
        404,
        "nobody is there"
    );
    assert_eq!(
        site(&mut town, "DELETE /api/members/nobody", &[], "").status,
        404
    );
}

#[test]
fn room_that_is_closed_is_left_by_everybody_and_opened_anew() {
    let mut town = town();
    let (mut ann, _) = member(&mut town, "Ann");
    let (mut bob, _) = member(&mut town, "Bob");
    post(&mut town, "before");
    heard(&mut town, &mut ann);
    heard(&mut town, &mut bob);
    assert_eq!(
        site(&mut town, "DELETE /api/rooms/lobby", &[], "").status,
        204
    );
    let left = json!({"type": "left", "room": "lobby", "text": "This room was closed."});
    for client in [&mut ann, &mut bob] {
        assert_eq!(heard(&mut town, client)[..], *slice::from_ref(&left));
    }
    post(&mut town, "meanwhile");
    assert!(heard(&mut town, &mut ann).is_empty());
    ann.say(&json!({"type": "message", "room": "lobby", "cid": "b", "text": "x"}));
    assert_eq!(heard(&mut town, &mut ann)[0]["code"], "not_joined");
    let joined = join(&mut town, &mut ann);
    assert_eq!((&joined["seq"], &joined["count"]), (&json!(2), &json!(1)));
    assert_eq!(
        site(&mut town, "DELETE /api/rooms/none", &[], "").status,
        204
    );
    // What was planned for those who were there comes to nothing.
    town.advance(Duration::from_secs(10));
    assert_eq!(town.core.handler().usage().rooms, 1);
}

#[test]
fn stopped_server_answers_what_it_has_taken() {
    let mut town = town();
    let mut client = town.accept(HOME);
    let request = format!(
        "POST /api/rooms/lobby/messages HTTP/1.1\r\nHost: veche\r\n\
         Authorization: Bearer {TOKEN}\r\nContent-Length: 1\r\n\r\nx"
    );
    client.write(request.as_bytes());
    town.run();
    town.core.stop(Close::new(CloseCode::GOING_AWAY, ""));
    town.run();
    assert!(client.read().starts_with(b"HTTP/1.1 201 "));
}

#[test]
fn token_names_a_member_who_is_the_same_with_each() {
    let mut town = town();
    let claims = json!({"sub": "7", "name": "Ann  \u{202e} Lee", "role": "editor"});
    let (mut ann, welcome) = hello(
        &mut town,
        &json!({"type": "hello", "token": token(&claims)}),
    );
    assert_eq!(
        (&welcome["name"], &welcome["role"]),
        (&json!("Ann Lee"), &json!("editor"))
    );
    assert_eq!(welcome["session"], Value::Null);
    let joined = join(&mut town, &mut ann);
    assert_eq!(joined["members"][0]["role"], "editor");
    let (mut bob, _) = member(&mut town, "Bob");
    town.run();
    heard(&mut town, &mut bob);
    ann.say(&json!({"type": "message", "room": "lobby", "cid": "a", "text": "x"}));
    let said = heard(&mut town, &mut bob).remove(0);
    assert_eq!(
        said["from"],
        json!({"id": welcome["id"], "name": "Ann Lee"})
    );
    // With another token, and without a name of its own in there.
    let claims = json!({"sub": "7", "exp": NOW + 100});
    let again = json!({"type": "hello", "token": token(&claims), "name": "Ann"});
    let (_tab, second) = hello(&mut town, &again);
    assert_eq!(second["id"], welcome["id"]);
    assert_eq!(second["name"], "Ann");
    // Names are the site's.
    heard(&mut town, &mut ann);
    ann.say(&json!({"type": "rename", "name": "Eve"}));
    assert_eq!(heard(&mut town, &mut ann)[0]["code"], "bad_name");
    let other = json!({"type": "hello", "token": token(&json!({"sub": "8", "name": "Bob"}))});
    let (_other, third) = hello(&mut town, &other);
    assert_ne!(third["id"], welcome["id"]);
    assert_ne!(third["name"], "Bob", "a guest has it");
}

#[test]
fn member_whose_name_is_taken_keeps_the_other_one() {
    let mut town = town();
    let (_guest, _) = hello(&mut town, &json!({"type": "hello", "name": "Ann"}));
    let mut come = |claims: &Value| {
        let (client, welcome) = hello(&mut town, &json!({"type": "hello", "token": token(claims)}));
        (client, welcome["name"].clone())
    };
    let names: Vec<_> = (0..4)
        .map(|_| come(&json!({"sub": 7, "name": "Ann"})))
        .collect();
    assert!(
        names.iter().all(|(_, name)| *name == names[0].1),
        "{:?}",
        names[0].1
    );
    // Nor is anybody the site.
    assert_ne!(come(&json!({"sub": 8, "name": "Site"})).1, "Site");
    assert_eq!(post(&mut town, "still speaks").status, 201);
}

#[test]
fn no_crowd_of_guests_keeps_a_member_out() {
    let mut town = town();
    let mut guests = Vec::new();
    let names = (2..=120).map(|number| format!("Bob-{number}"));
    for name in ["Bob".to_owned()].into_iter().chain(names) {
        guests.push(hello(&mut town, &json!({"type": "hello", "name": name})));
    }
    let claims = json!({"sub": 7, "name": "Bob"});
    let (_bob, welcome) = hello(
        &mut town,
        &json!({"type": "hello", "token": token(&claims)}),
    );
    assert!(
        welcome["name"].as_str().unwrap().starts_with("Bob-"),
        "{welcome}"
    );
}

#[test]
fn change_of_role_is_told_to_the_room() {
    let mut town = town();
    let (mut ann, _) = member(&mut town, "Ann");
    let hello_as = |role: &str| {
        let claims = json!({"sub": 7, "name": "Bob", "role": role});
        json!({"type": "hello", "token": token(&claims)})
    };
    let (mut bob, _) = hello(&mut town, &hello_as("editor"));
    join(&mut town, &mut bob);
    town.advance(Duration::from_secs(2));
    ann.frames();
    let (_tab, _) = hello(&mut town, &hello_as("owner"));
    town.advance(Duration::from_secs(2));
    let presence = ann
        .frames()
        .into_iter()
        .find(|frame| frame["type"] == "presence");
    assert_eq!(presence.unwrap()["renamed"][0]["role"], "owner");
}

#[test]
fn nobody_becomes_a_member_by_a_guests_secret() {
    let mut town = town();
    let claims = json!({"sub": "7", "name": "Ann"});
    let (_ann, welcome) = hello(
        &mut town,
        &json!({"type": "hello", "token": token(&claims)}),
    );
    for secret in [
        "7",
        "member:7",
        "sub:7",
        "member:",
        welcome["id"].as_str().unwrap(),
    ] {
        let hello_as = json!({"type": "hello", "name": "Eve", "session": secret});
        let (mut eve, stranger) = hello(&mut town, &hello_as);
        assert_ne!(stranger["id"], welcome["id"], "{secret}");
        eve.reset();
        town.advance(Duration::from_secs(6));
    }
}

#[test]
fn token_that_is_wrong_closes_the_door() {
    let mut town = town();
    let good = token(&json!({"sub": "7", "name": "Ann", "exp": NOW + 100}));
    let expired = token(&json!({"sub": "7", "name": "Ann", "exp": NOW}));
    for (wrong, reason) in [
        (
            good.replace('.', ".x"),
            "the token is not signed by the site (HS256)",
        ),
        (
            String::new(),
            "the token is no JSON Web Token with a subject",
        ),
        (expired, "the token has expired"),
    ] {
        let mut client = town.connect(HOME);
        client.say(&json!({"type": "hello", "name": "Ann", "token": wrong}));
        town.run();
        let close = client.closed().unwrap();
        assert_eq!(
            (u16::from(close.code), close.reason.as_str()),
            (4500, reason)
        );
    }
}

#[test]
fn token_that_expires_ends_its_connection_and_no_other() {
    let mut town = town();
    let with = |seconds: u64| {
        let token = token(&json!({"sub": "7", "name": "Ann", "exp": NOW + seconds}));
        json!({"type": "hello", "token": token})
    };
    let (mut short, _) = hello(&mut town, &with(90));
    let (mut long, _) = hello(&mut town, &with(1_000_000));
    let (mut guest, _) = member(&mut town, "Bob");
    let mut answers = |town: &mut Town, seconds| {
        for _ in 0..seconds {
            for client in [&mut short, &mut long, &mut guest] {
                client.messages();
            }
            town.advance(Duration::from_secs(1));
        }
        short.closed()
    };
    assert_eq!(answers(&mut town, 89), None);
    town.advance(Duration::from_secs(1));
    let close = short.closed().unwrap();
    assert_eq!(
        (u16::from(close.code), close.reason.as_str()),
        (4500, "the token has expired")
    );
    assert_eq!(long.closed(), None);
    assert_eq!(guest.closed(), None);
    // The clock on the wall counts, which may be set.
    town.set_unix_time(Duration::from_secs(NOW + 2_000_000));
    let closed = (0..61).find_map(|_| {
        town.advance(Duration::from_secs(1));
        assert_eq!(guest.closed(), None);
        long.closed()
    });
    assert_eq!(u16::from(closed.unwrap().code), 4500);
}

#[test]
fn guests_are_let_in_unless_a_token_is_required() {
    let mut town = town_with(|settings| settings.require_token = true);
    let mut guest = town.connect(HOME);
    guest.say(&json!({"type": "hello", "name": "Bob"}));
    town.run();
    assert_eq!(u16::from(guest.closed().unwrap().code), 4500);
    let claims = json!({"sub": 7, "name": "Ann"});
    hello(
        &mut town,
        &json!({"type": "hello", "token": token(&claims)}),
    );
    // Where nothing is shared with a site, a token says nothing.
    let mut town = town_with(|settings| settings.jwt_secret = None);
    let (_, welcome) = hello(
        &mut town,
        &json!({"type": "hello", "name": "Bob", "token": "x"}),
    );
    assert_eq!(welcome["name"], "Bob");
}

/// A token as a site makes it, by a hand of our own: HMAC as RFC 2104 has it.
fn token(claims: &Value) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "HS256"})), part(claims));
    let mut key = [0; 64];
    key[..SECRET.len()].copy_from_slice(SECRET);
    let pad = |with: u8| key.map(|byte| byte ^ with).to_vec();
    let digest = |bytes: Vec<u8>| ring::digest::digest(&ring::digest::SHA256, &bytes);
    let inner = digest([pad(0x36), signed.clone().into_bytes()].concat());
    let outer = digest([pad(0x5c), inner.as_ref().to_vec()].concat());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(outer))
}
