//! Much of what is allowed: it has a bound in memory and in time, and the
//! others are served meanwhile.

use std::slice;

use tungstenite::Message;
use veche::Config;

use crate::ends::is_over_tls;
use crate::world::{Client, World};
use crate::{Echo, HOME, frame, log, seconds, world};

const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;

#[test]
fn others_are_served_between_a_million_empty_fragments() {
    const FRAGMENTS: usize = 1_000_000;
    let mut world = world();
    let (mut flood, mut other) = (world.connect(HOME), world.connect(HOME));
    flood.write(&[frame(0x02, b""), frame(0x00, b"").repeat(FRAGMENTS)].concat());
    other.send("hello");
    let before = reads(slice::from_ref(&flood));
    for client in [&flood, &other] {
        world.core.event(client.place, true, false, false);
    }
    world.core.turn(false);
    assert_eq!(other.messages(), [Message::text("hello")]);
    let reads = reads(slice::from_ref(&flood)) - before;
    assert!(reads <= 4, "{reads} reads of 64 KiB in a turn");

    world.run();
    flood.write(&frame(0x80, b"x"));
    world.run();
    assert_eq!(flood.messages(), [Message::binary(b"x".to_vec())]);
}

#[test]
fn quiet_client_is_answered_in_every_turn_once_the_greedy_are_known() {
    const PONG: u8 = 0x8a;
    let mut world = world();
    let mut floods: Vec<_> = (0..20).map(|_| world.connect(HOME)).collect();
    let mut quiet = world.connect(HOME);
    // More than all of the turns below can take in.
    let pongs = frame(PONG, &[b'p'; 125]).repeat(16_000);
    floods.iter_mut().for_each(|flood| flood.write(&pongs));
    for turn in 0..8 {
        quiet.write(&frame(PING, b"?"));
        let before = reads(&floods);
        world.turn();
        let reads = reads(&floods) - before;
        assert!((1..=64).contains(&reads), "{reads} reads of 64 KiB");
        // Each has its first share before it, in two turns.
        let answers = match turn {
            0 => 0,
            1 => 2,
            _ => 1,
        };
        assert_eq!(quiet.read(), [PONG, 1, b'?'].repeat(answers), "turn {turn}");
    }
}

/// How often the server has filled its buffer: over TLS in pieces of 4 KiB.
fn reads(clients: &[Client]) -> usize {
    let reads: usize = clients.iter().map(Client::reads).sum();
    let pieces = if is_over_tls() { 64 } else { 1 };
    reads.div_ceil(pieces)
}

#[test]
fn empty_fragments_without_end_are_failed_in_time() {
    let mut world = world();
    let mut flood = world.connect(HOME);
    flood.write(&frame(0x01, b""));
    for second in 0..120 {
        world.advance(seconds(1));
        flood.write(&frame(0x00, b"").repeat(100));
        assert!(!flood.is_shut(), "after {second} s");
    }
    world.advance(seconds(2));
    assert_eq!(log(&mut world)[1..], ["close 0.1 1008"]);
    assert!(flood.is_shut());
}

#[test]
fn pings_of_a_peer_that_does_not_read_wait_until_it_is_too_slow() {
    const OUTBOX_BYTES: usize = 10_000;
    let config = Config {
        outbox_bytes: OUTBOX_BYTES,
        ..Config::default()
    };
    let mut world = World::new(config, Echo::default());
    let (mut flood, mut other) = (world.connect(HOME), world.connect(HOME));
    flood.set_capacity(Some(0));
    let before = reads(slice::from_ref(&flood));
    for _ in 0..30 {
        flood.write(&frame(PING, &[b'p'; 125]).repeat(1_000));
        other.send("hello");
        world.advance(seconds(1));
        let waiting = world.core.usage().longest_outbox_bytes;
        assert!(waiting <= OUTBOX_BYTES + 127, "{waiting} bytes wait");
        assert_eq!(other.messages(), [Message::text("hello")]);
    }
    let reads = reads(slice::from_ref(&flood)) - before;
    assert!(reads <= 2, "what is not taken is not read");
    log(&mut world);
    world.advance(seconds(2));
    assert_eq!(log(&mut world), ["close 0.1 4008"]);
    world.advance(seconds(6));
    assert!(flood.is_gone());
}

#[test]
fn first_of_many_closes_is_answered_and_the_others_are_discarded() {
    let mut world = world();
    let (mut flood, mut deaf) = (world.connect(HOME), world.connect(HOME));
    deaf.set_capacity(Some(0));
    let closes = frame(CLOSE, &1000_u16.to_be_bytes()).repeat(10_000);
    for _ in 0..5 {
        flood.write(&closes);
        deaf.write(&closes);
        world.run();
        assert!(world.core.usage().longest_outbox_bytes <= 4);
        assert!(!flood.is_gone() && !deaf.is_gone());
        world.advance(seconds(1));
    }
    assert_eq!(flood.read(), [CLOSE, 2, 0x03, 0xe8]);
    flood.write(&closes);
    deaf.write(&closes);
    world.advance(seconds(1));
    assert!(flood.is_gone() && deaf.is_gone());
    assert_eq!(log(&mut world)[2..], ["close 0.1 1000", "close 1.2 1000"]);
}

#[cfg(feature = "chat")]
#[test]
fn json_that_nests_too_deep_is_refused_before_it_is_parsed() {
    use serde_json::json;
    use veche::chat::{Chat, Settings};
    use veche::journal::memory::MemoryJournal;

    let chat = Chat::new(Settings::default(), MemoryJournal::new(10, 10, 7), |_| {});
    let mut world = World::new(Config::default(), chat);
    let mut client = world.connect(HOME);
    let nested = |open: &str, close: &str, depth: usize| {
        let (open, close) = (open.repeat(depth), close.repeat(depth));
        format!("{{\"type\":\"ping\",\"n\":1,\"deep\":{open}0{close}}}")
    };
    // The object around it is one more.
    client.send(nested("[", "]", 15));
    world.run();
    assert_eq!(client.frames()[0]["code"], "hello_first");
    for text in [
        nested("[", "]", 16),
        nested("[", "]", 1_000),
        nested("{\"a\":", "}", 1_000),
        "[".repeat(1 << 20),
    ] {
        client.send(text);
        world.run();
        let [error] = &client.frames()[..] else {
            panic!("one answer");
        };
        assert_eq!(error["text"], "This JSON nests too deep.", "{error}");
    }
    client.say(&json!({"type": "hello", "name": "Ann"}));
    world.run();
    assert_eq!(client.frames()[0]["type"], "welcome");
}
