//! Deadlines, in tenths of a second.

use core::cmp::Reverse;
use core::num::NonZeroU32;
use core::time::Duration;
use std::collections::BinaryHeap;

/// A moment on the server's clock in tenths of a second, counted from 1, so that
/// none takes no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick(NonZeroU32);

impl Tick {
    /// Later than everything.
    pub(super) const NEVER: Tick = Tick(NonZeroU32::MAX);

    const LAST: NonZeroU32 = NonZeroU32::new(u32::MAX - 1).unwrap();

    /// The last tick that has begun at `time`. A clock that counts from the
    /// server's start gets to the end of this in thirteen years.
    pub(super) fn at(time: Duration) -> Tick {
        let ticks = u32::try_from(time.as_millis() / TICK_MS).unwrap_or(u32::MAX);
        Tick(NonZeroU32::MIN.saturating_add(ticks).min(Self::LAST))
    }

    /// The first tick not before `timeout` has passed; never for a timeout of zero.
    pub(super) fn after(self, timeout: Duration) -> Tick {
        if timeout.is_zero() {
            return Tick::NEVER;
        }
        // One more, since this tick may be nearly over.
        let ticks = timeout.as_millis().div_ceil(TICK_MS) + 1;
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
        Tick(self.0.saturating_add(ticks).min(Self::LAST))
    }

    /// When it begins.
    pub(super) fn start(self) -> Duration {
        Duration::from_millis(u64::from(self.0.get() - 1) * 100)
    }
}

const TICK_MS: u128 = 100;

/// Which connections to look at, and when.
///
/// An entry only says that a connection may have something due: it is looked at
/// then and comes back for its real deadline. So a byte received moves no
/// timer, and an idle connection costs one entry.
#[derive(Debug)]
pub(super) struct Timers {
    entries: BinaryHeap<Reverse<(Tick, u32)>>,
}

impl Timers {
    pub(super) fn with_capacity(connections: usize) -> Self {
        let entries = BinaryHeap::with_capacity(connections);
        Timers { entries }
    }

    pub(super) fn insert(&mut self, at: Tick, connection: u32) {
        self.entries.push(Reverse((at, connection)));
    }

    /// A connection that is due at `now`, and since when.
    pub(super) fn take_due(&mut self, now: Tick) -> Option<(Tick, u32)> {
        let Reverse((at, _)) = self.entries.peek()?;
        if *at > now {
            return None;
        }
        self.entries.pop().map(|Reverse(entry)| entry)
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// When the next connection is due.
    pub(super) fn next(&self) -> Option<Duration> {
        let Reverse((at, _)) = self.entries.peek()?;
        Some(at.start())
    }
}
