//! What the core needs of the world: a stream of bytes, and the time.

use core::time::Duration;
use std::io::{self, IoSlice};

/// A stream of bytes to one peer that never blocks.
///
/// A read or write that moved fewer bytes than it could have has met the end of
/// what the stream has to give or take for now: an event must follow when there
/// is more, as with edge-triggered readiness.
pub trait Transport {
    /// Reads some bytes; 0 is the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` where there is nothing now; anything else ends the connection.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Whether the last read took as much as it may at once, however little of that
    /// it gave: there may be more that no event tells of.
    fn has_more(&self) -> bool {
        false
    }

    /// Writes some bytes of these slices, in order.
    ///
    /// # Errors
    /// `WouldBlock` where nothing can be taken now; anything else ends the
    /// connection.
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// An event has said that something may be written: what the transport itself
    /// still has to write.
    fn writable(&mut self) {}

    /// Tells the peer that nothing more will be written.
    ///
    /// # Errors
    /// Any error ends the connection.
    fn shutdown(&mut self) -> io::Result<()>;
}

/// Tells the time.
pub trait Clock {
    /// Time since some moment before the server started; never goes back.
    fn now(&self) -> Duration;

    /// Time since 1970-01-01 UTC; may jump.
    fn unix_time(&self) -> Duration;
}
