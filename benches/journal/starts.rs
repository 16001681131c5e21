//! From the start of the program to the first connection.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use veche::journal::sqlite::Durability;

use super::calls::{Desk, job};
use super::server::{Folder, command};
use super::{median, micros, options};

/// Measures starts without a file, with a new one, and with a large one.
pub(crate) fn measure() {
    let (new, old) = (Folder::new("new"), Folder::new("old"));
    let mut desk = Desk::open(&old.file(), Durability::Normal);
    for count in 0..ENTRIES {
        desk.append(job(count % SESSIONS, count));
    }
    desk.finish();
    drop(desk);
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..STARTS {
        times[0].push(start(&options("memory", &new)));
        times[1].push(start(&options("full", &new)));
        for ending in ["", "-wal", "-shm", ".lock"] {
            let name = format!("{}{ending}", new.file().display());
            let _ = fs::remove_file(name);
        }
        times[2].push(start(&options("full", &old)));
    }
    let [memory, new, old] = times.map(median);
    println!("from start to the first connection, median of {STARTS}");
    println!("kept in memory                {memory:>6.1} ms");
    println!("a new file                    {new:>6.1} ms");
    println!("{ENTRIES} entries, {SESSIONS} sessions {old:>6.1} ms");
}

/// Starts the program and ends it; how long it took in milliseconds.
fn start(options: &[String]) -> f64 {
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = probe.local_addr().unwrap();
    drop(probe);
    let mut command = command(&address.to_string(), options);
    command.stdout(std::process::Stdio::null());
    let begin = Instant::now();
    let mut child = command.spawn().unwrap();
    while TcpStream::connect(address).is_err() {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
    }
    let took = begin.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();
    micros(took) / 1e3
}

const ENTRIES: u32 = 100_000;
const SESSIONS: u32 = 10_000;
const STARTS: usize = 21;
