//! Sockets and the system's clock, as the core knows them.

use core::time::Duration;
use std::io::{self, IoSlice, Read, Write};
use std::net::Shutdown;
use std::time::{Instant, SystemTime};

use mio::net::TcpStream;

use super::transport::{Clock, Transport};

/// Makes streams of the sockets that are accepted.
pub(super) trait Greeter {
    type Stream: Stream;

    /// # Errors
    /// What ends the connection before it begins.
    fn greet(&self, socket: TcpStream) -> io::Result<Self::Stream>;

    /// Reads anew what it needs for that.
    fn reload(&mut self) {}
}

/// A transport over a socket.
pub(super) trait Stream: Transport {
    fn socket(&mut self) -> &mut TcpStream;
}

/// Streams that are the sockets themselves.
#[derive(Debug)]
pub(super) struct Plain;

impl Greeter for Plain {
    type Stream = TcpStream;

    fn greet(&self, socket: TcpStream) -> io::Result<TcpStream> {
        Ok(socket)
    }
}

impl Stream for TcpStream {
    fn socket(&mut self) -> &mut TcpStream {
        self
    }
}

impl Transport for TcpStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Read::read(self, buffer)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match slices {
            // Cheaper than a gathering write, and the usual case.
            [slice] => Write::write(self, slice),
            slices => self.write_vectored(slices),
        }
    }

    fn shutdown(&mut self) -> io::Result<()> {
        TcpStream::shutdown(self, Shutdown::Write)
    }
}

/// The system's clock.
#[derive(Debug)]
pub(super) struct SystemClock {
    start: Instant,
}

impl SystemClock {
    pub(super) fn start() -> Self {
        let start = Instant::now();
        SystemClock { start }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn unix_time(&self) -> Duration {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default()
    }
}
