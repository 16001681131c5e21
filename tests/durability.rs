//! What the program keeps in its file, through crashes, restarts and disks that
//! fail.
//!
//! | module | what it is about |
//! |---|---|
//! | `crashes` | killed at any moment: what was acknowledged is there, once |
//! | `restarts` | stopped and started again: exactly what was missed comes back |
//! | `disks` | a disk that is full or slow, a file that goes away |
//! | `files` | files that cannot be used |
//! | `pictures` | what people send, and how long it is kept |
//! | `crowd` | two hundred people behind a proxy while the program is restarted |
//!
//! What other programs do with the file is done by Python, which has an SQLite
//! of its own.
#![cfg(all(feature = "sqlite", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;
#[path = "durability/crashes.rs"]
mod crashes;
#[path = "durability/crowd.rs"]
mod crowd;
#[path = "durability/disks.rs"]
mod disks;
#[path = "common/ends.rs"]
mod ends;
#[path = "durability/files.rs"]
mod files;
#[path = "durability/guest.rs"]
mod guest;
#[path = "durability/moments.rs"]
mod moments;
#[path = "durability/pictures.rs"]
mod pictures;
#[path = "proxies/proxy.rs"]
mod proxy;
#[path = "durability/restarts.rs"]
mod restarts;
#[path = "durability/tab.rs"]
mod tab;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Program, command};
use serde_json::Value;

/// A folder for a file, gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("durability-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The database.
    fn file(&self) -> PathBuf {
        self.path("veche.db")
    }

    /// The program with this database, as fast as it can.
    fn start(&self, arguments: &[&str]) -> Program {
        let mut program = command();
        program.args(["--listen=127.0.0.1:0", "--rate-limit=0", "--db"]);
        Program::start_command(program.arg(self.file()).args(arguments))
    }

    /// What of the database is not carried over, in bytes.
    fn wal_bytes(&self) -> u64 {
        fs::metadata(self.path("veche.db-wal")).map_or(0, |wal| wal.len())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// One row of `entries` with its room, as another program reads it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    room: String,
    seq: u64,
    person: String,
    cid: String,
    text: String,
}

/// All entries in order of rooms and numbers, in a file that is sound: no
/// number is missing up to the newest of its room, and nothing is there twice.
#[track_caller]
fn rows(file: &Path) -> Vec<Row> {
    let query = "import json, sqlite3, sys
c = sqlite3.connect(sys.argv[1])
print(json.dumps(dict(
    check=c.execute('PRAGMA integrity_check').fetchall(),
    rooms=c.execute('SELECT rooms.name, rooms.gone, count(entries.seq), max(entries.seq) FROM rooms '
        'LEFT JOIN entries ON entries.room = rooms.id GROUP BY rooms.id').fetchall(),
    distinct=c.execute('SELECT count(*), count(DISTINCT text), '
        'count(DISTINCT person || cid) FROM entries').fetchone(),
    rows=c.execute('SELECT rooms.name, entries.seq, person, cid, text FROM entries '
        'JOIN rooms ON rooms.id = entries.room ORDER BY rooms.name, entries.seq').fetchall())))";
    let mut python = Command::new("python3");
    let done = python.args(["-c", query]).arg(file).output().unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{errors}");
    let found: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(found["check"], serde_json::json!([["ok"]]));
    for room in found["rooms"].as_array().unwrap() {
        assert_eq!(room[1], 0, "nothing is gone: {room}");
        assert_eq!(room[2], room[3], "as many entries as numbers: {room}");
    }
    let distinct = &found["distinct"];
    assert_eq!(distinct[0], distinct[1], "texts that are there twice");
    assert_eq!(distinct[0], distinct[2], "cids that are there twice");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = found["rows"].as_array().unwrap().iter();
    rows.map(|row| Row {
        room: text(&row[0]),
        seq: row[1].as_u64().unwrap(),
        person: text(&row[2]),
        cid: text(&row[3]),
        text: text(&row[4]),
    })
    .collect()
}

/// Another program that has the database locked, until it is dropped.
struct Locker(Child);

impl Locker {
    fn lock(file: &Path) -> Locker {
        let script = "import sqlite3, sys
c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
c.execute('BEGIN EXCLUSIVE')
print('locked', flush=True)
sys.stdin.read()";
        let mut python = Command::new("python3");
        python.args(["-c", script]).arg(file);
        let piped = python.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut said = [0; 7];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
        Locker(child)
    }
}

impl Drop for Locker {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
