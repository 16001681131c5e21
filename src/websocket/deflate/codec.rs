//! The compressor and the decompressor, each shared by all connections.

use core::fmt;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::websocket::error::ProtocolError;

pub(super) const IS_AVAILABLE: bool = true;

/// Compresses messages. Owns no memory until it has to.
#[derive(Default)]
pub struct Deflater {
    /// For windows of 9 to 15 bits: nearly everybody takes the last.
    by_window_bits: [Option<Box<Compress>>; 7],
    deflated: Vec<u8>,
}

impl Deflater {
    /// The payload of a frame with RSV1 that means `payload` (RFC 7692
    /// §7.2.1), for a receiver with a window of so many bits.
    ///
    /// `None` where it is better sent as it is: it is small, does not get
    /// smaller, or the window is one of 8 bits, which no compressor can do.
    pub fn deflate(&mut self, window_bits: u8, payload: &[u8]) -> Option<&[u8]> {
        if payload.len() < MIN_DEFLATED_BYTES {
            return None;
        }
        let place = window_bits.checked_sub(MIN_WINDOW_BITS)?;
        let compress = self.by_window_bits.get_mut(usize::from(place))?;
        let compress = compress.get_or_insert_with(|| {
            let level = Compression::new(LEVEL);
            Box::new(Compress::new_with_window_bits(level, false, window_bits))
        });
        compress.reset();
        self.deflated.clear();
        self.deflated.reserve(payload.len());
        compress
            .compress_vec(payload, &mut self.deflated, FlushCompress::Sync)
            .ok()?;
        // Where there was no more room something may be missing.
        let is_whole = self.deflated.len() < self.deflated.capacity()
            && compress.total_in() == payload.len() as u64;
        let deflated = self.deflated.strip_suffix(EMPTY_BLOCK)?;
        (is_whole && deflated.len() < payload.len()).then_some(deflated)
    }

    /// Gives back what a large message grew; to be called now and then when none
    /// is at hand.
    pub fn release(&mut self) {
        release(&mut self.deflated);
    }

    /// How many bytes it keeps for the next message.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.deflated.capacity()
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").finish_non_exhaustive()
    }
}

/// Decompresses messages. Owns no memory until it has to.
#[derive(Default)]
pub struct Inflater {
    decompress: Option<Box<Decompress>>,
    inflated: Vec<u8>,
    work_bytes: u64,
}

impl Inflater {
    /// What the payload of a message with RSV1 means (RFC 7692 §7.2.2).
    ///
    /// # Errors
    /// Where it is not DEFLATE, or not to its end, or means more than
    /// `max_bytes` (0 for no bound): that is found out while it grows.
    pub fn inflate(&mut self, payload: &[u8], max_bytes: usize) -> Result<&[u8], ProtocolError> {
        let max_bytes = if max_bytes == 0 {
            usize::MAX
        } else {
            max_bytes
        };
        let decompress = self
            .decompress
            .get_or_insert_with(|| Box::new(Decompress::new(false)));
        decompress.reset(false);
        self.inflated.clear();
        let mut take = |part| inflate(decompress, part, &mut self.inflated, max_bytes);
        // A last block may stand at the end, with nothing behind it.
        let has_ended = take(payload).and_then(|ended| Ok(ended || take(END)?));
        self.work_bytes += (payload.len() + self.inflated.len()) as u64;
        if has_ended? {
            Ok(&self.inflated)
        } else {
            Err(ProtocolError::InvalidDeflate)
        }
    }

    /// How many bytes have gone in and come out in all: what it has cost.
    #[must_use]
    pub fn work_bytes(&self) -> u64 {
        self.work_bytes
    }

    /// Gives back what a large message grew; to be called now and then when none
    /// is at hand.
    pub fn release(&mut self) {
        release(&mut self.inflated);
    }

    /// How many bytes it keeps for the next message.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.inflated.capacity()
    }
}

/// Goes on with the next part of a message; returns whether it ends with a last
/// block.
fn inflate(
    decompress: &mut Decompress,
    mut part: &[u8],
    inflated: &mut Vec<u8>,
    max_bytes: usize,
) -> Result<bool, ProtocolError> {
    let mut taken = 0;
    loop {
        let length = inflated.len();
        // Blocks that mean nothing cost time and give nothing: whoever compresses
        // makes nothing much longer.
        if taken > length + length / 8 + MAX_IDLE_BYTES {
            return Err(ProtocolError::InvalidDeflate);
        }
        let (step, _) = part.split_at(part.len().min(STEP_BYTES));
        let room = length.max(MIN_ROOM_BYTES).min(max_bytes - length);
        // One byte more shows that there are too many.
        inflated.reserve_exact(room.saturating_add(1));
        let before = decompress.total_in();
        let status = decompress
            .decompress_vec(step, inflated, FlushDecompress::None)
            .map_err(|_| ProtocolError::InvalidDeflate)?;
        if inflated.len() > max_bytes {
            return Err(ProtocolError::MessageTooBig);
        }
        let bytes = usize::try_from(decompress.total_in() - before).unwrap_or(usize::MAX);
        taken += bytes;
        part = part.get(bytes..).unwrap_or_default();
        match status {
            // "a DEFLATE block with the BFINAL bit set to 1" may be followed by
            // others (RFC 7692 §7.2.3.4).
            Status::StreamEnd => {
                decompress.reset(false);
                if part.is_empty() {
                    return Ok(true);
                }
            }
            _ if inflated.len() == inflated.capacity() => {}
            _ if part.is_empty() => return Ok(false),
            Status::Ok => {}
            Status::BufError => return Err(ProtocolError::InvalidDeflate),
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

/// Empties a buffer, and keeps its memory unless a large message grew it.
fn release(buffer: &mut Vec<u8>) {
    buffer.clear();
    buffer.shrink_to(MAX_KEPT_BYTES);
}

/// What a sender leaves out at the end of each message (RFC 7692 §7.2.1).
const EMPTY_BLOCK: &[u8] = &[0, 0, 0xff, 0xff];

/// The same, and a last block behind it, which shows that the message did not
/// end in the middle of one.
const END: &[u8] = &[0, 0, 0xff, 0xff, 1, 0, 0, 0xff, 0xff];

/// Less fits into one packet anyway, and would take longer to compress than all
/// the rest takes together.
const MIN_DEFLATED_BYTES: usize = 1024;

/// More effort saves next to nothing in what people write. Level 1 of zlib-rs
/// panics where what it is given does not get smaller.
const LEVEL: u32 = 2;

/// How much is looked at before it is asked what came of it.
const STEP_BYTES: usize = 8 * 1024;

/// What a message may have of blocks that mean nothing.
const MAX_IDLE_BYTES: usize = 4 * 1024;

const MIN_WINDOW_BITS: u8 = 9;
const MIN_ROOM_BYTES: usize = 4096;
const MAX_KEPT_BYTES: usize = 64 * 1024;
