//! Signals that stop the server, and the one that renews its certificate.

use std::io::{self, Read};
use std::os::unix::net::UnixStream as StdUnixStream;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::websocket::close::{Close, CloseCode};

/// What a signal asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signal {
    /// To close every connection like this; a second time, to drop what is left.
    Stop(Close<'static>),
    /// To read the certificate anew.
    Reload,
}

/// SIGTERM closes every connection with 1012, since a service manager starts
/// the server again; SIGINT with 1001.
///
/// SIGHUP ends nothing, so that closing a terminal ends no chat; Rust's runtime
/// ignores SIGPIPE already.
#[derive(Debug)]
pub(super) struct Signals {
    /// Each has a byte for each time its signal came.
    arrivals: [(UnixStream, Signal); 3],
}

impl Signals {
    pub(super) fn register(registry: &Registry, token: Token) -> io::Result<Self> {
        let restart = Close::new(CloseCode::SERVICE_RESTART, RETRY);
        let stop = Close::new(CloseCode::GOING_AWAY, "the server stops");
        let arrivals_of = |signal| {
            let (arrivals, handler) = StdUnixStream::pair()?;
            arrivals.set_nonblocking(true)?;
            handler.set_nonblocking(true)?;
            pipe::register_raw(signal, handler.into())?;
            let mut arrivals = UnixStream::from_std(arrivals);
            registry.register(&mut arrivals, token, Interest::READABLE)?;
            io::Result::Ok(arrivals)
        };
        Ok(Signals {
            arrivals: [
                (arrivals_of(SIGTERM)?, Signal::Stop(restart)),
                (arrivals_of(SIGINT)?, Signal::Stop(stop)),
                (arrivals_of(SIGHUP)?, Signal::Reload),
            ],
        })
    }

    /// What has been asked for.
    pub(super) fn pending(&mut self) -> impl Iterator<Item = Signal> {
        self.arrivals.iter_mut().flat_map(|(arrivals, signal)| {
            let count = arrivals.read(&mut [0; 2]).unwrap_or(0);
            std::iter::repeat_n(*signal, count)
        })
    }
}

/// When to come back after a restart: the time a start takes, and some.
const RETRY: &str = "retry_ms=1000";
