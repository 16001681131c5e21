//! A client's frames, cut anywhere, against a straight reading of RFC 6455.
//!
//! The first byte is the bound of a message; from 128 on, compression is agreed
//! upon. The second says how the stream is cut. From the third on, either `r` and
//! the bytes of the stream as they are, or anything else and frames whose
//! payloads are masked here: a first byte, a key, a length, a payload.

use veche::websocket::deflate::Inflater;
use veche::websocket::error::ProtocolError;
use veche::websocket::message::{Event, Message, Receiver};

use super::rfc6455::{Ending, Said, client_frame, read};

pub fn run(data: &[u8]) {
    let Some((&[limit, cut, form], rest)) = data.split_first_chunk() else {
        return;
    };
    let has_deflate = cfg!(feature = "deflate") && limit >= 128;
    let max_message_bytes = if has_deflate {
        DEFLATED_LIMITS[usize::from(limit) % DEFLATED_LIMITS.len()]
    } else {
        LIMITS[usize::from(limit) % LIMITS.len()]
    };
    let stream = if form == b'r' {
        rest.to_vec()
    } else {
        mask(rest)
    };
    let expected = read(&stream, max_message_bytes, has_deflate);
    let mut inflater = has_deflate.then(Inflater::default);
    // Byte by byte, where that does not take long.
    let smallest = if stream.len() < 4_096 { 1 } else { 97 };
    for pieces in [vec![stream.len()], vec![smallest], irregular(cut)] {
        let mut received = receive(&stream, &pieces, max_message_bytes, inflater.as_mut());
        // What is no DEFLATE may have meant too much before that was seen.
        if received.1 == Ending::Failed(ProtocolError::MessageTooBig)
            && expected.1 == Ending::Failed(ProtocolError::InvalidDeflate)
        {
            received.1 = expected.1;
        }
        assert_eq!(received, expected, "in pieces of {pieces:?}");
    }
}

/// Frames from bytes that say what is in them.
fn mask(mut rest: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    while let Some((&[first, key, length], after)) = rest.split_first_chunk() {
        let payload_bytes = usize::from(length).min(after.len());
        let (payload, after) = after.split_at(payload_bytes);
        // A long frame without a long input.
        let is_long = length == u8::MAX && stream.len() < 100_000;
        let times = if is_long { 300 } else { 1 };
        let key = [key, key.wrapping_mul(3), !key, 0x5a];
        stream.extend(client_frame(first, key, &payload.repeat(times)));
        rest = after;
    }
    stream
}

/// Lengths of pieces, over and over again.
fn irregular(cut: u8) -> Vec<usize> {
    let mut state = u32::from(cut) + 1;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let random = usize::from(state.to_be_bytes()[0]);
        // Mostly a few bytes, at times many.
        if random < 200 { 1 + random % 9 } else { random }
    };
    std::iter::repeat_with(next).take(7).collect()
}

/// Feeds the stream as a server does.
fn receive(
    stream: &[u8],
    pieces: &[usize],
    max_message_bytes: usize,
    mut inflater: Option<&mut Inflater>,
) -> (Vec<Said>, Ending) {
    let mut receiver = Receiver::default();
    let mut said = Vec::new();
    let mut rest = stream;
    for &piece in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (input, after) = rest.split_at(piece.min(rest.len()));
        rest = after;
        let mut input = input.to_vec();
        let mut taken = 0;
        loop {
            let rest = &mut input[taken..];
            match receiver.receive(rest, max_message_bytes, inflater.as_deref_mut()) {
                Err(error) => return (said, Ending::Failed(error)),
                Ok((bytes, None)) => {
                    assert_eq!(taken + bytes, input.len(), "None means all was taken");
                    break;
                }
                Ok((bytes, Some(event))) => {
                    taken += bytes;
                    said.push(own(event));
                    if let Some(Said::Close(..)) = said.last() {
                        return (said, Ending::Closed);
                    }
                }
            }
        }
    }
    let ending = match receiver.is_idle() {
        true => Ending::Idle,
        false => Ending::Unfinished,
    };
    (said, ending)
}

fn own(event: Event<'_>) -> Said {
    match event {
        Event::Message(Message::Text(text)) => Said::Text(text.into()),
        Event::Message(Message::Binary(bytes)) => Said::Binary(bytes.into()),
        Event::Ping(payload) => Said::Ping(payload.into()),
        Event::Pong(payload) => Said::Pong(payload.into()),
        Event::Close(close) => Said::Close(close.code.value(), close.reason.into()),
    }
}

/// Bounds of a message in bytes; 0 is none.
const LIMITS: [usize; 6] = [0, 1, 5, 125, 300, 70_000];

/// The same for compressed messages: never so much that blocks without meaning
/// would be too many (see `Inflater`), or that no bound holds.
const DEFLATED_LIMITS: [usize; 4] = [1, 5, 125, 3_000];
