//! Why a request is refused.

use core::fmt;
use std::borrow::Cow;

use super::response::{Connection, Response, Status};

/// A request that gets no more than a status and a sentence, after which the
/// connection ends: what follows a refused request cannot be trusted to begin
/// where it seems to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: Status,
    /// What is wrong and what to do about it: a sentence for people.
    pub text: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with a sentence that names the remedy.
    #[must_use]
    pub fn new(status: Status, text: impl Into<Cow<'static, str>>) -> Self {
        Refusal {
            status,
            text: text.into(),
        }
    }

    /// 405, since everything here is fetched by GET and HEAD.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Refusal::new(
            Status::MethodNotAllowed,
            "Only GET and HEAD are answered here.",
        )
    }

    /// The response that says so and closes the connection, with the headers
    /// that its status demands.
    #[must_use]
    pub fn response(&self) -> Response<'static> {
        let mut response = Response::text(self.status, &self.text);
        response.connection = Connection::Close;
        match self.status {
            // RFC 9110 §15.5.6
            Status::MethodNotAllowed => response.header("Allow", "GET, HEAD"),
            // RFC 9110 §15.5.2, RFC 6750 §3
            Status::Unauthorized => response.header("WWW-Authenticate", "Bearer"),
            // RFC 9110 §15.5.22, RFC 6455 §4.4
            Status::UpgradeRequired => {
                response.connection = Connection::UpgradeAndClose;
                response.header("Upgrade", "websocket");
                response.header("Sec-WebSocket-Version", "13");
            }
            _ => {}
        }
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.text)
    }
}

impl core::error::Error for Refusal {}
