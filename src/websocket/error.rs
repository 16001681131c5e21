//! How a peer can break the protocol.

use core::fmt;

use super::close::CloseCode;

/// Why a connection has to be failed (RFC 6455 §7.1.7).
///
/// [`ProtocolError::close_code`] is the one place where an error becomes a
/// close code; `Display` is the reason to send with it and to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// A reserved bit is set that no negotiated extension defines (§5.2).
    ReservedBits,
    /// An opcode that is reserved (§5.2): 3–7 or 11–15.
    ReservedOpcode(u8),
    /// A client frame came without a masking key (§5.1).
    UnmaskedFrame,
    /// A control frame without FIN (§5.5).
    FragmentedControlFrame,
    /// A control frame with a payload of more than 125 bytes (§5.5).
    OversizedControlFrame,
    /// A payload length that fits into fewer bytes than it takes (§5.2).
    NonMinimalLength,
    /// A payload length of 2⁶³ or more (§5.2).
    LengthOverflow,
    /// A continuation frame where no message is unfinished (§5.4).
    UnexpectedContinuation,
    /// A new text or binary frame inside an unfinished message (§5.4).
    InterruptedMessage,
    /// Text, or the reason of a Close, that is not UTF-8 (§8.1).
    InvalidUtf8,
    /// A compressed message that is not whole DEFLATE data (RFC 7692 §7.2.2).
    InvalidDeflate,
    /// A message longer than this server takes (§10.4).
    MessageTooBig,
    /// A Close payload of one byte, where a code takes two (§5.5.1).
    TornCloseCode,
    /// A Close with a code no client may send (§7.4).
    InvalidCloseCode(u16),
}

impl ProtocolError {
    /// The code of the Close to answer with.
    #[must_use]
    pub fn close_code(self) -> CloseCode {
        match self {
            ProtocolError::InvalidUtf8 | ProtocolError::InvalidDeflate => {
                CloseCode::INVALID_PAYLOAD
            }
            ProtocolError::MessageTooBig => CloseCode::MESSAGE_TOO_BIG,
            ProtocolError::ReservedBits
            | ProtocolError::ReservedOpcode(_)
            | ProtocolError::UnmaskedFrame
            | ProtocolError::FragmentedControlFrame
            | ProtocolError::OversizedControlFrame
            | ProtocolError::NonMinimalLength
            | ProtocolError::LengthOverflow
            | ProtocolError::UnexpectedContinuation
            | ProtocolError::InterruptedMessage
            | ProtocolError::TornCloseCode
            | ProtocolError::InvalidCloseCode(_) => CloseCode::PROTOCOL_ERROR,
        }
    }

    /// What is wrong, without the offending number: fits a Close reason.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            ProtocolError::ReservedBits => "reserved bits are set and no extension defines them",
            ProtocolError::ReservedOpcode(_) => "reserved opcode",
            ProtocolError::UnmaskedFrame => "client frames must be masked",
            ProtocolError::FragmentedControlFrame => "control frames must not be fragmented",
            ProtocolError::OversizedControlFrame => "control frames carry at most 125 bytes",
            ProtocolError::NonMinimalLength => "payload length takes more bytes than it needs",
            ProtocolError::LengthOverflow => "payload length has its highest bit set",
            ProtocolError::UnexpectedContinuation => "continuation frame without a message",
            ProtocolError::InterruptedMessage => "new message inside an unfinished one",
            ProtocolError::InvalidUtf8 => "text is not valid UTF-8",
            ProtocolError::InvalidDeflate => "compressed message cannot be decompressed",
            ProtocolError::MessageTooBig => "message is longer than this server accepts",
            ProtocolError::TornCloseCode => "Close payload of one byte",
            ProtocolError::InvalidCloseCode(_) => "close code that no client may send",
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())?;
        match self {
            ProtocolError::ReservedOpcode(opcode) => write!(f, ": {opcode}"),
            ProtocolError::InvalidCloseCode(code) => write!(f, ": {code}"),
            _ => Ok(()),
        }
    }
}

impl core::error::Error for ProtocolError {}
