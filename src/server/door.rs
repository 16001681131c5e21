//! The way in: the listening sockets, and who waits there.

use core::time::Duration;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::OwnedFd;
use std::time::Instant;

use log::{debug, warn};
use mio::net::TcpStream;
use mio::{Interest, Poll, Registry, Token};

use super::core::Core;
use super::handler::{Handler, Peer};
use super::listen::{Kind, Listener};
use super::stream::{Greeter, Stream, SystemClock};

/// The listening sockets, and whether somebody waits there.
pub(super) struct Door {
    /// Edge-triggered readiness is told once: it is remembered.
    listeners: Vec<(Listener, bool)>,
    /// How many connections there may be in any phase.
    room: usize,
    /// Descriptors ran out: try again then, since no event will tell.
    closed_until: Option<Instant>,
    /// The log has why nobody is let in.
    told_why: bool,
}

impl Door {
    pub(super) fn new(listeners: Vec<Listener>, descriptors: usize) -> Self {
        let kept = KEPT_DESCRIPTORS + listeners.len();
        Door {
            listeners: listeners.into_iter().map(|one| (one, true)).collect(),
            room: descriptors.saturating_sub(kept).max(1),
            closed_until: None,
            told_why: false,
        }
    }

    /// Somebody has come to one of the listening sockets.
    pub(super) fn knock(&mut self, place: usize) {
        if let Some((_, someone_waits)) = self.listeners.get_mut(place) {
            *someone_waits = true;
        }
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        let until = self.closed_until;
        let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
        let someone_waits = self.listeners.iter().any(|(_, waits)| *waits);
        wait.or(someone_waits.then_some(Duration::ZERO))
    }

    /// Accepts some of those who wait.
    pub(super) fn let_in<G: Greeter, H: Handler>(
        &mut self,
        greeter: &G,
        core: &mut Core<G::Stream, SystemClock, H>,
        poll: &Poll,
    ) {
        if self
            .closed_until
            .is_some_and(|until| Instant::now() < until)
        {
            return;
        }
        self.closed_until = None;
        let mut why = None;
        for (place, (listener, someone_waits)) in self.listeners.iter_mut().enumerate() {
            let mut budget = ACCEPT_BUDGET;
            while *someone_waits && budget > 0 && why.is_none() {
                budget -= 1;
                if core.connections() >= self.room {
                    let limit = "no descriptors are left; raise the limit (ulimit -n)";
                    why = Some(io::Error::other(limit));
                    break;
                }
                match listener.accept() {
                    Ok((stream, address)) => {
                        self.told_why = false;
                        match greeter.greet(stream) {
                            Ok(stream) => {
                                let listener = u8::try_from(place).unwrap_or(u8::MAX);
                                register(core, poll, stream, Peer { address, listener });
                            }
                            Err(error) => warn!("cannot serve a connection: {error}"),
                        }
                    }
                    Err(error) => match error.kind() {
                        io::ErrorKind::WouldBlock => *someone_waits = false,
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                        _ => why = Some(error),
                    },
                }
            }
        }
        if let Some(why) = why {
            self.close(&why);
        }
    }

    /// Lets nobody in for a while, and says why the first time.
    fn close(&mut self, why: &io::Error) {
        if !self.told_why {
            warn!("cannot accept connections for now: {why}");
        }
        self.told_why = true;
        self.closed_until = Some(Instant::now() + ACCEPT_PAUSE);
    }
}

impl Listener {
    /// Has events told by this token.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.0 {
            Kind::Tcp(listener) => registry.register(listener, token, Interest::READABLE),
            Kind::Unix(listener, _) => registry.register(listener, token, Interest::READABLE),
        }
    }

    fn accept(&self) -> io::Result<(TcpStream, IpAddr)> {
        match &self.0 {
            Kind::Tcp(listener) => listener.accept().map(|(s, address)| (s, address.ip())),
            // Once it is connected, a stream is a stream: nothing that is done
            // with one here depends on its kind.
            Kind::Unix(listener, _) => listener
                .accept()
                .map(|(stream, _)| (OwnedFd::from(stream).into(), Ipv4Addr::LOCALHOST.into())),
        }
    }
}

fn register<S: Stream, H: Handler>(
    core: &mut Core<S, SystemClock, H>,
    poll: &Poll,
    stream: S,
    peer: Peer,
) {
    let address = peer.address;
    let Some(place) = core.accept(stream, peer) else {
        return debug!("connection from {address} dropped: too many of that address");
    };
    debug!("connection at {place} from {address}");
    let Some(stream) = core.transport(place) else {
        return;
    };
    let interest = Interest::READABLE | Interest::WRITABLE;
    let registry = poll.registry();
    if let Err(error) = registry.register(stream.socket(), Token(place), interest) {
        warn!("cannot watch a connection: {error}");
        core.reject(place);
    }
}

/// Connections accepted in a turn of each listening socket, so that a crowd at the door does not stop
/// those inside.
const ACCEPT_BUDGET: usize = 64;

/// Somebody may have left by then.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Not for connections at all, nor for the sockets that they come to.
const KEPT_DESCRIPTORS: usize = 15;
