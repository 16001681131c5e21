//! The chat program through independent clients: good ones, and beside them
//! those that stall, flood, drip and vanish.
#![cfg(feature = "chat")]
#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use common::Program;
use serde_json::{Value, json};
use socket2::SockRef;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket, client};

/// Somebody in the room `lobby`.
struct Guest {
    socket: WebSocket<TcpStream>,
    welcome: Value,
    joined: Value,
}

impl Guest {
    fn enter(program: &Program, name: &str) -> Self {
        Guest::enter_as(program, &json!({"type": "hello", "name": name}), None)
    }

    fn enter_as(program: &Program, hello: &Value, after: Option<&Value>) -> Self {
        let url = format!("ws://{}/ws", program.address());
        let stream = program.connect();
        stream.set_nodelay(true).unwrap();
        let (socket, _) = client(url, stream).unwrap();
        let mut guest = Guest {
            socket,
            welcome: Value::Null,
            joined: Value::Null,
        };
        guest.send(hello);
        guest.welcome = guest.next("welcome");
        guest.send(&json!({"type": "join", "room": "lobby", "after": after}));
        guest.joined = guest.next("joined");
        guest
    }

    fn send(&mut self, command: &Value) {
        self.socket
            .send(Message::text(command.to_string()))
            .unwrap();
    }

    fn say(&mut self, cid: &str, text: &str) {
        self.send(&message(cid, text));
    }

    /// The next frame of a type; others are passed over.
    fn next(&mut self, kind: &str) -> Value {
        loop {
            let text = self.socket.read().unwrap().into_text().unwrap();
            let frame: Value = serde_json::from_str(&text).unwrap_or_default();
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The texts of the next messages.
    fn texts(&mut self, count: usize) -> Vec<String> {
        let texts = (0..count).map(|_| self.next("message")["text"].as_str().unwrap().to_owned());
        texts.collect()
    }
}

fn message(cid: &str, text: &str) -> Value {
    json!({"type": "message", "room": "lobby", "cid": cid, "text": text})
}

/// Lets two people say twenty things each in turn, and each has to get all of
/// them in one order.
fn assert_chat(one: &mut Guest, two: &mut Guest, topic: &str) {
    for i in 0..20 {
        one.say(&format!("{topic}-{i}"), &format!("one {topic} {i}"));
        two.say(&format!("{topic}-{i}"), &format!("two {topic} {i}"));
    }
    let heard = one.texts(40);
    assert_eq!(heard, two.texts(40));
    let own = |who: &str| {
        heard
            .iter()
            .filter(|t| t.starts_with(who))
            .cloned()
            .collect::<Vec<_>>()
    };
    for who in ["one", "two"] {
        let said: Vec<_> = (0..20).map(|i| format!("{who} {topic} {i}")).collect();
        assert_eq!(own(who), said);
    }
}

fn program() -> Program {
    Program::start(&["--rate-limit", "0"])
}

fn request(program: &Program, target: &str, extra: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\n{extra}\r\n\r\n",
        program.address()
    )
}

/// The head of a response.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// A text frame, masked with zeros.
fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    assert!(length < 126);
    [&[first_byte, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

#[test]
fn two_clients_chat() {
    let program = program();
    let (mut ann, mut bob) = (Guest::enter(&program, "Ann"), Guest::enter(&program, "Bob"));
    assert_chat(&mut ann, &mut bob, "alone");
}

#[test]
fn fragments_and_pings_in_between_make_one_message() {
    let program = program();
    let mut ann = Guest::enter(&program, "Ann");
    let command = message("c", "Вече в куски").to_string();
    let mut bytes = Vec::new();
    for (place, piece) in command.as_bytes().chunks(9).enumerate() {
        bytes.extend(frame(if place == 0 { 0x01 } else { 0x00 }, piece));
        bytes.extend(frame(0x89, b"p"));
    }
    bytes.extend(frame(0x80, b""));
    for byte in bytes {
        ann.socket.get_mut().write_all(&[byte]).unwrap();
    }
    assert_eq!(ann.texts(1), ["Вече в куски"]);
}

#[test]
fn frames_in_the_segment_of_the_handshake_are_answered_after_it() {
    let program = program();
    let mut stream = program.connect();
    let hello = frame(
        0x81,
        json!({"type": "hello", "name": "Ann"})
            .to_string()
            .as_bytes(),
    );
    let head_and_frame = [
        request(
            &program,
            "/ws",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        )
        .into_bytes(),
        hello,
    ];
    stream.write_all(&head_and_frame.concat()).unwrap();
    assert!(head(&mut stream).starts_with("HTTP/1.1 101 "));
    let mut socket = WebSocket::from_raw_socket(stream, Role::Client, None);
    let welcome = socket.read().unwrap().into_text().unwrap();
    assert!(welcome.contains("\"type\":\"welcome\""), "{welcome}");
}

#[test]
fn client_that_never_finishes_its_handshake_disturbs_nobody() {
    let program = program();
    let mut silent = program.connect();
    silent.write_all(b"GET /ws HTTP/1.1\r\nHost: ").unwrap();
    let (mut ann, mut bob) = (Guest::enter(&program, "Ann"), Guest::enter(&program, "Bob"));
    assert_chat(&mut ann, &mut bob, "beside");
    silent.write_all(b"veche\r\n\r\n").unwrap();
    assert!(
        head(&mut silent).starts_with("HTTP/1.1 426 "),
        "it was not forgotten"
    );
}

#[test]
fn stalled_reader_and_flooding_writer_disturb_nobody() {
    let mut program = program();
    let (mut ann, mut bob) = (Guest::enter(&program, "Ann"), Guest::enter(&program, "Bob"));
    let stalled = Guest::enter(&program, "Stalled");
    SockRef::from(stalled.socket.get_ref())
        .set_recv_buffer_size(4096)
        .unwrap();
    let mut flood = Guest::enter(&program, "Flood");
    // Commands with long answers, none of which is read.
    flood
        .socket
        .get_ref()
        .set_write_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let ask = json!({"type": "history", "room": "lobby", "before": 1_000_000}).to_string();
    let mut sent = 0;
    while sent < 200_000 && flood.socket.send(Message::text(ask.clone())).is_ok() {
        sent += 1;
        if sent % 100 == 0 {
            ann.say(&format!("f{sent}"), &"x".repeat(8_000));
            assert_eq!(bob.texts(1)[0].len(), 8_000);
            assert_eq!(ann.texts(1)[0].len(), 8_000);
        }
    }
    assert!(sent < 200_000, "who does not read its answers is not read");
    assert_chat(&mut ann, &mut bob, "after");
    // Megabytes that one of the members never takes.
    for i in 0..1_000 {
        ann.say(&format!("b{i}"), &"y".repeat(8_000));
        bob.texts(1);
        ann.texts(1);
    }
    let lagged = |line: &common::Line| match line {
        common::Line::Error(line) => line.contains("is too slow").then_some(()),
        common::Line::Output(_) => None,
    };
    program.wait_for("that somebody is too slow", lagged);
    assert_chat(&mut ann, &mut bob, "still");
}

#[test]
fn reset_of_one_client_changes_nothing_for_the_others() {
    let program = program();
    let (mut ann, mut bob) = (Guest::enter(&program, "Ann"), Guest::enter(&program, "Bob"));
    for i in 0..20 {
        let victim = Guest::enter(&program, &format!("Victim {i}"));
        let socket = SockRef::from(victim.socket.get_ref());
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
    assert_chat(&mut ann, &mut bob, "reset");
}

#[test]
fn thousand_clients_in_one_room_get_everything_once_and_in_order() {
    let program = program();
    let mut guests: Vec<_> = (0..1_000)
        .map(|i| Guest::enter(&program, &format!("n{i}")))
        .collect();
    let said: Vec<_> = (0..5).map(|i| format!("message {i}")).collect();
    for text in &said {
        guests[0].say(&text.replace(' ', "-"), text);
    }
    guests[999].say("last", "the end");
    let mut heard = guests.iter_mut().map(|guest| guest.texts(6));
    let first = heard.next().unwrap();
    let of_one: Vec<_> = first
        .iter()
        .filter(|text| *text != "the end")
        .cloned()
        .collect();
    assert_eq!(of_one, said);
    assert!(heard.all(|texts| texts == first));
}

#[test]
fn who_comes_back_gets_exactly_what_it_missed() {
    let program = program();
    let mut ann = Guest::enter(&program, "Ann");
    let bob = Guest::enter(&program, "Bob");
    let epoch = bob.joined["epoch"].clone();
    let session = bob.welcome["session"].clone();
    ann.say("c1", "before");
    assert_eq!(ann.texts(1), ["before"]);
    drop(bob);
    for i in 0..5 {
        ann.say(&format!("m{i}"), &format!("missed {i}"));
    }
    ann.texts(5);
    let hello = json!({"type": "hello", "name": "Bob", "session": session});
    let bob = Guest::enter_as(&program, &hello, Some(&json!({"epoch": epoch, "seq": 1})));
    assert_eq!(bob.joined["recovered"], true);
    let missed: Vec<_> = bob.joined["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["text"])
        .collect();
    assert_eq!(
        missed,
        ["missed 0", "missed 1", "missed 2", "missed 3", "missed 4"]
    );
}

#[test]
fn absolute_target_and_a_key_that_is_not_canonical_are_accepted() {
    let program = program();
    let mut stream = program.connect();
    // Decodes to 16 bytes; the last bits before the padding are not zero.
    let key = "dGhlIHNhbXBsZSBub25jZR==";
    let target = format!("ws://{}/ws", program.address());
    let key_header = format!("Sec-WebSocket-Key: {key}");
    stream
        .write_all(request(&program, &target, &key_header).as_bytes())
        .unwrap();
    let head = head(&mut stream);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let accept = format!(
        "Sec-WebSocket-Accept: {}\r\n",
        derive_accept_key(key.as_bytes())
    );
    assert!(head.contains(&accept), "{head}");
}

#[test]
fn key_of_nine_bytes_is_refused() {
    let program = program();
    let mut stream = program.connect();
    stream
        .write_all(request(&program, "/ws", "Sec-WebSocket-Key: MTIzNDU2Nzg5").as_bytes())
        .unwrap();
    assert!(head(&mut stream).starts_with("HTTP/1.1 400 "));
}

#[test]
fn subprotocol_is_answered_if_it_is_ours_and_else_not() {
    let program = program();
    for (offered, answered) in [("socket", false), ("socket, veche.v1", true)] {
        let mut stream = program.connect();
        let extra = format!(
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {offered}"
        );
        stream
            .write_all(request(&program, "/ws", &extra).as_bytes())
            .unwrap();
        let head = head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let ours = head.contains("Sec-WebSocket-Protocol: veche.v1\r\n");
        assert_eq!(
            (ours, head.contains("Sec-WebSocket-Protocol")),
            (answered, answered),
            "{head}"
        );
    }
}

#[test]
fn stop_for_a_restart_tells_everybody_when_to_come_back() {
    let program = program();
    let guests: Vec<_> = (0..20)
        .map(|i| Guest::enter(&program, &format!("n{i}")))
        .collect();
    program.signal("TERM");
    for mut guest in guests {
        let close = loop {
            match guest.socket.read().unwrap() {
                Message::Close(close) => break close.unwrap(),
                _ => continue,
            }
        };
        assert_eq!(u16::from(close.code), 1012);
        assert!(close.reason.starts_with("retry_ms="), "{}", close.reason);
        // Answers the Close.
        while guest.socket.read().is_ok() {}
    }
    let ended = program.wait();
    assert!(ended.status.success() && ended.output.last().unwrap() == "SERVER STOP");
}
