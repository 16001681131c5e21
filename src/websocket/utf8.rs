//! Text validated as it arrives (RFC 6455 §8.1).

use core::str;

use super::error::ProtocolError;

/// Text assembled from pieces that may be cut anywhere, also inside a
/// character.
///
/// What is known to be valid is kept as a `String`, so that the finished text
/// need not be looked at a second time; at most three bytes of a torn
/// character wait beside it.
#[derive(Clone, Debug, Default)]
pub struct TextAssembly {
    valid: String,
    torn: [u8; MAX_TORN_BYTES],
    torn_bytes: usize,
}

impl TextAssembly {
    /// Appends a piece.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::InvalidUtf8`] as soon as no continuation can make the
    /// text valid: at the first bad byte, not at the end of the character.
    pub fn push(&mut self, piece: &[u8]) -> Result<(), ProtocolError> {
        let rest = self.complete_torn_character(piece)?;
        let (valid, torn) = split_torn_character(rest)?;
        self.valid.push_str(valid);
        if !torn.is_empty() {
            self.keep_torn_character(torn);
        }
        Ok(())
    }

    /// How many bytes have been appended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.valid.len() + self.torn_bytes
    }

    /// Whether nothing has been appended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text, once its last piece has been appended.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::InvalidUtf8`] where it ends inside a character.
    pub fn finish(&self) -> Result<&str, ProtocolError> {
        if self.torn_bytes > 0 {
            return Err(ProtocolError::InvalidUtf8);
        }
        Ok(&self.valid)
    }

    /// Feeds the torn character until it is complete, and returns what of
    /// `piece` is left. One byte at a time: three at most.
    fn complete_torn_character<'p>(&mut self, piece: &'p [u8]) -> Result<&'p [u8], ProtocolError> {
        let mut rest = piece;
        while self.torn_bytes > 0 {
            let Some((&byte, after)) = rest.split_first() else {
                break;
            };
            let [a, b, c] = self.torn;
            let mut character = [a, b, c, 0];
            character[self.torn_bytes] = byte;
            let (valid, torn) = split_torn_character(&character[..=self.torn_bytes])?;
            self.valid.push_str(valid);
            self.keep_torn_character(torn);
            rest = after;
        }
        Ok(rest)
    }

    fn keep_torn_character(&mut self, torn: &[u8]) {
        self.torn_bytes = torn.len();
        self.torn[..torn.len()].copy_from_slice(torn);
    }
}

/// Validates a text that is here as a whole.
///
/// # Errors
///
/// [`ProtocolError::InvalidUtf8`].
pub fn validate(text: &[u8]) -> Result<&str, ProtocolError> {
    str::from_utf8(text).map_err(|_| ProtocolError::InvalidUtf8)
}

/// Splits off a character that is torn by the end of `bytes`: at most three
/// bytes that may still become a valid one. Every byte is validated once.
fn split_torn_character(bytes: &[u8]) -> Result<(&str, &[u8]), ProtocolError> {
    let torn_bytes = (1..=MAX_TORN_BYTES.min(bytes.len()))
        .find(|&back| sequence_bytes(bytes[bytes.len() - back]) > back)
        .unwrap_or(0);
    let (valid, torn) = bytes.split_at(bytes.len() - torn_bytes);
    let valid = validate(valid)?;
    match str::from_utf8(torn) {
        // An `error_len` says that no continuation makes these bytes valid.
        Err(error) if error.error_len().is_some() => Err(ProtocolError::InvalidUtf8),
        _ => Ok((valid, torn)),
    }
}

/// How many bytes the sequence takes that `byte` leads; 0 if it leads none.
fn sequence_bytes(byte: u8) -> usize {
    match byte {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 0,
    }
}

/// The longest character has four bytes; a torn one lacks at least one.
const MAX_TORN_BYTES: usize = 3;
