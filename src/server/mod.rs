//! The server: connections, their phases, and the loop that serves them.
//!
//! [`Core`] is the whole server without the world: it knows no socket and no
//! clock, is generic over [`Transport`] and [`Clock`], and so can be driven
//! from memory, by one step at a time. [`Server`] binds it to mio.

mod addresses;
#[cfg(feature = "tls")]
mod certificate;
mod config;
mod connection;
mod context;
mod core;
mod counters;
mod door;
mod flush;
mod handler;
mod hub;
mod listen;
mod poll;
mod receive;
mod requests;
#[cfg(feature = "chat")]
mod signals;
mod stream;
mod timers;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod usage;

#[cfg(feature = "chat")]
pub(crate) use self::addresses::network;
#[cfg(feature = "tls")]
pub use self::certificate::{Tls, TlsError};
pub use self::config::Config;
pub use self::context::Context;
pub use self::core::Core;
pub use self::counters::{Counters, Histogram, Phases, Tally};
pub use self::handler::{ConnectionId, Handler, Opening, Peer};
pub use self::listen::{ListenError, Listener, Step, listen, listen_unix};
pub use self::poll::{Handle, Server};
#[cfg(feature = "tls")]
pub use self::tls::TlsStream;
pub use self::transport::{Clock, Transport};
pub use self::usage::Usage;
pub use crate::fanout::Topic;
