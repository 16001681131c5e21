//! A virtual socket: bytes on their way, in pieces, within bounds.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice, Read};
use std::rc::Rc;

use veche::server::Transport;

use super::scene::Scene;

/// Both directions of one connection.
pub struct Line {
    pub number: usize,
    /// What it carries is encrypted.
    is_tls: bool,
    scene: Scene,
    /// Sent by the client, on its way.
    under_way: VecDeque<u8>,
    /// Arrived at the server.
    to_server: VecDeque<u8>,
    /// Written by the server, not read by the client yet.
    to_client: VecDeque<u8>,
    /// How many bytes there may be of those.
    pub capacity: usize,
    /// How often in a hundred a read or a write moves less than it could.
    pub chops: usize,
    /// The client sends nothing more, once what is under way has arrived.
    pub client_done: bool,
    end_arrived: bool,
    reset: bool,
    shut: bool,
    /// The server has let go of it.
    pub gone: bool,
    /// What the server is still to be told.
    readable: bool,
    writable: bool,
    /// The last write was short: an event is owed when there is space.
    blocked: bool,
    /// The server knows that there is nothing to read, or no space to write,
    /// and has to wait for an event.
    read_is_over: bool,
    write_is_over: bool,
}

/// The server's end. It is gone when it is dropped.
pub struct ServerEnd(pub Rc<RefCell<Line>>);

impl Line {
    pub fn new(number: usize, is_tls: bool, scene: &Scene) -> Self {
        Line {
            number,
            is_tls,
            scene: scene.clone(),
            under_way: VecDeque::new(),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            capacity: usize::MAX,
            chops: 0,
            client_done: false,
            end_arrived: false,
            reset: false,
            shut: false,
            gone: false,
            readable: false,
            writable: false,
            blocked: false,
            read_is_over: true,
            write_is_over: false,
        }
    }

    /// The client sends something.
    pub fn send(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.under_way.extend(bytes);
            self.scene.moved();
        }
    }

    /// At most so many bytes arrive at the server, and then the end, if that is
    /// what follows; and the server hears of space that it waits for.
    pub fn carry(&mut self, bytes: usize) {
        let bytes = bytes.min(self.under_way.len());
        if bytes > 0 {
            self.to_server
                .extend(&self.under_way.make_contiguous()[..bytes]);
            self.under_way.drain(..bytes);
            self.readable = true;
            self.scene.moved();
        }
        if self.client_done && self.under_way.is_empty() && !self.end_arrived {
            self.end_arrived = true;
            self.readable = true;
            self.scene.moved();
        }
        if self.blocked && self.to_client.len() < self.capacity {
            self.blocked = false;
            self.writable = true;
            self.scene.moved();
        }
    }

    /// The client reads at most so many bytes.
    pub fn receive(&mut self, bytes: usize) -> Vec<u8> {
        let bytes = bytes.min(self.to_client.len());
        if bytes > 0 {
            self.scene.moved();
        }
        let received = self.to_client.make_contiguous()[..bytes].to_vec();
        self.to_client.drain(..bytes);
        received
    }

    /// Whether the client has read all that there will ever be.
    pub fn is_over(&self) -> bool {
        (self.gone || self.shut) && self.to_client.is_empty()
    }

    /// Whether the server has said that nothing more will come.
    pub fn is_shut(&self) -> bool {
        self.shut
    }

    /// The client's system tells the server that there is no such connection.
    pub fn reset(&mut self) {
        self.reset = true;
        self.readable = true;
        self.scene.moved();
    }

    /// What the server is to be told: readable, writable, closed.
    pub fn take_event(&mut self) -> Option<(bool, bool, bool)> {
        let is_closed = self.reset || (self.end_arrived && self.readable);
        let event = (self.readable, self.writable, is_closed);
        if !self.readable && !self.writable {
            return None;
        }
        self.read_is_over &= !self.readable;
        self.write_is_over &= !self.writable;
        (self.readable, self.writable) = (false, false);
        Some(event)
    }

    fn chops(&self, bytes: usize) -> usize {
        if bytes > 1 && self.scene.chance(self.chops) {
            1 + self.scene.below(bytes - 1)
        } else {
            bytes
        }
    }
}

impl Transport for ServerEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut line = self.0.borrow_mut();
        if line.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let at_end = line.end_arrived && line.to_server.is_empty();
        assert!(
            !line.read_is_over || line.end_arrived,
            "line {} is read although nothing has come since it was empty",
            line.number
        );
        if line.scene.chance(1) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if line.to_server.is_empty() && !at_end {
            line.read_is_over = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let whole = line.to_server.len().min(buffer.len());
        let bytes = line.chops(whole);
        let bytes = line.to_server.read(&mut buffer[..bytes])?;
        let is_short = bytes < buffer.len();
        // A record may not be whole yet, and the end be all that follows.
        line.read_is_over = is_short && !line.is_tls;
        line.readable |= !line.to_server.is_empty() && is_short;
        line.scene.moved();
        Ok(bytes)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut line = self.0.borrow_mut();
        line.scene.let_pass(line.scene.write_cost());
        if line.reset {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        assert!(!line.shut, "line {}: a write after the end", line.number);
        assert!(
            !line.write_is_over,
            "line {} is written although no space has come since it was full",
            line.number
        );
        if line.scene.chance(1) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let mut offered = Vec::new();
        for slice in slices {
            offered.extend_from_slice(slice);
        }
        assert!(!offered.is_empty(), "line {}: an empty write", line.number);
        let space = line.capacity.saturating_sub(line.to_client.len());
        let bytes = line.chops(space.min(offered.len()));
        line.blocked = bytes < offered.len();
        line.write_is_over = line.blocked;
        if bytes == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        line.to_client.extend(&offered[..bytes]);
        if line.is_tls {
            // The keys are nobody's plan, but lengths are.
            offered.fill(0);
        }
        line.scene.trace(line.number, &offered[..bytes]);
        line.scene.moved();
        Ok(bytes)
    }

    fn shutdown(&mut self) -> io::Result<()> {
        let mut line = self.0.borrow_mut();
        line.shut = true;
        line.scene.moved();
        Ok(())
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        let mut line = self.0.borrow_mut();
        line.gone = true;
        line.scene.moved();
    }
}
