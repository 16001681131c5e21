//! Everything a subscriber still has to get, merged into order and written.

use std::io::{self, IoSlice};

use super::outbox::Outbox;
use super::subscriber::Subscriber;
use super::tape::{Position, Stamp};
use super::topics::Fanout;

/// How far a flush came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing is left.
    All,
    /// The peer takes no more for now.
    Blocked,
    /// The budget is used up: no event will tell, flush again next turn.
    Budget,
}

/// A part of what one write offers: frames of one source.
#[derive(Clone, Copy, Debug)]
enum Piece {
    /// This many bytes of the outbox.
    Private(usize),
    /// The frames between two positions of a subscription's tape.
    Tape {
        place: usize,
        from: Position,
        to: Position,
        bytes: usize,
    },
}

impl Fanout {
    /// Writes what a subscriber still has to get, in order, until nothing is
    /// left, `write` takes less than it is offered, or `budget` bytes are gone.
    ///
    /// # Errors
    /// What `write` returned, other than `WouldBlock` and `Interrupted`, and
    /// `WriteZero` where it took nothing.
    pub fn flush(
        &mut self,
        subscriber: &mut Subscriber,
        budget: usize,
        mut write: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Flushed> {
        let mut left = budget;
        loop {
            let mut slices = [IoSlice::new(&[]); 2 * MAX_PIECES];
            let mut pieces = [Piece::Private(0); MAX_PIECES];
            let (offered, used) = self.gather(subscriber, &mut pieces, &mut slices);
            if offered == 0 {
                return Ok(Flushed::All);
            }
            if left == 0 {
                return Ok(Flushed::Budget);
            }
            let written = match write(&slices[..used]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Flushed::Blocked);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.advance(subscriber, &pieces, written);
            if written < offered {
                return Ok(Flushed::Blocked);
            }
            left = left.saturating_sub(written);
        }
    }

    /// Where a subscriber lags in a topic, [skips](Fanout::skip) everything;
    /// returns how many published frames it misses, 0 where it does not lag.
    pub fn skip_if_lagging(&mut self, subscriber: &mut Subscriber) -> u64 {
        let mut tapes = subscriber.subscriptions().iter().map(|&s| self.tape(s));
        if tapes.all(|(tape, position)| tape.lag(position) == 0) {
            return 0;
        }
        self.skip(subscriber)
    }

    /// Drops everything that a subscriber has not got, published or private,
    /// but for what is begun and the last frame of one that ends: behind a
    /// frame that is missing, none may come that tells of what followed it.
    /// Returns how many published frames it misses.
    pub fn skip(&mut self, subscriber: &mut Subscriber) -> u64 {
        let tapes = subscriber.subscriptions().iter().map(|&s| self.tape(s));
        let missed = tapes.map(|(tape, position)| tape.unread(position)).sum();
        for &subscription in subscriber.subscriptions() {
            let end = self.tape(subscription).0.end();
            self.set_position(subscription, end);
        }
        if let Some(outbox) = &mut subscriber.outbox {
            outbox.cut(subscriber.ending);
        }
        if let Some(outbox) = subscriber.outbox.take_if(|outbox| outbox.is_empty()) {
            self.recycle(outbox);
        }
        missed
    }

    /// Copies what a subscriber has not read of a tape among its private
    /// frames, since it is about to leave that tape.
    pub(super) fn keep_unread(&mut self, subscriber: &mut Subscriber, place: usize) {
        let subscription = subscriber.subscriptions()[place];
        let (tape, mut position) = self.tape(subscription);
        if tape.unread(position) == 0 {
            return;
        }
        let mut outbox = Box::<Outbox>::default();
        let mut private = subscriber.outbox.take().unwrap_or_default();
        while let Some(stamp) = tape.next_stamp(position) {
            private.move_released(stamp, &mut outbox);
            let next = tape.through(stamp);
            let (front, back) = tape.slices(position, next);
            outbox.push(stamp, front, back);
            position = next;
        }
        private.move_released(Stamp::MAX, &mut outbox);
        subscriber.outbox = Some(outbox);
    }

    /// What goes out next, in the order of stamps: fills in the pieces and
    /// their slices and returns the bytes and slices offered.
    ///
    /// A private run goes before the first frame that was published after it;
    /// a tape's frames go up to the next private run or frame of another tape.
    fn gather<'a>(
        &'a self,
        subscriber: &'a Subscriber,
        pieces: &mut [Piece; MAX_PIECES],
        slices: &mut [IoSlice<'a>; 2 * MAX_PIECES],
    ) -> (usize, usize) {
        let outbox = subscriber.outbox.as_deref();
        if subscriber.subscriptions().is_empty() {
            // Nothing is to be merged: all of the outbox goes out.
            let Some(outbox) = outbox else { return (0, 0) };
            pieces[0] = Piece::Private(outbox.len());
            let all = outbox.slice(0, outbox.len());
            return (outbox.len(), offer((all, &[]), slices));
        }
        let mut through = 0;
        let (mut runs, mut private) = (0, 0);
        let (mut offered, mut used) = (0, 0);
        for piece in pieces {
            let waiting = outbox.and_then(|outbox| outbox.waits_for(runs));
            if subscriber.ending && waiting.is_none() {
                break;
            }
            let next = self.next_frame(subscriber, through);
            let before = next.as_ref().map_or(Stamp::MAX, |next| next.stamp);
            let is_released = waiting.is_some_and(|after| after < before);
            let (parts, bytes) = if let Some(outbox) = outbox.filter(|_| is_released) {
                let (more_runs, bytes) = outbox.released(runs, before);
                let part = outbox.slice(private, private + bytes);
                *piece = Piece::Private(bytes);
                runs += more_runs;
                private += bytes;
                ((part, &[][..]), bytes)
            } else if let Some(next) = next {
                through = waiting.unwrap_or(Stamp::MAX).min(next.other - 1);
                let (tape, _) = self.tape(subscriber.subscriptions()[next.place]);
                let (from, to) = (next.position, tape.through(through));
                let parts = tape.slices(from, to);
                let bytes = parts.0.len() + parts.1.len();
                *piece = Piece::Tape {
                    place: next.place,
                    from,
                    to,
                    bytes,
                };
                (parts, bytes)
            } else {
                break;
            };
            offered += bytes;
            used += offer(parts, &mut slices[used..]);
        }
        (offered, used)
    }

    /// The first frame on any of a subscriber's tapes that it has not read and
    /// that is stamped later than `through`.
    fn next_frame(&self, subscriber: &Subscriber, through: Stamp) -> Option<NextFrame> {
        let mut next: Option<NextFrame> = None;
        for (place, &subscription) in subscriber.subscriptions().iter().enumerate() {
            let (tape, position) = self.tape(subscription);
            let position = position.max(tape.through(through));
            let Some(stamp) = tape.next_stamp(position) else {
                continue;
            };
            match &mut next {
                Some(first) if first.stamp < stamp => first.other = first.other.min(stamp),
                _ => {
                    let other = next.map_or(Stamp::MAX, |first| first.stamp);
                    next = Some(NextFrame {
                        place,
                        position,
                        stamp,
                        other,
                    });
                }
            }
        }
        next
    }

    /// Takes note of what was written of the pieces offered.
    fn advance(&mut self, subscriber: &mut Subscriber, pieces: &[Piece], written: usize) {
        let mut left = written;
        for &piece in pieces {
            match piece {
                _ if left == 0 => break,
                Piece::Private(bytes) => {
                    let taken = left.min(bytes);
                    if let Some(outbox) = &mut subscriber.outbox {
                        outbox.consume(taken);
                    }
                    left -= taken;
                }
                Piece::Tape {
                    place,
                    from,
                    to,
                    bytes,
                } => {
                    let subscription = subscriber.subscriptions()[place];
                    let mut position = to;
                    if left < bytes {
                        let (tape, _) = self.tape(subscription);
                        let (reached, rest) = tape.advance(from, left);
                        subscriber.push_torn(rest);
                        position = reached;
                    }
                    self.set_position(subscription, position);
                    left -= left.min(bytes);
                }
            }
        }
        if let Some(outbox) = subscriber.outbox.take_if(|outbox| outbox.is_empty()) {
            self.recycle(outbox);
        }
    }
}

/// Adds slices that are not empty to what a gathering write offers; returns how
/// many.
fn offer<'a>(parts: (&'a [u8], &'a [u8]), slices: &mut [IoSlice<'a>]) -> usize {
    let mut count = 0;
    for part in [parts.0, parts.1] {
        if let Some(slice) = slices.get_mut(count).filter(|_| !part.is_empty()) {
            *slice = IoSlice::new(part);
            count += 1;
        }
    }
    count
}

/// The next frame to go out of any tape.
struct NextFrame {
    /// Which of the subscriptions.
    place: usize,
    /// Where on its tape.
    position: Position,
    stamp: Stamp,
    /// The stamp of the first frame on any of the other tapes.
    other: Stamp,
}

/// How many pieces one write offers. Two or three is what happens: private
/// frames before, between or behind those of one tape.
const MAX_PIECES: usize = 8;
