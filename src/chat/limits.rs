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

    /// Takes one out of a budget.
    ///
    /// # Errors
    /// How long until there is one.
    pub(super) fn take(&self, budget: &mut Budget, now: Duration) -> Result<(), Duration> {
        let whole_at = budget.whole_at.max(now) + self.interval;
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
        budget.whole_at = budget.whole_at.saturating_sub(self.interval);
    }
}

impl Budget {
    pub(super) fn is_whole(&self, now: Duration) -> bool {
        self.whole_at <= now
    }
}

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
