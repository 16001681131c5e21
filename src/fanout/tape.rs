//! A topic's append-only log of encoded frames.

use std::collections::VecDeque;

/// Orders all published frames of a server, over any number of tapes: 1, 2, 3 …
pub type Stamp = u64;

/// How many of a tape's frames lie behind a reader. Always a frame boundary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position(u64);

/// A bounded log of encoded frames.
///
/// The frames lie in one ring, so that any run of them is at most two slices
/// and nothing is ever moved. The bound may be exceeded by one frame: the
/// newest is always kept.
#[derive(Debug)]
pub struct Tape {
    bytes: VecDeque<u8>,
    frames: VecDeque<Frame>,
    /// Frames appended before the oldest that is kept.
    dropped_frames: u64,
    /// Bytes appended before the oldest that is kept; wraps around.
    dropped_bytes: usize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Frame {
    stamp: Stamp,
    /// Where it ends, counted as `dropped_bytes` is.
    end: usize,
}

impl Tape {
    /// An empty tape that keeps at most `max_bytes` of frames. It allocates
    /// only as frames come.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Tape {
            bytes: VecDeque::new(),
            frames: VecDeque::new(),
            dropped_frames: 0,
            dropped_bytes: 0,
            max_bytes,
        }
    }

    /// Appends a frame, given as its header and its payload, and drops the
    /// oldest ones that no longer fit. Stamps must ascend.
    pub fn append(&mut self, stamp: Stamp, header: &[u8], payload: &[u8]) {
        debug_assert!(self.frames.back().is_none_or(|frame| frame.stamp < stamp));
        let added = header.len() + payload.len();
        while !self.frames.is_empty() && self.bytes.len() + added > self.max_bytes {
            self.drop_oldest();
        }
        self.bytes.extend(header);
        self.bytes.extend(payload);
        let end = self.dropped_bytes.wrapping_add(self.bytes.len());
        self.frames.push_back(Frame { stamp, end });
    }

    /// How many bytes it keeps.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it keeps no frame.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Behind the newest frame.
    #[must_use]
    pub fn end(&self) -> Position {
        Position(self.dropped_frames + self.frames.len() as u64)
    }

    /// How many frames were dropped that a reader at `position` has not read.
    #[must_use]
    pub fn lag(&self, position: Position) -> u64 {
        self.dropped_frames.saturating_sub(position.0)
    }

    /// How many frames a reader at `position` has not read, dropped or not.
    #[must_use]
    pub fn unread(&self, position: Position) -> u64 {
        self.end().0.saturating_sub(position.0)
    }

    /// The stamp of the first frame after `position`.
    #[must_use]
    pub fn next_stamp(&self, position: Position) -> Option<Stamp> {
        self.frames.get(self.index(position)).map(|f| f.stamp)
    }

    /// The position behind the last frame whose stamp is at most `stamp`.
    #[must_use]
    pub fn through(&self, stamp: Stamp) -> Position {
        let newest = self.frames.back();
        if newest.is_none_or(|frame| frame.stamp <= stamp) {
            return self.end();
        }
        let count = self.frames.partition_point(|f| f.stamp <= stamp);
        Position(self.dropped_frames + count as u64)
    }

    /// The frames between two positions, in at most two slices.
    #[must_use]
    pub fn slices(&self, from: Position, to: Position) -> (&[u8], &[u8]) {
        self.range(self.offset(from), self.offset(to))
    }

    /// Where a reader stands who took `bytes` from `from` on: behind the last
    /// frame it took any byte of, and the rest of that frame, which it must be
    /// given first.
    #[must_use]
    pub fn advance(&self, from: Position, bytes: usize) -> (Position, (&[u8], &[u8])) {
        let taken = self.offset(from) + bytes;
        let whole = self.frames.partition_point(|f| self.end_of(f) <= taken);
        let position = Position(self.dropped_frames + whole as u64);
        match self.frames.get(whole) {
            Some(torn) if taken > self.offset(position) => {
                let rest = self.range(taken, self.end_of(torn));
                (Position(position.0 + 1), rest)
            }
            _ => (position, (&[], &[])),
        }
    }

    /// Forgets every frame, for when each reader stands at the end. Memory is
    /// kept for as many again, and what was for a crowd of them given back.
    pub fn clear(&mut self) {
        let used = self.bytes.len();
        self.dropped_frames += self.frames.len() as u64;
        self.dropped_bytes = self.dropped_bytes.wrapping_add(used);
        let frames = self.frames.len();
        self.frames.clear();
        self.bytes.clear();
        if self.bytes.capacity() > MAX_SPARE_BYTES.max(4 * used) {
            self.bytes.shrink_to(2 * used);
            self.frames.shrink_to(2 * frames);
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(frame) = self.frames.pop_front() {
            self.bytes.drain(..self.end_of(&frame));
            self.dropped_bytes = frame.end;
            self.dropped_frames += 1;
        }
    }

    fn index(&self, position: Position) -> usize {
        usize::try_from(position.0.saturating_sub(self.dropped_frames)).unwrap_or(usize::MAX)
    }

    /// Where in the ring `position` lies; the oldest byte for one that lags.
    fn offset(&self, position: Position) -> usize {
        match self.index(position).checked_sub(1) {
            None => 0,
            Some(last) => match self.frames.get(last) {
                Some(frame) => self.end_of(frame),
                None => self.bytes.len(),
            },
        }
    }

    /// Where in the ring a frame ends.
    fn end_of(&self, frame: &Frame) -> usize {
        frame.end.wrapping_sub(self.dropped_bytes)
    }

    fn range(&self, from: usize, to: usize) -> (&[u8], &[u8]) {
        let (front, back) = self.bytes.as_slices();
        let middle = front.len();
        (
            &front[from.min(middle)..to.min(middle)],
            &back[from.saturating_sub(middle)..to.saturating_sub(middle)],
        )
    }
}

/// What a tape may keep that was read by all.
const MAX_SPARE_BYTES: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_a_crowd_is_given_back_when_it_has_gone() {
        let mut tape = Tape::new(1 << 20);
        let mut fill = |bytes: usize| {
            tape.append(1, &vec![0; bytes], &[]);
            tape.clear();
            tape.bytes.capacity()
        };
        assert!(fill(500_000) >= 500_000);
        assert!(fill(500_000) >= 500_000, "kept for as much again");
        assert!((1_000..=4_096).contains(&fill(1_000)));
    }
}
