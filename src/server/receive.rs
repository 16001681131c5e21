//! From bytes to the handler: reading and frames.

use core::mem;
use std::io;

use log::debug;

use super::connection::{Closing, Phase};
use super::context::Context;
use super::core::Core;
use super::handler::Handler;
use super::transport::{Clock, Transport};
use crate::websocket::close::Close;
use crate::websocket::frame::{Opcode, server_header};
use crate::websocket::message::Event;

/// What became of some input.
pub(super) enum Taken {
    /// So many bytes were taken; there may be more to find in the rest.
    Bytes(usize),
    /// The rest is incomplete; so many bytes of it were taken all the same.
    Incomplete(usize),
}

impl<T: Transport, C: Clock, H: Handler> Core<T, C, H> {
    /// Reads from the connections that are ready, as far as a turn may go: first
    /// from those that have not had their share yet.
    pub(super) fn read_all(&mut self) {
        if self.is_draining() {
            return self.read_requests();
        }
        let mut left = TURN_BUDGET_BYTES;
        let mut ready = mem::take(&mut self.hub.ready);
        let mut greedy = mem::take(&mut self.hub.greedy);
        for list in [&mut ready, &mut greedy] {
            let mut done = 0;
            while let Some(&index) = list.get(done).filter(|_| left > 0) {
                let before = self.inflater.work_bytes();
                let read = self.read(index) as u64;
                self.hub.counters.bytes_received += read;
                left = left.saturating_sub(read + self.inflater.work_bytes() - before);
                done += 1;
            }
            list.drain(..done);
        }
        ready.append(&mut self.hub.ready);
        greedy.append(&mut self.hub.greedy);
        (self.hub.ready, self.hub.greedy) = (ready, greedy);
    }

    /// Reads from those that are not open alone: they may ask how the server does.
    fn read_requests(&mut self) {
        for index in mem::take(&mut self.hub.ready) {
            let connection = self.hub.connections.get(index as usize);
            if connection.is_some_and(|c| matches!(c.phase, Phase::Handshake { .. })) {
                let read = self.read(index) as u64;
                self.hub.counters.bytes_received += read;
            } else {
                self.hub.ready.push(index);
            }
        }
    }

    /// Reads what a connection has, within a budget; returns how much that was.
    fn read(&mut self, index: u32) -> usize {
        if let Some(connection) = self.hub.connections.get_mut(index as usize) {
            connection.io.listed_ready = false;
            if connection.io.paused {
                self.resume(index);
            }
        }
        let mut scratch = mem::take(&mut self.scratch);
        let mut read = 0;
        while let Some(connection) = self.hub.connections.get_mut(index as usize) {
            if !connection.io.readable || connection.io.paused || connection.is_ended() {
                break;
            }
            if read >= READ_BUDGET_BYTES {
                self.hub.mark_greedy(index);
                break;
            }
            let Some(transport) = &mut self.transports[index as usize] else {
                break;
            };
            let result = transport.read(&mut scratch);
            let has_more = transport.has_more();
            match result {
                Ok(0) => {
                    connection.io.readable = false;
                    connection.io.eof = true;
                    self.peer_finished(index);
                }
                Ok(bytes) => {
                    // A short read has emptied the socket: the next event comes
                    // with the next byte. Only the end of the stream may have
                    // come along unannounced.
                    connection.io.readable = bytes == scratch.len() || connection.io.read_to_end;
                    read += bytes;
                    self.take_in(index, &mut scratch[..bytes]);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => connection.io.readable = false,
                    io::ErrorKind::Interrupted => {}
                    _ => self.hub.end(index, "reading failed"),
                },
            }
            if has_more
                && let Some(connection) = self.hub.connections.get_mut(index as usize)
                && !connection.is_ended()
            {
                connection.io.readable = true;
                self.hub.mark_greedy(index);
                break;
            }
        }
        self.scratch = scratch;
        read
    }

    /// Goes on with a connection that was not read while too much waited to be
    /// sent to it, or the handler held it.
    fn resume(&mut self, index: u32) {
        let connection = &mut self.hub.connections[index as usize];
        if !connection.is_held() && !self.hub.fanout.is_over_bound(&connection.subscriber) {
            connection.io.paused = false;
            let mut held = connection.held.take();
            self.take_in_all(index, &mut held, 0);
        }
    }

    fn take_in(&mut self, index: u32, bytes: &mut [u8]) {
        let now = self.hub.tick();
        let connection = &mut self.hub.connections[index as usize];
        if connection.heard(now) {
            self.hub.schedule(index);
        }
        let connection = &mut self.hub.connections[index as usize];
        if connection.held.is_empty() {
            self.take_in_all(index, bytes, 0);
        } else {
            let mut held = connection.held.take();
            let tried = held.len();
            held.extend_from_slice(bytes);
            self.take_in_all(index, &mut held, tried);
        }
    }

    /// Takes in input, of which the first `tried` bytes are known to be an
    /// incomplete request head.
    fn take_in_all(&mut self, index: u32, input: &mut [u8], tried: usize) {
        let mut taken = 0;
        let inflated = self.inflater.work_bytes();
        while let Some(connection) = self.hub.connections.get_mut(index as usize) {
            let over_bound = self.hub.fanout.is_over_bound(&connection.subscriber);
            let inflated = self.inflater.work_bytes() - inflated;
            let rest = &mut input[taken..];
            let step = match &connection.phase {
                Phase::Ended => return,
                Phase::Closing { step, .. } if !matches!(step, Closing::AwaitingClose(_)) => return,
                _ if over_bound || connection.is_held() => {
                    connection.io.paused = true;
                    Taken::Incomplete(0)
                }
                _ if rest.is_empty() => return,
                // Small messages can mean large ones: the others come first.
                _ if inflated > INFLATE_BUDGET_BYTES => {
                    connection.io.paused = true;
                    self.hub.mark_greedy(index);
                    Taken::Incomplete(0)
                }
                // What was tried was the head of the first request.
                Phase::Handshake { .. } if taken == 0 => self.take_request(index, rest, tried),
                Phase::Handshake { .. } => self.take_request(index, rest, 0),
                _ => self.take_event(index, rest),
            };
            match step {
                Taken::Bytes(bytes) => taken += bytes,
                Taken::Incomplete(bytes) => {
                    taken += bytes;
                    break;
                }
            }
        }
        if let Some(connection) = self.hub.connections.get_mut(index as usize) {
            connection.held.push(&input[taken..]);
        }
    }

    fn take_event(&mut self, index: u32, input: &mut [u8]) -> Taken {
        let max_message_bytes = self.hub.config.max_message_bytes;
        let connection = &mut self.hub.connections[index as usize];
        let is_open = connection.is_open();
        let mut receiver = connection.take_receiver();
        let inflater = connection.deflate.map(|_| &mut self.inflater);
        let taken = match receiver.receive(input, max_message_bytes, inflater) {
            Ok((bytes, None)) => Taken::Incomplete(bytes),
            Ok((bytes, Some(event))) => {
                match event {
                    Event::Close(close) => self.hub.finish(index, close, close.reply()),
                    // We have sent Close: nothing but the peer's counts.
                    _ if !is_open => {}
                    Event::Message(message) => {
                        if let Some(id) = self.hub.id(index) {
                            self.hub.counters.messages_received += 1;
                            let mut cx = Context { hub: &mut self.hub };
                            self.handler.message(&mut cx, id, message);
                        }
                    }
                    Event::Ping(payload) => {
                        let header = server_header(Opcode::Pong, payload.len());
                        self.hub.queue(index, &header, payload);
                    }
                    Event::Pong(_) => {}
                }
                Taken::Bytes(bytes)
            }
            Err(error) => {
                let close = Close::from(error);
                debug!("connection at {index} failed: {close}");
                self.hub.finish(index, close, close);
                Taken::Bytes(0)
            }
        };
        receiver.drop_delivered();
        self.hub.note_unfinished(index, !receiver.is_idle());
        if let Some(connection) = self.hub.connections.get_mut(index as usize) {
            connection.return_receiver(receiver);
        }
        taken
    }

    /// The peer will send nothing more.
    fn peer_finished(&mut self, index: u32) {
        let connection = &self.hub.connections[index as usize];
        if connection.subscriber.private_bytes() > 0 {
            // It may still read what was meant for it.
            self.hub.lose(index, "the peer is gone");
            self.hub.finish_flushing(index);
        } else {
            self.hub.end(index, "the peer is gone");
        }
    }
}

/// How much one connection may take of a turn.
const READ_BUDGET_BYTES: usize = 4 * 64 * 1024;

/// How much that may mean when it is decompressed; a message more is let pass.
const INFLATE_BUDGET_BYTES: u64 = 1 << 20;

/// How much all of them may, compressed and decompressed, after which everybody
/// else gets what is theirs.
const TURN_BUDGET_BYTES: u64 = 4 << 20;
