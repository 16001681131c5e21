//! What a server sends to one client: HTTP responses, and after a 101 frames.
//! Panics where it is anything else.

use super::rfc6455::{Said, Utf8, utf8};
use super::rfc7692::meaning;

/// A server's bytes, read.
#[derive(Debug, Default)]
pub struct ServerStream {
    pub statuses: Vec<u16>,
    pub said: Vec<Said>,
    /// Compression was agreed to.
    pub has_deflate: bool,
    /// Nothing is cut off at the end.
    pub is_whole: bool,
    /// The last response, or a Close, has said that nothing follows.
    pub is_last: bool,
}

/// Reads what a server has sent.
pub fn read(mut rest: &[u8]) -> ServerStream {
    let mut stream = ServerStream::default();
    while !rest.is_empty() {
        assert!(!stream.is_last, "more after the last: {}", shown(rest));
        let Some(response) = Response::read(rest) else {
            return stream;
        };
        stream.statuses.push(response.status);
        stream.is_last = response.closes;
        rest = &rest[response.bytes..];
        if response.status == 101 {
            stream.is_last = false;
            stream.has_deflate = response.has_deflate;
            stream.is_whole = read_frames(rest, response.has_deflate, &mut stream);
            return stream;
        }
        if response.body_bytes > rest.len() && !rest.is_empty() && !is_response(rest) {
            return stream;
        }
        // The answer to HEAD tells a length and has no body.
        if !is_response(rest) {
            rest = &rest[response.body_bytes.min(rest.len())..];
        }
    }
    stream.is_whole = true;
    stream
}

struct Response {
    status: u16,
    bytes: usize,
    body_bytes: usize,
    closes: bool,
    has_deflate: bool,
}

impl Response {
    /// The head of a response (RFC 9112 §4, §5); `None` where it is cut.
    fn read(input: &[u8]) -> Option<Response> {
        let bytes = input.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&input[..bytes - 4]).expect("a head is ASCII");
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line.strip_prefix("HTTP/1.1 ").expect(status_line);
        let (status, reason) = status.split_once(' ').expect(status_line);
        assert!(status.len() == 3 && !reason.is_empty(), "{status_line}");
        let mut response = Response {
            status: status.parse().expect(status_line),
            bytes,
            body_bytes: 0,
            closes: false,
            has_deflate: false,
        };
        for line in lines {
            let (name, value) = line.split_once(": ").expect(line);
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
            assert!(!name.is_empty() && name.chars().all(is_name), "{line}");
            assert!(!value.contains(|c: char| c.is_ascii_control()), "{line}");
            match &*name.to_ascii_lowercase() {
                "content-length" => response.body_bytes = value.parse().expect(line),
                "connection" => response.closes = value.to_ascii_lowercase().contains("close"),
                "sec-websocket-extensions" => {
                    assert!(value.starts_with("permessage-deflate"), "{line}");
                    response.has_deflate = true;
                }
                _ => {}
            }
        }
        Some(response)
    }
}

fn is_response(rest: &[u8]) -> bool {
    rest.starts_with(b"HTTP/1.1 ")
}

/// Reads legal frames of a server (RFC 6455 §5); whether none is cut off.
fn read_frames(mut rest: &[u8], has_deflate: bool, stream: &mut ServerStream) -> bool {
    let mut message: Option<(Said, bool)> = None;
    while let Some((&[first, length], after)) = rest.split_first_chunk() {
        assert!(!stream.is_last, "a frame after Close: {}", shown(rest));
        assert!(length < 0x80, "a server does not mask");
        let (fin, opcode) = (first >= 0x80, first % 16);
        let is_compressed = first & 0x40 != 0;
        assert!(first & 0x30 == 0, "reserved bits: {first:x}");
        assert!(
            !is_compressed || has_deflate && matches!(opcode, 1 | 2),
            "RSV1 in {first:x}"
        );
        let Some((length, after)) = read_length(length, after) else {
            return false;
        };
        if after.len() < length {
            return false;
        }
        let (payload, after) = after.split_at(length);
        rest = after;
        let payload = payload.to_vec();
        if opcode >= 8 {
            assert!(fin && length <= 125, "an illegal control frame");
            stream.said.push(match opcode {
                8 => {
                    stream.is_last = true;
                    read_close(&payload)
                }
                9 => Said::Ping(payload),
                10 => Said::Pong(payload),
                _ => panic!("reserved opcode {opcode}"),
            });
            continue;
        }
        match (opcode, &mut message) {
            (1, None) => message = Some((Said::Text(payload), is_compressed)),
            (2, None) => message = Some((Said::Binary(payload), is_compressed)),
            (0, Some((Said::Text(bytes) | Said::Binary(bytes), _))) => bytes.extend(payload),
            _ => panic!("opcode {opcode} is out of place"),
        }
        if let Some((mut whole, is_compressed)) = message.take_if(|_| fin) {
            if let Said::Text(bytes) | Said::Binary(bytes) = &mut whole
                && is_compressed
            {
                *bytes = meaning(bytes).expect("DEFLATE");
            }
            if let Said::Text(text) = &whole {
                assert_eq!(utf8(text), Utf8::Valid, "{}", shown(text));
            }
            stream.said.push(whole);
        }
    }
    rest.is_empty() && message.is_none()
}

fn read_length(length: u8, after: &[u8]) -> Option<(usize, &[u8])> {
    let (length, least, after) = match length {
        126 => {
            let (length, after) = after.split_first_chunk()?;
            (usize::from(u16::from_be_bytes(*length)), 126, after)
        }
        127 => {
            let (length, after) = after.split_first_chunk()?;
            let length = u64::from_be_bytes(*length);
            (usize::try_from(length).unwrap(), 1 << 16, after)
        }
        short => (usize::from(short), 0, after),
    };
    assert!(length >= least, "a length in more bytes than it needs");
    Some((length, after))
}

fn read_close(payload: &[u8]) -> Said {
    let Some((code, reason)) = payload.split_first_chunk() else {
        assert!(payload.is_empty(), "a Close of one byte");
        return Said::Close(1005, Vec::new());
    };
    let code = u16::from_be_bytes(*code);
    let is_allowed = matches!(code, 1000..=1003 | 1007..=1009 | 1011..=1014 | 3000..=4999);
    assert!(is_allowed, "a server does not send {code}");
    assert_eq!(utf8(reason), Utf8::Valid);
    Said::Close(code, reason.to_vec())
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}
