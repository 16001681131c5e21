//! How long a topic rests after a flush.

use core::time::Duration;

/// Measures what writing to a subscriber costs and tells how long a topic that
/// was just flushed is to rest.
///
/// Broadcasting is nearly all kernel time, and a write costs the same whether
/// it carries one frame or forty. So a topic whose flush took *d* is not
/// flushed again before *d* / 3 has passed: what arrives meanwhile goes out in
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

    /// How long a topic with this many subscribers rests after a flush: in whole
    /// milliseconds, since a poll does not wait for less.
    #[must_use]
    pub fn rest(&self, subscribers: usize) -> Duration {
        let subscribers = u32::try_from(subscribers).unwrap_or(u32::MAX);
        let rest = self.mean_write.saturating_mul(subscribers) / 3;
        let millis = (rest + Duration::from_micros(500)).as_millis();
        MAX_REST.min(Duration::from_millis(
            u64::try_from(millis).unwrap_or(u64::MAX),
        ))
    }
}

/// Whether it brings a topic anything to rest. Where all who speak wait for an
/// answer first, nothing more comes until it is flushed, and a rest would be for
/// nothing.
#[derive(Debug)]
pub(super) struct Worth {
    /// What share of the frames came after the last flushes, in per cent.
    gained: u64,
    /// How many rests were left out since the last one.
    left_out: u32,
}

impl Default for Worth {
    fn default() -> Self {
        // Nothing is known yet.
        let (gained, left_out) = (100, 0);
        Worth { gained, left_out }
    }
}

impl Worth {
    /// Takes into account that so many of the frames of a flush came only when
    /// the flush before it was over.
    pub(super) fn record(&mut self, gained: u64, frames: u64) {
        let share = (100 * gained).checked_div(frames).unwrap_or(0);
        self.gained = (7 * self.gained + share) / 8;
    }

    /// Whether to rest now: now and then even where it brings little, to see
    /// whether that is so still.
    pub(super) fn is_given(&mut self) -> bool {
        let is_given = self.gained >= MIN_GAINED || self.left_out >= MAX_LEFT_OUT;
        self.left_out = if is_given { 0 } else { self.left_out + 1 };
        is_given
    }
}

/// Per cent of the frames for which a rest is worth it: a quarter come during it
/// where they come evenly.
const MIN_GAINED: u64 = 15;

/// How many rests are left out between two of those that bring little.
const MAX_LEFT_OUT: u32 = 16;

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
    fn topic_rests_a_third_of_what_its_flush_costs() {
        let rest = pacing(Duration::from_nanos(2_300)).rest(10_000);
        assert_eq!(rest, Duration::from_millis(8));
    }

    #[test]
    fn small_topic_does_not_rest() {
        let rest = pacing(Duration::from_nanos(2_300)).rest(600);
        assert_eq!(rest, Duration::ZERO);
    }

    #[test]
    fn rest_is_bounded() {
        assert_eq!(pacing(Duration::from_micros(5)).rest(100_000), MAX_REST);
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
        assert!(pacing.rest(1_000) < Duration::from_micros(3_500));
    }

    #[test]
    fn topic_rests_while_frames_come_meanwhile() {
        let mut worth = Worth::default();
        for _ in 0..100 {
            assert!(worth.is_given());
            worth.record(3, 12);
        }
    }

    #[test]
    fn rests_that_bring_nothing_are_left_out_but_for_a_few() {
        let mut worth = Worth::default();
        let mut rests = (0..1_000).map(|_| {
            let is_given = worth.is_given();
            if is_given {
                worth.record(0, 10);
            }
            is_given
        });
        let first = rests.by_ref().take_while(|is_given| *is_given).count();
        assert!(first < 20, "{first}");
        let few = rests.filter(|is_given| *is_given).count();
        assert!((50..70).contains(&few), "{few}");
        // As soon as they bring something again they are taken.
        let until = (0..).take_while(|_| {
            worth.record(4, 12);
            !worth.is_given()
        });
        assert!(until.count() < 6);
    }
}
