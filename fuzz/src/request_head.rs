//! The head of a request, cut anywhere: the same result however it is cut.
//!
//! The first line names the limits, by its first byte, and how the head is cut,
//! by its second; the head follows.

use veche::http::refusal::Refusal;
use veche::http::request::{Body, Limits, Request, Version, is_token, is_worth_parsing};
use veche::websocket::handshake;

use super::server_stream;

pub fn run(data: &[u8]) {
    let line = data.iter().position(|&byte| byte == b'\n');
    let (options, input) = data.split_at(line.map_or(data.len(), |end| end + 1));
    let &[limits, cut, ..] = options else {
        return;
    };
    let limits = LIMITS[usize::from(limits) % LIMITS.len()];
    let whole = parse(input, &limits);
    check(&whole, input, &limits);
    for piece in [1, 2 + usize::from(cut) % 60] {
        let torn = parse_in_pieces(input, piece, &limits);
        match (&torn, &whole) {
            // It will be told at the end of the line.
            (Parsed::Partial { tried }, Parsed::Refused(_)) => {
                assert!(!input[*tried..].contains(&b'\n'), "told too late");
            }
            (Parsed::Partial { .. }, Parsed::Partial { .. }) => {}
            // Of two faults either may be named.
            (Parsed::Refused(one), Parsed::Refused(other)) => assert_eq!(one.status, other.status),
            _ => assert_eq!(torn, whole, "in pieces of {piece}"),
        }
    }
}

/// What becomes of a head.
#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    /// More is needed; so much of it was looked at.
    Partial {
        tried: usize,
    },
    Head(Head),
    Refused(Refusal),
}

/// All there is to see in a request.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    bytes: usize,
    method: String,
    path: String,
    query: Option<String>,
    version: Version,
    host: Option<String>,
    keep_alive: bool,
    headers: Vec<(String, Vec<u8>)>,
    /// The 101, where an upgrade is asked for.
    upgrade: Option<Result<Vec<u8>, Refusal>>,
}

fn parse(input: &[u8], limits: &Limits) -> Parsed {
    let parsed = Request::parse(input, limits);
    // A body is all that one takes and the other does not.
    match (&parsed, Request::parse_head(input, limits)) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one.is_some(), other.is_some());
            assert!(other.is_none_or(|(head, _)| head.body() == Body::Absent));
        }
        (Err(refusal), Ok(Some((head, _)))) => {
            assert_ne!(head.body(), Body::Absent);
            assert!(matches!(refusal.status.number(), 405 | 413));
        }
        (Err(one), Err(other)) => assert_eq!(*one, other),
        (parsed, _) => panic!("only with a body: {parsed:?}"),
    }
    match parsed {
        Ok(None) => Parsed::Partial { tried: input.len() },
        Ok(Some((request, bytes))) => Parsed::Head(own(&request, bytes)),
        Err(refusal) => Parsed::Refused(refusal),
    }
}

/// What a server does whose input arrives in pieces.
fn parse_in_pieces(input: &[u8], piece: usize, limits: &Limits) -> Parsed {
    let mut tried = 0;
    let ends = (piece..input.len()).step_by(piece).chain([input.len()]);
    for end in ends {
        let buffer = &input[..end];
        if !is_worth_parsing(buffer, tried, limits) {
            continue;
        }
        match parse(buffer, limits) {
            Parsed::Partial { .. } => tried = end,
            done => return done,
        }
    }
    Parsed::Partial { tried }
}

fn own(request: &Request<'_>, bytes: usize) -> Head {
    let upgrade = handshake::is_upgrade(request).then(|| {
        let upgrade = handshake::upgrade(request, &["veche.v1", "chat"])?;
        let mut head = Vec::new();
        upgrade.write(&mut head);
        Ok(head)
    });
    let headers = request.headers();
    Head {
        bytes,
        method: request.method.to_owned(),
        path: request.path.to_owned(),
        query: request.query.map(str::to_owned),
        version: request.version,
        host: request.host().map(str::to_owned),
        keep_alive: request.keep_alive(),
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        upgrade,
    }
}

/// What holds of every result.
fn check(parsed: &Parsed, input: &[u8], limits: &Limits) {
    match parsed {
        Parsed::Refused(refusal) => check_refusal(refusal),
        Parsed::Partial { .. } => {
            let max = limits.max_head_bytes;
            assert!(max == 0 || input.len() <= max, "kept beyond the bound");
        }
        Parsed::Head(head) => {
            let raw = &input[..head.bytes];
            assert!(raw.ends_with(b"\n\r\n") || raw.ends_with(b"\n\n"));
            assert!(limits.max_head_bytes == 0 || head.bytes <= limits.max_head_bytes);
            assert!(limits.max_headers == 0 || head.headers.len() <= limits.max_headers);
            assert!(is_token(head.method.as_bytes()));
            assert!(head.path.starts_with('/') && !head.path.contains('?'));
            assert!(head.host.is_some() || head.version == Version::Http10);
            for (name, value) in &head.headers {
                assert!(is_token(name.as_bytes()), "{name:?}");
                assert!(!value.iter().any(|byte| b"\r\n\0".contains(byte)));
                assert_eq!(value.trim_ascii(), value);
            }
            match &head.upgrade {
                Some(Ok(response)) => {
                    let stream = server_stream::read(response);
                    assert_eq!(stream.statuses, [101]);
                    assert!(stream.is_whole);
                    assert_eq!((&*head.method, head.version), ("GET", Version::Http11));
                }
                Some(Err(refusal)) => check_refusal(refusal),
                None => {}
            }
        }
    }
}

fn check_refusal(refusal: &Refusal) {
    let mut response = Vec::new();
    refusal.response().write(&mut response, None);
    let stream = server_stream::read(&response);
    assert_eq!(stream.statuses, [refusal.status.number()]);
    assert!(stream.is_whole && stream.is_last, "a refusal is the last");
}

/// The server's own, tight ones, and none.
const LIMITS: [Limits; 3] = [
    Limits {
        max_head_bytes: 16 << 10,
        max_headers: 100,
    },
    Limits {
        max_head_bytes: 150,
        max_headers: 4,
    },
    Limits {
        max_head_bytes: 0,
        max_headers: 0,
    },
];
