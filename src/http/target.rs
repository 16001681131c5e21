//! What a request is for: its target, and hosts.

use super::refusal::Refusal;
use super::request::bad_request;

/// A request target (RFC 9112 §3.2).
pub(super) struct Target<'a> {
    pub(super) authority: Option<&'a str>,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Takes origin-form and absolute-form. There is nothing here for
    /// authority-form, which asks for a proxy, and for `*`.
    pub(super) fn parse(target: &'a str) -> Result<Self, Refusal> {
        if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bad_request(
                "The request target must be ASCII: percent-encode anything else.",
            ));
        }
        if target.contains('#') {
            return Err(bad_request(
                "The request target must not have a fragment: leave out what begins with #.",
            ));
        }
        let (authority, path_and_query) = if target.starts_with('/') {
            (None, target)
        } else {
            let (authority, rest) = split_absolute(target).ok_or_else(|| {
                bad_request(
                    "The request target must be a path, or a URL of http, https, ws or wss.",
                )
            })?;
            (Some(authority), rest)
        };
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        Ok(Target {
            authority,
            path: if path.is_empty() { "/" } else { path },
            query,
        })
    }
}

/// Splits an absolute-form target into its authority and what follows.
fn split_absolute(target: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = target.split_once("://")?;
    SCHEMES
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
        .then_some(())?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    is_host(authority.as_bytes()).then_some((authority, rest))
}

/// Whether this may be a host and perhaps a port (RFC 3986 §3.2.2, §3.2.3). No
/// user information, which RFC 9110 §4.2.4 deprecates.
pub(super) fn is_host(text: &[u8]) -> bool {
    let is_of_names = |b: &u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(b);
    let is_of_addresses = |b: &u8| *b == b':' || is_of_names(b);
    let (host, is_host, port) = match text.strip_prefix(b"[") {
        Some(rest) => match rest.iter().position(|byte| *byte == b']') {
            Some(end) => (
                &rest[..end],
                rest[..end].iter().all(is_of_addresses),
                &rest[end + 1..],
            ),
            None => return false,
        },
        None => {
            let end = text
                .iter()
                .position(|byte| *byte == b':')
                .unwrap_or(text.len());
            (
                &text[..end],
                text[..end].iter().all(is_of_names),
                &text[end..],
            )
        }
    };
    let is_port = match port {
        [] => true,
        [colon, digits @ ..] => *colon == b':' && digits.iter().all(u8::is_ascii_digit),
    };
    !host.is_empty() && is_host && is_port
}

/// Decodes once (RFC 3986 §2.1). An encoded slash is none that separates, so
/// it is refused rather than decoded.
pub(crate) fn percent_decode(encoded: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (&[high, low], after) = rest.split_first_chunk()?;
        rest = after;
        let byte = hex_digit(high)? << 4 | hex_digit(low)?;
        if byte == b'/' {
            return None;
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

const SCHEMES: [&str; 4] = ["http", "https", "ws", "wss"];
