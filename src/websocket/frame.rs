//! Frame headers (RFC 6455 §5.2).
//!
//! ```text
//!   0               1               2 …
//!  +-+-+-+-+-------+-+-------------+----------------+-------------+---------+
//!  |F|R|R|R| opcode|M| length (7)  | length (16/64) | masking key | payload |
//!  |I|S|S|S|  (4)  |A|             | if length is   | (32)        |         |
//!  |N|V|V|V|       |S|             | 126 / 127      | if MASK     |         |
//!  | |1|2|3|       |K|             |                |             |         |
//!  +-+-+-+-+-------+-+-------------+----------------+-------------+---------+
//! ```

use core::fmt;
use core::ops::Deref;

use super::error::ProtocolError;

/// What a frame is for (§5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// The next fragment of a message.
    Continuation = 0x0,
    /// Text, or its first fragment.
    Text = 0x1,
    /// Binary data, or its first fragment.
    Binary = 0x2,
    /// Starts or completes the closing handshake.
    Close = 0x8,
    /// Asks for a Pong.
    Ping = 0x9,
    /// Answers a Ping.
    Pong = 0xa,
}

impl Opcode {
    /// Whether this is a control frame: never fragmented, at most 125 bytes,
    /// allowed between the fragments of a message (§5.5).
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Opcode::Close | Opcode::Ping | Opcode::Pong)
    }

    fn from_first_byte(byte: u8) -> Result<Self, ProtocolError> {
        match byte & OPCODE_BITS {
            0x0 => Ok(Opcode::Continuation),
            0x1 => Ok(Opcode::Text),
            0x2 => Ok(Opcode::Binary),
            0x8 => Ok(Opcode::Close),
            0x9 => Ok(Opcode::Ping),
            0xa => Ok(Opcode::Pong),
            reserved => Err(ProtocolError::ReservedOpcode(reserved)),
        }
    }
}

/// The header of a frame from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the last fragment of its message.
    pub fin: bool,
    /// Whether it begins a compressed message: RSV1 (RFC 7692 §6).
    pub is_deflated: bool,
    /// What the frame is for.
    pub opcode: Opcode,
    /// What the payload is masked with (§5.3).
    pub masking_key: [u8; 4],
    /// The declared length of the payload; below 2⁶³.
    pub payload_bytes: u64,
}

impl FrameHeader {
    /// Reads the header at the beginning of `input`, and says how many bytes
    /// it takes. `None`: more input is needed, at most
    /// [`MAX_CLIENT_HEADER_BYTES`] in all. `may_deflate`: compression was
    /// agreed upon.
    ///
    /// # Errors
    ///
    /// Whatever breaks §5.2 or §5.5, at the first byte that shows it.
    pub fn decode(input: &[u8], may_deflate: bool) -> Result<Option<(Self, usize)>, ProtocolError> {
        let mut rest = input;
        let Some(first) = take::<1>(&mut rest) else {
            return Ok(None);
        };
        let fin = first[0] & FIN_BIT != 0;
        // "MUST be 0 unless an extension is negotiated that defines meanings
        // for non-zero values."
        let is_deflated = may_deflate && first[0] & RSV1_BIT != 0;
        let defined_bits = if is_deflated { RSV1_BIT } else { 0 };
        if first[0] & RESERVED_BITS != defined_bits {
            return Err(ProtocolError::ReservedBits);
        }
        let opcode = Opcode::from_first_byte(first[0])?;
        // RSV1 belongs to the first frame of a message (RFC 7692 §6).
        if is_deflated && !matches!(opcode, Opcode::Text | Opcode::Binary) {
            return Err(ProtocolError::ReservedBits);
        }
        if opcode.is_control() && !fin {
            return Err(ProtocolError::FragmentedControlFrame);
        }

        let Some(second) = take::<1>(&mut rest) else {
            return Ok(None);
        };
        // "a server MUST close a connection upon receiving a frame that is not
        // masked" (§5.1)
        if second[0] & MASK_BIT == 0 {
            return Err(ProtocolError::UnmaskedFrame);
        }
        let length = second[0] & LENGTH_BITS;
        if opcode.is_control() && length > MAX_SHORT_LENGTH {
            return Err(ProtocolError::OversizedControlFrame);
        }
        let payload_bytes = match length {
            LENGTH_16_FOLLOWS => match take::<2>(&mut rest) {
                Some(bytes) => u64::from(u16::from_be_bytes(bytes)),
                None => return Ok(None),
            },
            LENGTH_64_FOLLOWS => match take::<8>(&mut rest) {
                Some(bytes) => u64::from_be_bytes(bytes),
                None => return Ok(None),
            },
            length => u64::from(length),
        };
        // "the minimal number of bytes MUST be used to encode the length";
        // "the most significant bit MUST be 0"
        if length == LENGTH_16_FOLLOWS && payload_bytes <= u64::from(MAX_SHORT_LENGTH)
            || length == LENGTH_64_FOLLOWS && payload_bytes <= u64::from(u16::MAX)
        {
            return Err(ProtocolError::NonMinimalLength);
        }
        if payload_bytes >> 63 != 0 {
            return Err(ProtocolError::LengthOverflow);
        }

        let Some(masking_key) = take::<4>(&mut rest) else {
            return Ok(None);
        };
        let header = FrameHeader {
            fin,
            is_deflated,
            opcode,
            masking_key,
            payload_bytes,
        };
        Ok(Some((header, input.len() - rest.len())))
    }
}

/// The header of a whole message or a control frame from the server: FIN set,
/// never masked (§5.1).
#[must_use]
pub fn server_header(opcode: Opcode, payload_bytes: usize) -> HeaderBytes {
    let mut bytes = [0; MAX_SERVER_HEADER_BYTES];
    bytes[0] = FIN_BIT | opcode as u8;
    let length = if let Ok(length @ ..=MAX_SHORT_LENGTH) = u8::try_from(payload_bytes) {
        bytes[1] = length;
        2
    } else if let Ok(length) = u16::try_from(payload_bytes) {
        bytes[1] = LENGTH_16_FOLLOWS;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        4
    } else {
        bytes[1] = LENGTH_64_FOLLOWS;
        bytes[2..10].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
        10
    };
    HeaderBytes { bytes, length }
}

/// The same for a compressed message.
#[must_use]
pub fn deflated_header(opcode: Opcode, payload_bytes: usize) -> HeaderBytes {
    let mut header = server_header(opcode, payload_bytes);
    header.bytes[0] |= RSV1_BIT;
    header
}

/// An encoded frame header: 2, 4 or 10 bytes.
#[derive(Clone, Copy)]
pub struct HeaderBytes {
    bytes: [u8; MAX_SERVER_HEADER_BYTES],
    length: u8,
}

impl Deref for HeaderBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Debug for HeaderBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HeaderBytes").field(&&**self).finish()
    }
}

/// The longest header a client can send: 2 bytes, 8 of length, 4 of key.
pub const MAX_CLIENT_HEADER_BYTES: usize = 14;

/// The longest header the server sends: 2 bytes and 8 of length.
pub const MAX_SERVER_HEADER_BYTES: usize = 10;

fn take<const N: usize>(input: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(*bytes)
}

const FIN_BIT: u8 = 0b1000_0000;
const RSV1_BIT: u8 = 0b0100_0000;
const RESERVED_BITS: u8 = 0b0111_0000;
const OPCODE_BITS: u8 = 0b0000_1111;
const MASK_BIT: u8 = 0b1000_0000;
const LENGTH_BITS: u8 = 0b0111_1111;

/// The longest payload whose length fits into the second byte, and the longest
/// of a control frame.
const MAX_SHORT_LENGTH: u8 = 125;
const LENGTH_16_FOLLOWS: u8 = 126;
const LENGTH_64_FOLLOWS: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    #[test]
    fn header_is_decoded_in_all_three_lengths_and_torn_everywhere() {
        let vectors: [(&[u8], u64); 6] = [
            (&[0x80], 0),
            (&[0x80 | 125], 125),
            (&[0x80 | 126, 0, 126], 126),
            (&[0x80 | 126, 0xff, 0xff], 65_535),
            (&[0x80 | 127, 0, 0, 0, 0, 0, 1, 0, 0], 65_536),
            (
                &[0x80 | 127, 0x7f, 255, 255, 255, 255, 255, 255, 255],
                u64::MAX >> 1,
            ),
        ];
        for (length, payload_bytes) in vectors {
            let encoded = [&[0x82], length, &KEY].concat();
            let header = FrameHeader {
                fin: true,
                is_deflated: false,
                opcode: Opcode::Binary,
                masking_key: KEY,
                payload_bytes,
            };
            for cut in 0..encoded.len() {
                assert_eq!(
                    FrameHeader::decode(&encoded[..cut], false),
                    Ok(None),
                    "{cut}"
                );
            }
            let with_payload = [encoded.as_slice(), b"payload"].concat();
            let expected = Ok(Some((header, encoded.len())));
            assert_eq!(FrameHeader::decode(&encoded, false), expected);
            assert_eq!(FrameHeader::decode(&with_payload, false), expected);
        }
    }

    #[test]
    fn every_opcode_is_decoded_or_reserved() {
        for number in 0..16_u8 {
            let decoded = FrameHeader::decode(&[0x80 | number, 0x80, 1, 2, 3, 4], false);
            match number {
                0 | 1 | 2 | 8 | 9 | 10 => {
                    let (header, bytes) = decoded.expect("a legal opcode").expect("whole");
                    assert_eq!((header.opcode as u8, bytes), (number, 6));
                    assert_eq!(header.opcode.is_control(), number >= 8);
                }
                _ => assert_eq!(decoded, Err(ProtocolError::ReservedOpcode(number))),
            }
        }
    }

    /// The shortest input that shows the fault fails; one byte less does not.
    fn assert_fails_at_the_last_byte_of(input: &[u8], error: ProtocolError) {
        let (_, before) = input.split_last().expect("not empty");
        assert_eq!(FrameHeader::decode(before, false), Ok(None), "{before:?}");
        assert_eq!(FrameHeader::decode(input, false), Err(error), "{input:?}");
    }

    #[test]
    fn server_rejects_reserved_bits() {
        for bit in [0x40, 0x20, 0x10] {
            assert_fails_at_the_last_byte_of(&[0x81 | bit], ProtocolError::ReservedBits);
        }
    }

    #[test]
    fn only_the_first_frame_of_a_message_may_be_marked_as_compressed() {
        for opcode in [0, 1, 2, 8, 9, 10] {
            let frame = [0xc0 | opcode, 0x80, 1, 2, 3, 4];
            let decoded = FrameHeader::decode(&frame, true);
            if matches!(opcode, 1 | 2) {
                let (header, _) = decoded.expect("legal").expect("whole");
                assert!(header.is_deflated);
            } else {
                assert_eq!(decoded, Err(ProtocolError::ReservedBits), "{opcode}");
            }
        }
        for bits in [0x20, 0x10, 0x60, 0x50, 0x70] {
            let decoded = FrameHeader::decode(&[0x81 | bits], true);
            assert_eq!(decoded, Err(ProtocolError::ReservedBits), "{bits:x}");
        }
        assert_eq!(&*deflated_header(Opcode::Text, 5), &[0xc1, 5]);
    }

    #[test]
    fn server_rejects_unmasked_frame() {
        assert_fails_at_the_last_byte_of(&[0x81, 5], ProtocolError::UnmaskedFrame);
    }

    #[test]
    fn server_rejects_fragmented_control_frame() {
        for opcode in [8, 9, 10] {
            assert_fails_at_the_last_byte_of(&[opcode], ProtocolError::FragmentedControlFrame);
        }
    }

    #[test]
    fn server_rejects_control_frame_of_more_than_125_bytes() {
        for opcode in [0x88, 0x89, 0x8a] {
            for length in [126, 127] {
                assert_fails_at_the_last_byte_of(
                    &[opcode, 0x80 | length],
                    ProtocolError::OversizedControlFrame,
                );
            }
            let longest = FrameHeader::decode(&[opcode, 0x80 | 125, 1, 2, 3, 4], false);
            assert!(matches!(longest, Ok(Some((header, 6))) if header.payload_bytes == 125));
        }
    }

    #[test]
    fn server_rejects_lengths_that_take_more_bytes_than_they_need() {
        for input in [
            &[0x82, 0xfe, 0, 0][..],
            &[0x82, 0xfe, 0, 125],
            &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 0],
            &[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
        ] {
            assert_fails_at_the_last_byte_of(input, ProtocolError::NonMinimalLength);
        }
    }

    #[test]
    fn server_rejects_length_with_the_highest_bit_set() {
        assert_fails_at_the_last_byte_of(
            &[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0],
            ProtocolError::LengthOverflow,
        );
    }

    #[test]
    fn server_header_is_final_unmasked_and_as_short_as_possible() {
        let vectors: [(usize, &[u8]); 6] = [
            (0, &[0x81, 0]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (1 << 20, &[0x81, 127, 0, 0, 0, 0, 0, 0x10, 0, 0]),
        ];
        for (payload_bytes, expected) in vectors {
            assert_eq!(&*server_header(Opcode::Text, payload_bytes), expected);
        }
        assert_eq!(&*server_header(Opcode::Close, 2), &[0x88, 2]);
        assert_eq!(&*server_header(Opcode::Pong, 0), &[0x8a, 0]);
    }
}
