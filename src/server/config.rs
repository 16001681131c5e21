//! The settings of a server.

use core::fmt;
use core::time::Duration;

use crate::http::assets::Assets;
use crate::http::forwarded::Network;
use crate::http::origin::{Origins, Scheme};

/// The settings of a server. Every bound has a default that suits a small
/// machine on the open internet; 0, or a zero duration, means no bound.
pub struct Config {
    /// Subprotocols the handler speaks; the client's first one among them is
    /// chosen (RFC 6455 §1.9). Default: none.
    pub subprotocols: Vec<&'static str>,
    /// What is served where no upgrade is asked for. Default: nothing, so that
    /// a plain request gets 426 Upgrade Required.
    pub assets: Option<Box<dyn Assets>>,
    /// Paths at which an upgrade is accepted, others get 404. Default: empty,
    /// which accepts it anywhere.
    pub websocket_paths: Vec<&'static str>,
    /// What the paths of all requests begin with, such as `/chat`; others get
    /// 404, and it is taken off before anybody looks at them. Default: nothing.
    pub base_path: String,
    /// By which scheme pages reach the server, where that is known: a server that
    /// speaks TLS sets it. Default: `None`.
    pub scheme: Option<Scheme>,
    /// Which pages may connect; others get 403. Default: all.
    pub origins: Origins,
    /// Proxies whose word is taken for whom a request comes from
    /// (`X-Forwarded-For`) and whether over TLS (`X-Forwarded-Proto`). Default:
    /// none.
    pub trusted_proxies: Vec<Network>,
    /// The largest message in bytes, assembled; a larger one is failed with
    /// 1009. Default: 1 MiB, more than a person types and less than hurts.
    pub max_message_bytes: usize,
    /// The largest request head in bytes, beyond it is 431. Default: 16 KiB,
    /// which holds the cookies of the site this server stands beside.
    pub max_head_bytes: usize,
    /// The most header lines of a request; beyond is 431. Default: 100, three
    /// times what browsers behind proxies send.
    pub max_headers: usize,
    /// How long a peer may take until its request is complete, in all and not
    /// per byte; then 408. Default: 10 s.
    pub handshake_timeout: Duration,
    /// How long a message may stay unfinished; then 1008. Default: 120 s,
    /// enough for 1 MiB over the slowest of lines.
    pub message_timeout: Duration,
    /// How long the peer may take for its part of the closing handshake before
    /// the connection is dropped. Default: 5 s.
    pub close_timeout: Duration,
    /// The silence after which a peer is asked with a Ping whether it is still
    /// there. Any byte received proves life. Default: 25 s, below the 30 s
    /// after which the strictest of middleboxes forget a connection.
    pub ping_interval: Duration,
    /// How long the peer may take to answer, from the Ping's last byte written;
    /// then the connection is lost. Default: 10 s.
    pub ping_timeout: Duration,
    /// How long a peer with something to receive may take nothing at all before
    /// it counts as lagging ([`Handler::lagged`](super::Handler::lagged)).
    /// Default: 30 s.
    pub stall_timeout: Duration,
    /// How many bytes of frames a topic keeps for those who are slow to take
    /// them. Default: 256 KiB, allocated only as it fills.
    pub tape_bytes: usize,
    /// How many bytes of private frames may wait for one connection. While
    /// there are more, it is not read and gets nothing new; one frame of any
    /// size always fits. Default: 1 MiB.
    pub outbox_bytes: usize,
    /// How many connections may be open at once; those beyond are closed with
    /// 1013. Default: 0, as many as descriptors allow less 32.
    pub max_connections: usize,
    /// How many connections one address may have; those beyond get 429. The
    /// loopback is exempt: a proxy stands there. Default: 256, for the
    /// households and offices that share an address.
    pub max_connections_per_address: usize,
    /// After this time the server stops by itself. Default: zero, never.
    pub time_limit: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            subprotocols: Vec::new(),
            assets: None,
            websocket_paths: Vec::new(),
            base_path: String::new(),
            scheme: None,
            origins: Origins::Any,
            trusted_proxies: Vec::new(),
            max_message_bytes: 1 << 20,
            max_head_bytes: 16 << 10,
            max_headers: 100,
            handshake_timeout: Duration::from_secs(10),
            message_timeout: Duration::from_secs(120),
            close_timeout: Duration::from_secs(5),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            tape_bytes: 256 << 10,
            outbox_bytes: 1 << 20,
            max_connections: 0,
            max_connections_per_address: 256,
            time_limit: Duration::ZERO,
        }
    }
}

impl Config {
    /// For how many connections room is asked for at the start. Room that nothing
    /// was written to takes no memory, while lists that grow leave their smaller
    /// selves behind.
    pub(super) fn reserved(&self) -> usize {
        match self.max_connections {
            0 => MAX_RESERVED,
            most => most.min(MAX_RESERVED),
        }
    }
}

const MAX_RESERVED: usize = 16_384;

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").finish_non_exhaustive()
    }
}
