//! Killed at any moment, again and again: what was acknowledged is there, once,
//! for everybody.
//!
//! ```sh
//! VECHE_ROUNDS=200 cargo test --test durability crashes
//! VECHE_SEED=5 cargo test --test durability crashes   # the same moments, as far as can be
//! ```

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::common::{DEADLINE, Program, command};
use crate::moments::{Moments, number};
use crate::tab::{FILE, Person, Tab, content};
use crate::{Folder, Row, rows};

#[test]
fn what_was_acknowledged_is_there_once_after_any_number_of_crashes() {
    let rounds = number("VECHE_ROUNDS").unwrap_or(20);
    let mut moments = Moments::new();

    let folder = Folder::new("crashes");
    let people = PEOPLE.map(|name| Mutex::new(Person::new(name)));
    let tab = |number| Tab::new(number, number % PEOPLE.len(), AT_ONCE);
    let mut tabs: Vec<_> = (0..TABS).map(tab).collect();
    for round in 0..rounds {
        let durability = ["--durability=full", "--durability=normal"][usize::from(round % 2 == 1)];
        if moments.below(4) == 0 {
            // While it starts, and repairs what the last one left.
            let mut early = command();
            early.args(["--listen=127.0.0.1:0", durability, "--db"]);
            let early = Program::spawn(early.arg(folder.file()));
            thread::sleep(Duration::from_micros(moments.below(30_000)));
            drop(early);
        }
        let program = folder.start(&[durability]);
        let address = program.address();
        let enough = moments.below(300);
        let (acknowledge, acknowledged) = channel();
        thread::scope(|scope| {
            for tab in &mut tabs {
                let (person, acknowledge) = (&people[tab.person], acknowledge.clone());
                scope.spawn(move || tab.live(address, person, || true, &acknowledge));
            }
            for _ in 0..enough {
                acknowledged.recv_timeout(DEADLINE).unwrap();
            }
            if round % 4 > 1 {
                thread::sleep(Duration::from_micros(moments.below(3_000)));
            }
            drop(program);
        });
    }

    // What was not acknowledged is sent once more; then all come back to see.
    let program = folder.start(&[]);
    let address = program.address();
    for _ in 0..2 {
        for tab in &mut tabs {
            let person = &people[tab.person];
            let settled = tab.live(address, person, || false, &channel().0);
            assert_eq!(settled.err(), None);
        }
    }
    let ended = program.stop();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(folder.wal_bytes(), 0);

    let kept = rows(&folder.file());
    println!("{} messages in {rounds} rounds", kept.len());
    let files = files(&folder.file());
    let is_file = |row: &&Row| row.text.starts_with(FILE);
    assert_eq!(files.len(), kept.iter().filter(is_file).count());
    for (text, bytes) in files {
        assert!(text.starts_with(FILE) && bytes == content(&text), "{text}");
    }
    tabs.iter().for_each(|tab| tab.check(&kept));
}

/// All files as another program reads them, and the texts they were sent with.
fn files(file: &Path) -> Vec<(String, Vec<u8>)> {
    let query = "import json, sqlite3, sys
c = sqlite3.connect(sys.argv[1])
size, = c.execute('SELECT bytes FROM files_size').fetchone()
files = c.execute('SELECT text, bytes FROM entries LEFT JOIN files USING (room, seq) '
    'WHERE size IS NOT NULL').fetchall()
assert size == sum(len(bytes) for text, bytes in files)
assert len(files) == c.execute('SELECT count(*) FROM files').fetchone()[0]
print(json.dumps([(text, bytes.decode()) for text, bytes in files]))";
    let mut python = Command::new("python3");
    let done = python.args(["-c", query]).arg(file).output().unwrap();
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{errors}");
    let found: Vec<(String, String)> = serde_json::from_slice(&done.stdout).unwrap();
    let bytes = found
        .into_iter()
        .map(|(text, content)| (text, content.into_bytes()));
    bytes.collect()
}

const PEOPLE: [&str; 5] = ["Ann", "Bob", "Cyd", "Dan", "Eve"];

/// The last one is a second one of Ann's.
const TABS: usize = 6;

/// How many messages of a tab are on their way.
const AT_ONCE: usize = 4;
