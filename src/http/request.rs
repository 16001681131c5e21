//! The head of a request (RFC 9112 §3, §5).

use core::str;
use std::borrow::Cow;

use super::refusal::Refusal;
use super::response::Status;
use super::target::{Target, is_host};

/// The head of a request: its request line and its headers.
///
/// It borrows from the input, and exists only if the head is well-formed and
/// means one thing to everybody on its way: whatever proxies are known to read
/// differently has been refused.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The method: case-sensitive, any token (RFC 9110 §9.1).
    pub method: &'a str,
    /// The path as it was sent, percent-encoded, without the query; begins
    /// with a slash.
    pub path: &'a str,
    /// What follows the question mark.
    pub query: Option<&'a str>,
    /// The version of HTTP.
    pub version: Version,
    /// The place of the listening socket that it came to: the server's to say.
    pub listener: u8,
    /// The authority of an absolute-form target.
    authority: Option<&'a str>,
    headers: Vec<httparse::Header<'a>>,
    body: Body,
}

/// What follows the head of a request (RFC 9112 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The next request.
    Absent,
    /// So many bytes.
    Bytes(usize),
    /// Parts that each tell their length, or whatever else was agreed on.
    Coded,
}

/// The versions of HTTP that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// How much a request head may ask of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest head in bytes; 0 for no limit. 16 KiB unless set: proxies
    /// and cookies need 8 KiB at times, and no more than this is kept for a
    /// connection that has said nothing yet.
    pub max_head_bytes: usize,
    /// The most header lines; 0 for no limit. 100 unless set: browsers behind
    /// proxies send some 30, and each new line costs another parse of the head.
    pub max_headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_head_bytes: 16 * 1024,
            max_headers: 100,
        }
    }
}

impl<'a> Request<'a> {
    /// Parses a request without a body at the beginning of `input`, and says how
    /// many bytes it takes. `None`: the head has not ended yet; see
    /// [`is_worth_parsing`].
    ///
    /// # Errors
    ///
    /// As [`parse_head`](Request::parse_head) and
    /// [`refuse_body`](Request::refuse_body).
    pub fn parse(input: &'a [u8], limits: &Limits) -> Result<Option<(Self, usize)>, Refusal> {
        let parsed = Request::parse_head(input, limits)?;
        if let Some((request, _)) = &parsed {
            request.refuse_body()?;
        }
        Ok(parsed)
    }

    /// Parses the head of a request that may have a [`body`](Request::body).
    ///
    /// # Errors
    ///
    /// 400 malformed or ambiguous, 414 or 431 too long, 505 another version of
    /// HTTP.
    pub fn parse_head(input: &'a [u8], limits: &Limits) -> Result<Option<(Self, usize)>, Refusal> {
        check_empty_lines(input)?;
        // What lies beyond the bound is not looked at, so that the refusal does
        // not depend on how much has come along.
        let whole_input = input;
        let input = within(input, limits);
        let mut headers = vec![httparse::EMPTY_HEADER; most_headers(input, limits)];
        let mut parsed = httparse::Request::new(&mut headers);
        let status = parsed
            .parse(input)
            .map_err(|error| refuse(error, input, limits))?;
        let head_bytes = match status {
            httparse::Status::Complete(head_bytes) => head_bytes,
            httparse::Status::Partial => whole_input.len(),
        };
        if limits.max_head_bytes > 0 && head_bytes > limits.max_head_bytes {
            return Err(too_large(input, limits));
        }
        // A head that is not complete may lack any of these.
        let (true, Some(method), Some(target), Some(version)) = (
            status.is_complete(),
            parsed.method,
            parsed.path,
            parsed.version,
        ) else {
            return Ok(None);
        };
        let header_count = parsed.headers.len();
        headers.truncate(header_count);
        check_line_ends(&input[..head_bytes])?;

        let target = Target::parse(target)?;
        let mut request = Request {
            method,
            path: target.path,
            query: target.query,
            version: match version {
                0 => Version::Http10,
                _ => Version::Http11,
            },
            listener: 0,
            authority: target.authority,
            headers,
            body: Body::Absent,
        };
        request.check_host()?;
        request.body = request.read_body()?;
        Ok(Some((request, head_bytes)))
    }

    /// All headers, in the order in which they came, without the blanks around
    /// their values. A value may hold any bytes but control characters.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.headers
            .iter()
            .map(|header| (header.name, header.value.trim_ascii()))
    }

    /// The values of the header lines with this name, whatever its case.
    pub fn header_values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers()
            .filter(move |(header, _)| header.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The value of the first header line with this name; `None` also where it
    /// is not UTF-8.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        str::from_utf8(self.header_values(name).next()?).ok()
    }

    /// The elements of a comma-separated list, over all its header lines;
    /// empty ones are skipped (RFC 9110 §5.6.1).
    pub fn tokens(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.header_values(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|token| !token.is_empty())
    }

    /// Whether a list has this element, whatever its case.
    #[must_use]
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.tokens(name)
            .any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
    }

    /// The host and perhaps the port that the request is for: from an
    /// absolute-form target, else from Host (RFC 9112 §3.2.2). Always there in
    /// HTTP/1.1.
    #[must_use]
    pub fn host(&self) -> Option<&'a str> {
        self.authority.or_else(|| self.header("host"))
    }

    /// Whether the connection may take another request (RFC 9112 §9.3). One
    /// of HTTP/1.0 never does: whoever still speaks it gets one answer.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.version >= Version::Http11 && !self.has_token("connection", "close")
    }

    /// "A server MUST respond with a 400 status code to any HTTP/1.1 request
    /// message that lacks a Host header field and to any request message that
    /// contains more than one Host header field line or a Host header field
    /// with an invalid field value." (RFC 9112 §3.2)
    fn check_host(&self) -> Result<(), Refusal> {
        let mut hosts = self.header_values("host");
        match (hosts.next(), hosts.next()) {
            (None, _) if self.version == Version::Http10 => Ok(()),
            (None, _) => Err(bad_request("The header Host is missing.")),
            (Some(host), None) if is_host(host) => Ok(()),
            (Some(_), None) => Err(bad_request(
                "The header Host must be a host name or an address, perhaps with a port.",
            )),
            (Some(_), Some(_)) => Err(bad_request("The header Host must come once.")),
        }
    }

    /// What follows the head.
    #[must_use]
    pub fn body(&self) -> Body {
        self.body
    }

    /// Refuses a body where none is taken.
    ///
    /// # Errors
    ///
    /// 413 with GET and HEAD; 405 with any other method: whoever posts wants to
    /// know that posting is what is wrong.
    pub fn refuse_body(&self) -> Result<(), Refusal> {
        match (self.body, self.method) {
            (Body::Absent, _) => Ok(()),
            (_, "GET" | "HEAD") => Err(Refusal::new(
                Status::ContentTooLarge,
                "Send the request without a body: none is taken here.",
            )),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    /// Refuses a body whose length is in doubt: that is how requests are smuggled
    /// past a proxy (RFC 9112 §6.3, §11.2).
    fn read_body(&self) -> Result<Body, Refusal> {
        let mut lengths = self.header_values("content-length");
        let length = lengths.next();
        let is_coded = self.header_values("transfer-encoding").next().is_some();
        if lengths.next().is_some() {
            return Err(bad_request("The header Content-Length must come once."));
        }
        if length.is_some() && is_coded {
            return Err(bad_request(
                "The headers Content-Length and Transfer-Encoding exclude each other.",
            ));
        }
        if is_coded {
            return Ok(Body::Coded);
        }
        let Some(digits) = length else {
            return Ok(Body::Absent);
        };
        if !is_number(digits) {
            return Err(bad_request("The header Content-Length must be a number."));
        }
        let bytes = digits.iter().try_fold(0_usize, |bytes, digit| {
            bytes
                .checked_mul(10)?
                .checked_add(usize::from(digit - b'0'))
        });
        Ok(match bytes {
            Some(0) => Body::Absent,
            // More than fits into memory is too much for everybody.
            bytes => Body::Bytes(bytes.unwrap_or(usize::MAX)),
        })
    }
}

/// Whether a head that was not complete at its first `tried_bytes` bytes is
/// worth another [`Request::parse`].
///
/// Only the end of a line can complete a head. Parsing begins anew each time;
/// asking this first keeps a head that drips in byte by byte at one parse per
/// line.
#[must_use]
pub fn is_worth_parsing(input: &[u8], tried_bytes: usize, limits: &Limits) -> bool {
    let is_too_large = limits.max_head_bytes > 0 && input.len() > limits.max_head_bytes;
    let fresh = input.get(tried_bytes..).unwrap_or_default();
    tried_bytes == 0 || is_too_large || fresh.contains(&b'\n')
}

/// Whether this is a token (RFC 9110 §5.6.2).
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    let is_token_byte =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_token_byte)
}

fn is_number(digits: &[u8]) -> bool {
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// Bounds the empty lines before the request line, which a robust server skips
/// (RFC 9112 §2.2).
fn check_empty_lines(input: &[u8]) -> Result<(), Refusal> {
    let is_line_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
    if input.iter().take_while(is_line_end).count() > MAX_EMPTY_LINE_BYTES {
        return Err(bad_request("Too many empty lines before the request."));
    }
    Ok(())
}

/// Refuses lines that end without a carriage return: proxies are known to see
/// one line where others see two.
fn check_line_ends(head: &[u8]) -> Result<(), Refusal> {
    let mut lines = head.split_inclusive(|&byte| byte == b'\n');
    if lines.any(|line| !line.ends_with(b"\r\n")) {
        return Err(bad_request(
            "Lines must end with a carriage return and a line feed.",
        ));
    }
    Ok(())
}

/// As much of `input` as a head may have.
fn within<'a>(input: &'a [u8], limits: &Limits) -> &'a [u8] {
    match limits.max_head_bytes {
        0 => input,
        max => &input[..input.len().min(max)],
    }
}

/// Room for the headers of `input`: never more than it has lines.
fn most_headers(input: &[u8], limits: &Limits) -> usize {
    let lines = input.iter().filter(|&&byte| byte == b'\n').count() + 1;
    match limits.max_headers {
        0 => lines,
        max => lines.min(max),
    }
}

/// The refusal for what httparse does not take.
fn refuse(error: httparse::Error, input: &[u8], limits: &Limits) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => too_large(input, limits),
        httparse::Error::Version if names_http_version(input) => Refusal::new(
            Status::HttpVersionNotSupported,
            "Only HTTP/1.1 and HTTP/1.0 are spoken here.",
        ),
        error => bad_request(format!("The request is not well-formed HTTP/1.1: {error}.")),
    }
}

/// Whether the request line ends like one of another version of HTTP.
fn names_http_version(input: &[u8]) -> bool {
    let line = input.trim_ascii_start().split(|&byte| byte == b'\n').next();
    let version = line.and_then(|line| line.split(|&byte| byte == b' ').nth(2));
    version.is_some_and(|version| {
        matches!(version.strip_prefix(b"HTTP/"), Some([digit, ..]) if digit.is_ascii_digit())
    })
}

/// 414 where not even the request line fits into a head, else 431.
fn too_large(input: &[u8], limits: &Limits) -> Refusal {
    let max_head_bytes = limits.max_head_bytes;
    let mut head = input.trim_ascii_start().iter().take(max_head_bytes);
    if max_head_bytes > 0 && !head.any(|&byte| byte == b'\n') {
        return Refusal::new(
            Status::UriTooLong,
            format!("The request target is too long: a head has at most {max_head_bytes} bytes."),
        );
    }
    Refusal::new(
        Status::RequestHeaderFieldsTooLarge,
        "The headers are too many or too long: deleting the cookies of this site may help.",
    )
}

pub(super) fn bad_request(text: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(Status::BadRequest, text)
}

/// Four empty lines; clients that send any send one.
const MAX_EMPTY_LINE_BYTES: usize = 8;

#[cfg(test)]
mod tests;
