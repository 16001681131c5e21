//! TLS over any transport, as a transport.

use core::mem;
use std::io::{self, IoSlice, Read, Write};

use rustls::ServerConnection;

use super::certificate::Tls;
use super::transport::Transport;
use crate::http::refusal::Refusal;
use crate::http::response::Status;

/// A transport whose peer speaks TLS, of which this is the server's side.
///
/// What is written is encrypted into a buffer with a bound, which is filled only
/// when it is empty. The last byte of what is in there counts as written when all
/// of it is: as long as something waits, its writer has something to write, and
/// all that is due to a stalled peer is due here. So whoever writes has to go on
/// with what was not taken.
///
/// After [`shutdown`](Transport::shutdown) only the end of what is read means
/// something.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub struct TlsStream<T: Transport> {
    transport: T,
    session: Box<ServerConnection>,
    /// The next byte to be written was encrypted already.
    owes_byte: bool,
    /// Nothing was read yet.
    is_new: bool,
    /// The last read ended before all there is, or before what is wrong.
    has_more: bool,
    /// The transport has said that it takes no more for now.
    is_full: bool,
    /// Nothing more is written, but for what is encrypted already.
    is_shut: bool,
}

impl<T: Transport> TlsStream<T> {
    /// Waits for the handshake of a peer that nothing was read from yet.
    ///
    /// # Errors
    /// Where the certificate cannot be used, which [`Tls`] has found out before.
    pub fn new(transport: T, tls: &Tls) -> io::Result<Self> {
        let mut session = tls.session()?;
        session.set_buffer_limit(Some(BUFFER_BYTES));
        Ok(TlsStream {
            transport,
            session: Box::new(session),
            owes_byte: false,
            is_new: true,
            has_more: false,
            is_full: false,
            is_shut: false,
        })
    }

    /// What the bytes go through.
    pub(super) fn transport(&mut self) -> &mut T {
        &mut self.transport
    }

    /// Writes what is encrypted; whether that is all.
    fn send(&mut self) -> io::Result<bool> {
        while self.session.wants_write() && !self.is_full {
            let mut wire = Wire::new(&mut self.transport);
            match self.session.write_tls(&mut wire) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => self.is_full = wire.is_short,
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.is_full = true,
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(!self.session.wants_write())
    }

    /// Writes what is encrypted, and then the end where that is due.
    fn finish(&mut self) -> io::Result<()> {
        if self.send()? && self.is_shut {
            self.transport.shutdown()?;
        }
        Ok(())
    }

    /// Takes some of what has come, and answers it; how much that was, and
    /// whether more may be there.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        let mut wire = Wire::new(&mut self.transport);
        let bytes = self.session.read_tls(&mut wire)?;
        let Wire {
            is_short, first, ..
        } = wire;
        // No record begins with a letter, and every request does.
        if mem::take(&mut self.is_new) && first.is_ascii_alphabetic() {
            return Err(self.refuse_plain(buffer));
        }
        self.process()?;
        Ok((bytes, !is_short))
    }

    /// Looks at what was taken, and sends what answers it: the handshake, or the
    /// alert that tells what is wrong.
    fn process(&mut self) -> io::Result<()> {
        let processed = self.session.process_new_packets();
        let sent = self.send();
        processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        sent.map(drop)
    }

    /// Tells somebody who speaks plain HTTP what to do instead.
    fn refuse_plain(&mut self, buffer: &mut [u8]) -> io::Error {
        // What is not read would destroy the answer.
        let _ = self.transport.read(buffer);
        let text = "This port speaks TLS: use https:// or wss:// instead.";
        let mut answer = Vec::new();
        let refusal = Refusal::new(Status::BadRequest, text);
        refusal.response().write(&mut answer, None);
        let _ = self.transport.write(&[IoSlice::new(&answer)]);
        io::Error::new(io::ErrorKind::InvalidData, "plain HTTP instead of TLS")
    }
}

impl<T: Transport> Transport for TlsStream<T> {
    /// Fills the buffer, or reads all there is, since what is left in here no event
    /// would tell of; but no more than the buffer's size is taken from the transport:
    /// records may be empty.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_shut {
            // Nor may what is wrong in it be answered any more.
            return self.transport.read(buffer);
        }
        let mut failed = None;
        if mem::take(&mut self.has_more) {
            failed = self.process().err();
        }
        let (mut filled, mut taken, mut more) = (0, 0, true);
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
            // Where nothing is whole yet, the end may be all that follows.
            if failed.is_some() || !more && filled > 0 {
                break;
            }
            if taken >= buffer.len() {
                self.has_more = true;
                break;
            }
            match self.receive(&mut buffer[filled..]) {
                Ok((bytes, has_more)) => {
                    taken += bytes;
                    more = has_more;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if filled == 0 => return Err(error),
            // What came before it counts, and comes first.
            Some(error) => self.has_more |= error.kind() != io::ErrorKind::WouldBlock,
            None if filled == 0 && self.has_more => return Err(io::ErrorKind::WouldBlock.into()),
            None => {}
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

    /// Sends what was left when the transport was full: what is written, an answer
    /// of the handshake, or the end.
    fn writable(&mut self) {
        self.is_full = false;
        self.transport.writable();
        if self.session.wants_write() {
            // Whatever fails here fails again where it is read or written.
            let _ = self.finish();
        }
    }

    fn shutdown(&mut self) -> io::Result<()> {
        self.session.send_close_notify();
        self.is_shut = true;
        self.has_more = false;
        self.finish()
    }
}

impl<T: Transport> Drop for TlsStream<T> {
    /// Says goodbye (RFC 5246 §7.2.1, RFC 8446 §6.1), as far as that is taken.
    fn drop(&mut self) {
        if !self.is_shut && !self.session.is_handshaking() {
            self.session.send_close_notify();
            let _ = self.send();
        }
    }
}

/// A transport as rustls knows one.
struct Wire<'a, T> {
    transport: &'a mut T,
    /// Less was moved than could have been.
    is_short: bool,
    /// The first byte that was read.
    first: u8,
}

impl<'a, T> Wire<'a, T> {
    fn new(transport: &'a mut T) -> Self {
        Wire {
            transport,
            is_short: false,
            first: 0,
        }
    }
}

impl<T: Transport> Read for Wire<'_, T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.transport.read(buffer)?;
        self.is_short = bytes < buffer.len();
        self.first = buffer[..bytes].first().copied().unwrap_or_default();
        Ok(bytes)
    }
}

impl<T: Transport> Write for Wire<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes = self.transport.write(slices)?;
        self.is_short = bytes < slices.iter().map(|slice| slice.len()).sum();
        Ok(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is encrypted at once: four records.
const BUFFER_BYTES: usize = 64 << 10;
