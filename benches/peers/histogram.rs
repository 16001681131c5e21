//! How often which time was measured.

use std::time::Duration;

/// Times counted in steps of 1 to 2 per cent.
#[derive(Clone)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        let counts = vec![0; (64 - STEP_BITS as usize + 1) << STEP_BITS];
        Histogram { counts, total: 0 }
    }

    pub(crate) fn add(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.counts[place(nanos)] += 1;
        self.total += 1;
    }

    /// The time that such a share of all is not above, in milliseconds.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut sum = 0;
        let reached = self.counts.iter().position(|count| {
            sum += count;
            sum >= wanted
        });
        reached.map_or(f64::NAN, |place| least(place) as f64 / 1e6)
    }
}

/// Where times like this are counted: exactly below 128 ns, and then in 64 steps
/// for each doubling.
fn place(nanos: u64) -> usize {
    let shift = (64 - STEP_BITS).saturating_sub(nanos.leading_zeros() + 1);
    ((shift as usize) << STEP_BITS) + (nanos >> shift) as usize
}

/// The shortest time that is counted there.
fn least(place: usize) -> u64 {
    let steps = 1 << STEP_BITS;
    match place.checked_sub(2 * steps) {
        None => place as u64,
        Some(rest) => ((rest % steps + steps) as u64) << (rest / steps + 1),
    }
}

const STEP_BITS: u32 = 6;
