//! Content codings: which one a client takes (RFC 9110 §12.5.3), and gzip
//! (RFC 1952), without the feature `deflate` never used.

use super::request::Request;

/// Whether a response goes out as gzip rather than as it is: the client names
/// it, or `*`, and does not weigh it less than `identity`.
#[must_use]
pub fn takes_gzip(request: &Request<'_>) -> bool {
    let weight = |coding: &str| {
        request
            .tokens("accept-encoding")
            .map(weighted)
            .find(|(name, _)| name.eq_ignore_ascii_case(coding.as_bytes()))
            .map(|(_, weight)| weight)
    };
    let gzip = weight("gzip").or_else(|| weight("x-gzip"));
    let gzip = gzip.or_else(|| weight("*")).unwrap_or(0);
    gzip > 0 && gzip >= weight("identity").unwrap_or(0)
}

/// A coding and its weight in thousandths (RFC 9110 §12.4.2). One that is
/// malformed counts as a refusal: what is sent as it is, everybody takes.
fn weighted(token: &[u8]) -> (&[u8], u16) {
    let mut parts = token
        .splitn(2, |&byte| byte == b';')
        .map(<[u8]>::trim_ascii);
    let name = parts.next().unwrap_or_default();
    let weight = match parts.next() {
        None => Some(1000),
        Some(parameter) => thousandths(parameter),
    };
    (name, weight.unwrap_or(0))
}

fn thousandths(parameter: &[u8]) -> Option<u16> {
    let [b'q' | b'Q', b'=', whole @ (b'0' | b'1'), fraction @ ..] = parameter else {
        return None;
    };
    let digits = match fraction {
        [] => fraction,
        [b'.', digits @ ..] if digits.len() <= 3 => digits,
        _ => return None,
    };
    let mut weight = u16::from(whole - b'0');
    for place in 0..3 {
        let digit = digits.get(place).unwrap_or(&b'0');
        if !digit.is_ascii_digit() {
            return None;
        }
        weight = weight * 10 + u16::from(digit - b'0');
    }
    (weight <= 1000).then_some(weight)
}

/// The content as gzip, as small as it gets; `None` where that is no smaller.
#[cfg(feature = "deflate")]
#[must_use]
pub fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).ok()?;
    let encoded = encoder.finish().ok()?;
    (encoded.len() < body.len()).then_some(encoded)
}

/// Nothing: what could do it was left out.
#[cfg(not(feature = "deflate"))]
#[must_use]
pub fn gzip(_body: &[u8]) -> Option<Vec<u8>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::Limits;

    fn takes(headers: &str) -> bool {
        let head = format!("GET / HTTP/1.1\r\nHost: veche\r\n{headers}\r\n");
        let (request, _) = Request::parse(head.as_bytes(), &Limits::default())
            .expect("a well-formed request")
            .expect("a whole head");
        takes_gzip(&request)
    }

    fn accepts(value: &str) -> bool {
        takes(&format!("Accept-Encoding: {value}\r\n"))
    }

    #[test]
    fn gzip_goes_to_those_who_name_it() {
        for value in [
            "gzip",
            "GZIP",
            "x-gzip",
            "br, gzip, deflate, zstd",
            "gzip;q=1.0, identity; q=0.5, *;q=0",
            "gzip;q=0.001",
            "gzip ; q=0.5",
            "*",
            "br;q=1, *;q=0.1",
            "identity;q=0.5, gzip;q=0.5",
        ] {
            assert!(accepts(value), "{value}");
        }
        assert!(takes("Accept-Encoding: br\r\nAccept-Encoding: gzip\r\n"));
    }

    #[test]
    fn gzip_goes_to_nobody_who_refuses_it_or_says_nothing() {
        assert!(!takes(""));
        for value in [
            "",
            "identity",
            "br, deflate",
            "gzip;q=0",
            "gzip;q=0.000, *",
            "*;q=0",
            "gzip;q=0.5, identity",
            "gzipped",
            // Malformed.
            "gzip;q=1.001",
            "gzip;q=0.0001",
            "gzip;q=2",
            "gzip;q=",
            "gzip;q=0,5",
            "gzip;q=.5",
            "gzip;level=9",
        ] {
            assert!(!accepts(value), "{value}");
        }
    }

    #[test]
    #[cfg(feature = "deflate")]
    fn content_is_compressed_only_where_that_makes_it_smaller() {
        let text = b"Everyone is heard. ".repeat(100);
        let encoded = gzip(&text).expect("a smaller form");
        assert!(encoded.len() < 100);
        assert_eq!(encoded[..3], [0x1f, 0x8b, 8], "RFC 1952 §2.3.1");
        // RFC 1952 §2.3: ten bytes of header, then DEFLATE, CRC-32 and length.
        let deflated = &encoded[10..encoded.len() - 8];
        let decoded = miniz_oxide::inflate::decompress_to_vec(deflated);
        assert_eq!(decoded.expect("DEFLATE"), text);
        assert_eq!(gzip(b"short"), None);
    }
}
