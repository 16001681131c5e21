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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Feeds the pieces; the error comes with the number of the piece.
    fn assemble(pieces: &[&[u8]]) -> Result<String, usize> {
        let mut text = TextAssembly::default();
        for (i, piece) in pieces.iter().enumerate() {
            text.push(piece).map_err(|_| i)?;
        }
        text.finish().map(str::to_owned).map_err(|_| pieces.len())
    }

    fn byte_by_byte(text: &[u8]) -> Result<String, usize> {
        assemble(&text.chunks(1).collect::<Vec<_>>())
    }

    // Autobahn 6.5–6.7, 6.9, 6.11, 6.22: the first and the last of each length,
    // non-characters and what surrounds the surrogates.
    const VALID: &[&[u8]] = &[
        b"",
        b"\x00",
        b"Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xc3\xa4\xc3\xbc\xc3\xa0\xc3\xa1-UTF-8!!",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
        b"\x7f",
        b"\xc2\x80",
        b"\xdf\xbf",
        b"\xe0\xa0\x80",
        b"\xed\x9f\xbf",
        b"\xee\x80\x80",
        b"\xef\xbf\xbd",
        b"\xef\xbf\xbe",
        b"\xef\xbf\xbf",
        b"\xf0\x90\x80\x80",
        b"\xf4\x8f\xbf\xbf",
        b"\xf0\x9f\xbf\xbe",
    ];

    // Autobahn 6.3, 6.4, 6.8, 6.10, 6.12–6.21: the bytes and where the first
    // bad one is.
    const INVALID: &[(&[u8], usize)] = &[
        (
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
            12,
        ),
        (
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited",
            12,
        ),
        (b"\x80", 0),
        (b"\xbf", 0),
        (b"\xf8\x88\x80\x80\x80", 0),
        (b"\xfc\x84\x80\x80\x80\x80", 0),
        (b"\xf7\xbf\xbf\xbf", 0),
        (b"\xf5\x80\x80\x80", 0),
        (b"\xfe", 0),
        (b"\xff", 0),
        (b"\xc0\xaf", 0),
        (b"\xc1\xbf", 0),
        (b"\xe0\x80\xaf", 1),
        (b"\xe0\x9f\xbf", 1),
        (b"\xf0\x80\x80\xaf", 1),
        (b"\xf0\x8f\xbf\xbf", 1),
        (b"\xed\xa0\x80", 1),
        (b"\xed\xbf\xbf", 1),
        (b"\xf4\x90\x80\x80", 1),
        (b"a\xc3\x28", 2),
        (b"\xe2\x82\x28", 2),
        (b"\xf0\x9f\x98\x28", 3),
        (b"\xf0\x9f\x98\xf0\x9f\x98\x80", 3),
    ];

    // Autobahn 6.1–6.2 cut short: nothing is wrong until the text ends.
    const TORN: &[&[u8]] = &[b"\xce", b"\xe1\xbd", b"\xf0\x9f\x98", b"ok \xf4\x8f"];

    #[test]
    fn valid_text_is_accepted_cut_anywhere() {
        for text in VALID {
            let expected = Ok(String::from_utf8(text.to_vec()).expect("valid"));
            assert_eq!(byte_by_byte(text), expected);
            for cut in 0..=text.len() {
                let (head, tail) = text.split_at(cut);
                assert_eq!(assemble(&[head, tail]), expected, "{text:x?} at {cut}");
            }
        }
    }

    #[test]
    fn invalid_text_fails_at_the_first_bad_byte() {
        for (text, bad) in INVALID {
            assert_eq!(byte_by_byte(text), Err(*bad), "{text:x?}");
            assert_eq!(validate(text), Err(ProtocolError::InvalidUtf8));
            for cut in 0..=text.len() {
                let (head, tail) = text.split_at(cut);
                let piece = usize::from(*bad >= cut);
                assert_eq!(assemble(&[head, tail]), Err(piece), "{text:x?} at {cut}");
            }
        }
    }

    #[test]
    fn text_that_ends_inside_a_character_fails_at_its_end() {
        for text in TORN {
            assert_eq!(byte_by_byte(text), Err(text.len()), "{text:x?}");
            assert_eq!(assemble(&[text]), Err(1), "{text:x?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_are_judged_as_the_standard_library_judges_the_whole(
            pieces: Vec<Vec<u8>>,
        ) {
            let mut text = TextAssembly::default();
            let mut whole = Vec::new();
            for piece in pieces {
                whole.extend_from_slice(&piece);
                let is_possible = match str::from_utf8(&whole) {
                    Ok(_) => true,
                    Err(error) => error.error_len().is_none(),
                };
                prop_assert_eq!(text.push(&piece).is_ok(), is_possible);
                if !is_possible {
                    return Ok(());
                }
                prop_assert_eq!(text.len(), whole.len());
            }
            prop_assert_eq!(text.finish().ok(), str::from_utf8(&whole).ok());
        }

        #[test]
        fn any_text_is_assembled_from_pieces_of_any_length(
            text in "\\PC{0,40}",
            lengths in prop::collection::vec(1..7_usize, 1..200),
        ) {
            let mut assembly = TextAssembly::default();
            let mut rest = text.as_bytes();
            for length in lengths.into_iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at(length.min(rest.len()));
                assembly.push(piece).expect("part of a valid text");
                rest = after;
            }
            prop_assert_eq!(assembly.finish(), Ok(text.as_str()));
        }
    }
}
