//! Time that goes on without the server, and a clock on the wall that jumps:
//! nobody is timed out who was alive.

use tungstenite::Message;
use veche::{CloseCode, Config, ConnectionId, Context};

use crate::world::{REQUEST, World};
use crate::{HOME, frame, log, seconds, world};

const HOUR: u64 = 3_600;

/// A Pong without a payload.
fn pong() -> Vec<u8> {
    frame(0x8a, b"")
}

#[test]
fn nobody_is_found_silent_who_spoke_while_the_process_was_stopped() {
    let mut world = world();
    // What these say is far more than is read in a turn, and comes first.
    let mut floods: Vec<_> = (0..40).map(|_| world.connect(HOME)).collect();
    let mut quiet: Vec<_> = (0..5).map(|_| world.connect(HOME)).collect();
    let mut unfinished: Vec<_> = (0..5).map(|_| world.connect(HOME)).collect();
    for client in &mut unfinished {
        client.write(&frame(0x01, b"a"));
    }
    world.advance(seconds(26));
    for client in quiet.iter_mut().chain(&mut unfinished) {
        assert_eq!(client.read(), [0x89, 0], "a ping");
    }
    let mut halves: Vec<_> = (0..5).map(|_| world.accept(HOME)).collect();
    for half in &mut halves {
        half.write(&REQUEST.as_bytes()[..50]);
    }
    world.run();
    log(&mut world);

    world.freeze(seconds(HOUR));
    for flood in &mut floods {
        flood.send("x".repeat(200_000));
    }
    for client in &mut quiet {
        client.write(&pong());
    }
    for client in &mut unfinished {
        client.write(&frame(0x80, b"b"));
    }
    for half in &mut halves {
        half.write(&REQUEST.as_bytes()[50..]);
    }
    world.run();
    let log = log(&mut world);
    let of = |kind: &str| log.iter().filter(|line| line.starts_with(kind)).count();
    assert_eq!(
        (of("close"), of("message"), of("open")),
        (0, 45, 5),
        "{log:?}"
    );
    for client in &mut unfinished {
        assert_eq!(client.read(), [0x81, 2, b'a', b'b']);
    }
}

#[test]
fn reader_that_took_all_while_the_process_was_stopped_is_not_too_slow() {
    let mut world = world();
    let mut client = world.connect(HOME);
    client.set_capacity(Some(3));
    client.send("hello");
    world.run();
    world.freeze(seconds(HOUR));
    client.set_capacity(None);
    client.write(&pong());
    world.run();
    assert_eq!(client.messages(), [Message::text("hello")]);
    assert_eq!(log(&mut world), ["open 0.1", "message 0.1 5"]);
    // It is found out as ever when it takes nothing again.
    client.set_capacity(Some(0));
    client.send("hello");
    for _ in 0..32 {
        world.advance(seconds(1));
        client.write(&pong());
    }
    assert_eq!(log(&mut world), ["message 0.1 5", "close 0.1 4008"]);
}

#[test]
fn clock_on_the_wall_moves_no_deadline() {
    let handler = |cx: &mut Context<'_>, id: ConnectionId, _: veche::Message<'_>| {
        cx.close(id, CloseCode::NORMAL, "");
    };
    let mut world = World::new(Config::default(), handler);
    let mut client = world.connect(HOME);
    let mut half = world.accept(HOME);
    half.write(b"GET ");
    for unix_time in [0, 1, 4_000_000_000, 253_402_300_799, 253_402_300_800] {
        world.set_unix_time(seconds(unix_time));
        world.advance(seconds(1));
        assert_eq!(client.read(), b"", "no ping");
        assert!(half.read().is_empty() && !half.is_gone());
    }
    world.set_unix_time(seconds(0));
    world.advance(seconds(6));
    let refusal = String::from_utf8(half.read()).unwrap();
    assert!(refusal.starts_with("HTTP/1.1 408 "), "{refusal}");
    assert!(refusal.contains("Date: Thu, 01 Jan 1970 "), "{refusal}");
    world.advance(seconds(15));
    assert_eq!(client.read(), [0x89, 0], "a ping when it is due");
}

#[cfg(feature = "chat")]
#[test]
fn clock_on_the_wall_gives_nobody_a_budget_and_disorders_nothing() {
    use serde_json::json;
    use veche::chat::{Chat, Settings};
    use veche::journal::memory::MemoryJournal;

    let chat = Chat::new(Settings::default(), MemoryJournal::new(100, 10, 7), |_| {});
    let mut world = World::new(Config::default(), chat);
    let mut ann = world.connect(HOME);
    ann.say(&json!({"type": "hello", "name": "Ann"}));
    ann.say(&json!({"type": "join", "room": "lobby"}));
    world.run();
    ann.frames();
    let (mut seq, mut refused) = (0, 0);
    for number in 0..60 {
        // Back and forth by a century.
        world.set_unix_time(seconds(number % 2 * 3_155_760_000));
        ann.say(&json!({
            "type": "message", "room": "lobby", "cid": format!("c{number}"), "text": "x",
        }));
        world.run();
        for frame in ann.frames() {
            if frame["code"] == "rate_limited" {
                refused += 1;
            } else if frame["type"] == "message" {
                seq += 1;
                assert_eq!(frame["seq"], seq);
            }
        }
    }
    assert_eq!((seq, refused), (29, 31), "30 at once with the join");
    world.advance(seconds(1));
    ann.say(&json!({"type": "history", "room": "lobby", "after": 0}));
    world.run();
    let frames = ann.frames();
    let history = frames.iter().find(|frame| frame["type"] == "history");
    let entries = history.unwrap()["entries"].as_array().unwrap();
    let seqs: Vec<_> = entries.iter().map(|entry| entry["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=29).map(Some).collect::<Vec<_>>());
}
