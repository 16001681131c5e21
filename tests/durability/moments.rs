//! When what is done, by chance that can be had again.

use std::env;
use std::time::SystemTime;

/// A number in the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

/// When to do what: SplitMix64.
pub(crate) struct Moments(pub(crate) u64);

impl Moments {
    pub(crate) fn new() -> Self {
        let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = || clock().unwrap().as_micros().try_into().unwrap();
        let seed = number("VECHE_SEED").unwrap_or_else(now);
        println!("VECHE_SEED={seed}");
        Moments(seed)
    }

    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}
