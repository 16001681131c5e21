//! Peers that are broken, greedy or hostile: whatever one of them does costs no
//! more than its bound, and the others nothing.
//!
//! | module | what it is about |
//! |---|---|
//! | `requests` | heads that no browser sends |
//! | `frames` | frames that break the protocol |
//! | `floods` | much of what is allowed, from those who do not read |
//! | `clocks` | a process that was stopped, a clock on the wall that jumps |
//! | `bombs` | the real program, and compressed messages that mean too much |
//! | `crowds` | the real program, as Linux sees it: descriptors, memory, resets, signals |
#![allow(clippy::unwrap_used)]

#[cfg(all(feature = "chat", feature = "deflate", target_os = "linux"))]
#[path = "hostile/bombs.rs"]
mod bombs;
#[path = "hostile/clocks.rs"]
mod clocks;
#[cfg(all(feature = "chat", target_os = "linux"))]
mod common;
#[cfg(all(feature = "chat", target_os = "linux"))]
#[path = "hostile/crowds.rs"]
mod crowds;
#[path = "common/ends.rs"]
mod ends;
#[path = "hostile/floods.rs"]
mod floods;
#[path = "hostile/frames.rs"]
mod frames;
#[cfg(all(feature = "chat", target_os = "linux"))]
#[path = "hostile/guests.rs"]
mod guests;
#[path = "hostile/requests.rs"]
mod requests;
#[path = "common/world.rs"]
mod world;

use std::mem;
use std::time::Duration;

use veche::{Close, CloseCode, Config, ConnectionId, Context, Handler, Message, Opening};
use world::World;

const HOME: &str = "127.0.0.1";

/// Answers every message with itself, closes who is too slow, and keeps what
/// it was told.
#[derive(Default)]
struct Echo {
    log: Vec<String>,
}

impl Handler for Echo {
    fn open(&mut self, _: &mut Context<'_>, id: ConnectionId, _: &Opening<'_>) {
        self.log.push(format!("open {id}"));
    }

    fn message(&mut self, cx: &mut Context<'_>, id: ConnectionId, message: Message<'_>) {
        let bytes = message.payload().len();
        self.log.push(format!("message {id} {bytes}"));
        cx.send(id, message);
    }

    fn close(&mut self, _: &mut Context<'_>, id: ConnectionId, close: Close<'_>) {
        let code = close.code.value();
        self.log.push(format!("close {id} {code}"));
    }

    fn lagged(&mut self, cx: &mut Context<'_>, id: ConnectionId, _: u64) {
        cx.close(id, CloseCode::new(4008), "too slow");
    }
}

fn world() -> World<Echo> {
    World::new(Config::default(), Echo::default())
}

fn log(world: &mut World<Echo>) -> Vec<String> {
    mem::take(&mut world.core.handler().log)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A frame of a client that begins with this byte, masked with zeros
/// (RFC 6455 §5.2).
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len() as u64);
    frame.extend(payload);
    frame
}

/// The header of a frame, with whatever length it declares.
fn header(first: u8, payload_bytes: u64) -> Vec<u8> {
    let mut header = vec![first];
    if let Ok(length @ ..126) = u8::try_from(payload_bytes) {
        header.push(0x80 | length);
    } else if let Ok(length) = u16::try_from(payload_bytes) {
        header.push(0x80 | 126);
        header.extend(length.to_be_bytes());
    } else {
        header.push(0x80 | 127);
        header.extend(payload_bytes.to_be_bytes());
    }
    header.extend([0; 4]);
    header
}
