//! One turn of the server: what is ready is read, the handler acts, what is due
//! is done, and everything that waits is written.

use core::time::Duration;

use log::{debug, info};

use super::config::Config;
use super::connection::{Connection, Due, Phase, Ping};
use super::context::Context;
use super::handler::{Handler, Peer};
use super::hub::{Hub, Notice};
use super::timers::Tick;
use super::transport::{Clock, Transport};
use crate::fanout::{Pacing, TopicIndex};
use crate::http::refusal::Refusal;
use crate::http::response::Status;
use crate::websocket::close::{Close, CloseCode};
use crate::websocket::deflate::Inflater;
use crate::websocket::frame::{Opcode, server_header};

/// A server without sockets and without a clock of its own.
///
/// Whoever drives it accepts connections with [`Core::accept`], tells their
/// readiness with [`Core::event`], and calls [`Core::turn`] after each batch of
/// events and no later than [`Core::timeout`] says.
#[derive(Debug)]
pub struct Core<T, C, H> {
    pub(super) hub: Hub,
    pub(super) handler: H,
    pub(super) clock: C,
    /// By the connections' places. Apart from them, so that a handler's context
    /// is the same over any transport.
    pub(super) transports: Vec<Option<T>>,
    /// What every read goes into.
    pub(super) scratch: Vec<u8>,
    /// Decompresses for all connections.
    pub(super) inflater: Inflater,
    pub(super) pacing: Pacing,
    /// When the first of the topics that rest may be flushed.
    pub(super) next_topic: Option<Duration>,
    pub(super) due_topics: Vec<TopicIndex>,
    pub(super) started: Duration,
    woken: bool,
    /// For how many turns deadlines have been left alone.
    deferred_timers: u32,
    /// Until when connections may take their leave.
    stop_by: Option<Duration>,
    /// What they are told when the handler has all its answers, and until when
    /// it may wait for them.
    farewell: Option<(CloseCode, String, Duration)>,
}

impl<T: Transport, C: Clock, H: Handler> Core<T, C, H> {
    /// A server without connections.
    pub fn new(config: Config, clock: C, handler: H) -> Self {
        let started = clock.now();
        let transports = Vec::with_capacity(config.reserved());
        let mut core = Core {
            hub: Hub::new(config),
            handler,
            clock,
            transports,
            scratch: vec![0; SCRATCH_BYTES],
            inflater: Inflater::default(),
            pacing: Pacing::default(),
            next_topic: None,
            due_topics: Vec::new(),
            started,
            woken: false,
            deferred_timers: 0,
            stop_by: None,
            farewell: None,
        };
        core.read_clock();
        core
    }

    /// Takes in a connection; returns its place, by which events name it. A
    /// place is used again only after the turn in which its connection ended.
    ///
    /// `None`, and the connection is gone, where its address has twice as many
    /// as it may have: those in between are told so.
    pub fn accept(&mut self, transport: T, peer: impl Into<Peer>) -> Option<usize> {
        let peer = peer.into();
        if self.hub.addresses.is_overrun(peer.address) {
            self.hub.counters.dropped += 1;
            return None;
        }
        self.read_clock();
        let index = self.hub.insert(peer) as usize;
        if self.transports.len() <= index {
            self.transports.resize_with(index + 1, || None);
        }
        self.transports[index] = Some(transport);
        Some(index)
    }

    /// Gives up a connection that was accepted but cannot be watched.
    pub fn reject(&mut self, place: usize) {
        if let Ok(index) = u32::try_from(place) {
            self.hub.end(index, "cannot be watched");
        }
    }

    /// The transport of a connection, to be registered for events.
    pub fn transport(&mut self, place: usize) -> Option<&mut T> {
        self.transports.get_mut(place)?.as_mut()
    }

    /// A connection may be read, may be written, or will give no more after
    /// what it has (`is_closed`: reset, or shut down by the peer).
    pub fn event(&mut self, place: usize, readable: bool, writable: bool, is_closed: bool) {
        let (Some(connection), Ok(index)) =
            (self.hub.connections.get_mut(place), u32::try_from(place))
        else {
            return;
        };
        if writable && let Some(transport) = &mut self.transports[place] {
            transport.writable();
        }
        let io = &mut connection.io;
        io.read_to_end |= is_closed;
        io.readable |= readable || is_closed;
        let is_unblocked = writable && !io.writable;
        io.writable |= writable;
        if io.readable {
            self.hub.mark_ready(index);
        }
        if is_unblocked {
            self.hub.mark_dirty(index);
        }
    }

    /// Calls [`Handler::wake`] in the next turn.
    pub fn wake(&mut self) {
        self.woken = true;
    }

    /// Stops: nothing more is read but small requests, and when the handler
    /// [waits](Handler::is_waiting) for nothing more, every connection is closed
    /// with this code. All that takes [`Config::close_timeout`] at most. A
    /// second call drops what is left.
    pub fn stop(&mut self, close: Close<'_>) {
        self.read_clock();
        let now = self.hub.now;
        if self.stop_by.is_some() {
            self.stop_by = Some(now);
            return;
        }
        info!("stopping: {close}");
        let timeout = match self.hub.config.close_timeout {
            Duration::ZERO => Duration::MAX,
            timeout => timeout,
        };
        self.stop_by = Some(now.saturating_add(timeout));
        self.hub.is_stopping = true;
        let (code, reason) = (close.code, close.reason.to_owned());
        self.farewell = Some((code, reason, now.saturating_add(timeout / 2)));
        self.say_farewell();
    }

    /// Closes all connections, when the handler is ready for it.
    fn say_farewell(&mut self) {
        let now = self.hub.now;
        let is_waiting = self.handler.is_waiting();
        let farewell = self.farewell.take_if(|(.., by)| !is_waiting || *by <= now);
        let Some((code, reason, _)) = farewell else {
            return;
        };
        let reason = reason.as_str();
        for index in self.places() {
            match self.hub.id(index).filter(|&id| self.hub.open(id).is_some()) {
                Some(id) => self.hub.close(id, Close { code, reason }),
                None => self.leave_handshake(index),
            }
        }
    }

    /// Whether the last answers are awaited, and no messages are read.
    pub(super) fn is_draining(&self) -> bool {
        self.farewell.is_some()
    }

    /// Whether the server was stopped.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop_by.is_some()
    }

    /// Whether it was stopped and everybody has left or had the time to.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        let is_over = |by| self.hub.connections.is_empty() || by <= self.hub.now;
        self.stop_by.is_some_and(is_over)
    }

    /// How many connections there are, in any phase.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.hub.connections.len()
    }

    /// The handler.
    pub fn handler(&mut self) -> &mut H {
        &mut self.handler
    }

    /// One turn. `more_events`: there may be events that were not told yet, so
    /// that nobody should be found silent in this turn.
    pub fn turn(&mut self, more_events: bool) {
        self.read_clock();
        let began = self.hub.now;
        self.read_all();
        if core::mem::take(&mut self.woken) {
            self.handler.wake(&mut Context { hub: &mut self.hub });
        }
        if self.hub.tick_at.is_some_and(|at| at <= self.hub.now) {
            self.hub.tick_at = None;
            self.handler.tick(&mut Context { hub: &mut self.hub });
        }
        self.say_farewell();
        self.deferred_timers += 1;
        // Nor should anybody whose bytes are not read yet.
        let more = more_events || self.hub.is_anybody_ready();
        if !more || self.deferred_timers > MAX_DEFERRED_TIMERS {
            self.deferred_timers = 0;
            self.run_timers();
        }
        self.tell();
        self.flush();
        // A flush finds out who has lagged or gone.
        while !self.hub.notices.is_empty() {
            self.tell();
            self.flush();
        }
        let mut ended = core::mem::take(&mut self.hub.ended);
        for index in ended.drain(..) {
            self.transports[index as usize] = None;
            self.hub.remove(index);
        }
        self.hub.ended = ended;
        // Nobody's large message is at hand any more.
        self.inflater.release();
        self.hub.deflater.release();
        if let Some((code, reason)) = self.hub.stop.take() {
            let reason = reason.as_str();
            self.stop(Close { code, reason });
        }
        self.hub.now = self.clock.now() - self.started;
        self.hub.counters.turns.record_time(self.hub.now - began);
    }

    /// How long until the next turn is due without an event; `None` for ever.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        let is_anybody_ready = self.hub.is_anybody_ready() && !self.is_draining();
        if is_anybody_ready || !self.hub.dirty.is_empty() || !self.hub.ended.is_empty() {
            return Some(Duration::ZERO);
        }
        let limit = self.time_limit();
        let times = [
            self.hub.timers.next(),
            self.hub.tick_at,
            self.next_topic,
            self.stop_by.or(limit),
            self.farewell.as_ref().map(|(.., by)| *by),
        ];
        let next = times.into_iter().flatten().min()?;
        // Read when the last turn ended, or somebody came since.
        Some(next.saturating_sub(self.hub.now))
    }

    /// How long ago the last turn ended, or somebody came since.
    pub(super) fn idle_time(&self) -> Duration {
        (self.clock.now() - self.started).saturating_sub(self.hub.now)
    }

    /// The same moment for everything that happens until the next reading.
    fn read_clock(&mut self) {
        self.hub.now = self.clock.now() - self.started;
        self.hub.unix_time = self.clock.unix_time();
    }

    fn time_limit(&self) -> Option<Duration> {
        let limit = self.hub.config.time_limit;
        (!limit.is_zero()).then_some(limit)
    }

    fn places(&self) -> Vec<u32> {
        let places = self.hub.connections.iter();
        places
            .filter_map(|(index, _)| u32::try_from(index).ok())
            .collect()
    }

    /// The server stops: whoever is being answered gets that, and no more.
    fn leave_handshake(&mut self, index: u32) {
        match self.hub.connections.get(index as usize) {
            Some(connection) if !matches!(connection.phase, Phase::Handshake { .. }) => {}
            Some(connection) if connection.subscriber.private_bytes() > 0 => {
                self.hub.finish_flushing(index);
            }
            _ => self.hub.end(index, "the server stops"),
        }
    }

    /// Tells the handler what happened to connections since it was last called.
    fn tell(&mut self) {
        let mut place = 0;
        // The handler may cause more of it.
        while let Some(notice) = self.hub.notices.get_mut(place) {
            place += 1;
            let cx = |hub| Context { hub };
            match notice {
                Notice::Closed(id, code, reason) => {
                    let (id, code, reason) = (*id, *code, core::mem::take(reason));
                    let reason = reason.as_str();
                    let close = Close { code, reason };
                    self.handler.close(&mut cx(&mut self.hub), id, close);
                }
                Notice::Lagged(id, missed) => {
                    let (id, mut missed) = (*id, *missed);
                    if let Some(connection) = self.hub.open(id) {
                        missed += u64::from(connection.dropped);
                        if missed > 0 {
                            // What came since tells of what is missing.
                            missed += self.hub.skip(id);
                        }
                        info!("connection {id} is too slow: {missed} frames dropped");
                        self.hub.counters.lagged += 1;
                        self.hub.counters.frames_dropped += missed;
                        self.handler.lagged(&mut cx(&mut self.hub), id, missed);
                        self.hub.forget_dropped(id);
                    }
                }
            }
        }
        self.hub.notices.clear();
    }

    fn run_timers(&mut self) {
        let now = self.hub.tick();
        while let Some((tick, index)) = self.hub.timers.take_due(now) {
            let connection = self.hub.connections.get_mut(index as usize);
            // Stale entries: it has ended, or was looked at since.
            let Some(connection) = connection.filter(|c| c.scheduled == tick) else {
                continue;
            };
            connection.scheduled = Tick::NEVER;
            let (at, due) = connection.deadline(&self.hub.config);
            if at <= now {
                self.time_out(index, due);
            }
            self.hub.schedule(index);
        }
        if self.stop_by.is_none() && self.time_limit().is_some_and(|at| at <= self.hub.now) {
            self.stop(Close {
                code: CloseCode::GOING_AWAY,
                reason: "time limit",
            });
        }
    }

    fn time_out(&mut self, index: u32, due: Due) {
        let now = self.hub.tick();
        let Some(id) = self.hub.id(index) else { return };
        let connection = &mut self.hub.connections[index as usize];
        match due {
            Due::Handshake if is_silent(connection) => self.hub.end(index, "idle"),
            Due::Handshake => {
                debug!("connection {id}: request not complete in time");
                let text = "The request did not arrive in time.";
                let refusal = Refusal::new(Status::RequestTimeout, text);
                self.refuse(index, &refusal, true);
            }
            Due::Message => {
                let code = CloseCode::POLICY_VIOLATION;
                let reason = "message not complete in time";
                let close = Close { code, reason };
                self.hub.finish(index, close, close);
            }
            Due::Ping => {
                if let Phase::Open { ping, .. } = &mut connection.phase {
                    *ping = Ping::Queued;
                    let header = server_header(Opcode::Ping, 0);
                    self.hub.queue(index, &header, &[]);
                }
            }
            Due::Pong => self.hub.end(index, "no answer to a ping"),
            Due::Stall if !connection.is_open() => self.hub.end(index, "takes no answer"),
            Due::Stall => {
                connection.blocked_since = Some(now);
                self.hub.notices.push(Notice::Lagged(id, 0));
            }
            Due::Closing => self.hub.end(index, "closing took too long"),
        }
    }
}

/// Whether a connection in its handshake has asked for nothing.
fn is_silent(connection: &Connection) -> bool {
    connection.held.is_empty()
}

/// A crowd of events may keep deadlines waiting for so many turns: as long as
/// it takes to hear from everybody when the process was stopped for a while.
const MAX_DEFERRED_TIMERS: u32 = 100;

/// One read: enough for what a peer sends in a burst, and shared by all.
const SCRATCH_BYTES: usize = 256 * 1024;
