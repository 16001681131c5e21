//! A client's frames (RFC 6455 §5.2), written for the simulation alone, so
//! that it does not share the server's mistakes.

use super::deflate::{Offer, compressed};
use super::scene::Scene;

pub const TEXT: u8 = 1;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// Asks for a WebSocket (§4.1).
pub fn request(offer: Option<Offer>) -> String {
    let extensions = offer.map_or_else(String::new, |offer| {
        format!("Sec-WebSocket-Extensions: {}\r\n", offer.extension)
    });
    format!(
        "GET /ws HTTP/1.1\r\nHost: veche\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extensions}\r\n"
    )
}

/// A text, whole or in fragments with a Ping between them.
pub fn text(scene: &Scene, text: &str) -> Vec<u8> {
    message(scene, TEXT, text.as_bytes())
}

/// The same, compressed; a wordy one says much that means nothing.
pub fn compressed_text(scene: &Scene, text: &str, is_wordy: bool) -> Vec<u8> {
    message(scene, RSV1 | TEXT, &compressed(scene, text, is_wordy))
}

fn message(scene: &Scene, first_byte: u8, payload: &[u8]) -> Vec<u8> {
    if !scene.chance(5) {
        return frame(scene, 0x80 | first_byte, payload);
    }
    let (first, rest) = payload.split_at(scene.below(payload.len()));
    let mut bytes = frame(scene, first_byte, first);
    bytes.extend(frame(scene, 0x80 | PING, b"between"));
    bytes.extend(frame(scene, 0x80, rest));
    bytes
}

/// One masked frame.
pub fn frame(scene: &Scene, first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first_byte];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..65536 => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    let key = scene.next().to_be_bytes();
    bytes.extend(&key[..4]);
    let start = bytes.len();
    bytes.extend_from_slice(payload);
    for (place, byte) in bytes[start..].iter_mut().enumerate() {
        *byte ^= key[place % 4];
    }
    bytes
}

/// A server's frame.
pub struct Frame {
    pub opcode: u8,
    /// It has RSV1 (RFC 7692 §6).
    pub is_deflated: bool,
    pub payload: Vec<u8>,
}

/// Takes a server's frame off the front of the input.
pub fn take(input: &mut Vec<u8>) -> Option<Frame> {
    let (&first, &second) = (input.first()?, input.get(1)?);
    assert_eq!(first & 0xb0, 0x80, "servers of chats send whole frames");
    assert_eq!(second & 0x80, 0, "servers do not mask");
    let (length, header) = match second {
        126 => {
            let length = u16::from_be_bytes(input.get(2..4)?.try_into().unwrap());
            assert!(length > 125, "a length has its shortest form");
            (usize::from(length), 4)
        }
        127 => {
            let length = u64::from_be_bytes(input.get(2..10)?.try_into().unwrap());
            assert!(length > 65535, "a length has its shortest form");
            (usize::try_from(length).unwrap(), 10)
        }
        length => (usize::from(length), 2),
    };
    let payload = input.get(header..header + length)?.to_vec();
    input.drain(..header + length);
    Some(Frame {
        opcode: first & 0x0f,
        is_deflated: first & RSV1 != 0,
        payload,
    })
}

const RSV1: u8 = 0x40;
