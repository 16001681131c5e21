//! What a client offers and what is agreed upon (RFC 7692 §5, §7.1).

use core::mem;
use std::borrow::Cow;

use super::codec;
use crate::http::request::{Request, is_token};

/// How messages may be compressed on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The window of what the server sends: 8 to 15 bits; `None` where the
    /// client has not asked for one, which means 15.
    server_max_window_bits: Option<u8>,
}

impl Agreement {
    /// The window of what the server sends, in bits.
    #[must_use]
    pub fn window_bits(self) -> u8 {
        self.server_max_window_bits.unwrap_or(MAX_WINDOW_BITS)
    }

    /// Whether what the server sends may be the same as for most others.
    #[must_use]
    pub fn is_usual(self) -> bool {
        self.window_bits() == MAX_WINDOW_BITS
    }

    /// Appends the value of Sec-WebSocket-Extensions that accepts the offer.
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        );
        // "A server accepts an extension negotiation offer with this parameter
        // by including [it] with the same or smaller value" (§7.1.2.1)
        if let Some(bits) = self.server_max_window_bits {
            out.extend_from_slice(b"; server_max_window_bits=");
            out.extend_from_slice(bits.to_string().as_bytes());
        }
    }
}

/// The first of the client's offers that can be accepted, in its order of
/// preference (RFC 6455 §9.1).
///
/// An offer of another extension, or one that is not well-formed or has an
/// unknown, doubled or wrong parameter, is declined (RFC 7692 §7.1).
#[must_use]
pub fn negotiate(request: &Request<'_>) -> Option<Agreement> {
    if !codec::IS_AVAILABLE {
        return None;
    }
    request
        .header_values("sec-websocket-extensions")
        .find_map(|list| Offers(list).flatten().next())
}

/// The parameters of an offer so far.
#[derive(Default)]
struct Parameters {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    client_max_window_bits: bool,
    server_max_window_bits: Option<u8>,
}

impl Parameters {
    /// Takes note of another one; `false` where it may not be there.
    fn take(&mut self, name: &[u8], value: Option<&[u8]>) -> bool {
        let is_first = |parameter: &mut bool| !mem::replace(parameter, true);
        match (name, value) {
            (b"server_no_context_takeover", None) => is_first(&mut self.server_no_context_takeover),
            (b"client_no_context_takeover", None) => is_first(&mut self.client_no_context_takeover),
            // A hint that the client may be told to take a smaller window. It
            // is not: one window serves all of them.
            (b"client_max_window_bits", value) => {
                is_first(&mut self.client_max_window_bits)
                    && value.is_none_or(|value| window_bits(value).is_some())
            }
            (b"server_max_window_bits", Some(value)) => {
                let bits = window_bits(value);
                let before = mem::replace(&mut self.server_max_window_bits, bits);
                before.is_none() && bits.is_some()
            }
            _ => false,
        }
    }
}

/// "a decimal integer value without leading zeroes between 8 to 15 inclusive"
/// (§7.1.2.1)
fn window_bits(value: &[u8]) -> Option<u8> {
    match value {
        [digit @ b'8'..=b'9'] => Some(digit - b'0'),
        [b'1', digit @ b'0'..=b'5'] => Some(10 + digit - b'0'),
        _ => None,
    }
}

/// A list of offers, read one by one: what each could become, `None` where it
/// is declined (RFC 6455 §9.1):
///
/// ```text
/// extension-list = 1#extension
/// extension = extension-token *( ";" extension-param )
/// extension-param = token [ "=" (token | quoted-string) ]
/// ```
struct Offers<'a>(&'a [u8]);

impl Iterator for Offers<'_> {
    type Item = Option<Agreement>;

    fn next(&mut self) -> Option<Option<Agreement>> {
        // Elements may be empty (RFC 9110 §5.6.1.2).
        while self.takes(b',') {}
        if self.0.is_empty() {
            return None;
        }
        let agreement = self.offer();
        self.skip_offer();
        Some(agreement)
    }
}

impl<'a> Offers<'a> {
    /// What the next offer could become.
    fn offer(&mut self) -> Option<Agreement> {
        let mut is_good = self.token()? == b"permessage-deflate";
        let mut parameters = Parameters::default();
        while self.takes(b';') {
            let name = self.token()?;
            let value = if self.takes(b'=') {
                Some(self.value()?)
            } else {
                None
            };
            is_good &= parameters.take(name, value.as_deref());
        }
        let is_whole = self.0.is_empty() || self.0.starts_with(b",");
        (is_good && is_whole).then_some(Agreement {
            server_max_window_bits: parameters.server_max_window_bits,
        })
    }

    /// Goes on to the comma behind an offer, whatever is left of it.
    fn skip_offer(&mut self) {
        let (mut is_quoted, mut is_escaped) = (false, false);
        let is_of_offer = |byte: &&u8| {
            let ends = **byte == b',' && !is_quoted;
            is_quoted ^= **byte == b'"' && !is_escaped;
            is_escaped = is_quoted && **byte == b'\\' && !is_escaped;
            !ends
        };
        let length = self.0.iter().take_while(is_of_offer).count();
        self.0 = &self.0[length..];
    }

    fn skip_blanks(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }

    /// Goes past this byte if it is the next.
    fn takes(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let rest = self.0.strip_prefix(&[byte]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    fn token(&mut self) -> Option<&'a [u8]> {
        self.skip_blanks();
        let is_of_token = |byte: &u8| is_token(&[*byte]);
        let length = self.0.iter().take_while(|byte| is_of_token(byte)).count();
        let (token, rest) = self.0.split_at(length);
        self.0 = rest;
        (length > 0).then_some(token)
    }

    /// A token, or a string in quotes, which has to be a token without them
    /// (§9.1): no parameter here takes any other.
    fn value(&mut self) -> Option<Cow<'a, [u8]>> {
        if !self.takes(b'"') {
            return self.token().map(Cow::Borrowed);
        }
        let mut value = Vec::new();
        loop {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            match byte {
                b'"' => break,
                b'\\' => {
                    let (&escaped, rest) = self.0.split_first()?;
                    self.0 = rest;
                    value.push(escaped);
                }
                byte => value.push(byte),
            }
        }
        Some(Cow::Owned(value))
    }
}

/// The largest window there is, in bits (§7.1.2.1).
pub const MAX_WINDOW_BITS: u8 = 15;
