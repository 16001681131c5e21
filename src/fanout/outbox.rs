//! What is on its way to one connection alone.

use std::collections::{VecDeque, vec_deque};

use super::tape::Stamp;

/// The private frames of one connection, and the rest of a frame that a short
/// write tore.
///
/// The frames lie one behind the other, so that many replies go out as one slice.
/// A *run* is what may go out together: frames that wait for the same stamp.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    /// So many of the bytes are written, and make room when it is needed.
    written: usize,
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
        self.len() == 0
    }

    /// How many bytes it could hold without allocating.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// How many bytes wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Adds a frame, given as its header and its payload, that goes out after
    /// all frames stamped up to `after`. Stamps never descend.
    pub(super) fn push(&mut self, after: Stamp, header: &[u8], payload: &[u8]) {
        let added = header.len() + payload.len();
        if self.bytes.len() + added > self.bytes.capacity()
            // Each byte is moved some few times at the most.
            && self.written >= self.bytes.len() / 4
        {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
        self.bytes.extend_from_slice(header);
        self.bytes.extend_from_slice(payload);
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
        let bytes = |runs: vec_deque::Iter<'_, Run>| runs.map(|run| run.bytes).sum::<usize>();
        let from = self.written + bytes(self.runs.range(..front));
        let to = from + bytes(self.runs.range(dropped.clone()));
        self.bytes.drain(from..to);
        self.runs.drain(dropped);
        self.forget_written();
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

    /// What waits between two places.
    pub(super) fn slice(&self, from: usize, to: usize) -> &[u8] {
        &self.bytes[self.written + from..self.written + to]
    }

    /// Moves the runs that may go out before the frame stamped `before`.
    pub(super) fn move_released(&mut self, before: Stamp, into: &mut Outbox) {
        into.is_begun |= core::mem::take(&mut self.is_begun);
        while let Some(&Run { after, bytes }) = self.runs.front() {
            if after >= before {
                break;
            }
            into.push(after, self.slice(0, bytes), &[]);
            self.written += bytes;
            self.runs.pop_front();
        }
    }

    /// Takes the first `bytes` away: they are written.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.written += bytes;
        self.forget_written();
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

    /// Begins anew where nothing waits.
    fn forget_written(&mut self) {
        if self.is_empty() {
            self.bytes.clear();
            self.written = 0;
        }
    }

    /// Puts the rest of a torn frame before everything else.
    pub(super) fn push_torn(&mut self, rest: (&[u8], &[u8])) {
        let bytes = rest.0.len() + rest.1.len();
        let torn = rest.0.iter().chain(rest.1).copied();
        self.bytes.splice(..self.written, torn);
        self.written = 0;
        self.runs.push_front(Run {
            after: AT_ONCE,
            bytes,
        });
        self.is_begun = true;
    }
}
