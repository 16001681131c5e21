//! Compressed messages, against another library: what comes out of any bytes,
//! and whether bytes that were compressed come out again.
//!
//! The first byte chooses the window and the bound, the second what is done
//! with the rest.

use veche::websocket::deflate::{Deflater, Inflater};
use veche::websocket::error::ProtocolError;

use super::rfc7692::meaning;

pub fn run(data: &[u8]) {
    let [setting, what, rest @ ..] = data else {
        return;
    };
    let window_bits = setting % 16;
    let max_bytes = LIMITS[usize::from(setting / 16) % LIMITS.len()];
    match what % 3 {
        0 => takes(rest, max_bytes),
        1 => gives(rest, window_bits),
        // Large enough for whatever is done with large messages.
        _ => gives(&rest.repeat(5_000 / rest.len().max(1) + 1), window_bits),
    }
}

/// Takes a payload as it came.
fn takes(payload: &[u8], max_bytes: usize) {
    let mut inflater = Inflater::default();
    let inflated = inflater.inflate(payload, max_bytes).map(<[u8]>::to_vec);
    let before = inflater.work_bytes();
    let again = inflater.inflate(payload, max_bytes).map(<[u8]>::to_vec);
    assert_eq!(
        inflated, again,
        "nothing is kept from one message to the next"
    );
    if max_bytes > 0 {
        assert!(
            before <= 2 * max_bytes as u64 + 8_192,
            "more than the bound came out"
        );
    }
    match (inflated, meaning(payload)) {
        (Ok(ours), theirs) => assert_eq!(Some(ours), theirs),
        (Err(_), None) => {}
        (Err(error), Some(theirs)) => {
            assert_eq!(error, ProtocolError::MessageTooBig);
            assert!(max_bytes > 0 && theirs.len() > max_bytes);
        }
    }
}

/// Compresses a message.
fn gives(message: &[u8], window_bits: u8) {
    let mut deflater = Deflater::default();
    let Some(deflated) = deflater.deflate(window_bits, message).map(<[u8]>::to_vec) else {
        return;
    };
    assert!(deflated.len() < message.len());
    assert_eq!(deflater.deflate(window_bits, message), Some(&*deflated));
    assert_eq!(meaning(&deflated).as_deref(), Some(message));
    let mut inflater = Inflater::default();
    assert_eq!(inflater.inflate(&deflated, message.len()), Ok(message));
}

const LIMITS: [usize; 4] = [0, 5, 1_000, 70_000];
