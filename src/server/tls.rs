//! TLS over a socket, as a transport.

use core::mem;
use std::io::{self, IoSlice, Read, Write};

use mio::net::TcpStream;
use rustls::ServerConnection;

use super::stream::Stream;
use super::transport::Transport;
use crate::http::refusal::Refusal;
use crate::http::response::Status;

/// A socket whose peer speaks TLS.
///
/// What is written is encrypted into a buffer with a bound, which is filled only
/// when it is empty. The last byte of what is in there counts as written when all
/// of it is: as long as something waits, its writer has something to write, and
/// all that is due to a stalled peer is due here.
#[derive(Debug)]
pub(super) struct TlsStream {
    socket: TcpStream,
    session: Box<ServerConnection>,
    /// The next byte to be written was encrypted already.
    owes_byte: bool,
    /// Nothing was read yet.
    is_new: bool,
    /// The last read ended before the socket was empty.
    has_more: bool,
}

impl TlsStream {
    pub(super) fn new(socket: TcpStream, mut session: ServerConnection) -> Self {
        session.set_buffer_limit(Some(BUFFER_BYTES));
        TlsStream {
            socket,
            session: Box::new(session),
            owes_byte: false,
            is_new: true,
            has_more: false,
        }
    }

    /// Writes what is encrypted; whether that is all.
    fn send(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return Ok(false),
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(true)
    }

    /// Takes what has come, and sends what answers it: the handshake, or the
    /// alert that tells what is wrong.
    fn take(&mut self) -> io::Result<()> {
        let taken = self.session.process_new_packets();
        let sent = self.send();
        taken.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        sent.map(drop)
    }

    /// Tells somebody who speaks plain HTTP what to do instead.
    fn refuse_plain(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let mut first = [0];
        let count = self.socket.peek(&mut first)?;
        self.is_new = false;
        // No record begins with a letter, and every request does.
        if count == 1 && first[0].is_ascii_alphabetic() {
            // What is not read would destroy the answer.
            let _ = Read::read(&mut self.socket, buffer);
            let text = "This port speaks TLS: use https:// or wss:// instead.";
            let mut answer = Vec::new();
            let refusal = Refusal::new(Status::BadRequest, text);
            refusal.response().write(&mut answer, None);
            let _ = Write::write(&mut self.socket, &answer);
            let why = "plain HTTP instead of TLS";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(())
    }
}

impl Transport for TlsStream {
    /// Fills the buffer, or reads all there is, since what is left in here no event
    /// would tell of; but no more than the buffer's size is taken from the socket:
    /// records may be empty.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.has_more = false;
        if self.is_new {
            self.refuse_plain(buffer)?;
        }
        let (mut filled, mut taken) = (0, 0);
        while filled < buffer.len() {
            match self.session.reader().read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(bytes) => {
                    filled += bytes;
                    continue;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {}
                    // The peer has not said goodbye: as good as if it had, since
                    // whatever counts has an end of its own.
                    io::ErrorKind::UnexpectedEof => break,
                    _ => return Err(error),
                },
            }
            if taken >= buffer.len() {
                self.has_more = true;
                break;
            }
            match self.session.read_tls(&mut self.socket) {
                Ok(bytes) => {
                    taken += bytes;
                    self.take()?;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock if filled > 0 => break,
                    _ => return Err(error),
                },
            }
        }
        if filled == 0 && self.has_more {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(filled)
    }

    fn has_more(&self) -> bool {
        self.has_more
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.send()? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut skip = usize::from(mem::take(&mut self.owes_byte));
        let mut written = 0;
        for slice in slices {
            let (skipped, mut rest) = slice.split_at(skip.min(slice.len()));
            skip -= skipped.len();
            written += skipped.len();
            while !rest.is_empty() {
                let bytes = self.session.writer().write(rest)?;
                rest = &rest[bytes..];
                written += bytes;
                if !rest.is_empty() && !self.send()? {
                    self.owes_byte = true;
                    return Ok(written - 1);
                }
            }
        }
        if !self.send()? {
            self.owes_byte = true;
            written -= 1;
        }
        Ok(written)
    }

    fn shutdown(&mut self) -> io::Result<()> {
        self.session.send_close_notify();
        self.send()?;
        Transport::shutdown(&mut self.socket)
    }
}

impl Stream for TlsStream {
    fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// An answer of the handshake may not have fit into the socket.
    fn writable(&mut self) {
        // Whatever fails here fails again where it is read or written.
        let _ = self.send();
    }
}

/// What is encrypted at once: four records.
const BUFFER_BYTES: usize = 64 << 10;
