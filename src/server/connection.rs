//! One connection: its phase, and what is due for it when.

use core::mem;
use core::net::IpAddr;

use super::config::Config;
use super::handler::Peer;
use super::timers::Tick;
use crate::fanout::{Encoding, Subscriber};
use crate::http::request::Request;
use crate::http::response::{self, Response};
use crate::websocket::deflate::Agreement;
use crate::websocket::message::Receiver;

/// One accepted socket. Small, and without memory of its own while idle.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) generation: u32,
    pub(super) phase: Phase,
    pub(super) subscriber: Subscriber,
    /// How messages are compressed, both ways.
    pub(super) deflate: Option<Agreement>,
    /// Bytes received but not taken yet: an unfinished request head, or what
    /// waits until the peer has read its answers.
    pub(super) held: Held,
    /// Whom it comes from.
    pub(super) address: IpAddr,
    /// There were too many of its address when it came.
    pub(super) is_unwelcome: bool,
    pub(super) awaits: Awaits,
    pub(super) last_received: Tick,
    /// Messages dropped that the handler was not told of.
    pub(super) dropped: u32,
    /// Since when a peer with something to receive has taken nothing.
    pub(super) blocked_since: Option<Tick>,
    /// The earliest entry in the timers.
    pub(super) scheduled: Tick,
    pub(super) io: Io,
}

/// What is known of a connection's socket.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct Io {
    /// It may have something to read.
    pub(super) readable: bool,
    /// It may take something.
    pub(super) writable: bool,
    /// Read on to the end of the stream even after a short read.
    pub(super) read_to_end: bool,
    /// The peer will send nothing more.
    pub(super) eof: bool,
    /// Not read for now: too much waits to be sent, or the handler holds it.
    pub(super) paused: bool,
    /// On the list of those to read from.
    pub(super) listed_ready: bool,
    /// On the list of those to flush.
    pub(super) listed_dirty: bool,
}

/// Bytes that wait: a pointer while there are none.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "most connections have none")]
pub(super) struct Held(Option<Box<Vec<u8>>>);

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.0.get_or_insert_default().extend_from_slice(bytes);
        }
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        self.0.take().map_or_else(Vec::new, |bytes| *bytes)
    }
}

/// How far a connection's life has come.
#[derive(Debug)]
pub(super) enum Phase {
    /// HTTP requests are expected, the last of them an upgrade.
    Handshake {
        since: Tick,
        /// The place of the listening socket that it came to.
        listener: u8,
        /// The peer, if it is a proxy that tells whom each of them comes from.
        proxy: Option<IpAddr>,
    },
    /// The handler has it.
    Open {
        receiver: Receiver,
        /// Since when a message has been incomplete.
        unfinished_since: Option<Tick>,
        ping: Ping,
    },
    /// Nothing more goes to or comes from the handler.
    Closing { since: Tick, step: Closing },
    /// To be removed at the end of the turn.
    Ended,
}

/// What has to come before a connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaits {
    Nothing,
    /// The rest of the body of the request whose head has come.
    Body,
    /// The handler's response to a request: nothing more is taken until then.
    Response(Asked),
    /// That the handler lets go of it: nothing more is taken until then.
    Release,
}

/// What of a request decides how its response is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// Whole, and the connection goes on.
    Whole,
    /// The same without a body, as for HEAD.
    Head,
    /// Whole, and the connection ends.
    WholeAndClose,
    /// The same without a body.
    HeadAndClose,
}

impl Asked {
    pub(super) fn by(request: &Request<'_>) -> Self {
        match (request.method, request.keep_alive()) {
            ("HEAD", true) => Asked::Head,
            ("HEAD", false) => Asked::HeadAndClose,
            (_, true) => Asked::Whole,
            (_, false) => Asked::WholeAndClose,
        }
    }

    /// Has a response answer it.
    pub(super) fn shape(self, response: &mut Response<'_>) {
        response.body_is_sent &= matches!(self, Asked::Whole | Asked::WholeAndClose);
        if matches!(self, Asked::WholeAndClose | Asked::HeadAndClose) {
            response.connection = response::Connection::Close;
        }
    }
}

/// Where the heartbeat stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ping {
    Idle,
    /// On its way; it may have to wait behind much else.
    Queued,
    /// Written whole.
    Sent(Tick),
}

/// How far a connection's end has come (RFC 6455 §7.1).
#[derive(Debug)]
pub(super) enum Closing {
    /// We sent Close first; the peer's is awaited.
    AwaitingClose(Receiver),
    /// Nothing more is expected; the last bytes are being written.
    Flushing,
    /// Our side is shut down. What the peer still sends is read and discarded,
    /// since closing with unread input would destroy what it has not read yet.
    Draining,
}

/// Why a connection has to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Handshake,
    Message,
    Ping,
    Pong,
    Stall,
    Closing,
}

impl Connection {
    pub(super) fn new(generation: u32, peer: Peer, proxy: Option<IpAddr>, now: Tick) -> Self {
        Connection {
            generation,
            phase: Phase::Handshake {
                since: now,
                listener: peer.listener,
                proxy,
            },
            subscriber: Subscriber::default(),
            deflate: None,
            held: Held::default(),
            address: peer.address,
            is_unwelcome: false,
            awaits: Awaits::Nothing,
            last_received: now,
            dropped: 0,
            blocked_since: None,
            scheduled: Tick::NEVER,
            io: Io {
                readable: false,
                writable: true,
                read_to_end: false,
                eof: false,
                paused: false,
                listed_ready: false,
                listed_dirty: false,
            },
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    /// Whether nothing more is taken from it for now.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.awaits, Awaits::Response(_) | Awaits::Release)
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended)
    }

    /// The opening handshake is complete.
    pub(super) fn open(&mut self, deflate: Option<Agreement>) {
        self.deflate = deflate;
        if deflate.is_some_and(Agreement::is_usual) {
            self.subscriber.set_encoding(Encoding::Deflated);
        }
        self.phase = Phase::Open {
            receiver: Receiver::default(),
            unfinished_since: None,
            ping: Ping::Idle,
        };
    }

    /// Our Close is queued and the peer's is awaited.
    pub(super) fn await_close(&mut self, now: Tick) {
        let receiver = self.take_receiver();
        self.close(now, Closing::AwaitingClose(receiver));
    }

    /// The last bytes are queued; what still arrives is discarded.
    pub(super) fn finish(&mut self, now: Tick) {
        self.held = Held::default();
        self.close(now, Closing::Flushing);
    }

    fn close(&mut self, now: Tick, step: Closing) {
        let since = match self.phase {
            Phase::Closing { since, .. } => since,
            _ => now,
        };
        self.subscriber.end();
        self.awaits = Awaits::Nothing;
        self.phase = Phase::Closing { since, step };
    }

    /// Lends the receiver out while an event of it is looked at.
    pub(super) fn take_receiver(&mut self) -> Receiver {
        self.receiver_mut().map(mem::take).unwrap_or_default()
    }

    /// Takes it back, unless the connection is done with receiving.
    pub(super) fn return_receiver(&mut self, receiver: Receiver) {
        if let Some(place) = self.receiver_mut() {
            *place = receiver;
        }
    }

    fn receiver_mut(&mut self) -> Option<&mut Receiver> {
        match &mut self.phase {
            Phase::Open { receiver, .. }
            | Phase::Closing {
                step: Closing::AwaitingClose(receiver),
                ..
            } => Some(receiver),
            _ => None,
        }
    }

    /// Takes note that bytes have arrived: the peer lives. Whether a ping had asked
    /// for that, so that the next one may be due sooner than what it waited for.
    pub(super) fn heard(&mut self, now: Tick) -> bool {
        self.last_received = now;
        match &mut self.phase {
            Phase::Open { ping, .. } => mem::replace(ping, Ping::Idle) != Ping::Idle,
            _ => false,
        }
    }

    /// What is due next, and when.
    pub(super) fn deadline(&self, config: &Config) -> (Tick, Due) {
        let stall = match self.blocked_since {
            // One that is ready to take more will be found out when it does not.
            Some(since) if !self.io.writable => since.after(config.stall_timeout),
            _ => Tick::NEVER,
        };
        match &self.phase {
            // While an answer is made or on its way the next request cannot be late.
            Phase::Handshake { .. } if self.is_held() || self.subscriber.private_bytes() > 0 => {
                (stall, Due::Stall)
            }
            Phase::Handshake { since, .. } => {
                (since.after(config.handshake_timeout), Due::Handshake)
            }
            // What it may have said since is not read.
            Phase::Open { .. } if self.is_held() => (stall, Due::Stall),
            Phase::Open {
                unfinished_since,
                ping,
                ..
            } => {
                let message = match unfinished_since {
                    Some(since) => since.after(config.message_timeout),
                    None => Tick::NEVER,
                };
                let heartbeat = match ping {
                    Ping::Idle => (self.last_received.after(config.ping_interval), Due::Ping),
                    Ping::Queued => (Tick::NEVER, Due::Pong),
                    Ping::Sent(at) => (at.after(config.ping_timeout), Due::Pong),
                };
                heartbeat
                    .min((message, Due::Message))
                    .min((stall, Due::Stall))
            }
            Phase::Closing { since, .. } => (since.after(config.close_timeout), Due::Closing),
            Phase::Ended => (Tick::NEVER, Due::Closing),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What most of an idle connection is.
    #[test]
    fn connection_is_no_larger_than_it_was() {
        assert!(size_of::<Connection>() <= 112);
    }
}
