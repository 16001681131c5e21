//! What an application implements.

use core::fmt;
use core::net::IpAddr;

use super::Context;
use crate::http::refusal::Refusal;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::websocket::close::{Close, CloseCode};
use crate::websocket::message::Message;

/// The application behind a server.
///
/// Every method is called on the server's one thread and answers through its
/// [`Context`]. A closure `FnMut(&mut Context, ConnectionId, Message)` is a
/// handler that looks at messages only.
pub trait Handler {
    /// A request, judged by its head: how many bytes its body may have if it is the
    /// handler's to [answer](Handler::request), or `None` if it is not, and it is an
    /// upgrade, or [`Config::assets`](super::Config::assets) are asked.
    ///
    /// # Errors
    /// What it is refused with; its body is not taken.
    fn takes(&self, request: &Request<'_>) -> Result<Option<usize>, Refusal> {
        let _ = request;
        Ok(None)
    }

    /// Answers a request that the handler [takes](Handler::takes). `None` where
    /// the answer is made elsewhere, to come with [`Context::respond`]; what the
    /// peer asks for next waits until then.
    fn request(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        request: &Request<'_>,
        body: &[u8],
    ) -> Option<Response<'static>> {
        let _ = (cx, id, request, body);
        Some(Refusal::method_not_allowed().response())
    }

    /// A connection has completed its opening handshake.
    fn open(&mut self, cx: &mut Context<'_>, id: ConnectionId, opening: &Opening<'_>) {
        let _ = (cx, id, opening);
    }

    /// A whole message has arrived.
    fn message(&mut self, cx: &mut Context<'_>, id: ConnectionId, message: Message<'_>);

    /// A connection that was opened is open no longer: called exactly once for
    /// each, whoever closed it, with 1006 where it was lost without a Close.
    fn close(&mut self, cx: &mut Context<'_>, id: ConnectionId, close: Close<'_>) {
        let _ = (cx, id, close);
    }

    /// A connection takes what is sent to it so slowly that `missed` frames had
    /// to be dropped; 0 where it has taken nothing at all for
    /// [`Config::stall_timeout`](super::Config::stall_timeout). Where frames are
    /// missing, everything that is not written yet is dropped too, and counted
    /// if it was published: nothing arrives that follows what is missing.
    ///
    /// Unless overridden this closes the connection with 1008.
    fn lagged(&mut self, cx: &mut Context<'_>, id: ConnectionId, missed: u64) {
        let _ = missed;
        cx.close(id, CloseCode::POLICY_VIOLATION, "too slow");
    }

    /// Somebody called [`Handle::wake`](super::Handle::wake) since the last turn.
    fn wake(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }

    /// Whether answers are still being made elsewhere, to come with
    /// [`wake`](Handler::wake). A server that stops reads no more and waits for
    /// them before it closes the connections, for half of
    /// [`Config::close_timeout`](super::Config::close_timeout) at most.
    fn is_waiting(&self) -> bool {
        false
    }

    /// The time asked for with [`Context::tick_at`] has come.
    fn tick(&mut self, cx: &mut Context<'_>) {
        let _ = cx;
    }
}

impl<F> Handler for F
where
    F: FnMut(&mut Context<'_>, ConnectionId, Message<'_>),
{
    fn message(&mut self, cx: &mut Context<'_>, id: ConnectionId, message: Message<'_>) {
        self(cx, id, message);
    }
}

/// Names one connection for as long as the server runs.
///
/// It is a slab index and a generation: sending to a connection that has gone
/// does nothing, even where another one has taken its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl ConnectionId {
    /// The place in the slab: dense, small, used again after the connection
    /// has ended. For tables beside the server's own.
    #[must_use]
    pub fn index(self) -> usize {
        self.index as usize
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index, self.generation)
    }
}

/// Whom a connection comes from, and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Where the peer connects from.
    pub address: IpAddr,
    /// The place of the listening socket among those of the server.
    pub listener: u8,
}

/// To the first listening socket.
impl From<IpAddr> for Peer {
    fn from(address: IpAddr) -> Self {
        let listener = 0;
        Peer { address, listener }
    }
}

/// How a connection was opened.
#[derive(Debug)]
pub struct Opening<'a> {
    /// The upgrade request.
    pub request: &'a Request<'a>,
    /// The subprotocol the server chose.
    pub subprotocol: Option<&'a str>,
    /// Where the peer connects from.
    pub address: IpAddr,
}
