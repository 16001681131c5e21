//! How fast somebody may act.

use core::time::Duration;

/// Allows a burst and then a steady rate.
///
/// What is kept for each who is limited is one moment: when all that was
/// allowed so far would be done at the steady rate (a token bucket, told by the
/// time at which it is full again).
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    interval: Duration,
    burst: Duration,
}

/// When a budget is whole again. In the past, or zero: it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Budget {
    whole_at: Duration,
}

impl Rate {
    /// `per_second` steadily, and `burst` at once. 0 a second is no limit.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1)
            .checked_div(per_second)
            .unwrap_or_default();
        Rate {
            interval,
            burst: interval * burst,
        }
    }

    /// So much in a day, and all of it at once. 0 is no limit.
    pub(super) fn daily(most: usize) -> Self {
        let most = u64::try_from(most).unwrap_or(u64::MAX);
        let interval = DAY_NANOS.checked_div(most).map(Duration::from_nanos);
        Rate {
            interval: interval.unwrap_or_default(),
            burst: Duration::from_nanos(DAY_NANOS),
        }
    }

    /// Takes one out of a budget.
    ///
    /// # Errors
    /// How long until there is one.
    pub(super) fn take(&self, budget: &mut Budget, now: Duration) -> Result<(), Duration> {
        self.take_many(budget, 1, now)
    }

    /// Takes so many out of a budget, or none.
    ///
    /// # Errors
    /// How long until there are so many.
    pub(super) fn take_many(
        &self,
        budget: &mut Budget,
        count: u32,
        now: Duration,
    ) -> Result<(), Duration> {
        let whole_at = budget.whole_at.max(now) + self.interval * count;
        match (whole_at - now).checked_sub(self.burst) {
            None | Some(Duration::ZERO) => {
                budget.whole_at = whole_at;
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }

    /// Gives back what was taken for nothing.
    pub(super) fn give_back(&self, budget: &mut Budget) {
        self.give_back_many(budget, 1);
    }

    /// Gives back so many that were taken for nothing.
    pub(super) fn give_back_many(&self, budget: &mut Budget, count: u32) {
        budget.whole_at = budget.whole_at.saturating_sub(self.interval * count);
    }
}

impl Budget {
    pub(super) fn is_whole(&self, now: Duration) -> bool {
        self.whole_at <= now
    }
}

const DAY_NANOS: u64 = 24 * 60 * 60 * 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    #[test]
    fn burst_is_allowed_and_then_the_steady_rate() {
        let rate = Rate::new(5, 30);
        let mut budget = Budget::default();
        for _ in 0..30 {
            assert_eq!(rate.take(&mut budget, NOW), Ok(()));
        }
        let fifth = Duration::from_millis(200);
        assert_eq!(rate.take(&mut budget, NOW), Err(fifth));
        assert_eq!(rate.take(&mut budget, NOW + fifth / 2), Err(fifth / 2));
        assert_eq!(rate.take(&mut budget, NOW + fifth), Ok(()));
        assert_eq!(rate.take(&mut budget, NOW + fifth), Err(fifth));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let rate = Rate::new(1, 1);
        let mut budget = Budget::default();
        assert_eq!(rate.take(&mut budget, NOW), Ok(()));
        assert!(rate.take(&mut budget, NOW).is_err());
        rate.give_back(&mut budget);
        assert_eq!(rate.take(&mut budget, NOW), Ok(()));
    }

    #[test]
    fn all_of_a_day_may_be_taken_at_once_or_in_parts() {
        let rate = Rate::daily(1_000);
        let mut budget = Budget::default();
        assert_eq!(rate.take_many(&mut budget, 600, NOW), Ok(()));
        let tenth = Duration::from_secs(8_640);
        assert_eq!(rate.take_many(&mut budget, 500, NOW), Err(tenth));
        assert_eq!(rate.take_many(&mut budget, 400, NOW), Ok(()));
        assert_eq!(rate.take_many(&mut budget, 100, NOW), Err(tenth));
        assert_eq!(rate.take_many(&mut budget, 100, NOW + tenth), Ok(()));
        rate.give_back_many(&mut budget, 50);
        assert_eq!(rate.take_many(&mut budget, 50, NOW + tenth), Ok(()));
        let none = Rate::daily(0);
        let mut budget = Budget::default();
        assert!((0..1_000).all(|_| none.take_many(&mut budget, u32::MAX, NOW).is_ok()));
    }

    #[test]
    fn budget_is_whole_again_after_a_rest_and_never_more_than_whole() {
        let rate = Rate::new(5, 30);
        let mut budget = Budget::default();
        let later = NOW * 1000;
        for _ in 0..30 {
            assert_eq!(rate.take(&mut budget, NOW), Ok(()));
        }
        assert!(!budget.is_whole(NOW) && budget.is_whole(later));
        let taken = (0..100).filter(|_| rate.take(&mut budget, later).is_ok());
        assert_eq!(taken.count(), 30);
    }

    #[test]
    fn zero_is_no_limit() {
        let rate = Rate::new(0, 0);
        let mut budget = Budget::default();
        assert!((0..10_000).all(|_| rate.take(&mut budget, NOW).is_ok()));
    }
}
