//! What a client sends, for tests.

use super::frame::Opcode;
use super::mask::unmask;

pub(crate) const MASKING_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A masked frame.
pub(crate) fn client_frame(fin: bool, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![u8::from(fin) << 7 | opcode as u8];
    if payload.len() <= 125 {
        frame.push(0x80 | u8::try_from(payload.len()).expect("at most 125"));
    } else if let Ok(length) = u16::try_from(payload.len()) {
        frame.push(0x80 | 126);
        frame.extend(length.to_be_bytes());
    } else {
        frame.push(0x80 | 127);
        frame.extend((payload.len() as u64).to_be_bytes());
    }
    frame.extend(MASKING_KEY);
    let payload_at = frame.len();
    frame.extend(payload);
    unmask(&mut frame[payload_at..], MASKING_KEY, 0);
    frame
}
