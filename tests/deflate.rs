//! Compressed messages at the server, as an independent client sees them: it
//! frames by hand and compresses with another library.
#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used)]

#[path = "common/ends.rs"]
mod ends;
#[path = "common/world.rs"]
mod world;

use std::cell::Cell;
use std::rc::Rc;

use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::inflate::decompress_to_vec;
use veche::{Config, ConnectionId, Context, Handler, Message, Opening, Topic};
use world::{Client, REQUEST, World};

const ALL: Topic = Topic(1);

/// Sends back what it gets, and what begins with "all " to all.
struct Square;

impl Handler for Square {
    fn open(&mut self, cx: &mut Context<'_>, id: ConnectionId, _: &Opening<'_>) {
        cx.subscribe(id, ALL);
    }

    fn message(&mut self, cx: &mut Context<'_>, id: ConnectionId, message: Message<'_>) {
        match message {
            Message::Text(text) if text.starts_with("all ") => cx.publish(ALL, text),
            Message::Binary(bytes) if bytes.len() == LARGE => {}
            message => cx.send(id, message),
        }
    }
}

fn square() -> World<Square> {
    World::new(Config::default(), Square)
}

/// A connection with that offer, and what was agreed to.
fn connect<H: Handler>(world: &mut World<H>, offer: &str) -> (Client, String) {
    let mut client = world.accept("127.0.0.1");
    let offer = format!("Sec-WebSocket-Extensions: {offer}\r\n\r\n");
    client.write(
        REQUEST
            .replace("\r\n\r\n", &format!("\r\n{offer}"))
            .as_bytes(),
    );
    world.run();
    let answer = String::from_utf8(client.read()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    let agreed = answer.split("Sec-WebSocket-Extensions: ").nth(1);
    (
        client,
        agreed.map_or_else(String::new, |agreed| agreed.trim().to_owned()),
    )
}

/// A frame, masked with zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | 127];
    match u16::try_from(payload.len()) {
        Ok(length @ ..=125) => frame[1] = 0x80 | length.to_be_bytes()[1],
        Ok(length) => {
            frame[1] = 0x80 | 126;
            frame.extend(length.to_be_bytes());
        }
        Err(_) => frame.extend((payload.len() as u64).to_be_bytes()),
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// A payload that means these bytes: a last block, and the empty one behind it.
fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut payload = compress_to_vec(bytes, 6);
    payload.push(0);
    payload
}

/// The frames in what has arrived: first byte and payload.
fn frames(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while let [first, length, rest @ ..] = bytes {
        let (length, rest) = match length {
            126 => (
                usize::from(u16::from_be_bytes([rest[0], rest[1]])),
                &rest[2..],
            ),
            127 => {
                let (length, rest) = rest.split_first_chunk().unwrap();
                (usize::try_from(u64::from_be_bytes(*length)).unwrap(), rest)
            }
            length => (usize::from(*length), rest),
        };
        frames.push((*first, rest[..length].to_vec()));
        bytes = &rest[length..];
    }
    frames
}

/// What a payload of the server's with RSV1 means.
fn meaning(payload: &[u8]) -> Vec<u8> {
    let whole = [payload, &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff]].concat();
    decompress_to_vec(&whole).unwrap()
}

fn said(square: &mut World<Square>, client: &mut Client, bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    client.write(bytes);
    square.run();
    frames(&client.read())
}

fn prose(bytes: usize) -> Vec<u8> {
    "all that was said in the square, "
        .bytes()
        .cycle()
        .take(bytes)
        .collect()
}

#[test]
fn message_is_understood_and_answered_compressed() {
    let mut square = square();
    let (mut client, agreed) = connect(&mut square, "permessage-deflate");
    assert!(agreed.contains("server_no_context_takeover; client_no_context_takeover"));
    for bytes in [0, 5, 2_000, 70_000, 1 << 20] {
        let message = vec![b'x'; bytes];
        let frames = said(
            &mut square,
            &mut client,
            &frame(0xc1, &compressed(&message)),
        );
        let [(first, payload)] = &frames[..] else {
            panic!("{frames:?}")
        };
        let is_compressed = first & 0x40 != 0;
        assert_eq!(is_compressed, bytes >= 1024, "{bytes}");
        let answer = if is_compressed {
            meaning(payload)
        } else {
            payload.clone()
        };
        assert!(answer == message, "{bytes}");
        assert!(!is_compressed || payload.len() < bytes / 10);
    }
    let plain = said(&mut square, &mut client, &frame(0x81, b"plain"));
    assert_eq!(plain, [(0x81, b"plain".to_vec())]);
}

#[test]
fn bytes_are_answered_as_they_are() {
    let mut square = square();
    let (mut client, _) = connect(&mut square, "permessage-deflate");
    let bytes = vec![7; 5_000];
    let stream = frame(0xc2, &compressed(&bytes));
    assert_eq!(said(&mut square, &mut client, &stream), [(0x82, bytes)]);
}

#[test]
fn compressed_message_may_come_in_fragments_and_byte_by_byte() {
    let mut square = square();
    let (mut client, _) = connect(&mut square, "permessage-deflate");
    let payload = compressed("Вече в сборе".as_bytes());
    let (front, back) = payload.split_at(payload.len() / 2);
    let stream = [frame(0x41, front), frame(0x89, b"?"), frame(0x80, back)].concat();
    let expected = [
        (0x8a, b"?".to_vec()),
        (0x81, "Вече в сборе".as_bytes().to_vec()),
    ];
    assert_eq!(said(&mut square, &mut client, &stream), expected);
    let mut got = Vec::new();
    for byte in stream {
        got.extend(said(&mut square, &mut client, &[byte]));
    }
    assert_eq!(got, expected);
}

#[test]
fn broadcast_is_compressed_for_those_who_take_it_and_plain_for_the_others() {
    let mut square = square();
    let mut takers: Vec<_> = (0..3)
        .map(|_| connect(&mut square, "permessage-deflate").0)
        .collect();
    let (mut narrow, agreed) = connect(&mut square, "permessage-deflate; server_max_window_bits=9");
    assert!(agreed.ends_with("; server_max_window_bits=9"), "{agreed}");
    let (mut plain, agreed) = connect(&mut square, "x-other");
    assert_eq!(agreed, "");
    let message = prose(9_000);
    plain.write(&frame(0x81, &message));
    square.run();
    let first = takers[0].read();
    let received = frames(&first);
    assert_eq!((received.len(), received[0].0), (1, 0xc1));
    assert!(meaning(&received[0].1) == message);
    for taker in &mut takers[1..] {
        assert!(taker.read() == first, "the same bytes for all");
    }
    for client in [&mut narrow, &mut plain] {
        assert!(frames(&client.read()) == [(0x81, message.clone())]);
    }
    // What is for it alone fits its window.
    let alone = vec![b'x'; 5_000];
    let answer = said(&mut square, &mut narrow, &frame(0x81, &alone));
    assert_eq!(answer[0].0, 0xc1);
    assert!(meaning(&answer[0].1) == alone);
}

#[test]
fn memory_that_a_large_message_took_is_given_back_in_the_same_turn() {
    let mut square = square();
    let (mut client, _) = connect(&mut square, "permessage-deflate");
    let usual = frame(0xc2, &compressed(&prose(9_000)));
    let large = frame(0xc2, &compressed(&prose(1 << 20)));
    for message in [&usual, &large, &usual, &usual.repeat(10)] {
        assert_ne!(said(&mut square, &mut client, message), []);
        let kept = square.core.usage().codec_bytes;
        assert!(kept <= 2 * 64 * 1024, "{kept} bytes");
        assert!(kept >= 2 * 9_000, "what most messages need is kept");
    }
}

/// The code of the Close that ends what was said.
fn close_code(frames: &[(u8, Vec<u8>)]) -> Option<u16> {
    let (0x88, payload) = frames.last()? else {
        return None;
    };
    Some(u16::from_be_bytes([payload[0], payload[1]]))
}

#[test]
fn message_that_means_too_much_is_failed_with_1009() {
    let mut square = square();
    let bomb = compressed(&vec![0; (1 << 20) + 1]);
    assert!(bomb.len() < 2_000);
    let fragments = [
        frame(0x42, &bomb[..500]),
        frame(0x00, &bomb[500..501]),
        frame(0x80, &bomb[501..]),
    ];
    for stream in [frame(0xc2, &bomb), fragments.concat()] {
        let (mut client, _) = connect(&mut square, "permessage-deflate");
        assert_eq!(
            close_code(&said(&mut square, &mut client, &stream)),
            Some(1009)
        );
    }
}

#[test]
fn what_cannot_be_decompressed_or_is_not_text_is_failed_with_1007() {
    let mut square = square();
    for payload in [
        &[0xff, 0xff][..],
        &compressed(&[b'a', 0xff]),
        &compressed(b"abc")[..3],
    ] {
        let (mut client, _) = connect(&mut square, "permessage-deflate");
        let frames = said(&mut square, &mut client, &frame(0xc1, payload));
        assert_eq!(close_code(&frames), Some(1007), "{payload:x?}");
    }
}

#[test]
fn the_bit_means_nothing_where_it_was_not_agreed_to() {
    let mut square = square();
    let hello = compressed(b"hello");
    for (offer, frames_sent) in [
        ("x-other", vec![frame(0xc1, &hello)]),
        ("permessage-deflate", vec![frame(0xe1, &hello)]),
        ("permessage-deflate", vec![frame(0xc9, b"")]),
        (
            "permessage-deflate",
            vec![frame(0x41, &hello), frame(0xc0, b"")],
        ),
    ] {
        let (mut client, _) = connect(&mut square, offer);
        let frames = said(&mut square, &mut client, &frames_sent.concat());
        assert_eq!(close_code(&frames), Some(1002), "{offer}");
    }
}

#[test]
fn flood_of_small_messages_that_mean_large_ones_waits_for_the_others() {
    let mut square = square();
    let large = frame(0xc2, &compressed(&vec![0; LARGE]));
    let mut floods: Vec<_> = (0..3)
        .map(|_| connect(&mut square, "permessage-deflate").0)
        .collect();
    let mut quiet = square.connect("127.0.0.1");
    let answers = |client: &mut Client| frames(&client.read()).len();
    for flood in &mut floods {
        flood.write(&[large.repeat(10), frame(0x81, b"done")].concat());
    }
    quiet.send("hello");
    while quiet.messages().is_empty() {
        assert!(square.turn());
    }
    assert!(
        floods.iter_mut().all(|flood| answers(flood) == 0),
        "they are not done"
    );
    square.run();
    assert!(floods.iter_mut().all(|flood| answers(flood) == 1));
}

#[test]
fn quiet_client_is_answered_in_every_turn_while_fifty_send_what_means_megabytes() {
    let taken = Rc::new(Cell::new(0));
    let count = Rc::clone(&taken);
    let handler = move |_: &mut Context<'_>, _: ConnectionId, message: Message<'_>| {
        assert_eq!(message.payload().len(), LARGE);
        count.set(count.get() + 1);
    };
    let mut world = World::new(Config::default(), handler);
    let mut bombers: Vec<_> = (0..50)
        .map(|_| connect(&mut world, "permessage-deflate").0)
        .collect();
    let mut quiet = world.connect("127.0.0.1");
    // More than all of the turns below can take in.
    let bombs = frame(0xc2, &compressed(&vec![0; LARGE])).repeat(60);
    bombers.iter_mut().for_each(|bomber| bomber.write(&bombs));
    let mut answered = Vec::new();
    for turn in 0..24 {
        quiet.write(&frame(0x89, b"?"));
        let before = taken.get();
        assert!(world.turn());
        let messages = taken.get() - before;
        // Somebody who is let begin may send two of them.
        assert!((1..=6).contains(&messages), "{messages} MB in turn {turn}");
        if !frames(&quiet.read()).is_empty() {
            answered.push(turn);
        }
    }
    // Those who came first have their first share before it. That is found out
    // once, and from then on everybody else comes first.
    let first = answered[0];
    assert!(first <= 50 / 3, "{answered:?}");
    assert_eq!(answered, (first..24).collect::<Vec<_>>());
}

/// So large a message is not answered.
const LARGE: usize = 1_000_000;
