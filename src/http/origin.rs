//! Which pages may connect (RFC 6455 §4.2.2, §10.2).

use core::str::{self, FromStr};

use super::request::Request;
use super::target::is_host;

/// Which pages may open a WebSocket connection, by the header Origin
/// (RFC 6454 §7). Whoever sends none is no browser, and may always.
///
/// A browser lets any page on the web connect anywhere, with the cookies and
/// the network of whoever looks at it: only the server can tell them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// All pages.
    Any,
    /// Pages of the host that the request is for, and of these origins.
    SameHostOr(Vec<String>),
}

/// How a page was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

impl Origins {
    /// Whether the page that a request comes from may connect. Those of the same
    /// host may where they were loaded by the same scheme, as far as that is known.
    #[must_use]
    pub fn allow(&self, request: &Request<'_>, scheme: Option<Scheme>) -> bool {
        let Origins::SameHostOr(others) = self else {
            return true;
        };
        let mut origins = request.header_values("origin");
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            // Of two, the wrong one might be looked at.
            return request.header_values("origin").next().is_none();
        };
        let Ok(origin) = str::from_utf8(origin) else {
            return false;
        };
        let is_same = |other: &String| other.eq_ignore_ascii_case(origin);
        others.iter().any(is_same) || is_of_host(origin, request, scheme)
    }
}

/// Whether an origin is one of the host that a request is for. Behind a proxy that
/// speaks TLS and says nothing of it, the scheme may be any.
fn is_of_host(origin: &str, request: &Request<'_>, known: Option<Scheme>) -> bool {
    let Some((scheme, authority)) = split(origin) else {
        return false;
    };
    if known.is_some_and(|known| known.name() != scheme) {
        return false;
    }
    let without_port = |host: &str| {
        let host = host.strip_suffix(default_port(scheme)).unwrap_or(host);
        host.to_ascii_lowercase()
    };
    let host = request.host().map(without_port);
    host == Some(without_port(authority))
}

/// Splits an origin into its scheme, which browsers write in small letters, and
/// its host and port. `null` has neither.
fn split(origin: &str) -> Option<(&str, &str)> {
    let (scheme, authority) = origin.split_once("://")?;
    let is_known = matches!(scheme, "http" | "https");
    (is_known && is_host(authority.as_bytes())).then_some((scheme, authority))
}

/// The port that goes without saying, with its colon.
fn default_port(scheme: &str) -> &'static str {
    match scheme {
        "https" => ":443",
        _ => ":80",
    }
}

/// `*`, or origins with commas between them, such as
/// `https://chat.example,http://localhost:8080`.
impl FromStr for Origins {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "*" {
            return Ok(Origins::Any);
        }
        let origins = text.split(',').map(|origin| {
            let origin = origin.trim().to_ascii_lowercase();
            let origin = origin.strip_suffix('/').unwrap_or(&origin);
            let (scheme, authority) = split(origin).ok_or(())?;
            // A pattern would never match.
            if authority.contains('*') {
                return Err(());
            }
            // Browsers leave out the port that goes without saying.
            let authority = authority
                .strip_suffix(default_port(scheme))
                .unwrap_or(authority);
            Ok(format!("{scheme}://{authority}"))
        });
        origins.collect::<Result<_, ()>>().map(Origins::SameHostOr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::Limits;

    fn allows(origins: &Origins, host: &str, lines: &[&str]) -> bool {
        allows_over(None, origins, host, lines)
    }

    fn allows_over(scheme: Option<Scheme>, origins: &Origins, host: &str, lines: &[&str]) -> bool {
        let mut head = format!("GET /ws HTTP/1.1\r\nHost: {host}\r\n");
        for line in lines {
            head += &format!("Origin: {line}\r\n");
        }
        head += "\r\n";
        let parsed = Request::parse(head.as_bytes(), &Limits::default()).expect("well-formed");
        origins.allow(&parsed.expect("whole").0, scheme)
    }

    const SAME_HOST: Origins = Origins::SameHostOr(Vec::new());

    #[test]
    fn page_that_was_loaded_plain_is_no_page_of_a_server_that_speaks_tls() {
        let (plain, secure) = ("http://chat.example", "https://chat.example");
        for (known, allowed, refused) in [
            (Scheme::Https, secure, plain),
            (Scheme::Http, plain, secure),
        ] {
            let allows = |origin| allows_over(Some(known), &SAME_HOST, "chat.example", &[origin]);
            assert!(allows(allowed) && !allows(refused), "{known:?}");
            // Unless that one was named.
            let named = Origins::SameHostOr(vec![refused.to_owned()]);
            assert!(allows_over(Some(known), &named, "chat.example", &[refused]));
        }
    }

    #[test]
    fn pages_of_the_same_host_may_connect() {
        for (host, origin) in [
            ("127.0.0.1:7777", "http://127.0.0.1:7777"),
            ("chat.example", "https://chat.example"),
            ("Chat.Example", "https://chat.example"),
            ("chat.example:443", "https://chat.example"),
            ("chat.example", "http://chat.example:80"),
            ("[::1]:7777", "http://[::1]:7777"),
        ] {
            assert!(allows(&SAME_HOST, host, &[origin]), "{origin}");
        }
        assert!(allows(&SAME_HOST, "a", &[]), "no browser");
    }

    #[test]
    fn foreign_null_look_alike_and_doubled_origins_may_not() {
        for origins in [
            &["http://evil.example"][..],
            &["null"],
            &[""],
            &["http://chat.example.evil.example"],
            &["http://evilchat.example"],
            &["http://chat.example@evil.example"],
            &["http://chat.example:8080"],
            &["http://chat.example:443"],
            &["http://chat.example/"],
            &["http://chat.example, http://evil.example"],
            &["chat.example"],
            &["//chat.example"],
            &["file://chat.example"],
            &["http://chat.exampl\u{435}"],
            &["http://chat.example", "http://evil.example"],
            &["http://chat.example", "http://chat.example"],
        ] {
            assert!(!allows(&SAME_HOST, "chat.example", origins), "{origins:?}");
            assert!(allows(&Origins::Any, "chat.example", origins));
        }
    }

    #[test]
    fn others_are_allowed_by_name() {
        let origins: Origins = "https://a.example, http://b.example:8080/"
            .parse()
            .expect("a list");
        for (origin, is_allowed) in [
            ("https://a.example", true),
            ("HTTPS://A.example", true),
            ("http://a.example", false),
            ("http://b.example:8080", true),
            ("http://b.example", false),
            ("https://c.example", false),
            ("http://c", true),
        ] {
            assert_eq!(allows(&origins, "c", &[origin]), is_allowed, "{origin}");
        }
        let origins: Origins = "HTTPS://A.example:443,http://[::1]:80"
            .parse()
            .expect("a list");
        assert!(allows(&origins, "c", &["https://a.example"]));
        assert!(allows(&origins, "c", &["http://[::1]"]));
        assert_eq!("*".parse(), Ok(Origins::Any));
        for wrong in [
            "",
            "a.example",
            "*,http://a",
            "http://a/path",
            "ws://a",
            "http://a,,",
            "http://a//",
            "https://*.a",
        ] {
            assert_eq!(wrong.parse::<Origins>(), Err(()), "{wrong}");
        }
    }
}
