//! Who stands behind a proxy, by the headers X-Forwarded-For and
//! X-Forwarded-Proto.

use core::fmt;
use core::net::IpAddr;
use core::str::{self, FromStr};

use super::origin::Scheme;
use super::request::Request;

/// Some addresses that begin with the same bits (CIDR, RFC 4632): `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// Whether an address is one of them.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let (own, bits_of_own) = bits(self.address);
        let (other, bits_of_other) = bits(address.to_canonical());
        let ignored = u32::from(bits_of_own - self.prefix_bits);
        bits_of_own == bits_of_other && own.checked_shr(ignored) == other.checked_shr(ignored)
    }
}

/// An address as a number, and how many bits that has.
fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(address) => (address.to_bits().into(), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

/// An address alone, or followed by a slash and the number of bits that count.
impl FromStr for Network {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(drop)?;
        let (_, bits) = bits(address);
        let prefix_bits = prefix.map_or(Ok(bits), |prefix| prefix.parse().map_err(drop))?;
        // One of IPv4 written as IPv6 would match nothing.
        if prefix_bits > bits || address.to_canonical() != address {
            return Err(());
        }
        Ok(Network {
            address,
            prefix_bits,
        })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

/// Whom a request comes from that a trusted proxy passed on: the last address
/// that none of them has. What stands before it was written by somebody whom
/// nobody has reason to believe.
///
/// `None` where the proxy says nothing that can be read.
#[must_use]
pub fn client(request: &Request<'_>, trusted: &[Network]) -> Option<IpAddr> {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let named: Vec<&[u8]> = request.tokens("x-forwarded-for").collect();
    let mut client = None;
    for address in named.into_iter().rev().map_while(address) {
        client = Some(address);
        if !is_trusted(address) {
            break;
        }
    }
    client
}

/// By which scheme a request came to the first of the trusted proxies. Nobody gains
/// by a wrong word of it but against their own browser, which does not lie.
///
/// `None` where the proxy says nothing that can be read.
#[must_use]
pub fn scheme(request: &Request<'_>) -> Option<Scheme> {
    let first = request.tokens("x-forwarded-proto").next()?;
    // Some name the scheme of the WebSocket.
    match first.to_ascii_lowercase().as_slice() {
        b"https" | b"wss" => Some(Scheme::Https),
        b"http" | b"ws" => Some(Scheme::Http),
        _ => None,
    }
}

/// Some proxies add the port, brackets or quotes.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text).ok()?.trim_matches('"');
    let host = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => host,
            _ => text,
        },
    };
    host.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::Limits;

    fn network(text: &str) -> Network {
        text.parse().expect(text)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn network_has_the_addresses_that_begin_like_it() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.7", "10.0.0.7", "10.0.0.8"),
            ("192.0.2.128/25", "192.0.2.255", "192.0.2.127"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("10.0.0.0/8", "::ffff:10.1.1.1", "::10.1.1.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::1", "::1", "::2"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
        ] {
            assert!(network(text).contains(ip(inside)), "{text} {inside}");
            assert!(!network(text).contains(ip(outside)), "{text} {outside}");
        }
        for wrong in [
            "",
            "10.0.0",
            "10.0.0.0/33",
            "::/129",
            "::ffff:10.0.0.1",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "a/8",
        ] {
            assert_eq!(wrong.parse::<Network>(), Err(()), "{wrong}");
        }
    }

    #[test]
    fn scheme_is_the_one_that_the_first_proxy_was_asked_by() {
        for (told, expected) in [
            ("https", Some(Scheme::Https)),
            ("HTTP", Some(Scheme::Http)),
            ("https, http", Some(Scheme::Https)),
            ("wss", Some(Scheme::Https)),
            ("ws", Some(Scheme::Http)),
            ("gopher", None),
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: {told}\r\n\r\n");
            let parsed = Request::parse(head.as_bytes(), &Limits::default()).expect("well-formed");
            assert_eq!(scheme(&parsed.expect("whole").0), expected, "{told}");
        }
    }

    #[test]
    fn client_is_the_last_that_no_trusted_proxy_is() {
        let trusted = [network("10.0.0.0/8"), network("::1")];
        for (lines, expected) in [
            (&["192.0.2.1"][..], Some("192.0.2.1")),
            (&["203.0.113.9, 192.0.2.1"], Some("192.0.2.1")),
            (&["192.0.2.1, 10.0.0.2"], Some("192.0.2.1")),
            (&["192.0.2.1", "10.0.0.2"], Some("192.0.2.1")),
            (&["10.0.0.3, 10.0.0.2"], Some("10.0.0.3")),
            (&["2001:db8::1"], Some("2001:db8::1")),
            (&["192.0.2.1:4711"], Some("192.0.2.1")),
            (&["[2001:db8::1]:443"], Some("2001:db8::1")),
            (&["\"[2001:db8::1]\""], Some("2001:db8::1")),
            (&["garbage, 10.0.0.3"], Some("10.0.0.3")),
            (&["192.0.2.1, unknown"], None),
            (&[], None),
        ] {
            let mut head = "GET / HTTP/1.1\r\nHost: a\r\n".to_owned();
            for line in lines {
                head += &format!("X-Forwarded-For: {line}\r\n");
            }
            head += "\r\n";
            let parsed = Request::parse(head.as_bytes(), &Limits::default()).expect("well-formed");
            let request = parsed.expect("whole").0;
            let client = client(&request, &trusted);
            assert_eq!(client, expected.map(ip), "{lines:?}");
        }
    }
}
