//! Signals that stop the server.

use core::fmt;
use std::io;

use mio::{Interest, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use signal_hook_mio::v1_0::Signals;

use crate::websocket::close::{Close, CloseCode};

/// SIGTERM closes every connection with 1012, since a service manager starts
/// the server again; SIGINT with 1001. A second one drops what is left.
///
/// SIGHUP is survived, so that closing a terminal ends no chat; SIGPIPE and
/// SIGXFSZ are met as errors where they arise.
pub(super) struct StopSignals {
    signals: Signals,
}

impl StopSignals {
    pub(super) fn register(registry: &Registry, token: Token) -> io::Result<Self> {
        // Rust's runtime ignores SIGPIPE already.
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGXFSZ])?;
        registry.register(&mut signals, token, Interest::READABLE)?;
        Ok(StopSignals { signals })
    }

    /// With what to close for each signal that has arrived.
    pub(super) fn pending(&mut self) -> impl Iterator<Item = Close<'static>> {
        self.signals.pending().filter_map(|signal| match signal {
            SIGTERM => Some(Close::new(CloseCode::SERVICE_RESTART, RETRY)),
            SIGINT => Some(Close::new(CloseCode::GOING_AWAY, "the server stops")),
            _ => None,
        })
    }
}

impl fmt::Debug for StopSignals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StopSignals")
    }
}

/// When to come back after a restart: the time a start takes, and some.
const RETRY: &str = "retry_ms=1000";
