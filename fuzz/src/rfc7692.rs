//! What a compressed payload means, and how one comes about, by another library
//! than the server's (RFC 7692 §7.2).

use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, TDEFLStatus};
use miniz_oxide::deflate::core::{compress_to_output, create_comp_flags_from_zip_params};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// The payload that means this, as a client sends it (§7.2.1).
pub fn compressed(message: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    // No wrapping, but DEFLATE alone.
    let flags = create_comp_flags_from_zip_params(6, 0, 0);
    let mut state = Box::new(CompressorOxide::new(flags));
    let (status, taken) = compress_to_output(&mut state, message, TDEFLFlush::Sync, |bytes| {
        payload.extend(bytes);
        true
    });
    assert_eq!((status, taken), (TDEFLStatus::Okay, message.len()));
    let left_out = payload.strip_suffix(EMPTY_BLOCK);
    left_out.expect("a flush ends so").to_vec()
}

/// What a payload means (§7.2.2): one DEFLATE stream, or several, each ended by
/// a last block. `None` where it is no such thing, or not to its end.
pub fn meaning(payload: &[u8]) -> Option<Vec<u8>> {
    let whole = [payload, END].concat();
    let mut meaning = Vec::new();
    let mut taken = 0;
    loop {
        let (bytes, of_stream) = stream(&whole[taken..])?;
        taken += bytes;
        meaning.extend(of_stream);
        if taken == payload.len() || taken == whole.len() {
            return Some(meaning);
        }
    }
}

/// One stream at the beginning of these bytes: how many it has, and its meaning.
fn stream(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let mut out = vec![0; 4096];
    let (mut taken, mut given) = (0, 0);
    let mut state = Box::<DecompressorOxide>::default();
    loop {
        let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let (status, more, new) = decompress(&mut state, &bytes[taken..], &mut out, given, flags);
        taken += more;
        given += new;
        match status {
            TINFLStatus::Done => {
                out.truncate(given);
                return Some((taken, out));
            }
            TINFLStatus::HasMoreOutput => out.resize(2 * out.len(), 0),
            _ => return None,
        }
    }
}

/// What a sender leaves out.
const EMPTY_BLOCK: &[u8] = &[0, 0, 0xff, 0xff];

/// The same, and a last block, which can only stand there where the payload did
/// not end in the middle of one.
const END: &[u8] = &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];
