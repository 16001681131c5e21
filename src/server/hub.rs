//! Everything a server knows of its connections except their sockets. This is
//! what a handler acts on, through its context.

use core::mem;
use core::net::IpAddr;
use core::time::Duration;

use log::debug;
use slab::Slab;

use super::addresses::Addresses;
use super::config::Config;
use super::connection::{Awaits, Connection, Phase, Ping};
use super::counters::Counters;
use super::handler::{ConnectionId, Peer};
use super::timers::{Tick, Timers};
use crate::fanout::{Encoding, Fanout, Topic};
use crate::websocket::close::{Close, CloseCode};
use crate::websocket::deflate::{Agreement, Deflater, MAX_WINDOW_BITS};
use crate::websocket::frame::{HeaderBytes, Opcode, deflated_header, server_header};
use crate::websocket::message::Message;

/// The state of all connections. Handlers only change it; bytes move later.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) config: Config,
    pub(super) connections: Slab<Connection>,
    pub(super) fanout: Fanout,
    pub(super) timers: Timers,
    pub(super) deflater: Deflater,
    /// Connections to read from.
    pub(super) ready: Vec<u32>,
    /// Those that had their share of a turn and have more: read when nobody
    /// else is left.
    pub(super) greedy: Vec<u32>,
    /// Connections to flush.
    pub(super) dirty: Vec<u32>,
    /// Connections to remove at the end of the turn.
    pub(super) ended: Vec<u32>,
    /// What the handler is still to be told.
    pub(super) notices: Vec<Notice>,
    /// When the handler wants to be called.
    pub(super) tick_at: Option<Duration>,
    /// The handler asked the server to stop.
    pub(super) stop: Option<(CloseCode, String)>,
    pub(super) is_stopping: bool,
    pub(super) counters: Counters,
    pub(super) now: Duration,
    pub(super) unix_time: Duration,
    open: usize,
    pub(super) addresses: Addresses,
    generation: u32,
}

/// Something the handler is to be told when it is not being called already.
#[derive(Debug)]
pub(super) enum Notice {
    Closed(ConnectionId, CloseCode, String),
    Lagged(ConnectionId, u64),
}

impl Hub {
    pub(super) fn new(config: Config) -> Self {
        let room = config.reserved();
        Hub {
            fanout: Fanout::new(config.tape_bytes, config.outbox_bytes),
            addresses: Addresses::new(
                config.max_connections_per_address,
                config.trusted_proxies.clone(),
            ),
            config,
            connections: Slab::with_capacity(room),
            timers: Timers::with_capacity(room),
            deflater: Deflater::default(),
            ready: Vec::new(),
            greedy: Vec::new(),
            dirty: Vec::new(),
            ended: Vec::new(),
            notices: Vec::new(),
            tick_at: None,
            stop: None,
            is_stopping: false,
            counters: Counters::default(),
            now: Duration::ZERO,
            unix_time: Duration::ZERO,
            open: 0,
            generation: 0,
        }
    }

    pub(super) fn tick(&self) -> Tick {
        Tick::at(self.now)
    }

    /// A connection has been accepted; returns its place.
    pub(super) fn insert(&mut self, peer: Peer) -> u32 {
        self.generation = self.generation.wrapping_add(1);
        self.counters.accepted += 1;
        let proxy = self
            .addresses
            .is_proxy(peer.address)
            .then_some(peer.address);
        let mut connection = Connection::new(self.generation, peer, proxy, self.tick());
        connection.is_unwelcome = self.addresses.add(peer.address);
        let index = self.connections.insert(connection);
        let index = u32::try_from(index).expect("fewer than 2^32 descriptors");
        self.schedule(index);
        index
    }

    /// Forgets a connection that has ended.
    pub(super) fn remove(&mut self, index: u32) {
        let Some(mut connection) = self.connections.try_remove(index as usize) else {
            return;
        };
        self.fanout.release(&mut connection.subscriber);
        self.addresses.remove(connection.address);
    }

    /// A connection comes from somebody else than it did.
    pub(super) fn set_address(&mut self, index: u32, address: IpAddr) {
        if let Some(connection) = self.connections.get_mut(index as usize) {
            self.addresses.remove(connection.address);
            connection.is_unwelcome = self.addresses.add(address);
            connection.address = address;
        }
    }

    /// Whether no more connections may be opened.
    pub(super) fn is_full(&self) -> bool {
        self.config.max_connections != 0 && self.open >= self.config.max_connections
    }

    pub(super) fn id(&self, index: u32) -> Option<ConnectionId> {
        let connection = self.connections.get(index as usize)?;
        let generation = connection.generation;
        Some(ConnectionId { index, generation })
    }

    /// The connection of that name, if it is open.
    pub(super) fn open(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(id.index as usize)?;
        let same = connection.generation == id.generation;
        (same && connection.is_open()).then_some(connection)
    }

    pub(super) fn mark_ready(&mut self, index: u32) {
        if let Some(connection) = self.connections.get_mut(index as usize)
            && !mem::replace(&mut connection.io.listed_ready, true)
        {
            self.ready.push(index);
        }
    }

    pub(super) fn mark_greedy(&mut self, index: u32) {
        if let Some(connection) = self.connections.get_mut(index as usize)
            && !mem::replace(&mut connection.io.listed_ready, true)
        {
            self.greedy.push(index);
        }
    }

    /// Whether somebody may be read from.
    pub(super) fn is_anybody_ready(&self) -> bool {
        !self.ready.is_empty() || !self.greedy.is_empty()
    }

    pub(super) fn mark_dirty(&mut self, index: u32) {
        if let Some(connection) = self.connections.get_mut(index as usize)
            && !mem::replace(&mut connection.io.listed_dirty, true)
        {
            self.dirty.push(index);
        }
    }

    /// Makes sure that a connection is looked at when its next deadline comes.
    pub(super) fn schedule(&mut self, index: u32) {
        if let Some(connection) = self.connections.get_mut(index as usize) {
            let (at, _) = connection.deadline(&self.config);
            if at < connection.scheduled {
                connection.scheduled = at;
                self.timers.insert(at, index);
            }
        }
    }

    /// Takes note whether a message is incomplete, for its deadline.
    pub(super) fn note_unfinished(&mut self, index: u32, is_unfinished: bool) {
        let now = self.tick();
        if let Some(connection) = self.connections.get_mut(index as usize)
            && let Phase::Open {
                unfinished_since, ..
            } = &mut connection.phase
        {
            if !is_unfinished {
                *unfinished_since = None;
            } else if unfinished_since.is_none() {
                *unfinished_since = Some(now);
                self.schedule(index);
            }
        }
    }

    /// Queues bytes that are no message: responses and control frames. They
    /// are not bounded but for what causes them: a connection with much to
    /// receive is not read.
    pub(super) fn queue(&mut self, index: u32, header: &[u8], payload: &[u8]) {
        if let Some(connection) = self.connections.get_mut(index as usize) {
            let subscriber = &mut connection.subscriber;
            self.fanout.send_always(subscriber, header, payload);
            self.mark_dirty(index);
        }
    }

    pub(super) fn send(&mut self, id: ConnectionId, message: Message<'_>) {
        if self.open(id).is_none() {
            return;
        }
        let connection = &mut self.connections[id.index as usize];
        let window_bits = connection.deflate.map(Agreement::window_bits);
        let (header, payload) = encode(message, window_bits, &mut self.deflater);
        let subscriber = &mut connection.subscriber;
        self.counters.messages_sent += 1;
        if self.fanout.send(subscriber, &header, payload) {
            self.mark_dirty(id.index);
        } else {
            connection.dropped = connection.dropped.saturating_add(1);
            if connection.dropped == 1 {
                self.notices.push(Notice::Lagged(id, 0));
            }
        }
    }

    pub(super) fn publish(&mut self, topic: Topic, message: Message<'_>) {
        self.counters.messages_published += 1;
        for (encoding, window_bits) in ENCODINGS {
            if self.fanout.is_read(topic, encoding) {
                let (header, payload) = encode(message, window_bits, &mut self.deflater);
                let readers = self.fanout.publish(topic, encoding, &header, payload);
                self.counters.frames_published += readers as u64;
            }
        }
    }

    pub(super) fn subscribe(&mut self, id: ConnectionId, topic: Topic) {
        if self.open(id).is_some() {
            let connection = &mut self.connections[id.index as usize];
            let subscriber = &mut connection.subscriber;
            self.fanout.subscribe(topic, id.index, subscriber);
        }
    }

    pub(super) fn unsubscribe(&mut self, id: ConnectionId, topic: Topic) {
        if self.open(id).is_some() {
            let connection = &mut self.connections[id.index as usize];
            let missed = self.fanout.unsubscribe(topic, &mut connection.subscriber);
            if missed > 0 {
                self.notices.push(Notice::Lagged(id, missed));
            }
            self.mark_dirty(id.index);
        }
    }

    pub(super) fn hold(&mut self, id: ConnectionId) {
        if let Some(connection) = self.open(id) {
            connection.awaits = Awaits::Release;
        }
    }

    pub(super) fn release(&mut self, id: ConnectionId) {
        if let Some(connection) = self.open(id).filter(|connection| connection.is_held()) {
            connection.awaits = Awaits::Nothing;
            if connection.io.paused {
                self.mark_ready(id.index);
            }
            self.schedule(id.index);
        }
    }

    /// Drops everything that a connection has not got yet; returns how many
    /// published frames it misses.
    pub(super) fn skip(&mut self, id: ConnectionId) -> u64 {
        if self.open(id).is_none() {
            return 0;
        }
        let connection = &mut self.connections[id.index as usize];
        if let Phase::Open { ping, .. } = &mut connection.phase
            && *ping == Ping::Queued
        {
            *ping = Ping::Idle;
        }
        self.fanout.skip(&mut connection.subscriber)
    }

    /// The handler knows what was dropped. What it sent too much just now is
    /// its own doing, and not told again.
    pub(super) fn forget_dropped(&mut self, id: ConnectionId) {
        if let Some(connection) = self.open(id) {
            connection.dropped = 0;
        }
    }

    /// The opening handshake is complete: the handler has it from now on.
    pub(super) fn opened(
        &mut self,
        index: u32,
        deflate: Option<Agreement>,
    ) -> Option<ConnectionId> {
        let connection = self.connections.get_mut(index as usize)?;
        connection.open(deflate);
        self.open += 1;
        self.schedule(index);
        let id = self.id(index)?;
        debug!("connection {id} open");
        Some(id)
    }

    /// Starts the closing handshake from this side.
    pub(super) fn close(&mut self, id: ConnectionId, close: Close<'_>) {
        if self.open(id).is_none() {
            return;
        }
        self.counters.closes.count(close.code.value());
        self.closed(id, close);
        self.send_close(id.index, close);
        self.await_close(id.index);
    }

    /// The closing handshake is complete, or the connection failed: sends a
    /// last Close if none was sent, and what still arrives is discarded.
    pub(super) fn finish(&mut self, index: u32, close: Close<'_>, reply: Close<'_>) {
        if let Some(id) = self.id(index) {
            self.count_close(id, close);
            self.closed(id, close);
            self.send_close(index, reply);
            self.finish_flushing(index);
        }
    }

    /// Closes a connection that the handler never hears of.
    pub(super) fn turn_away(&mut self, index: u32, close: Close<'_>) {
        self.counters.closes.count(close.code.value());
        self.send_close(index, close);
        self.await_close(index);
    }

    fn await_close(&mut self, index: u32) {
        let now = self.tick();
        if let Some(connection) = self.connections.get_mut(index as usize) {
            connection.await_close(now);
            self.schedule(index);
        }
    }

    /// The last bytes are queued; what still arrives is discarded.
    pub(super) fn finish_flushing(&mut self, index: u32) {
        let now = self.tick();
        if let Some(connection) = self.connections.get_mut(index as usize) {
            connection.finish(now);
            self.mark_dirty(index);
            self.schedule(index);
        }
    }

    /// The peer has gone without a Close.
    pub(super) fn lose(&mut self, index: u32, why: &str) {
        if let Some(id) = self.id(index) {
            let code = CloseCode::ABNORMAL;
            let close = Close { code, reason: why };
            self.count_close(id, close);
            self.closed(id, close);
        }
    }

    /// The connection is gone, without a word.
    pub(super) fn end(&mut self, index: u32, why: &str) {
        let Some(id) = self.id(index) else { return };
        self.lose(index, why);
        let connection = &mut self.connections[index as usize];
        if !connection.is_ended() {
            debug!("connection {id} ended: {why}");
            connection.phase = Phase::Ended;
            self.ended.push(index);
        }
    }

    /// Counts that an open connection is closed with a code that may be the
    /// peer's choice.
    fn count_close(&mut self, id: ConnectionId, close: Close<'_>) {
        if self.open(id).is_some() {
            match close.code.value() {
                code @ 1000..=1015 => self.counters.closes.count(code),
                _ => self.counters.closes.count_other(),
            }
        }
    }

    /// Takes note that a connection is open no longer.
    fn closed(&mut self, id: ConnectionId, close: Close<'_>) {
        if self.open(id).is_some() {
            self.open -= 1;
            debug!("connection {id} closed: {close}");
            let notice = Notice::Closed(id, close.code, close.reason.to_owned());
            self.notices.push(notice);
        }
    }

    /// Queues a Close frame whatever else waits: it is the last one.
    fn send_close(&mut self, index: u32, close: Close<'_>) {
        if let Some(connection) = self.connections.get_mut(index as usize)
            && !connection.subscriber.is_ending()
        {
            let payload = close.payload();
            let header = server_header(Opcode::Close, payload.len());
            let subscriber = &mut connection.subscriber;
            self.fanout.send_last(subscriber, &header, &payload);
            self.mark_dirty(index);
        }
    }
}

/// The frame of a message, given as its header and its payload: compressed for
/// a receiver with that window, where that makes it smaller. Bytes are left as
/// they are: nearly all that is large, such as a picture, is compressed already.
fn encode<'a>(
    message: Message<'a>,
    window_bits: Option<u8>,
    deflater: &'a mut Deflater,
) -> (HeaderBytes, &'a [u8]) {
    let payload = message.payload();
    let window_bits = window_bits.filter(|_| message.opcode() == Opcode::Text);
    match window_bits.and_then(|bits| deflater.deflate(bits, payload)) {
        Some(deflated) => (deflated_header(message.opcode(), deflated.len()), deflated),
        None => (server_header(message.opcode(), payload.len()), payload),
    }
}

/// The windows of what is published.
const ENCODINGS: [(Encoding, Option<u8>); 2] = [
    (Encoding::Plain, None),
    (Encoding::Deflated, Some(MAX_WINDOW_BITS)),
];
