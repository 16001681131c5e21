//! What is answered to those who watch the program: whether it lives, whether it
//! serves, and in numbers what it does.

use core::fmt;

use crate::chat::{Chat, Journal};
use crate::http::refusal::Refusal;
use crate::http::request::Request;
use crate::http::response::{Response, Status};
#[cfg(feature = "metrics")]
use crate::program::metrics::Metrics;
use crate::server::{ConnectionId, Context, Handler, Opening};
use crate::websocket::close::Close;
use crate::websocket::message::Message;

/// The chat, and beside it `/health`, `/ready` and, with the feature `metrics`,
/// `/metrics`.
pub struct Watched<J> {
    chat: Chat<J>,
    /// How many of the listening sockets are the chat's, where those behind them are
    /// for watching alone.
    listeners: Option<u8>,
    #[cfg(feature = "metrics")]
    metrics: Metrics,
}

impl<J: Journal> Watched<J> {
    /// Watched at all listening sockets.
    pub fn new(chat: Chat<J>) -> Self {
        Watched {
            chat,
            listeners: None,
            #[cfg(feature = "metrics")]
            metrics: Metrics::default(),
        }
    }

    /// Gives metrics only to those who come to a listening socket behind the first
    /// so many, where nothing else but health is to be had.
    #[must_use]
    pub fn apart(mut self, listeners: usize) -> Self {
        self.listeners = Some(u8::try_from(listeners).unwrap_or(u8::MAX));
        self
    }

    /// The chat.
    pub fn chat(&mut self) -> &mut Chat<J> {
        &mut self.chat
    }

    /// Whether a request comes to a listening socket that is for watching alone.
    fn is_aside(&self, request: &Request<'_>) -> bool {
        let chats = self.listeners;
        chats.is_some_and(|listeners| request.listener >= listeners)
    }

    /// Whether a request is not the chat's.
    fn is_ours(&self, request: &Request<'_>) -> bool {
        match request.path {
            HEALTH | READY => true,
            METRICS => {
                cfg!(feature = "metrics") && self.is_aside(request) == self.listeners.is_some()
            }
            _ => false,
        }
    }

    /// Why nobody should come here for now.
    fn hindrance(&mut self, cx: &Context<'_>) -> Option<&'static str> {
        if cx.is_stopping() {
            return Some("The server stops.");
        }
        let is_failing = self.chat.journal().report().is_failing;
        is_failing.then_some("Messages cannot be kept: the log has why.")
    }
}

impl<J: Journal> Handler for Watched<J> {
    fn takes(&self, request: &Request<'_>) -> Result<Option<usize>, Refusal> {
        if self.is_ours(request) {
            return match request.method {
                "GET" | "HEAD" => Ok(Some(0)),
                _ => Err(Refusal::method_not_allowed()),
            };
        }
        if self.is_aside(request) {
            let text = "Here are /metrics, /health and /ready, and nothing else.";
            return Err(Refusal::new(Status::NotFound, text));
        }
        self.chat.takes(request)
    }

    fn request(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        request: &Request<'_>,
        body: &[u8],
    ) -> Option<Response<'static>> {
        if !self.is_ours(request) {
            return self.chat.request(cx, id, request, body);
        }
        Some(match request.path {
            READY => match self.hindrance(cx) {
                Some(why) => Response::text(Status::ServiceUnavailable, why),
                None => Response::text(Status::Ok, "ready"),
            },
            #[cfg(feature = "metrics")]
            METRICS => self.metrics.response(cx, &mut self.chat),
            _ => Response::text(Status::Ok, "ok"),
        })
    }

    fn open(&mut self, cx: &mut Context<'_>, id: ConnectionId, opening: &Opening<'_>) {
        self.chat.open(cx, id, opening);
    }

    fn message(&mut self, cx: &mut Context<'_>, id: ConnectionId, message: Message<'_>) {
        self.chat.message(cx, id, message);
    }

    fn close(&mut self, cx: &mut Context<'_>, id: ConnectionId, close: Close<'_>) {
        self.chat.close(cx, id, close);
    }

    fn lagged(&mut self, cx: &mut Context<'_>, id: ConnectionId, missed: u64) {
        self.chat.lagged(cx, id, missed);
    }

    fn wake(&mut self, cx: &mut Context<'_>) {
        self.chat.wake(cx);
    }

    fn is_waiting(&self) -> bool {
        self.chat.is_waiting()
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        self.chat.tick(cx);
    }
}

impl<J> fmt::Debug for Watched<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").finish_non_exhaustive()
    }
}

const HEALTH: &str = "/health";
const READY: &str = "/ready";
const METRICS: &str = "/metrics";
