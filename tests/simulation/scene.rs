//! What all parts of a simulation share: chance, time, and the trace of what
//! has happened.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use veche::server::Clock;

/// A handle to what is shared. Everything that happens by chance, happens by
/// its numbers, one after the other, so that a seed determines all of it.
#[derive(Clone)]
pub struct Scene(Rc<Inner>);

struct Inner {
    random: Cell<u64>,
    now: Cell<Duration>,
    unix_skew: Cell<Duration>,
    /// How long one write takes.
    write_cost: Cell<Duration>,
    /// All that the server has written, to whom, and when; if that is asked for.
    trace: Option<RefCell<Vec<u8>>>,
    /// How much has happened, of whatever kind.
    moves: Cell<u64>,
    is_verbose: bool,
}

impl Scene {
    pub fn new(seed: u64, is_verbose: bool, is_traced: bool) -> Self {
        Scene(Rc::new(Inner {
            random: Cell::new(seed),
            // Time has passed before the server started.
            now: Cell::new(Duration::from_secs(1_000)),
            unix_skew: Cell::default(),
            write_cost: Cell::default(),
            trace: is_traced.then(RefCell::default),
            moves: Cell::new(0),
            is_verbose,
        }))
    }

    /// The next random number (SplitMix64).
    pub fn next(&self) -> u64 {
        let state = self.0.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `end`, which is not among them.
    pub fn below(&self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub fn chance(&self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    pub fn now(&self) -> Duration {
        self.0.now.get()
    }

    pub fn let_pass(&self, time: Duration) {
        self.0.now.set(self.0.now.get() + time);
    }

    /// The wall clock is set.
    pub fn set_unix_skew(&self, skew: Duration) {
        self.0.unix_skew.set(skew);
    }

    pub fn set_write_cost(&self, cost: Duration) {
        self.0.write_cost.set(cost);
    }

    pub fn write_cost(&self) -> Duration {
        self.0.write_cost.get()
    }

    /// Something has happened.
    pub fn moved(&self) {
        self.0.moves.set(self.0.moves.get() + 1);
    }

    pub fn moves(&self) -> u64 {
        self.0.moves.get()
    }

    /// The server has written something.
    pub fn trace(&self, line: usize, bytes: &[u8]) {
        if let Some(trace) = &self.0.trace {
            let mut trace = trace.borrow_mut();
            trace.extend_from_slice(&line.to_be_bytes());
            trace.extend_from_slice(&self.now().as_nanos().to_be_bytes());
            trace.extend_from_slice(bytes);
        }
    }

    /// Takes the trace of what has happened.
    pub fn take_trace(&self) -> Vec<u8> {
        self.0.trace.as_ref().map(RefCell::take).unwrap_or_default()
    }

    /// Tells whoever replays a seed what happens.
    pub fn tell(&self, what: fmt::Arguments<'_>) {
        if self.0.is_verbose {
            eprintln!("{:>11.4}  {what}", self.now().as_secs_f64() - 1_000.0);
        }
    }
}

impl Clock for Scene {
    fn now(&self) -> Duration {
        self.0.now.get()
    }

    fn unix_time(&self) -> Duration {
        // 2026-01-01T00:00:00Z, when the server starts.
        self.0.now.get() + self.0.unix_skew.get() + Duration::from_secs(1_767_225_600 - 1_000)
    }
}
