//! The end of a turn: everything that waits is written.

use core::mem;
use std::io::{self, IoSlice};

use super::connection::{Awaits, Closing, Connection, Phase, Ping};
use super::core::Core;
use super::handler::Handler;
use super::hub::{Hub, Notice};
use super::timers::Tick;
use super::transport::{Clock, Transport};
use crate::fanout::{Flushed, TopicIndex};

impl<T: Transport, C: Clock, H: Handler> Core<T, C, H> {
    /// Writes what waits: topics that are due to all their members, and then
    /// whoever has something of their own.
    pub(super) fn flush(&mut self) {
        let mut due = mem::take(&mut self.due_topics);
        self.next_topic = self.hub.fanout.take_due(self.hub.now, &mut due);
        for &topic in &due {
            self.flush_topic(topic);
        }
        let mut dirty = mem::take(&mut self.hub.dirty);
        for index in dirty.drain(..) {
            self.flush_connection(index);
        }
        if self.hub.dirty.is_empty() {
            self.hub.dirty = dirty;
        }
        for topic in due.drain(..) {
            self.hub.fanout.settle(topic);
        }
        self.due_topics = due;
    }

    /// Writes a topic's tape to all members that follow nothing else. The
    /// others are flushed one by one.
    fn flush_topic(&mut self, topic: TopicIndex) {
        let started = self.clock.now();
        let now = self.hub.tick();
        let Hub {
            connections,
            fanout,
            dirty,
            ..
        } = &mut self.hub;
        let transports = &mut self.transports;
        let (mut writes, mut sent) = (0, 0);
        let mut blocked = Vec::new();
        fanout.walk(topic, |tape, member| {
            let place = member.key as usize;
            let (Some(connection), Some(Some(transport))) =
                (connections.get_mut(place), transports.get_mut(place))
            else {
                return;
            };
            let end = tape.end();
            if member.position == end || connection.is_ended() {
                return;
            }
            let lags = tape.lag(member.position) > 0;
            if lags || !connection.subscriber.follows_one_tape() {
                if !mem::replace(&mut connection.io.listed_dirty, true) {
                    dirty.push(member.key);
                }
                return;
            }
            if !connection.io.writable {
                return;
            }
            let (front, back) = tape.slices(member.position, end);
            let slices = [IoSlice::new(front), IoSlice::new(back)];
            let used = if back.is_empty() { 1 } else { 2 };
            writes += 1;
            let result = transport.write(&slices[..used]);
            sent += *result.as_ref().unwrap_or(&0) as u64;
            match result {
                Ok(written) if written == front.len() + back.len() => {
                    connection.blocked_since = None;
                    member.position = end;
                }
                Ok(written) => {
                    let (position, rest) = tape.advance(member.position, written);
                    connection.subscriber.push_torn(rest);
                    member.position = position;
                    connection.block(now);
                    blocked.push(member.key);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connection.block(now);
                    blocked.push(member.key);
                }
                // The flush of this connection alone meets it again.
                Err(_) => {
                    if !mem::replace(&mut connection.io.listed_dirty, true) {
                        dirty.push(member.key);
                    }
                }
            }
        });
        for index in blocked {
            self.hub.schedule(index);
        }
        let ended = self.clock.now();
        let took = ended.saturating_sub(started);
        self.pacing.record(writes, took);
        self.hub.counters.flushes.record_time(took);
        self.hub.counters.bytes_sent += sent;
        self.hub
            .fanout
            .rest(topic, ended - self.started, &self.pacing);
    }

    /// Writes what waits for one connection, and takes the next step of its
    /// phase when all is written.
    fn flush_connection(&mut self, index: u32) {
        let now = self.hub.tick();
        let Some(id) = self.hub.id(index) else { return };
        let Hub {
            connections,
            fanout,
            notices,
            ..
        } = &mut self.hub;
        let (Some(connection), Some(Some(transport))) = (
            connections.get_mut(index as usize),
            self.transports.get_mut(index as usize),
        ) else {
            return;
        };
        connection.io.listed_dirty = false;
        if connection.is_ended() {
            return;
        }
        let missed = fanout.skip_if_lagging(&mut connection.subscriber);
        if missed > 0 && connection.is_open() {
            notices.push(Notice::Lagged(id, missed));
        }
        if !connection.io.writable {
            return;
        }
        let mut written = 0;
        let flushed = fanout.flush(&mut connection.subscriber, WRITE_BUDGET_BYTES, |slices| {
            let bytes = transport.write(slices)?;
            written += bytes;
            Ok(bytes)
        });
        match flushed {
            Ok(Flushed::All) => {
                connection.blocked_since = None;
                self.flushed(index, now);
            }
            Ok(Flushed::Budget) => {
                connection.blocked_since = None;
                self.hub.mark_dirty(index);
            }
            Ok(Flushed::Blocked) => {
                connection.block(now);
                self.hub.schedule(index);
            }
            Err(_) => self.hub.end(index, "writing failed"),
        }
        self.hub.counters.bytes_sent += written as u64;
        let Some(connection) = self.hub.connections.get_mut(index as usize) else {
            return;
        };
        if connection.is_ended() || self.hub.fanout.is_over_bound(&connection.subscriber) {
            return;
        }
        if connection.io.paused && !connection.is_held() {
            self.hub.mark_ready(index);
        }
    }

    /// Everything for this connection is written.
    fn flushed(&mut self, index: u32, now: Tick) {
        let connection = &mut self.hub.connections[index as usize];
        match &mut connection.phase {
            Phase::Handshake { since, proxy, .. } => {
                // The next request gets a time of its own, and may be anybody's.
                *since = now;
                let is_answered = !matches!(connection.awaits, Awaits::Response(_));
                if let Some(proxy) = proxy.filter(|_| is_answered) {
                    self.hub.set_address(index, proxy);
                }
                self.hub.schedule(index);
            }
            Phase::Open { ping, .. } if *ping == Ping::Queued => {
                *ping = Ping::Sent(now);
                self.hub.schedule(index);
            }
            Phase::Closing { step, .. } if matches!(step, Closing::Flushing) => {
                *step = Closing::Draining;
                let is_over = connection.io.eof;
                self.hub.fanout.release(&mut connection.subscriber);
                let transport = self.transports[index as usize].as_mut();
                let shut = transport.map_or(Ok(()), T::shutdown);
                if is_over || shut.is_err() {
                    self.hub.end(index, "closed");
                }
            }
            _ => {}
        }
    }
}

impl Connection {
    /// The peer takes no more for now. Up to now it did, or an event had not told
    /// so, even where the transport took what was its own before.
    fn block(&mut self, now: Tick) {
        self.io.writable = false;
        self.blocked_since = Some(now);
    }
}

/// How much one connection may be written in a turn.
const WRITE_BUDGET_BYTES: usize = 1 << 20;
