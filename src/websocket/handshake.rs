//! The opening handshake (RFC 6455 §4.2).

use core::str;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::deflate;
use crate::http::refusal::Refusal;
use crate::http::request::{Request, Version, is_token};
use crate::http::response::Status;

/// Whether a request asks for a WebSocket connection, rightly or wrongly,
/// rather than for a page.
///
/// A proxy that was not told about WebSocket drops `Upgrade`, which belongs to
/// one hop, but passes `Sec-WebSocket-Key` on: such a request gets a refusal
/// that names the remedy instead of a page that nobody sees.
#[must_use]
pub fn is_upgrade(request: &Request<'_>) -> bool {
    request.has_token("upgrade", "websocket")
        || request.header_values("sec-websocket-key").next().is_some()
}

/// Accepts or refuses an opening handshake (§4.2.1, §4.2.2).
///
/// Of the subprotocols that the client offers, in its order of preference
/// (§4.1), the first supported one is chosen. Where none is supported the
/// connection opens without one, and it is for the client to be content.
///
/// Whether the origin, the address and the path may connect is for the caller
/// to decide.
///
/// # Errors
///
/// 400, 405 or 426 with a sentence that names the fault and the remedy.
pub fn upgrade<'s>(
    request: &Request<'_>,
    supported_subprotocols: &[&'s str],
) -> Result<Upgrade<'s>, Refusal> {
    // "The method of the request MUST be GET, and the HTTP version MUST be at
    // least 1.1." (§4.1)
    if request.method != "GET" {
        return Err(Refusal::method_not_allowed());
    }
    if request.version == Version::Http10 {
        return Err(Refusal::new(
            Status::BadRequest,
            "WebSocket needs HTTP/1.1. Behind nginx, set proxy_http_version 1.1, \
             proxy_set_header Upgrade $http_upgrade and proxy_set_header Connection upgrade.",
        ));
    }
    if !request.has_token("upgrade", "websocket") {
        return Err(Refusal::new(
            Status::BadRequest,
            "The header Upgrade: websocket is missing. Behind nginx, set \
             proxy_set_header Upgrade $http_upgrade and proxy_set_header Connection upgrade.",
        ));
    }
    if !request.has_token("connection", "upgrade") {
        return Err(Refusal::new(
            Status::BadRequest,
            "The header Connection: Upgrade is missing. Behind nginx, set \
             proxy_set_header Connection upgrade.",
        ));
    }
    if only(request, "sec-websocket-version") != Some(b"13") {
        return Err(Refusal::new(
            Status::UpgradeRequired,
            "The header Sec-WebSocket-Version must be 13, the version of RFC 6455.",
        ));
    }
    let key = only(request, "sec-websocket-key")
        .filter(|key| is_key(key))
        .ok_or_else(|| {
            Refusal::new(
                Status::BadRequest,
                "The header Sec-WebSocket-Key must come once, with 16 bytes in base64.",
            )
        })?;
    // Browsers send one; two would let the check look at the wrong one.
    if request.header_values("origin").count() > 1 {
        return Err(Refusal::new(
            Status::BadRequest,
            "The header Origin must come at most once.",
        ));
    }
    let subprotocol = choose_subprotocol(request, supported_subprotocols)?;
    Ok(Upgrade {
        accept: accept(key),
        subprotocol,
        deflate: deflate::negotiate(request),
    })
}

/// The 426 for a resource that only speaks WebSocket, when it is asked for
/// like a page (RFC 9110 §15.5.22).
#[must_use]
pub fn upgrade_required() -> Refusal {
    Refusal::new(
        Status::UpgradeRequired,
        "This address speaks WebSocket only: connect with a WebSocket client.",
    )
}

/// An accepted opening handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade<'s> {
    accept: String,
    subprotocol: Option<&'s str>,
    deflate: Option<deflate::Agreement>,
}

impl<'s> Upgrade<'s> {
    /// The chosen subprotocol.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&'s str> {
        self.subprotocol
    }

    /// How messages may be compressed, if at all.
    #[must_use]
    pub fn deflate(&self) -> Option<deflate::Agreement> {
        self.deflate
    }

    /// Appends the 101 response; frames may follow it at once (§4.2.2).
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\n\
              Upgrade: websocket\r\n\
              Connection: Upgrade\r\n\
              Sec-WebSocket-Accept: ",
        );
        out.extend_from_slice(self.accept.as_bytes());
        if let Some(subprotocol) = self.subprotocol {
            out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
            out.extend_from_slice(subprotocol.as_bytes());
        }
        if let Some(agreement) = self.deflate {
            out.extend_from_slice(b"\r\nSec-WebSocket-Extensions: ");
            agreement.write(out);
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}

/// The value of a header that comes exactly once.
fn only<'r>(request: &Request<'r>, name: &str) -> Option<&'r [u8]> {
    let mut values = request.header_values(name);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// "a base64-encoded value that, when decoded, is 16 bytes in length"
/// (§4.2.1): 22 characters and the padding. Clients in the wild fill the four
/// unused bits of the last one with anything.
fn is_key(key: &[u8]) -> bool {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.strip_suffix(b"==")
        .is_some_and(|digits| digits.len() == 22 && digits.iter().all(is_base64))
}

/// The value of Sec-WebSocket-Accept, made from the key as it was sent: the
/// key is never decoded for it (§4.2.2).
fn accept(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    STANDARD.encode(digest)
}

fn choose_subprotocol<'s>(
    request: &Request<'_>,
    supported: &[&'s str],
) -> Result<Option<&'s str>, Refusal> {
    let offered: Vec<&[u8]> = request.tokens("sec-websocket-protocol").collect();
    // "The elements that comprise this value MUST be non-empty strings with
    // characters in the range U+0021 to U+007E not including separator
    // characters … and MUST all be unique strings." (§4.1)
    // Few enough to be compared in pairs: thousands would stall everybody.
    let is_repeated = |(place, token)| offered[..place].contains(token);
    let valid = offered.len() <= MAX_SUBPROTOCOLS
        && offered.iter().all(|token| is_token(token))
        && !offered.iter().enumerate().any(is_repeated);
    if !valid {
        return Err(Refusal::new(
            Status::BadRequest,
            "The header Sec-WebSocket-Protocol must list at most 64 tokens, each of them once.",
        ));
    }
    Ok(offered.iter().find_map(|token| {
        supported
            .iter()
            .copied()
            .find(|subprotocol| subprotocol.as_bytes() == *token)
    }))
}

/// More than any client knows.
const MAX_SUBPROTOCOLS: usize = 64;

/// "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" (§1.3)
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

#[cfg(test)]
mod tests;
