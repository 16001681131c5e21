//! Closing: codes (RFC 6455 §7.4) and the payload of a Close (§5.5.1).

use core::fmt;
use core::ops::Deref;

use super::error::ProtocolError;
use super::utf8;

/// Why a connection closes, in the payload of a Close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// The code; [`CloseCode::NO_STATUS`] where the Close had no payload.
    pub code: CloseCode,
    /// A text for people, often empty. A peer's may contain anything: log it
    /// through `Display`, which escapes it.
    pub reason: &'a str,
}

impl<'a> Close<'a> {
    /// A close with a code and a reason.
    #[must_use]
    pub fn new(code: CloseCode, reason: &'a str) -> Self {
        Close { code, reason }
    }

    /// Reads the payload of a Close that a client has sent.
    ///
    /// # Errors
    ///
    /// A payload of one byte, a code that a client may not send, a reason that
    /// is not UTF-8.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ProtocolError> {
        match payload {
            [] => Ok(Close::new(CloseCode::NO_STATUS, "")),
            [_] => Err(ProtocolError::TornCloseCode),
            [high, low, reason @ ..] => {
                let code = CloseCode::new(u16::from_be_bytes([*high, *low]));
                if !code.may_be_sent_by_client() {
                    return Err(ProtocolError::InvalidCloseCode(code.value()));
                }
                Ok(Close::new(code, utf8::validate(reason)?))
            }
        }
    }

    /// The payload of the Close that a server sends.
    ///
    /// A code that a server may not send makes an empty payload, which arrives
    /// as [`CloseCode::NO_STATUS`]. A reason of more than 123 bytes is cut at
    /// the end of a character.
    #[must_use]
    pub fn payload(&self) -> ClosePayload {
        let mut payload = ClosePayload {
            bytes: [0; MAX_PAYLOAD_BYTES],
            length: 0,
        };
        if self.code.may_be_sent_by_server() {
            let (code, reason) = payload.bytes.split_at_mut(CODE_BYTES);
            code.copy_from_slice(&self.code.value().to_be_bytes());
            let cut = (0..=self.reason.len().min(MAX_REASON_BYTES))
                .rfind(|&at| self.reason.is_char_boundary(at))
                .unwrap_or(0);
            reason[..cut].copy_from_slice(&self.reason.as_bytes()[..cut]);
            payload.length = CODE_BYTES + cut;
        }
        payload
    }

    /// The Close that answers this one: it echoes the code (§5.5.1), or says
    /// [`CloseCode::NORMAL`] where a server may not send that code.
    #[must_use]
    pub fn reply(&self) -> Close<'static> {
        let code = match self.code {
            CloseCode::NO_STATUS => CloseCode::NO_STATUS,
            code if code.may_be_sent_by_server() => code,
            _ => CloseCode::NORMAL,
        };
        Close::new(code, "")
    }
}

impl From<ProtocolError> for Close<'static> {
    fn from(error: ProtocolError) -> Self {
        Close::new(error.close_code(), error.reason())
    }
}

impl fmt::Display for Close<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)?;
        if !self.reason.is_empty() {
            write!(f, " {:?}", self.reason)?;
        }
        Ok(())
    }
}

/// The payload of a Close, ready to be sent: at most 125 bytes.
#[derive(Clone, Copy)]
pub struct ClosePayload {
    bytes: [u8; MAX_PAYLOAD_BYTES],
    length: usize,
}

impl Deref for ClosePayload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl fmt::Debug for ClosePayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClosePayload").field(&&**self).finish()
    }
}

/// A close code (RFC 6455 §7.4 and the IANA registry of close codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = CloseCode(1000);
    /// 1001: a server goes down, or a browser leaves the page.
    pub const GOING_AWAY: Self = CloseCode(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = CloseCode(1002);
    /// 1003: a kind of data that the endpoint does not take.
    pub const UNSUPPORTED_DATA: Self = CloseCode(1003);
    /// 1005: stands for a Close without a code; never sent.
    pub const NO_STATUS: Self = CloseCode(1005);
    /// 1006: stands for a connection lost without a Close; never sent.
    pub const ABNORMAL: Self = CloseCode(1006);
    /// 1007: a payload that contradicts its type, such as text not in UTF-8.
    pub const INVALID_PAYLOAD: Self = CloseCode(1007);
    /// 1008: a rule of the endpoint was broken.
    pub const POLICY_VIOLATION: Self = CloseCode(1008);
    /// 1009: a message longer than the endpoint takes.
    pub const MESSAGE_TOO_BIG: Self = CloseCode(1009);
    /// 1010: the client needs an extension that was not negotiated.
    pub const MANDATORY_EXTENSION: Self = CloseCode(1010);
    /// 1011: the server met something it did not expect.
    pub const INTERNAL_ERROR: Self = CloseCode(1011);
    /// 1012: the server restarts; come back after a random delay.
    pub const SERVICE_RESTART: Self = CloseCode(1012);
    /// 1013: the server is overloaded; come back later or elsewhere.
    pub const TRY_AGAIN_LATER: Self = CloseCode(1013);
    /// 1014: a gateway got an invalid answer from the server behind it.
    pub const BAD_GATEWAY: Self = CloseCode(1014);
    /// 1015: stands for a failed TLS handshake; never sent.
    pub const TLS_HANDSHAKE: Self = CloseCode(1015);

    /// The code with this number; any number is a code, though not every code
    /// may be sent.
    #[must_use]
    pub const fn new(value: u16) -> Self {
        CloseCode(value)
    }

    /// The number.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }

    /// Whether a Close with this code may come from a client.
    #[must_use]
    pub const fn may_be_sent_by_client(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Whether a server may send a Close with this code: all that a client
    /// may, but for 1010 (§7.4.1).
    #[must_use]
    pub const fn may_be_sent_by_server(self) -> bool {
        self.may_be_sent_by_client() && self.0 != 1010
    }

    /// What the code is called, in two or three words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.describe().0
    }

    /// What the code means, in one sentence.
    #[must_use]
    pub const fn description(self) -> &'static str {
        self.describe().1
    }

    #[rustfmt::skip]
    const fn describe(self) -> (&'static str, &'static str) {
        match self.0 {
            0..=999 => ("unused", "Codes below 1000 are not used."),
            1000 => ("normal closure", "The purpose of the connection is fulfilled."),
            1001 => ("going away", "The server goes down, or the browser leaves the page."),
            1002 => ("protocol error", "The peer broke the WebSocket protocol."),
            1003 => ("unsupported data", "The endpoint does not take data of this kind."),
            1004 => ("reserved", "Reserved: a meaning may be defined in the future."),
            1005 => ("no status received", "The Close came without a code; this one is never sent."),
            1006 => ("abnormal closure", "The connection was lost without a Close; this code is never sent."),
            1007 => ("invalid payload data", "The data contradicts its type, such as text that is not UTF-8."),
            1008 => ("policy violation", "A rule of the endpoint was broken."),
            1009 => ("message too big", "The message is longer than the endpoint takes."),
            1010 => ("mandatory extension", "The client needs an extension that the server did not negotiate."),
            1011 => ("internal error", "The server met something it did not expect."),
            1012 => ("service restart", "The server restarts; come back after a random delay."),
            1013 => ("try again later", "The server is overloaded; come back later."),
            1014 => ("bad gateway", "A gateway got an invalid answer from the server behind it."),
            1015 => ("TLS handshake", "The TLS handshake failed; this code is never sent."),
            1016..=2999 => ("reserved", "Reserved for future versions of the protocol and for extensions."),
            3000..=3999 => ("registered", "Registered with IANA by a library, a framework or an application."),
            4000..=4999 => ("private use", "Means what the two applications agreed on."),
            5000.. => ("unused", "Codes above 4999 are not used."),
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.name())
    }
}

/// A control frame carries at most this many bytes (§5.5).
const MAX_PAYLOAD_BYTES: usize = 125;
const CODE_BYTES: usize = 2;
const MAX_REASON_BYTES: usize = MAX_PAYLOAD_BYTES - CODE_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_may_be_sent_by_whom_the_table_says() {
        for value in 0..=u16::MAX {
            let (client, server) = match value {
                1000..=1003 | 1007..=1009 | 1011..=1014 => (true, true),
                1010 => (true, false),
                3000..=4999 => (true, true),
                _ => (false, false),
            };
            let code = CloseCode::new(value);
            assert_eq!(code.may_be_sent_by_client(), client, "{code}");
            assert_eq!(code.may_be_sent_by_server(), server, "{code}");
        }
    }

    #[test]
    fn constants_have_the_numbers_and_names_of_the_registry() {
        let table = [
            (CloseCode::NORMAL, "1000 (normal closure)"),
            (CloseCode::GOING_AWAY, "1001 (going away)"),
            (CloseCode::PROTOCOL_ERROR, "1002 (protocol error)"),
            (CloseCode::UNSUPPORTED_DATA, "1003 (unsupported data)"),
            (CloseCode::new(1004), "1004 (reserved)"),
            (CloseCode::NO_STATUS, "1005 (no status received)"),
            (CloseCode::ABNORMAL, "1006 (abnormal closure)"),
            (CloseCode::INVALID_PAYLOAD, "1007 (invalid payload data)"),
            (CloseCode::POLICY_VIOLATION, "1008 (policy violation)"),
            (CloseCode::MESSAGE_TOO_BIG, "1009 (message too big)"),
            (CloseCode::MANDATORY_EXTENSION, "1010 (mandatory extension)"),
            (CloseCode::INTERNAL_ERROR, "1011 (internal error)"),
            (CloseCode::SERVICE_RESTART, "1012 (service restart)"),
            (CloseCode::TRY_AGAIN_LATER, "1013 (try again later)"),
            (CloseCode::BAD_GATEWAY, "1014 (bad gateway)"),
            (CloseCode::TLS_HANDSHAKE, "1015 (TLS handshake)"),
            (CloseCode::new(999), "999 (unused)"),
            (CloseCode::new(1016), "1016 (reserved)"),
            (CloseCode::new(2999), "2999 (reserved)"),
            (CloseCode::new(3000), "3000 (registered)"),
            (CloseCode::new(3999), "3999 (registered)"),
            (CloseCode::new(4000), "4000 (private use)"),
            (CloseCode::new(4999), "4999 (private use)"),
            (CloseCode::new(5000), "5000 (unused)"),
        ];
        for (code, text) in table {
            assert_eq!(code.to_string(), text);
            let description = code.description();
            assert!(
                description.ends_with('.') && !description.contains(". "),
                "{description:?} is one sentence"
            );
        }
    }

    #[test]
    fn empty_payload_is_a_close_without_status() {
        assert_eq!(Close::parse(&[]), Ok(Close::new(CloseCode::NO_STATUS, "")));
    }

    #[test]
    fn payload_of_one_byte_is_a_protocol_error() {
        assert_eq!(Close::parse(&[3]), Err(ProtocolError::TornCloseCode));
    }

    #[test]
    fn codes_no_client_may_send_are_protocol_errors() {
        for value in [
            0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
        ] {
            let error = Close::parse(&u16::to_be_bytes(value)).expect_err("an invalid code");
            assert_eq!(error, ProtocolError::InvalidCloseCode(value));
            assert_eq!(error.close_code(), CloseCode::PROTOCOL_ERROR);
        }
    }

    #[test]
    fn reason_that_is_not_utf_8_is_an_invalid_payload() {
        let error = Close::parse(b"\x03\xe8\xce\xba\xed\xa0\x80").expect_err("a surrogate");
        assert_eq!(error.close_code(), CloseCode::INVALID_PAYLOAD);
    }

    #[test]
    fn payload_is_read_back_as_it_was_written() {
        let close = Close::new(CloseCode::new(4008), "слишком медленно");
        assert_eq!(Close::parse(&close.payload()), Ok(close));
    }

    #[test]
    fn long_reason_is_cut_at_the_end_of_a_character() {
        let longest = "a".repeat(123);
        let payload = Close::new(CloseCode::NORMAL, &longest).payload();
        assert_eq!(payload.len(), 125);

        // 122 bytes and a character of two: the second does not fit.
        let reason = "a".repeat(122) + "ж";
        let payload = Close::new(CloseCode::NORMAL, &reason).payload();
        assert_eq!(
            Close::parse(&payload).map(|close| close.reason),
            Ok(&reason[..122])
        );
    }

    #[test]
    fn codes_no_server_may_send_make_an_empty_payload() {
        for value in [999, 1004, 1005, 1006, 1010, 1015, 1016, 2999, 5000] {
            let close = Close::new(CloseCode::new(value), "reason");
            assert_eq!(&*close.payload(), b"", "{close}");
        }
    }

    #[test]
    fn reply_echoes_the_code_if_a_server_may_send_it() {
        let reply = |value| Close::new(CloseCode::new(value), "reason").reply();
        assert_eq!(reply(1001), Close::new(CloseCode::GOING_AWAY, ""));
        assert_eq!(reply(4500), Close::new(CloseCode::new(4500), ""));
        assert_eq!(reply(1010), Close::new(CloseCode::NORMAL, ""));
        assert_eq!(&*reply(1005).payload(), b"");
    }

    #[test]
    fn reason_of_a_peer_is_shown_escaped() {
        let close = Close::new(CloseCode::NORMAL, "bye\n\u{1b}[2J");
        assert_eq!(
            close.to_string(),
            r#"1000 (normal closure) "bye\n\u{1b}[2J""#
        );
    }

    #[test]
    fn every_protocol_error_has_a_reason_that_fits_a_close() {
        let error = ProtocolError::UnmaskedFrame;
        let close = Close::from(error);
        assert_eq!(close.code, CloseCode::PROTOCOL_ERROR);
        assert_eq!(Close::parse(&close.payload()), Ok(close));
        assert_eq!(
            ProtocolError::ReservedOpcode(3).to_string(),
            "reserved opcode: 3"
        );
    }
}
