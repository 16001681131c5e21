//! What clients send.

use super::super::lines::Step;
use super::super::rfc6455::client_frame;
use super::super::rfc7692::compressed;
use super::MAX_MESSAGE_BYTES;

pub fn upgrade(path: &str) -> String {
    format!(
        "GET /{path} HTTP/1.1\r\nHost: veche\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: chat, veche.v1\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    )
}

pub fn page(method: &str, path: &str) -> String {
    format!("{method} /{path} HTTP/1.1\r\nHost: veche\r\n\r\n")
}

/// A frame from its description, with these reserved bits.
pub fn frame(reserved: u8, described: &[u8]) -> Vec<u8> {
    let Some((&[fin, opcode], payload)) = described.split_first_chunk() else {
        return Vec::new();
    };
    let fin = if fin == b'.' { FIN } else { 0 };
    client_frame(fin | reserved | opcode_of(opcode), KEY, payload)
}

/// A message that is compressed, from its description, in one frame or several.
pub fn compressed_message(step: &Step<'_>) -> Vec<u8> {
    let Some((&opcode, part)) = step.after_blank().split_first() else {
        return Vec::new();
    };
    let times = step.number(2 * MAX_MESSAGE_BYTES / part.len().max(1));
    let payload = compressed(&part.repeat(times));
    let first = RSV1 | opcode_of(opcode);
    let (front, back) = match step.what {
        b'm' => return client_frame(FIN | first, KEY, &payload),
        _ => payload.split_at(payload.len() / 3),
    };
    let mut message = client_frame(first, KEY, front);
    for fragment in back.chunks(FRAGMENT_BYTES) {
        message.extend(client_frame(FIN | 9, KEY, b"between"));
        message.extend(client_frame(0, KEY, fragment));
    }
    message.extend(client_frame(FIN, KEY, b""));
    message
}

fn opcode_of(digit: u8) -> u8 {
    let opcode = char::from(digit).to_digit(16).unwrap_or(1);
    u8::try_from(opcode).unwrap()
}

pub const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
const FIN: u8 = 0x80;
pub const RSV1: u8 = 0x40;
const FRAGMENT_BYTES: usize = 20;
