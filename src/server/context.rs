//! What a handler may do.

use core::net::IpAddr;
use core::time::Duration;

use super::connection::{Awaits, Phase};
use super::counters::{Counters, Phases};
use super::handler::ConnectionId;
use super::hub::Hub;
use crate::fanout::Topic;
use crate::http::response::Response;
use crate::websocket::close::{Close, CloseCode};
use crate::websocket::message::Message;

/// A handler's way to act on the server. Everything is queued in the order of
/// the calls and written at the end of the turn.
#[derive(Debug)]
pub struct Context<'a> {
    pub(super) hub: &'a mut Hub,
}

impl Context<'_> {
    /// Sends a message to one connection; to several, call it for each. For a
    /// connection that is not open any more this does nothing.
    ///
    /// Where more than [`Config::outbox_bytes`](super::Config::outbox_bytes)
    /// wait for it already, the message is dropped and
    /// [`Handler::lagged`](super::Handler::lagged) follows.
    pub fn send<'m>(&mut self, to: ConnectionId, message: impl Into<Message<'m>>) {
        self.hub.send(to, message.into());
    }

    /// How many bytes of what was sent to a connection alone are not written yet.
    #[must_use]
    pub fn unsent_bytes(&self, id: ConnectionId) -> usize {
        let connection = self.hub.connections.get(id.index());
        let same = connection.filter(|c| c.generation == id.generation && c.is_open());
        same.map_or(0, |connection| connection.subscriber.private_bytes())
    }

    /// Sends a message to every subscriber of a topic. It is encoded once.
    pub fn publish<'m>(&mut self, topic: Topic, message: impl Into<Message<'m>>) {
        self.hub.publish(topic, message.into());
    }

    /// Lets a connection receive what is published on a topic from now on.
    /// Twice is once; it ends with the connection.
    pub fn subscribe(&mut self, id: ConnectionId, topic: Topic) {
        self.hub.subscribe(id, topic);
    }

    /// Ends a subscription. What was published before still arrives.
    pub fn unsubscribe(&mut self, id: ConnectionId, topic: Topic) {
        self.hub.unsubscribe(id, topic);
    }

    /// Takes no more messages from a connection until it is
    /// [released](Context::release): its answer is made elsewhere, to come with
    /// [`Handler::wake`](super::Handler::wake), and what it asks for next waits
    /// its turn. What it has sent already is kept, and then its socket fills.
    pub fn hold(&mut self, id: ConnectionId) {
        self.hub.hold(id);
    }

    /// Goes on with a connection that was [held](Context::hold).
    pub fn release(&mut self, id: ConnectionId) {
        self.hub.release(id);
    }

    /// Answers a request that
    /// [`Handler::request`](super::Handler::request) left open. For a connection
    /// that has gone this does nothing.
    pub fn respond(&mut self, id: ConnectionId, response: Response<'_>) {
        self.hub.respond(id, response);
    }

    /// Starts the closing handshake after everything sent before (RFC 6455
    /// §7.1.2). [`Handler::close`](super::Handler::close) follows when this
    /// call of the handler has returned.
    ///
    /// A code that a server may not send becomes 1011; a reason longer than
    /// 123 bytes is cut.
    pub fn close(&mut self, id: ConnectionId, code: CloseCode, reason: &str) {
        let code = if code.may_be_sent_by_server() {
            code
        } else {
            CloseCode::INTERNAL_ERROR
        };
        self.hub.close(id, Close { code, reason });
    }

    /// Stops the server: every connection is closed with this code.
    pub fn stop(&mut self, code: CloseCode, reason: &str) {
        self.hub.stop = Some((code, reason.to_owned()));
    }

    /// Whether the server stops.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.hub.is_stopping
    }

    /// What the server has done since it started.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.hub.counters
    }

    /// How far the connections have come. Looks at each of them.
    #[must_use]
    pub fn phases(&self) -> Phases {
        let mut phases = Phases::default();
        for (_, connection) in &self.hub.connections {
            match connection.phase {
                Phase::Handshake { .. } => phases.handshake += 1,
                Phase::Open { .. } => phases.open += 1,
                Phase::Closing { .. } | Phase::Ended => phases.closing += 1,
            }
        }
        phases
    }

    /// Time since the server started. Never goes back, and stands still while
    /// the handler is being called.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.hub.now
    }

    /// Time since 1970-01-01 UTC.
    #[must_use]
    pub fn unix_time(&self) -> Duration {
        self.hub.unix_time
    }

    /// Asks for a call of [`Handler::tick`](super::Handler::tick) when
    /// [`now`](Context::now) has reached `at`. Of several times asked for, the
    /// earliest counts; each call is for one tick.
    pub fn tick_at(&mut self, at: Duration) {
        let earlier = self.hub.tick_at.is_none_or(|current| at < current);
        if earlier {
            self.hub.tick_at = Some(at);
        }
    }

    /// Where a connection comes from; `None` when it is neither open nor waits for
    /// the answer to a request.
    #[must_use]
    pub fn address(&self, id: ConnectionId) -> Option<IpAddr> {
        let connection = self.hub.connections.get(id.index())?;
        let is_there = connection.is_open() || matches!(connection.awaits, Awaits::Response(_));
        (connection.generation == id.generation && is_there).then_some(connection.address)
    }
}
