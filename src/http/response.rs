//! Responses.

use core::fmt;
use std::borrow::Cow;
use std::io::Write as _;

/// A response with its whole body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// The status.
    pub status: Status,
    /// The media type of the body.
    pub media_type: &'static str,
    /// The body, also where [`Response::body_is_sent`] says that only its
    /// length is told.
    pub body: Cow<'a, [u8]>,
    /// False for the answer to HEAD: the same head, no body (RFC 9110 §9.3.2).
    pub body_is_sent: bool,
    /// What becomes of the connection after this response.
    pub connection: Connection,
    /// Where a page may connect to, in the words of its policy (CSP Level 3
    /// §6.1.2 `connect-src`). `'self'` unless set, which stands for the
    /// WebSocket of the same host and port too.
    pub connect_sources: &'static str,
    headers: Vec<(&'static str, Cow<'a, str>)>,
}

impl<'a> Response<'a> {
    /// A response with a body, after which the connection stays open.
    #[must_use]
    pub fn new(status: Status, media_type: &'static str, body: impl Into<Cow<'a, [u8]>>) -> Self {
        Response {
            status,
            media_type,
            body: body.into(),
            body_is_sent: true,
            connection: Connection::KeepAlive,
            connect_sources: "'self'",
            headers: Vec::new(),
        }
    }

    /// One line of plain text, after which the connection stays open.
    #[must_use]
    pub fn text(status: Status, text: &str) -> Self {
        let line = format!("{text}\n").into_bytes();
        Response::new(status, "text/plain; charset=utf-8", line)
    }

    /// Adds a header that is not written anyway. The value must not contain
    /// anything of a peer's.
    pub fn header(&mut self, name: &'static str, value: impl Into<Cow<'a, str>>) {
        let value = value.into();
        debug_assert!(!value.contains(['\r', '\n']), "a header is one line");
        self.headers.push((name, value));
    }

    /// Appends head and body. `date` is the value of the header Date, such as
    /// `Sun, 06 Nov 1994 08:49:37 GMT`; without a clock it is left out
    /// (RFC 9110 §6.6.1).
    pub fn write(&self, out: &mut Vec<u8>, date: Option<&str>) {
        let has_body = self.status.has_body();
        line(out, format_args!("HTTP/1.1 {}", self.status));
        if let Some(date) = date {
            line(out, format_args!("Date: {date}"));
        }
        if has_body {
            line(out, format_args!("Content-Type: {}", self.media_type));
            line(out, format_args!("Content-Length: {}", self.body.len()));
        }
        for (name, value) in &self.headers {
            line(out, format_args!("{name}: {value}"));
        }
        match self.connection {
            Connection::KeepAlive => {}
            Connection::Close => line(out, format_args!("Connection: close")),
            Connection::UpgradeAndClose => line(out, format_args!("Connection: Upgrade, close")),
        }
        let sources = self.connect_sources;
        line(
            out,
            format_args!("Content-Security-Policy: {POLICY} {sources}"),
        );
        out.extend_from_slice(SECURITY_HEADERS.as_bytes());
        out.extend_from_slice(b"\r\n");
        if has_body && self.body_is_sent {
            out.extend_from_slice(&self.body);
        }
    }
}

/// What becomes of the connection after a response (RFC 9112 §9.3, §9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It takes the next request.
    KeepAlive,
    /// It ends.
    Close,
    /// It ends, and the header Upgrade names the protocol to come back with:
    /// that header belongs to one hop and says so in Connection
    /// (RFC 9110 §7.8).
    UpgradeAndClose,
}

impl Connection {
    /// Whether the connection ends.
    #[must_use]
    pub fn closes(self) -> bool {
        self != Connection::KeepAlive
    }
}

/// The statuses in use here (RFC 9110 §15, RFC 6585).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Status {
    /// 200.
    Ok = 200,
    /// 201: what was sent is kept.
    Created = 201,
    /// 204: done, and there is nothing to tell.
    NoContent = 204,
    /// 308: what is asked for is at another address, for good.
    PermanentRedirect = 308,
    /// 304: the copy that the client has is current.
    NotModified = 304,
    /// 400: the request is malformed.
    BadRequest = 400,
    /// 401: whoever asks has to show who they are.
    Unauthorized = 401,
    /// 403: the request is understood and not allowed.
    Forbidden = 403,
    /// 404: nothing is at this path.
    NotFound = 404,
    /// 405: a method other than GET and HEAD.
    MethodNotAllowed = 405,
    /// 408: the request did not arrive in time.
    RequestTimeout = 408,
    /// 409: somebody else has it.
    Conflict = 409,
    /// 411: a body that does not tell its length before it begins.
    LengthRequired = 411,
    /// 413: a body, where none is taken, or one that is too large.
    ContentTooLarge = 413,
    /// 414: the request target alone is longer than a head may be.
    UriTooLong = 414,
    /// 415: a body of another kind than is taken.
    UnsupportedMediaType = 415,
    /// 426: a resource that needs WebSocket, in its version 13.
    UpgradeRequired = 426,
    /// 429: too much at once from one address.
    TooManyRequests = 429,
    /// 431: too many headers, or too long ones.
    RequestHeaderFieldsTooLarge = 431,
    /// 500: the server met something it did not expect.
    InternalServerError = 500,
    /// 503: the server is full or goes down.
    ServiceUnavailable = 503,
    /// 505: a version of HTTP other than 1.0 and 1.1.
    HttpVersionNotSupported = 505,
}

impl Status {
    /// The status code.
    #[must_use]
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The reason phrase.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "OK",
            Status::Created => "Created",
            Status::NoContent => "No Content",
            Status::NotModified => "Not Modified",
            Status::PermanentRedirect => "Permanent Redirect",
            Status::BadRequest => "Bad Request",
            Status::Unauthorized => "Unauthorized",
            Status::Forbidden => "Forbidden",
            Status::NotFound => "Not Found",
            Status::MethodNotAllowed => "Method Not Allowed",
            Status::RequestTimeout => "Request Timeout",
            Status::Conflict => "Conflict",
            Status::LengthRequired => "Length Required",
            Status::ContentTooLarge => "Content Too Large",
            Status::UriTooLong => "URI Too Long",
            Status::UnsupportedMediaType => "Unsupported Media Type",
            Status::UpgradeRequired => "Upgrade Required",
            Status::TooManyRequests => "Too Many Requests",
            Status::RequestHeaderFieldsTooLarge => "Request Header Fields Too Large",
            Status::InternalServerError => "Internal Server Error",
            Status::ServiceUnavailable => "Service Unavailable",
            Status::HttpVersionNotSupported => "HTTP Version Not Supported",
        }
    }

    /// Whether a response has a body and tells its length (RFC 9112 §6.3).
    fn has_body(self) -> bool {
        !matches!(self, Status::NotModified | Status::NoContent)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.name())
    }
}

fn line(out: &mut Vec<u8>, content: fmt::Arguments<'_>) {
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{content}\r\n");
}

/// Sent with every response, so that it cannot be forgotten: a page loads only
/// what the server itself serves, and connects where
/// [`Response::connect_sources`] says.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob: data:; manifest-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'; connect-src";

const SECURITY_HEADERS: &str = "\
    X-Content-Type-Options: nosniff\r\n\
    Referrer-Policy: no-referrer\r\n\
    Cache-Control: no-cache\r\n";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::refusal::Refusal;

    fn written(response: &Response<'_>, date: Option<&str>) -> String {
        let mut out = Vec::new();
        response.write(&mut out, date);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn response_is_written_with_its_length_and_its_security_headers() {
        let mut response = Response::new(Status::Ok, "text/html; charset=utf-8", &b"<p>"[..]);
        response.header("ETag", "\"1\"");
        let expected = format!(
            "HTTP/1.1 200 OK\r\n\
             Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Type: text/html; charset=utf-8\r\n\
             Content-Length: 3\r\n\
             ETag: \"1\"\r\n\
             Content-Security-Policy: {POLICY} 'self'\r\n\
             {SECURITY_HEADERS}\r\n\
             <p>"
        );
        let date = Some("Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(written(&response, date), expected);
    }

    #[test]
    fn security_headers_are_one_line_each() {
        let names: Vec<_> = SECURITY_HEADERS
            .split_terminator("\r\n")
            .map(|line| line.split_once(": ").expect("a header").0)
            .collect();
        let expected = ["X-Content-Type-Options", "Referrer-Policy", "Cache-Control"];
        assert_eq!(names, expected);
        assert!(!SECURITY_HEADERS.contains("  ") && !POLICY.contains("  "));
    }

    #[test]
    fn page_connects_to_its_own_server_unless_it_may_go_elsewhere() {
        let mut response = Response::text(Status::Ok, "a page");
        assert!(written(&response, None).contains("; connect-src 'self'\r\n"));
        response.connect_sources = "'self' ws: wss:";
        assert!(written(&response, None).contains("; connect-src 'self' ws: wss:\r\n"));
    }

    #[test]
    fn answer_to_head_is_the_same_without_the_body() {
        let mut response = Response::text(Status::NotFound, "Nothing is here.");
        let with_body = written(&response, None);
        response.body_is_sent = false;
        let without = written(&response, None);
        assert_eq!(with_body, without.clone() + "Nothing is here.\n");
        assert!(without.contains("Content-Length: 17\r\n"));
    }

    #[test]
    fn not_modified_has_neither_body_nor_length() {
        let response = Response::new(Status::NotModified, "text/css", &b"body"[..]);
        let written = written(&response, None);
        assert!(written.starts_with("HTTP/1.1 304 Not Modified\r\n"));
        assert!(written.ends_with("\r\n\r\n"));
        assert!(!written.contains("\r\nContent-Length:"));
        assert!(!written.contains("\r\nContent-Type:"));
    }

    #[test]
    fn refusal_closes_the_connection_and_says_why() {
        let refusal = Refusal::new(Status::Forbidden, "Not from there.");
        let written = written(&refusal.response(), None);
        assert!(written.starts_with("HTTP/1.1 403 Forbidden\r\n"));
        assert!(written.contains("\r\nConnection: close\r\n"));
        assert!(written.contains("\r\nContent-Length: 16\r\n"));
        assert!(written.ends_with("\r\n\r\nNot from there.\n"));
        assert_eq!(refusal.to_string(), "403 Forbidden: Not from there.");
    }
}
