//! The server in the world: mio, events, signals.

use core::time::Duration;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use log::warn;
use mio::{Events, Poll, Token, Waker};

#[cfg(feature = "tls")]
use super::certificate::Tls;
use super::config::Config;
use super::core::Core;
use super::door::Door;
use super::handler::Handler;
use super::listen::{Listener, listen};
#[cfg(feature = "chat")]
use super::signals::{Signal, Signals};
use super::stream::{Greeter, Plain, SystemClock};
#[cfg(feature = "tls")]
use crate::http::origin::Scheme;
use crate::websocket::close::{Close, CloseCode};

/// A WebSocket server on one thread.
///
/// ```no_run
/// use veche::{ConnectionId, Context, Message, Server};
///
/// let server = Server::bind("127.0.0.1:7777")?;
/// server.run(|cx: &mut Context, id: ConnectionId, message: Message| {
///     cx.send(id, message);
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    listeners: Vec<Listener>,
    config: Config,
    /// How many the process may have.
    descriptors: usize,
    handle: Handle,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    #[cfg(feature = "chat")]
    signals: Option<Signals>,
}

impl Server {
    /// A server with the default settings that listens at the first of these
    /// addresses that can be had.
    ///
    /// # Errors
    /// Where none of them can, or the system has no more descriptors.
    pub fn bind(addresses: impl ToSocketAddrs) -> io::Result<Self> {
        let mut failed = io::Error::new(io::ErrorKind::InvalidInput, "no address to bind");
        for address in addresses.to_socket_addrs()? {
            match listen(address, |_| {}) {
                Ok(listener) => return Self::new(vec![listener], Config::default()),
                Err(error) => failed = error.into(),
            }
        }
        Err(failed)
    }

    /// A server on these listening sockets; see [`listen`].
    ///
    /// Raises the process's limit of descriptors as far as it may.
    ///
    /// # Errors
    /// Where the system has no more descriptors.
    pub fn new(mut listeners: Vec<Listener>, config: Config) -> io::Result<Self> {
        let poll = Poll::new()?;
        for (place, listener) in listeners.iter_mut().enumerate() {
            listener.register(poll.registry(), Token(FIRST_LISTENER - place))?;
        }
        let handle = Handle {
            waker: Arc::new(Waker::new(poll.registry(), WAKER)?),
            stop: Arc::default(),
            reload: Arc::default(),
        };
        let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
        Ok(Server {
            poll,
            listeners,
            config,
            descriptors: usize::try_from(descriptors).unwrap_or(usize::MAX),
            handle,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "chat")]
            signals: None,
        })
    }

    /// The settings, to be changed before [`run`](Server::run).
    pub fn config(&mut self) -> &mut Config {
        &mut self.config
    }

    /// The first address it listens at, with the port that the system chose
    /// for 0.
    ///
    /// # Errors
    /// Where it has none: it may listen at Unix sockets alone.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let mut addresses = self.listeners.iter().filter_map(Listener::local_addr);
        addresses
            .next()
            .ok_or(io::ErrorKind::AddrNotAvailable.into())
    }

    /// A handle to wake or stop the server from another thread.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Speaks TLS, and nothing else.
    #[cfg(feature = "tls")]
    pub fn set_tls(&mut self, tls: Tls) {
        self.tls = Some(tls);
        self.config.scheme = Some(Scheme::Https);
    }

    /// Stops on SIGTERM, with 1012, and on SIGINT, with 1001; at once on a
    /// second one. On SIGHUP the certificate is read anew, where there is one.
    ///
    /// # Errors
    /// Where the system does not let signals be handled.
    #[cfg(feature = "chat")]
    pub fn handle_signals(&mut self) -> io::Result<()> {
        self.signals = Some(Signals::register(self.poll.registry(), SIGNALS)?);
        Ok(())
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// Where polling for events fails; no peer can cause that.
    pub fn run(self, handler: impl Handler) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls.clone() {
            return self.serve(tls, handler);
        }
        self.serve(Plain, handler)
    }

    /// Once for each kind of stream, so that none pays for the other.
    fn serve<G: Greeter>(self, mut greeter: G, handler: impl Handler) -> io::Result<()> {
        let Server {
            mut poll,
            listeners,
            mut config,
            descriptors,
            handle,
            ..
        } = self;
        if config.max_connections == 0 {
            let most = descriptors.saturating_sub(RESERVED_DESCRIPTORS);
            config.max_connections = most.max(1);
        }
        #[cfg(feature = "chat")]
        let mut signals = self.signals;
        let mut core = Core::<G::Stream, _, _>::new(config, SystemClock::start(), handler);
        let last_place = FIRST_LISTENER - listeners.len();
        let mut door = Some(Door::new(listeners, descriptors));
        let mut events = Events::with_capacity(EVENTS);
        while !core.is_stopped() {
            let timeout = [core.timeout(), door.as_ref().and_then(Door::timeout)];
            let timeout = timeout.into_iter().flatten().min();
            match poll.poll(&mut events, timeout) {
                // There are no events, but time has passed: the turn takes note of that.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => result?,
            }
            for event in &events {
                match event.token() {
                    WAKER => core.wake(),
                    #[cfg(feature = "chat")]
                    SIGNALS => {
                        for signal in signals.iter_mut().flat_map(Signals::pending) {
                            match signal {
                                Signal::Stop(close) => core.stop(close),
                                Signal::Reload => greeter.reload(),
                            }
                        }
                    }
                    Token(token) if token > last_place => {
                        let listener = FIRST_LISTENER - token;
                        door.iter_mut().for_each(|door| door.knock(listener));
                    }
                    Token(place) => {
                        core.event(
                            place,
                            event.is_readable(),
                            event.is_writable(),
                            event.is_read_closed() || event.is_error(),
                        );
                    }
                }
            }
            // A process that was stopped since knows nothing of what came then.
            let is_late =
                timeout.is_some_and(|timeout| core.idle_time() > timeout.saturating_add(LATENESS));
            core.turn(is_late || events.iter().count() == EVENTS);
            if handle.reload.swap(false, Ordering::Relaxed) {
                greeter.reload();
            }
            if handle.stop.swap(false, Ordering::Relaxed) {
                core.stop(Close::new(CloseCode::GOING_AWAY, "the server stops"));
            }
            if core.is_stopping() {
                // Closed at once, so that nobody waits in the backlog.
                door = None;
            }
            if let Some(door) = &mut door {
                door.let_in(&greeter, &mut core, &poll);
            }
        }
        Ok(())
    }
}

/// Wakes or stops a running server, from any thread.
#[derive(Clone, Debug)]
pub struct Handle {
    waker: Arc<Waker>,
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

impl Handle {
    /// Has [`Handler::wake`] called soon.
    pub fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            warn!("cannot wake the server: {error}");
        }
    }

    /// Has the certificate and its key read anew: for whoever connects from then
    /// on. What is wrong with them is in the log.
    #[cfg(feature = "tls")]
    pub fn reload_tls(&self) {
        self.reload.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Stops the server: everybody is told (1001) and has
    /// [`Config::close_timeout`] to leave.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake();
    }
}

// Connections are named by their places, which count from 0, and listening
// sockets by theirs, which count down.
const WAKER: Token = Token(usize::MAX);
#[cfg(feature = "chat")]
const SIGNALS: Token = Token(usize::MAX - 1);
const FIRST_LISTENER: usize = usize::MAX - 2;

/// Events told at once.
const EVENTS: usize = 1024;

/// How much longer than it was asked to a poll may take before it is believed
/// that time went by after it.
const LATENESS: Duration = Duration::from_millis(100);

/// Not for those who are let in: for the journal, the log and what the system
/// itself needs, and half of them to tell others that the server is full.
const RESERVED_DESCRIPTORS: usize = 32;
