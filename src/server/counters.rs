//! What a server has done, counted.

use core::time::Duration;

/// What a server has done since it started: plain numbers, of the server's own
/// thread. They only grow.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections that were not: their address had too many.
    pub dropped: u64,
    /// Requests for an upgrade by the status of the answer; 101 is an open
    /// connection, or a full server.
    pub handshakes: Tally,
    /// Responses by status, those that refuse an upgrade among them.
    pub responses: Tally,
    /// Connections that were closed, by code: as far as the code is registered, or
    /// the handler's own.
    pub closes: Tally,
    /// Whole messages that came.
    pub messages_received: u64,
    /// Messages sent to one connection.
    pub messages_sent: u64,
    /// Messages published on a topic.
    pub messages_published: u64,
    /// Frames of these, one for each subscriber.
    pub frames_published: u64,
    /// Frames of connections that lagged.
    pub frames_dropped: u64,
    /// How often a connection lagged.
    pub lagged: u64,
    /// Bytes read, before they were encrypted.
    pub bytes_received: u64,
    /// Bytes written, before they are encrypted.
    pub bytes_sent: u64,
    /// How long turns took, in nanoseconds.
    pub turns: Histogram,
    /// How long it took to write a topic to its subscribers, in nanoseconds.
    pub flushes: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            accepted: 0,
            dropped: 0,
            handshakes: Tally::new(&[101, 400, 403, 404, 426, 429]),
            responses: Tally::new(&[200, 304, 400, 403, 404, 405, 408, 429]),
            closes: Tally::new(&[1000, 1001, 1002, 1005, 1006, 1007, 1008, 1009, 1012, 1013]),
            messages_received: 0,
            messages_sent: 0,
            messages_published: 0,
            frames_published: 0,
            frames_dropped: 0,
            lagged: 0,
            bytes_received: 0,
            bytes_sent: 0,
            turns: Histogram::times(),
            flushes: Histogram::times(),
        }
    }
}

/// Connections by how far they have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// Those that ask for pages or an upgrade.
    pub handshake: usize,
    /// Those that the handler has.
    pub open: usize,
    /// Those that are being closed.
    pub closing: usize,
}

/// Counts by a number such as a status.
#[derive(Clone, Debug)]
pub struct Tally {
    counts: Vec<(u16, u64)>,
    other: u64,
}

impl Tally {
    /// Nothing, of numbers that are known to come.
    fn new(known: &[u16]) -> Self {
        Tally {
            counts: known.iter().map(|&number| (number, 0)).collect(),
            other: 0,
        }
    }

    /// Counts one more. Of too many numbers only the first have counts of their
    /// own.
    pub(super) fn count(&mut self, number: u16) {
        match self.counts.iter_mut().find(|(known, _)| *known == number) {
            Some((_, count)) => *count += 1,
            None => match self.counts.len() {
                MAX_NUMBERS.. => self.other += 1,
                _ => self.counts.push((number, 1)),
            },
        }
    }

    /// Counts one more of which the number tells nothing.
    pub(super) fn count_other(&mut self) {
        self.other += 1;
    }

    /// The numbers, and how often each came.
    pub fn counts(&self) -> impl Iterator<Item = (u16, u64)> {
        self.counts.iter().copied()
    }

    /// How often any other came.
    #[must_use]
    pub fn other(&self) -> u64 {
        self.other
    }
}

/// How often a value was how large.
#[derive(Clone, Debug)]
pub struct Histogram {
    bounds: &'static [u64; BUCKETS],
    counts: [u64; BUCKETS + 1],
    sum: u64,
}

impl Histogram {
    /// Of times in nanoseconds, from 100 µs to 1 s.
    #[must_use]
    pub fn times() -> Self {
        Histogram::new(&TIMES)
    }

    /// Of numbers of things, from 1 to 4096.
    #[must_use]
    pub fn sizes() -> Self {
        Histogram::new(&SIZES)
    }

    fn new(bounds: &'static [u64; BUCKETS]) -> Self {
        Histogram {
            bounds,
            counts: [0; BUCKETS + 1],
            sum: 0,
        }
    }

    /// Counts one more.
    pub fn record(&mut self, value: u64) {
        let larger = self.bounds.iter().position(|&bound| value <= bound);
        self.counts[larger.unwrap_or(BUCKETS)] += 1;
        self.sum += value;
    }

    /// Counts a time more.
    pub fn record_time(&mut self, time: Duration) {
        // 2^64 ns are 584 years.
        self.record(time.as_secs() * 1_000_000_000 + u64::from(time.subsec_nanos()));
    }

    /// The bounds, and how many values are not above each.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut below = 0;
        self.bounds
            .iter()
            .zip(&self.counts)
            .map(move |(&bound, count)| {
                below += count;
                (bound, below)
            })
    }

    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How much they are together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }
}

const BUCKETS: usize = 7;

/// In nanoseconds: 0.1, 0.5, 2, 10, 50, 200 ms and 1 s.
const TIMES: [u64; BUCKETS] = [
    100_000,
    500_000,
    2_000_000,
    10_000_000,
    50_000_000,
    200_000_000,
    1_000_000_000,
];

const SIZES: [u64; BUCKETS] = [1, 4, 16, 64, 256, 1024, 4096];

/// More than there are statuses, or close codes with a meaning.
const MAX_NUMBERS: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_counts_in_its_bucket_and_all_above() {
        let mut histogram = Histogram::sizes();
        for value in [0, 1, 2, 4, 5, 4096, 4097] {
            histogram.record(value);
        }
        let buckets: Vec<_> = histogram.buckets().collect();
        let expected = [
            (1, 2),
            (4, 4),
            (16, 5),
            (64, 5),
            (256, 5),
            (1024, 5),
            (4096, 6),
        ];
        assert_eq!(buckets, expected);
        assert_eq!((histogram.count(), histogram.sum()), (7, 8205));
    }

    #[test]
    fn numbers_beyond_the_bound_are_counted_together() {
        let mut tally = Tally::new(&[7]);
        for number in 0..1000 {
            tally.count(number);
        }
        tally.count(7);
        let counted: u64 = tally.counts().map(|(_, count)| count).sum();
        assert_eq!(tally.counts().count(), MAX_NUMBERS);
        assert_eq!((counted, tally.other()), (41, 960));
        assert_eq!(tally.counts().next(), Some((7, 2)));
    }
}
