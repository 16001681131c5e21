//! What is taken and shown to all, and what is not.

use serde_json::json;
use tungstenite::Message as Frame;
use veche::chat::Settings;

use crate::{assert_error, file, framed, member, send, settings, town};

const GIF: &[u8] = b"GIF89a and so on";

#[test]
fn file_is_shown_to_all_and_to_those_who_join_later() {
    let (mut town, _) = town(settings());
    let (mut ann, mut bob) = (member(&mut town, "Ann"), member(&mut town, "Bob"));
    town.advance(crate::seconds(1));
    bob.frames();
    let json = json!({"type": "file", "room": "Lobby", "cid": "c1", "name": "/home/ann/c\u{202e}at.gif",
        "media": "text/html", "text": "my cat"});
    let shown = send(&mut town, &mut ann, framed(&json, GIF));
    let from = shown["from"].clone();
    assert_eq!(from["name"], "Ann");
    assert_eq!(
        shown,
        json!({"type": "file", "room": "lobby", "seq": 1, "time": 1_767_225_601_000_u64,
            "from": from, "name": "cat.gif", "media": "image/gif", "size": GIF.len(),
            "text": "my cat", "cid": "c1"})
    );
    assert_eq!(bob.frames().pop(), Some(shown.clone()));
    bob.say(&json!({"type": "history", "room": "lobby", "before": 2}));
    town.run();
    assert_eq!(bob.frames()[0]["entries"], json!([shown]));
    let mut eve = town.connect("127.0.0.1");
    eve.say(&json!({"type": "hello", "name": "Eve"}));
    eve.say(&json!({"type": "join", "room": "lobby"}));
    town.run();
    assert_eq!(eve.frames()[1]["entries"], json!([shown]));
}

#[test]
fn file_without_name_or_caption_has_a_name_and_none() {
    let (mut town, _) = town(settings());
    let mut ann = member(&mut town, "Ann");
    let json = json!({"type": "file", "room": "lobby", "cid": "c1", "text": " \n"});
    let shown = send(&mut town, &mut ann, framed(&json, b"<svg/>"));
    assert_eq!(shown["name"], "file");
    assert_eq!(shown["media"], "application/octet-stream");
    assert_eq!(shown.get("text"), None);
}

#[test]
fn file_sent_again_is_kept_once_and_answered_again() {
    let (mut town, _) = town(settings());
    let (mut ann, mut bob) = (member(&mut town, "Ann"), member(&mut town, "Bob"));
    town.advance(crate::seconds(1));
    let shown = send(&mut town, &mut ann, file("c", b"one"));
    bob.frames();
    assert_eq!(send(&mut town, &mut ann, file("c", b"two")), shown);
    assert_eq!(bob.frames().len(), 0);
}

#[test]
fn largest_file_is_taken_and_one_byte_more_is_not() {
    let (mut town, _) = town(settings());
    let mut ann = member(&mut town, "Ann");
    let largest = vec![7; 1_000_000];
    let shown = send(&mut town, &mut ann, file("a", &largest));
    assert_eq!(shown["size"], 1_000_000);
    let error = send(
        &mut town,
        &mut ann,
        file("b", &[&largest[..], b"x"].concat()),
    );
    assert_error(&error, "too_large");
    assert_eq!(error["cid"], "b");
}

#[test]
fn welcome_tells_how_large_a_file_may_be() {
    for (max_file_bytes, file_quota_bytes, told) in
        [(1_000_000, 0, 1_000_000), (0, 5, 0), (1_000, 300, 300)]
    {
        let (mut town, _) = town(Settings {
            max_file_bytes,
            file_quota_bytes,
            ..settings()
        });
        let mut ann = town.connect("127.0.0.1");
        let hello = Frame::text(json!({"type": "hello", "name": "Ann"}).to_string());
        let welcome = send(&mut town, &mut ann, hello);
        assert_eq!(welcome["limits"]["file_bytes"], told);
    }
}

#[test]
fn whatever_is_wrong_gets_its_error_and_the_connection_lives_on() {
    let (mut town, _) = town(settings());
    let mut ann = member(&mut town, "Ann");
    let json = json!({"type": "file", "room": "lobby", "cid": "c", "name": "x"});
    let with = |name: &str, value| {
        let mut json = json.clone();
        json[name] = value;
        framed(&json, b"x")
    };
    let raw = |bytes: &[u8]| Frame::binary(bytes.to_vec());
    let long = "ж".repeat(4_097);
    for (frame, code) in [
        (raw(b""), "bad_file"),
        (raw(b"\0"), "bad_file"),
        (raw(b"\0\x03{}"), "bad_file"),
        (raw(b"\xff\xff{}"), "bad_file"),
        (raw(b"\0\0bytes"), "bad_json"),
        (raw(b"\0\x02{]bytes"), "bad_json"),
        (raw(b"\0\x02\xff\xffbytes"), "bad_json"),
        (raw(b"\0\x02[]bytes"), "bad_request"),
        (raw(b"\0\x02{}bytes"), "bad_request"),
        (
            raw(&[b"\0\x64", "[".repeat(100).as_bytes()].concat()),
            "bad_json",
        ),
        (with("type", json!("message")), "bad_file"),
        (with("type", json!("dance")), "bad_file"),
        (with("type", json!(1)), "bad_request"),
        (with("cid", json!("a b")), "bad_request"),
        (with("cid", json!(null)), "bad_request"),
        (with("name", json!(7)), "bad_request"),
        (with("text", json!(7)), "bad_request"),
        (with("text", json!(long)), "too_large"),
        (with("room", json!("hall")), "not_joined"),
        (framed(&json, b""), "bad_file"),
        (Frame::text(json.to_string()), "bad_file"),
        (
            Frame::text(r#"{"type":"fetch","room":"hall","seq":1}"#),
            "not_joined",
        ),
        (
            Frame::text(r#"{"type":"fetch","room":"lobby"}"#),
            "bad_request",
        ),
        (
            Frame::text(r#"{"type":"fetch","room":"lobby","seq":-1}"#),
            "bad_request",
        ),
    ] {
        let told = format!("{frame:?}");
        let error = send(&mut town, &mut ann, frame);
        assert_eq!(error["code"], code, "{told}: {error}");
    }
    let shown = send(&mut town, &mut ann, framed(&json, b"x"));
    assert_eq!((&shown["type"], &shown["seq"]), (&json!("file"), &json!(1)));
}

#[test]
fn strangers_send_no_files() {
    let (mut town, _) = town(settings());
    let mut stranger = town.connect("127.0.0.1");
    let error = send(&mut town, &mut stranger, file("c", b"x"));
    assert_error(&error, "hello_first");
    assert_eq!(error["cid"], "c");
}

#[test]
fn files_can_be_turned_off() {
    let (mut town, _) = town(Settings {
        max_file_bytes: 0,
        ..settings()
    });
    let mut ann = member(&mut town, "Ann");
    let error = send(&mut town, &mut ann, file("c", b"x"));
    assert_error(&error, "unsupported");
}
