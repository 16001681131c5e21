//! Compressed messages (RFC 7692) as a client has them: with another library
//! than the server's, so that the simulation does not share its mistakes.

use std::sync::LazyLock;

use miniz_oxide::MZFlush;
use miniz_oxide::deflate::compress_to_vec;
use miniz_oxide::deflate::core::{CompressorOxide, create_comp_flags_from_zip_params};
use miniz_oxide::deflate::stream::deflate;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::scene::Scene;

/// What a client may offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    pub extension: &'static str,
    /// The window of what the server sends, in bits, if it accepts.
    window_bits: u8,
}

const OFFERS: [Offer; 6] = [
    PLAIN,
    PLAIN,
    BROWSER,
    BROWSER,
    Offer {
        extension: "permessage-deflate; server_max_window_bits=10",
        window_bits: 10,
    },
    // There is no compressor for that one.
    Offer {
        extension: "permessage-deflate; server_max_window_bits=8",
        window_bits: 8,
    },
];

const PLAIN: Offer = Offer {
    extension: "permessage-deflate",
    window_bits: MAX_WINDOW_BITS,
};

const BROWSER: Offer = Offer {
    extension: "permessage-deflate; client_max_window_bits",
    window_bits: MAX_WINDOW_BITS,
};

pub const MAX_WINDOW_BITS: u8 = 15;

/// What the server compresses, at the latest, for windows of 15 bits.
pub const MIN_DEFLATED_BYTES: usize = 1024;

impl Offer {
    /// What the next client offers: half of them do nothing.
    pub fn choose(scene: &Scene) -> Option<Self> {
        scene.chance(50).then(|| scene.pick(&OFFERS))
    }

    /// What was agreed upon by the answer to this offer: the window of what the
    /// server sends, in bits.
    pub fn agreed(offer: Option<Self>, head: &str) -> Option<u8> {
        let name = "Sec-WebSocket-Extensions: ";
        let answer = head.lines().find_map(|line| line.strip_prefix(name));
        let Some(offer) = offer.filter(|_| cfg!(feature = "deflate")) else {
            assert_eq!(answer, None, "nobody offered that");
            return None;
        };
        let mut expected =
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover".to_owned();
        if offer.window_bits < MAX_WINDOW_BITS {
            expected += &format!("; server_max_window_bits={}", offer.window_bits);
        }
        assert_eq!(answer, Some(&*expected), "to {offer:?}");
        Some(offer.window_bits)
    }
}

/// A payload that means this text, in one of the forms that it may have.
pub fn compressed(scene: &Scene, text: &str, is_wordy: bool) -> Vec<u8> {
    if is_wordy {
        return [&flushed(scene.pick(&LEVELS), text), &BLANKS[..]].concat();
    }
    if scene.chance(30) {
        // A last block, and an empty one behind it (§7.2.3.4).
        let mut payload = compress_to_vec(text.as_bytes(), scene.pick(&LEVELS));
        payload.push(0);
        return payload;
    }
    let mut payload = flushed(scene.pick(&LEVELS), text);
    payload.truncate(payload.len() - EMPTY_BLOCK.len());
    payload
}

/// What a payload of the server's means, to a client that remembers no more
/// than it has said that it does, and nothing of earlier messages.
pub fn meaning(payload: &[u8], window_bits: u8) -> Vec<u8> {
    // The last block shows that it did not end in the middle of one.
    let input = [payload, EMPTY_BLOCK, &[1, 0, 0, 0xff, 0xff]].concat();
    let mut window = vec![0; 1 << window_bits];
    let (mut taken, mut place, mut meaning) = (0, 0, Vec::new());
    let mut decompressor = DecompressorOxide::new();
    loop {
        let flags = TINFL_FLAG_HAS_MORE_INPUT;
        let (status, read, written) = decompress(
            &mut decompressor,
            &input[taken..],
            &mut window,
            place,
            flags,
        );
        taken += read;
        meaning.extend_from_slice(&window[place..place + written]);
        place = (place + written) % window.len();
        match status {
            TINFLStatus::HasMoreOutput => {}
            TINFLStatus::Done if taken == input.len() => return meaning,
            status => panic!("{status:?} at {taken} of {payload:x?}, {window_bits} bits"),
        }
    }
}

/// Blocks that mean this text, up to the empty one that shows where they end.
fn flushed(level: u8, text: &str) -> Vec<u8> {
    let mut compressor =
        CompressorOxide::new(create_comp_flags_from_zip_params(level.into(), -15, 0));
    let mut payload = vec![0; text.len() + text.len() / 8 + 100];
    let result = deflate(
        &mut compressor,
        text.as_bytes(),
        &mut payload,
        MZFlush::Sync,
    );
    assert_eq!(result.bytes_consumed, text.len());
    payload.truncate(result.bytes_written);
    assert!(payload.ends_with(EMPTY_BLOCK));
    payload
}

/// As they are, fast, and as small as it gets.
const LEVELS: [u8; 3] = [0, 1, 9];

/// What is left out at the end of a message (§7.2.1).
const EMPTY_BLOCK: &[u8] = &[0, 0, 0xff, 0xff];

/// Hundreds of kilobytes that mean nothing, for a few hundred bytes.
static BLANKS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut blanks = compress_to_vec(&vec![b' '; 700_000], 6);
    blanks.push(0);
    blanks
});
