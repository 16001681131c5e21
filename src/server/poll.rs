//! The server in the world: mio, the listening socket, the time.

use core::fmt;
use core::time::Duration;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use log::{debug, warn};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use super::config::Config;
use super::core::Core;
use super::handler::Handler;
use super::listen::listen;
#[cfg(feature = "chat")]
use super::signals::StopSignals;
use super::transport::{Clock, Transport};
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
    listener: TcpListener,
    config: Config,
    /// How many the process may have.
    descriptors: usize,
    handle: Handle,
    #[cfg(feature = "chat")]
    signals: Option<StopSignals>,
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
                Ok(listener) => return Self::new(listener, Config::default()),
                Err(error) => failed = error.into(),
            }
        }
        Err(failed)
    }

    /// A server on a listening socket that does not block; see [`listen`].
    ///
    /// Raises the process's limit of descriptors as far as it may.
    ///
    /// # Errors
    /// Where the system has no more descriptors.
    pub fn new(listener: StdListener, config: Config) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::from_std(listener);
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let handle = Handle {
            waker: Arc::new(Waker::new(poll.registry(), WAKER)?),
            stop: Arc::default(),
        };
        let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
        Ok(Server {
            poll,
            listener,
            config,
            descriptors: usize::try_from(descriptors).unwrap_or(usize::MAX),
            handle,
            #[cfg(feature = "chat")]
            signals: None,
        })
    }

    /// The settings, to be changed before [`run`](Server::run).
    pub fn config(&mut self) -> &mut Config {
        &mut self.config
    }

    /// The address it listens at, with the port that the system chose for 0.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// A handle to wake or stop the server from another thread.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Stops on SIGTERM, with 1012, and on SIGINT, with 1001; at once on a
    /// second one. SIGHUP is survived.
    ///
    /// # Errors
    /// Where the system does not let signals be handled.
    #[cfg(feature = "chat")]
    pub fn stop_on_signals(&mut self) -> io::Result<()> {
        self.signals = Some(StopSignals::register(self.poll.registry(), SIGNALS)?);
        Ok(())
    }

    /// Serves until it is stopped.
    ///
    /// # Errors
    /// Where polling for events fails; no peer can cause that.
    pub fn run(self, handler: impl Handler) -> io::Result<()> {
        let Server {
            mut poll,
            listener,
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
        let mut core = Core::new(config, SystemClock::start(), handler);
        let mut door = Some(Door::new(listener, descriptors));
        let mut events = Events::with_capacity(EVENTS);
        while !core.is_stopped() {
            let timeout = [core.timeout(), door.as_ref().and_then(Door::timeout)];
            let timeout = timeout.into_iter().flatten().min();
            let asked = Instant::now();
            match poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => door.iter_mut().for_each(Door::knock),
                    WAKER => core.wake(),
                    #[cfg(feature = "chat")]
                    SIGNALS => {
                        let pending = signals.iter_mut().flat_map(StopSignals::pending);
                        pending.for_each(|close| core.stop(close));
                    }
                    Token(place) => core.event(
                        place,
                        event.is_readable(),
                        event.is_writable(),
                        event.is_read_closed() || event.is_error(),
                    ),
                }
            }
            // A process that was stopped since knows nothing of what came then.
            let took = asked.elapsed().saturating_sub(LATENESS);
            let is_late = timeout.is_some_and(|timeout| took > timeout);
            core.turn(is_late || events.iter().count() == EVENTS);
            if handle.stop.swap(false, Ordering::Relaxed) {
                core.stop(Close::new(CloseCode::GOING_AWAY, "the server stops"));
            }
            if core.is_stopping() {
                // Closed at once, so that nobody waits in the backlog.
                door = None;
            }
            if let Some(door) = &mut door {
                door.let_in(&mut core, &poll);
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
}

impl Handle {
    /// Has [`Handler::wake`] called soon.
    pub fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            warn!("cannot wake the server: {error}");
        }
    }

    /// Stops the server: everybody is told (1001) and has
    /// [`Config::close_timeout`] to leave.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.wake();
    }
}

/// The listening socket, and whether somebody waits there.
struct Door {
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
    fn new(listener: TcpListener, descriptors: usize) -> Self {
        Door {
            listener,
            room: descriptors.saturating_sub(KEPT_DESCRIPTORS).max(1),
            someone_waits: true,
            closed_until: None,
            told_why: false,
        }
    }

    fn knock(&mut self) {
        self.someone_waits = true;
    }

    fn timeout(&self) -> Option<Duration> {
        let until = self.closed_until;
        let wait = until.map(|until| until.saturating_duration_since(Instant::now()));
        wait.or(self.someone_waits.then_some(Duration::ZERO))
    }

    /// Accepts some of those who wait.
    fn let_in<H: Handler>(&mut self, core: &mut Core<TcpStream, SystemClock, H>, poll: &Poll) {
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
                    register(core, poll, stream, address);
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

fn register<H: Handler>(
    core: &mut Core<TcpStream, SystemClock, H>,
    poll: &Poll,
    stream: TcpStream,
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
    if let Err(error) = poll.registry().register(stream, Token(place), interest) {
        warn!("cannot watch a connection: {error}");
        core.reject(place);
    }
}

impl Transport for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Read::read(self, buffer)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            // Cheaper than a gathering write, and the usual case.
            [slice] => Write::write(self, slice),
            slices => self.write_vectored(slices),
        }
    }

    fn shutdown(&mut self) -> io::Result<()> {
        TcpStream::shutdown(self, Shutdown::Write)
    }
}

/// The system's clock.
#[derive(Debug)]
struct SystemClock {
    start: Instant,
}

impl SystemClock {
    fn start() -> Self {
        let start = Instant::now();
        SystemClock { start }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn unix_time(&self) -> Duration {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default()
    }
}

// Connections are named by their places, which count from 0.
const LISTENER: Token = Token(usize::MAX);
const WAKER: Token = Token(usize::MAX - 1);
#[cfg(feature = "chat")]
const SIGNALS: Token = Token(usize::MAX - 2);

/// Events told at once.
const EVENTS: usize = 1024;

/// How much longer than it was asked to a poll may take before it is believed
/// that time went by after it.
const LATENESS: Duration = Duration::from_millis(100);

/// Connections accepted in a turn, so that a crowd at the door does not stop
/// those inside.
const ACCEPT_BUDGET: usize = 64;

/// Somebody may have left by then.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Not for those who are let in: for the journal, the log and what the system
/// itself needs, and half of them to tell others that the server is full.
const RESERVED_DESCRIPTORS: usize = 32;

/// Not for connections at all.
const KEPT_DESCRIPTORS: usize = 16;
