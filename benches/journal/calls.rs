//! How long the server's loop is kept by a journal.

use std::hint;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use veche::chat::{Draft, Job, Journal, Outcome, Person};
use veche::journal::sqlite::{Database, Durability, Retention, SqliteJournal};

use super::server::{Folder, schedule};
use super::{micros, percentile};

/// Measures single calls of `submit` and `outcome`, while as many entries are
/// handed in as are taken. What the machine takes for waking a thread, which
/// handing in does as well, comes first.
pub(crate) fn measure() {
    println!("calls of the journal by the loop, {ENTRIES} entries at once");
    println!(
        "{:7} {:8} {:>10} {:>8} {:>8} {:>8} {:>8}",
        "kept in", "call", "messages/s", "p50 µs", "p99.9 µs", "max µs", "with waits"
    );
    for _ in 0..ROUNDS {
        wakes().print("nowhere", "wake", 0.0);
    }
    for durability in [Durability::Normal, Durability::Full] {
        for _ in 0..ROUNDS {
            let folder = Folder::new("calls");
            let mut desk = Desk::open(&folder.file(), durability);
            let begin = Instant::now();
            for count in 0..ENTRIES {
                desk.append(job(count % ROOMS, count));
            }
            desk.finish();
            let rate = f64::from(ENTRIES) / begin.elapsed().as_secs_f64();
            desk.submits.print(durability.name(), "submit", rate);
            desk.outcomes.print(durability.name(), "outcome", rate);
        }
    }
}

/// Wakes a thread that does nothing else, again and again.
fn wakes() -> Calls {
    let (wake, woken) = channel();
    let sleeper = thread::spawn(move || while woken.recv().is_ok() {});
    let mut calls = Calls::default();
    for _ in 0..WAKES {
        calls.time(|| wake.send(())).unwrap();
        let begin = Instant::now();
        while begin.elapsed() < PAUSE {
            hint::spin_loop();
        }
    }
    drop(wake);
    sleeper.join().unwrap();
    calls
}

/// An entry of somebody in a room.
pub(crate) fn job(person: u32, count: u32) -> Job {
    let number = u128::from(count + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Job::Append {
        draft: Arc::new(Draft {
            room: format!("room-{}", person % ROOMS).into(),
            from: Arc::new(Person {
                id: format!("person-{person:05}"),
                name: format!("Sender {person}"),
                role: None,
            }),
            time: 1_700_000_000_000 + u64::from(count),
            text: "Shall we meet at seven at the usual place? I will be a bit late.".into(),
            cid: format!("{number:032x}"),
            file: None,
        }),
        secret: Some("secret".into()),
        bytes: None,
    }
}

/// A journal, and what its calls take.
pub(crate) struct Desk {
    journal: SqliteJournal,
    woken: Receiver<()>,
    under_way: usize,
    submits: Calls,
    outcomes: Calls,
}

impl Desk {
    pub(crate) fn open(file: &Path, durability: Durability) -> Self {
        let database = Database::open(file, durability, false).unwrap();
        let (wake, woken) = channel();
        let wake = move || {
            let _ = wake.send(());
        };
        let journal = SqliteJournal::start(database, Retention::default(), wake).unwrap();
        Desk {
            journal,
            woken,
            under_way: 0,
            submits: Calls::default(),
            outcomes: Calls::default(),
        }
    }

    /// Hands an entry in, as soon as it is taken.
    pub(crate) fn append(&mut self, job: Job) {
        loop {
            let handed = job.clone();
            let submit = || self.journal.submit(handed);
            if self.submits.time(submit).is_ok() {
                break;
            }
            self.take();
        }
        self.under_way += 1;
    }

    /// Waits for what is under way.
    pub(crate) fn finish(&mut self) {
        while self.under_way > 0 {
            self.take();
        }
    }

    /// Takes the outcomes of a batch.
    fn take(&mut self) {
        self.woken.recv_timeout(DEADLINE).unwrap();
        while let Some(outcome) = self.outcomes.time(|| self.journal.outcome()) {
            assert!(matches!(outcome, Outcome::Appended(_)), "{outcome:?}");
            self.under_way -= 1;
        }
    }
}

#[derive(Default)]
struct Calls {
    /// What each took, less the time in which there was no processor for it.
    own: Vec<f64>,
    longest: Duration,
}

impl Calls {
    fn print(&mut self, kept: &str, call: &str, rate: f64) {
        println!(
            "{kept:7} {call:8} {rate:>10.0} {:>8.1} {:>8.1} {:>8.0} {:>8.0}",
            percentile(&mut self.own, 500),
            percentile(&mut self.own, 999),
            percentile(&mut self.own, 1000),
            micros(self.longest),
        );
    }

    fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let task = Path::new("/proc/thread-self");
        let waited = schedule(task).1;
        let begin = Instant::now();
        let result = call();
        let took = begin.elapsed();
        let waited = schedule(task).1.saturating_sub(waited);
        self.own.push(micros(took.saturating_sub(waited)));
        self.longest = self.longest.max(took);
        result
    }
}

const ENTRIES: u32 = 100_000;
const ROOMS: u32 = 100;
const ROUNDS: usize = 3;
const WAKES: u32 = 10_000;
const PAUSE: Duration = Duration::from_micros(100);
const DEADLINE: Duration = Duration::from_secs(20);
