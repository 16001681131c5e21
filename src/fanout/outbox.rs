//! What is on its way to one connection alone.

use std::collections::VecDeque;

use super::ring::range;
use super::tape::Stamp;

/// The private frames of one connection, and the rest of a frame that a short
/// write tore.
///
/// The frames lie in one ring, so that many replies go out as one slice. A
/// *run* is what may go out together: frames that wait for the same stamp.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: VecDeque<u8>,
    runs: VecDeque<Run>,
    /// A part of the first run is written.
    is_begun: bool,
}

#[derive(Debug)]
struct Run {
    /// Goes out when every published frame up to this stamp has.
    after: Stamp,
    bytes: usize,
}

/// Waits for nothing: the rest of a torn frame.
const AT_ONCE: Stamp = 0;

impl Outbox {
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How many bytes it could hold without allocating.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// How many bytes wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Adds a frame, given as its header and its payload, that goes out after
    /// all frames stamped up to `after`. Stamps never descend.
    pub(super) fn push(&mut self, after: Stamp, header: &[u8], payload: &[u8]) {
        let added = header.len() + payload.len();
        self.bytes.extend(header);
        self.bytes.extend(payload);
        match self.runs.back_mut() {
            Some(run) if run.after == after => run.bytes += added,
            _ => self.runs.push_back(Run {
                after,
                bytes: added,
            }),
        }
    }

    /// Adds a frame as [`Outbox::push`] does, in a run of its own.
    pub(super) fn push_last(&mut self, after: Stamp, header: &[u8], payload: &[u8]) {
        self.runs.push_back(Run { after, bytes: 0 });
        self.push(after, header, payload);
    }

    /// Drops everything but the run that is begun and, if that is asked for,
    /// the last one.
    pub(super) fn cut(&mut self, keep_last: bool) {
        let front = usize::from(self.is_begun).min(self.runs.len());
        let back = usize::from(keep_last).min(self.runs.len() - front);
        let dropped = front..self.runs.len() - back;
        let bytes = |runs: &mut dyn Iterator<Item = &Run>| runs.map(|run| run.bytes).sum();
        let kept: usize = bytes(&mut self.runs.range(..front));
        let gone: usize = bytes(&mut self.runs.range(dropped.clone()));
        self.bytes.drain(kept..kept + gone);
        self.runs.drain(dropped);
    }

    /// What the run at `index` waits for.
    pub(super) fn waits_for(&self, index: usize) -> Option<Stamp> {
        self.runs.get(index).map(|run| run.after)
    }

    /// How many runs from `index` on, and bytes, may go out before the frame
    /// stamped `before`.
    pub(super) fn released(&self, index: usize, before: Stamp) -> (usize, usize) {
        let runs = self.runs.range(index..).take_while(|r| r.after < before);
        runs.fold((0, 0), |(runs, bytes), run| (runs + 1, bytes + run.bytes))
    }

    /// The bytes between two places, in at most two slices.
    pub(super) fn slices(&self, from: usize, to: usize) -> (&[u8], &[u8]) {
        range(&self.bytes, from, to)
    }

    /// Moves the runs that may go out before the frame stamped `before`.
    pub(super) fn move_released(&mut self, before: Stamp, into: &mut Outbox) {
        into.is_begun |= core::mem::take(&mut self.is_begun);
        while let Some(&Run { after, bytes }) = self.runs.front() {
            if after >= before {
                break;
            }
            let (front, back) = self.slices(0, bytes);
            into.push(after, front, back);
            self.bytes.drain(..bytes);
            self.runs.pop_front();
        }
    }

    /// Takes the first `bytes` away: they are written.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.bytes.drain(..bytes);
        let mut left = bytes;
        while let Some(run) = self.runs.front_mut() {
            if left < run.bytes {
                run.bytes -= left;
                self.is_begun |= left > 0;
                break;
            }
            left -= run.bytes;
            self.runs.pop_front();
            self.is_begun = false;
        }
    }

    /// Puts the rest of a torn frame before everything else.
    pub(super) fn push_torn(&mut self, rest: (&[u8], &[u8])) {
        let bytes = rest.0.len() + rest.1.len();
        for &byte in rest.0.iter().chain(rest.1).rev() {
            self.bytes.push_front(byte);
        }
        self.runs.push_front(Run {
            after: AT_ONCE,
            bytes,
        });
        self.is_begun = true;
    }
}
