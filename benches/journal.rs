//! What it costs to keep messages: the real program without a file, and with
//! one at either durability.
//!
//! ```sh
//! cargo bench --bench journal                    # everything, some three minutes
//! cargo bench --bench journal -- full 100x16     # the cases that have these words
//! cargo bench --bench journal -- calls           # the calls of the loop alone
//! cargo bench --bench journal -- starts          # starts of the program alone
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | `server` | runs the program, and looks what its threads take |
//! | `load` | the senders: one thread that checks every delivery |
//! | `calls` | the calls that the server's loop makes of a journal |
//! | `starts` | from start to the first connection |
//!
//! Each sender is alone in a room. A message counts when its broadcast is back;
//! its time is that from the write to the read. The processor's time is given a
//! message: the server's loop, the journal's thread, and the senders, who have
//! to take little to be of no weight. It depends less than the rest on what else
//! the machine does.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

#[path = "journal/calls.rs"]
mod calls;
#[path = "journal/load.rs"]
mod load;
#[path = "journal/server.rs"]
mod server;
#[path = "journal/starts.rs"]
mod starts;

use std::time::Duration;

use load::Load;
use server::{Folder, Server};

fn main() {
    // Cargo adds `--bench`.
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let words: Vec<&str> = words
        .into_iter()
        .filter(|word| *word != "--bench")
        .collect();
    let is_wanted = |name: &str| words.iter().all(|word| name.split(' ').any(|w| w == *word));
    let wanted = |case: &Case| is_wanted(&case.name());
    let cases: Vec<Case> = cases().into_iter().filter(wanted).collect();
    if !cases.is_empty() {
        print(&cases, &measure(&cases));
    }
    if is_wanted("calls") {
        calls::measure();
    }
    if is_wanted("starts") {
        starts::measure();
    }
}

/// What is compared.
struct Case {
    senders: usize,
    in_flight: usize,
    mode: &'static str,
}

impl Case {
    fn name(&self) -> String {
        let Case {
            senders,
            in_flight,
            mode,
        } = self;
        format!("{mode} {senders}x{in_flight}")
    }

    fn measure(&self) -> Figures {
        let folder = Folder::new("case");
        let server = Server::start(&options(self.mode, &folder));
        let mut load = Load::new(server.address(), self.senders, self.in_flight);
        load.work(WARM_UP);
        let (theirs, own) = (server.threads(), server::own_time());
        let mut window = load.work(WINDOW);
        let count = window.times.len();
        let each = |time: Duration| micros(time) / count as f64;
        let taken = server.threads();
        let figures = Figures([
            count as f64 / window.length.as_secs_f64(),
            percentile(&mut window.times, 500) / 1e3,
            percentile(&mut window.times, 990) / 1e3,
            each(taken.rest.saturating_sub(theirs.rest)),
            each(taken.journal.saturating_sub(theirs.journal)),
            each(server::own_time().saturating_sub(own)),
        ]);
        load.finish();
        figures
    }
}

/// The options that make the program keep messages in this way.
fn options(mode: &str, folder: &Folder) -> Vec<String> {
    let file = folder.file().display().to_string();
    let options = match mode {
        "memory" => ["--db", "none", "--durability", "full"],
        mode => ["--db", &file, "--durability", mode],
    };
    options.map(str::to_owned).to_vec()
}

/// Messages a second, p50, p99, and what the threads take.
struct Figures([f64; 6]);

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for senders in [1, 100] {
        for in_flight in [1, 16] {
            cases.extend(["memory", "normal", "full"].map(|mode| Case {
                senders,
                in_flight,
                mode,
            }));
        }
    }
    cases
}

/// The medians of all rounds. Each round has every case once, so that what the
/// machine does besides comes over all of them.
fn measure(cases: &[Case]) -> Vec<Figures> {
    let mut rounds: Vec<Vec<Figures>> = cases.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for (case, rounds) in cases.iter().zip(&mut rounds) {
            rounds.push(case.measure());
        }
    }
    let medians = rounds.iter().map(|rounds| {
        Figures(core::array::from_fn(|column| {
            median(rounds.iter().map(|figures| figures.0[column]).collect())
        }))
    });
    medians.collect()
}

fn print(cases: &[Case], figures: &[Figures]) {
    println!("processor: µs a message of the loop, the journal and the senders");
    println!(
        "{:>7} {:>9} {:7} {:>10} {:>9} {:>8} {:>8} {:>6} {:>8} {:>8}",
        "senders",
        "in flight",
        "kept in",
        "messages/s",
        "of memory",
        "p50 ms",
        "p99 ms",
        "loop",
        "journal",
        "senders"
    );
    let mut memory = f64::NAN;
    for (case, Figures(figures)) in cases.iter().zip(figures) {
        let [rate, p50, p99, server, journal, own] = figures;
        if case.mode == "memory" {
            memory = *rate;
        }
        println!(
            "{:>7} {:>9} {:7} {rate:>10.0} {:>9.2} {p50:>8.2} {p99:>8.2} {server:>6.1} {journal:>8.1} {own:>8.1}",
            case.senders,
            case.in_flight,
            case.mode,
            rate / memory
        );
    }
}

/// The value that so many of a thousand are not above.
fn percentile(values: &mut [f64], permille: usize) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let place = values.len() * permille / 1000;
    values[place.min(values.len() - 1)]
}

fn median(mut values: Vec<f64>) -> f64 {
    percentile(&mut values, 500)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

const ROUNDS: usize = 5;
const WARM_UP: Duration = Duration::from_millis(500);
const WINDOW: Duration = Duration::from_secs(2);
