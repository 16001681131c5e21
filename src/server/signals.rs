//! Signals that stop the server, and the one that renews its certificate.

use std::io::{self, Read};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::net::UnixStream;
use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level::pipe};

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
    /// Has something to read when one has come.
    arrivals: UnixStream,
    /// Which of them came.
    came: [(Arc<AtomicBool>, Signal); 3],
}

impl Signals {
    pub(super) fn register(registry: &Registry, token: Token) -> io::Result<Self> {
        let restart = Close::new(CloseCode::SERVICE_RESTART, RETRY);
        let stop = Close::new(CloseCode::GOING_AWAY, "the server stops");
        let (arrivals, handler) = StdUnixStream::pair()?;
        arrivals.set_nonblocking(true)?;
        handler.set_nonblocking(true)?;
        // Which one it is stands there before the loop is woken.
        let came = |signal| {
            let came = Arc::default();
            flag::register(signal, Arc::clone(&came))?;
            pipe::register_raw(signal, handler.try_clone()?.into())?;
            io::Result::Ok(came)
        };
        let came = [
            (came(SIGTERM)?, Signal::Stop(restart)),
            (came(SIGINT)?, Signal::Stop(stop)),
            (came(SIGHUP)?, Signal::Reload),
        ];
        let mut arrivals = UnixStream::from_std(arrivals);
        registry.register(&mut arrivals, token, Interest::READABLE)?;
        Ok(Signals { arrivals, came })
    }

    /// What has been asked for.
    pub(super) fn pending(&mut self) -> impl Iterator<Item = Signal> {
        // What comes after this wakes the loop again.
        while matches!(self.arrivals.read(&mut [0; 64]), Ok(1..)) {}
        let came = self.came.iter();
        came.filter_map(|(came, signal)| came.swap(false, Ordering::Relaxed).then_some(*signal))
    }
}

/// When to come back after a restart: the time a start takes, and some.
const RETRY: &str = "retry_ms=1000";
