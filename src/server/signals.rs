//! Signals that stop the server.

use std::io::{self, Read};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level::pipe};

use crate::websocket::close::{Close, CloseCode};

/// SIGTERM closes every connection with 1012, since a service manager starts
/// the server again; SIGINT with 1001. A second one drops what is left.
///
/// SIGHUP is survived, so that closing a terminal ends no chat; Rust's runtime
/// ignores SIGPIPE already.
#[derive(Debug)]
pub(super) struct StopSignals {
    /// Each has a byte for each time its signal came, and what that means.
    arrivals: [(UnixStream, CloseCode, &'static str); 2],
}

impl StopSignals {
    pub(super) fn register(registry: &Registry, token: Token) -> io::Result<Self> {
        flag::register(SIGHUP, Arc::default())?;
        let arrivals_of = |signal| {
            let (arrivals, handler) = StdUnixStream::pair()?;
            arrivals.set_nonblocking(true)?;
            handler.set_nonblocking(true)?;
            pipe::register_raw(signal, handler.into())?;
            let mut arrivals = UnixStream::from_std(arrivals);
            registry.register(&mut arrivals, token, Interest::READABLE)?;
            io::Result::Ok(arrivals)
        };
        let restart = (arrivals_of(SIGTERM)?, CloseCode::SERVICE_RESTART, RETRY);
        let stop = (
            arrivals_of(SIGINT)?,
            CloseCode::GOING_AWAY,
            "the server stops",
        );
        Ok(StopSignals {
            arrivals: [restart, stop],
        })
    }

    /// With what to close for each signal that has arrived.
    pub(super) fn pending(&mut self) -> impl Iterator<Item = Close<'static>> {
        self.arrivals
            .iter_mut()
            .flat_map(|(arrivals, code, reason)| {
                let count = arrivals.read(&mut [0; 2]).unwrap_or(0);
                std::iter::repeat_n(Close::new(*code, reason), count)
            })
    }
}

/// When to come back after a restart: the time a start takes, and some.
const RETRY: &str = "retry_ms=1000";
