//! How long a topic rests after a flush.

use core::time::Duration;

/// Measures what writing to a subscriber costs and tells how long a topic that
/// was just flushed is to rest.
///
/// Broadcasting is nearly all kernel time, and a write costs the same whether
/// it carries one frame or forty. So a topic whose flush took *d* is not
/// flushed again before *d* / 2 has passed: what arrives meanwhile goes out in
/// the same writes. A small or quiet topic never waits.
#[derive(Debug, Default)]
pub struct Pacing {
    mean_write: Duration,
}

impl Pacing {
    /// Takes into account that `writes` writes took `elapsed` together.
    pub fn record(&mut self, writes: usize, elapsed: Duration) {
        let Ok(writes @ 1..) = u32::try_from(writes) else {
            return;
        };
        // One flush that the scheduler interrupted must not slow a topic for long.
        let sample = (elapsed / writes).min(MAX_WRITE);
        self.mean_write = if self.mean_write.is_zero() {
            sample
        } else {
            (self.mean_write * 7 + sample) / 8
        };
    }

    /// How long a topic with this many subscribers rests after a flush: whole
    /// milliseconds, since a poll does not wait for less.
    #[must_use]
    pub fn rest(&self, subscribers: usize) -> Duration {
        let subscribers = u32::try_from(subscribers).unwrap_or(u32::MAX);
        let rest = (self.mean_write.saturating_mul(subscribers) / 2).min(MAX_REST);
        rest - Duration::from_nanos(u64::from(rest.subsec_nanos() % 1_000_000))
    }
}

/// Longer than this and people would notice.
const MAX_REST: Duration = Duration::from_millis(20);

/// What a write costs at the most, when it is not the write that took so long.
const MAX_WRITE: Duration = Duration::from_micros(50);

#[cfg(test)]
mod tests {
    use super::*;

    fn pacing(write: Duration) -> Pacing {
        let mut pacing = Pacing::default();
        for _ in 0..100 {
            pacing.record(1_000, write * 1_000);
        }
        pacing
    }

    #[test]
    fn topic_rests_half_of_what_its_flush_costs() {
        let rest = pacing(Duration::from_nanos(2_300)).rest(10_000);
        assert_eq!(rest, Duration::from_millis(11));
    }

    #[test]
    fn small_topic_does_not_rest() {
        let rest = pacing(Duration::from_nanos(2_300)).rest(500);
        assert_eq!(rest, Duration::ZERO);
    }

    #[test]
    fn rest_is_bounded() {
        assert_eq!(pacing(Duration::from_micros(5)).rest(1_000_000), MAX_REST);
        assert_eq!(pacing(Duration::from_micros(5)).rest(usize::MAX), MAX_REST);
    }

    #[test]
    fn unmeasured_topic_does_not_rest() {
        let mut pacing = Pacing::default();
        pacing.record(0, Duration::from_secs(1));
        assert_eq!(pacing.rest(1_000), Duration::ZERO);
    }

    #[test]
    fn one_interrupted_flush_changes_little() {
        let mut pacing = pacing(Duration::from_micros(2));
        pacing.record(1_000, Duration::from_secs(1));
        assert!(pacing.rest(1_000) < Duration::from_micros(4_500));
    }
}
