//! What stands for the compressor where it was left out.

use crate::websocket::error::ProtocolError;

pub(super) const IS_AVAILABLE: bool = false;

/// Would compress messages.
#[derive(Debug, Default)]
pub struct Deflater(());

impl Deflater {
    /// Leaves every message as it is.
    pub fn deflate(&mut self, _window_bits: u8, _payload: &[u8]) -> Option<&[u8]> {
        None
    }

    /// There is nothing to give back.
    pub fn release(&mut self) {}

    /// How many bytes it keeps for the next message: none.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        0
    }
}

/// Would decompress messages.
#[derive(Debug, Default)]
pub struct Inflater(());

impl Inflater {
    /// Takes no message: none can have been agreed upon.
    ///
    /// # Errors
    /// Always.
    pub fn inflate(&mut self, _: &[u8], _max_bytes: usize) -> Result<&[u8], ProtocolError> {
        Err(ProtocolError::ReservedBits)
    }

    /// How many bytes have gone in and come out in all: none.
    #[must_use]
    pub fn work_bytes(&self) -> u64 {
        0
    }

    /// There is nothing to give back.
    pub fn release(&mut self) {}

    /// How many bytes it keeps for the next message: none.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        0
    }
}
