//! Veche beside other servers, on the same machine, in turn.
//!
//! ```sh
//! cargo bench --bench peers                         # everything: more than an hour
//! cargo bench --bench peers -- fan-out 1000 64      # the cases that have these words
//! cargo bench --bench peers -- --list               # their names
//! cargo bench --bench peers -- growth               # what one more client costs
//! cargo bench --bench peers -- --servers veche,floor --rounds 1 echo
//! cargo bench --bench peers -- --peer 'NAME=COMMAND {port} {mode}' echo
//! ```
//!
//! | module | what it is for |
//! |---|---|
//! | `case` | what is measured |
//! | `server` | builds and starts the servers, and looks what they take |
//! | `load` | the clients: one thread that checks every delivery |
//! | `client` | one of them: its socket and its frames |
//! | `talk` | what they say |
//! | `growth` | what one more client, room or message costs |
//! | `histogram`, `figures` | what is told of it |
//!
//! Ours are the examples `echo` and `broadcast`, built for speed as a program
//! that uses the library is, and the chat as it comes. `floor` is no
//! WebSocket server but what any server has to do at least: a loop with one
//! write of a prepared buffer for each client. The others are fetched from
//! their registries; any other is given as a command, words with blanks between, that
//! serves at `{port}`, in the mode `echo`, where each message goes back, or
//! `broadcast`, where it goes to all, in one order for all. It has to be the server
//! itself, and finds nothing in its environment but `PATH`.
//!
//! The server has the first processor and the clients the second; nothing else
//! should run. Each round has every server once, so that what the machine does
//! besides comes over all of them: shown are medians of all rounds, and medians of
//! the rounds' ratios. What it does least to is the processor's time of the server
//! for a delivery (`cpu µs`).
//!
//! Ten clients, evenly spread over the room, send: `in-flight-4` has four messages
//! of each on their way, `200/s` sends so many a second together. Latency is that
//! of each delivery, from when a message was to be sent.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::unwrap_used)]
#![allow(clippy::cast_possible_truncation, reason = "figures")]

#[path = "peers/case.rs"]
mod case;
#[path = "peers/client.rs"]
mod client;
#[path = "peers/figures.rs"]
mod figures;
#[path = "peers/growth.rs"]
mod growth;
#[path = "peers/histogram.rs"]
mod histogram;
#[path = "peers/load.rs"]
mod load;
#[path = "peers/server.rs"]
mod server;
#[path = "peers/talk.rs"]
mod talk;

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use case::{Case, Field, Stage, What};
use figures::Row;
use server::{CHAT, OURS, Peer};

fn main() {
    let asked = Asked::read(std::env::args().skip(1));
    let cases = Case::all().into_iter();
    let cases: Vec<Case> = cases.filter(|case| asked.wants(case)).collect();
    let is_growth = asked.words == ["growth"];
    assert!(
        is_growth || !cases.is_empty(),
        "no case has all of these words: --list names them"
    );
    if asked.lists {
        return cases.iter().for_each(|case| println!("{}", case.name));
    }
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let is_wanted =
        |name: &str| asked.servers.is_empty() || asked.servers.iter().any(|s| s == name);
    let mut peers = server::build(|name| !cases.is_empty() && is_wanted(name));
    peers.extend(
        asked
            .peers
            .iter()
            .filter(|peer| is_wanted(&peer.name))
            .cloned(),
    );
    for name in &asked.servers {
        let is_known = *name == CHAT || peers.iter().any(|peer| peer.name == *name);
        assert!(is_known, "there is no server {name}");
    }
    // After building, which takes all processors.
    let own = std::process::id().to_string();
    let pinned = Command::new("taskset")
        .args(["-cp", "1", &own])
        .stdout(Stdio::null())
        .status();
    assert!(
        pinned.is_ok_and(|status| status.success()),
        "taskset, of util-linux, and two processors"
    );
    if is_growth {
        return growth::measure(asked.time);
    }
    for case in cases {
        let field: Vec<Peer> = match case.field {
            Field::Servers => peers.clone(),
            Field::Chat => {
                let ours = peers.iter().filter(|peer| peer.name == OURS).cloned();
                [server::chat()].into_iter().chain(ours).collect()
            }
            Field::ChatAlone => vec![server::chat()],
        };
        let rows = measure(&case, &field, asked.rounds, asked.time);
        figures::print(&case.name, &rows);
    }
}

/// All rounds of a case. Where there are descriptors for all clients of all
/// servers, they stay from round to round, so that rounds are short; elsewhere there
/// are a quarter as many rounds.
fn measure(case: &Case, field: &[Peer], rounds: usize, time: Duration) -> Vec<Row> {
    let mut rows: Vec<Row> = field.iter().map(|peer| Row::new(&peer.name)).collect();
    let mut stages: Vec<Stage> = Vec::new();
    let is_flow = matches!(case.what, What::Flow(_));
    let stay = !is_flow || field.len() * case.clients() <= MAX_CLIENTS;
    // To connect them all again takes longer than to measure.
    let rounds = if stay { rounds } else { rounds.div_ceil(4) };
    for _ in 0..rounds {
        for (place, (peer, row)) in field.iter().zip(&mut rows).enumerate() {
            let _told = OnPanic(&case.name, &peer.name);
            row.rounds.push(match &case.what {
                What::Start => case::start(peer),
                What::Idle => case::idle(peer),
                What::Flow(flow) if !stay => Stage::new(peer, flow).measure(time),
                What::Flow(flow) => {
                    if stages.len() <= place {
                        stages.push(Stage::new(peer, flow));
                    }
                    stages[place].measure(time)
                }
            });
        }
    }
    rows
}

/// Tells, where something is wrong, what was measured then.
struct OnPanic<'a>(&'a str, &'a str);

impl Drop for OnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("that was {} in {}", self.1, self.0);
        }
    }
}

/// What the command line asks for.
struct Asked {
    rounds: usize,
    /// How long each server is measured in a round.
    time: Duration,
    peers: Vec<Peer>,
    /// Those to measure; all where there are none.
    servers: Vec<String>,
    /// Words that a case's name has to have.
    words: Vec<String>,
    lists: bool,
}

impl Asked {
    fn read(mut words: impl Iterator<Item = String>) -> Self {
        let mut asked = Asked {
            rounds: ROUNDS,
            time: TIME,
            peers: Vec::new(),
            servers: Vec::new(),
            words: Vec::new(),
            lists: false,
        };
        while let Some(word) = words.next() {
            let mut value = || match words.next() {
                Some(value) if value != "--bench" => value,
                _ => panic!("{word} what?"),
            };
            match &*word {
                // Cargo adds it.
                "--bench" => {}
                "--list" => asked.lists = true,
                "--rounds" => {
                    let rounds = value().parse().ok().filter(|rounds| *rounds > 0);
                    asked.rounds = rounds.expect("--rounds takes how many, 1 or more");
                }
                "--seconds" => {
                    let seconds = value().parse().ok().filter(|seconds| *seconds > 0.0);
                    let seconds = seconds.expect("--seconds takes how many, such as 0.3");
                    asked.time = Duration::from_secs_f64(seconds);
                }
                "--servers" => asked.servers = value().split(',').map(str::to_owned).collect(),
                "--peer" => {
                    let peer = value();
                    let (name, command) = peer.split_once('=').expect("--peer NAME=COMMAND");
                    asked.peers.push(Peer::new(name, command.to_owned()));
                }
                option if option.starts_with('-') => {
                    panic!("{option}? There are --list, --rounds, --seconds, --servers, --peer")
                }
                _ => asked.words.push(word),
            }
        }
        asked
    }

    fn wants(&self, case: &Case) -> bool {
        let has = |word: &String| case.name.split(' ').any(|part| part == word);
        self.words.iter().all(has)
    }
}

const ROUNDS: usize = 21;
const TIME: Duration = Duration::from_millis(300);

/// How many clients may be connected at once: within most hard limits.
const MAX_CLIENTS: usize = 16_000;

/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(20);
