//! The way in: the listening socket, and who waits there.

use core::fmt;
use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use log::{debug, warn};
use mio::net::TcpListener;
use mio::{Interest, Poll, Token};

use super::core::Core;
use super::handler::Handler;
use super::stream::{Greeter, Stream, SystemClock};

/// The listening socket, and whether somebody waits there.
pub(super) struct Door {
    listener: TcpListener,
    /// How many connections there may be in any phase.
    room: usize,
    /// Edge-triggered readiness is told once: it is remembered.
    someone_waits: bool,
    /// Descriptors ran out: try again then, since no event will tell.
    closed_until: Option<Instant>,
    /// The log has why nobody is let in.
    told_why: bool,
}

impl Door {
    pub(super) fn new(listener: TcpListener, descriptors: usize) -> Self {
        Door {
            listener,
            room: descriptors.saturating_sub(KEPT_DESCRIPTORS).max(1),
            someone_waits: true,
            closed_until: None,
            told_why: false,
        }
    }

    pub(super) fn knock(&mut self) {
        self.someone_waits = true;
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        let until = self.closed_until;
        let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
        wait.or(self.someone_waits.then_some(Duration::ZERO))
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
        for _ in 0..ACCEPT_BUDGET {
            if !self.someone_waits {
                break;
            }
            if core.connections() >= self.room {
                self.close("no descriptors are left; raise the limit (ulimit -n)");
                break;
            }
            match self.listener.accept() {
                Ok((stream, address)) => {
                    self.told_why = false;
                    match greeter.greet(stream) {
                        Ok(stream) => register(core, poll, stream, address),
                        Err(error) => warn!("cannot serve a connection: {error}"),
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.someone_waits = false,
                    io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted => {}
                    _ => {
                        self.close(error);
                        break;
                    }
                },
            }
        }
    }

    /// Lets nobody in for a while, and says why the first time.
    fn close(&mut self, why: impl fmt::Display) {
        if !self.told_why {
            warn!("cannot accept connections for now: {why}");
        }
        self.told_why = true;
        self.closed_until = Some(Instant::now() + ACCEPT_PAUSE);
    }
}

fn register<S: Stream, H: Handler>(
    core: &mut Core<S, SystemClock, H>,
    poll: &Poll,
    stream: S,
    address: SocketAddr,
) {
    let Some(place) = core.accept(stream, address.ip()) else {
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

/// Connections accepted in a turn, so that a crowd at the door does not stop
/// those inside.
const ACCEPT_BUDGET: usize = 64;

/// Somebody may have left by then.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Not for connections at all.
const KEPT_DESCRIPTORS: usize = 16;
