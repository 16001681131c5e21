//! Killed at any moment, again and again: what was acknowledged is there, once,
//! for everybody.
//!
//! ```sh
//! VECHE_ROUNDS=200 cargo test --test durability crashes
//! VECHE_SEED=5 cargo test --test durability crashes   # the same moments, as far as can be
//! ```

use std::collections::BTreeMap;
use std::env;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::common::{DEADLINE, Program, command};
use crate::guest::{Gone, Guest};
use crate::{Folder, Row, rows};

#[test]
fn what_was_acknowledged_is_there_once_after_any_number_of_crashes() {
    let number = |name| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let rounds = number("VECHE_ROUNDS").unwrap_or(20);
    let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seed =
        number("VECHE_SEED").unwrap_or_else(|| clock().unwrap().as_micros().try_into().unwrap());
    println!("VECHE_SEED={seed}");
    let mut moments = Moments(seed);

    let folder = Folder::new("crashes");
    let people = PEOPLE.map(|name| Mutex::new(Person::new(name)));
    let mut tabs: Vec<_> = (0..TABS).map(Tab::new).collect();
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
                scope.spawn(move || tab.live(address, person, usize::MAX, &acknowledge));
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
            let settled = tab.live(address, person, 0, &channel().0);
            assert_eq!(settled, Ok(()));
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
    for tab in &tabs {
        for row in &tab.acknowledged {
            assert!(kept.binary_search(row).is_ok(), "acknowledged: {row:?}");
        }
        assert_eq!(
            tab.acknowledged.len(),
            tab.sent,
            "all of tab {}",
            tab.number
        );
        let seen = tab.rooms.iter().flat_map(|room| room.said.values());
        let seen: Vec<_> = seen.cloned().collect();
        assert!(seen == kept, "what tab {} sees is what is kept", tab.number);
    }
}

/// A connection of somebody who is in all rooms, through all crashes.
struct Tab {
    number: usize,
    person: usize,
    rooms: [Room; ROOMS.len()],
    sent: usize,
    /// By `cid`: what was sent and is not acknowledged.
    outbox: BTreeMap<String, Value>,
    acknowledged: Vec<Row>,
}

/// A room as a tab knows it.
#[derive(Default)]
struct Room {
    epoch: String,
    said: BTreeMap<u64, Row>,
    /// Up to where nothing is missing.
    whole: u64,
    /// The last number that was heard as it was said.
    last: u64,
}

/// Somebody with one session in several tabs.
struct Person {
    name: &'static str,
    id: String,
    secret: Option<String>,
    /// Something was acknowledged: whose it is has to stay.
    is_kept: bool,
}

impl Person {
    fn new(name: &'static str) -> Self {
        Person {
            name,
            id: String::new(),
            secret: None,
            is_kept: false,
        }
    }
}

impl Tab {
    fn new(number: usize) -> Self {
        Tab {
            number,
            person: number % PEOPLE.len(),
            rooms: Default::default(),
            sent: 0,
            outbox: BTreeMap::new(),
            acknowledged: Vec::new(),
        }
    }

    /// Comes back, gets what is missing, sends what is not acknowledged again
    /// and so many messages more, until all are acknowledged or the program is
    /// gone.
    fn live(
        &mut self,
        address: SocketAddr,
        person: &Mutex<Person>,
        messages: usize,
        acknowledge: &Sender<()>,
    ) -> Result<(), Gone> {
        let mut guest = arrive(address, person)?;
        for place in 0..ROOMS.len() {
            self.join(&mut guest, place)?;
        }
        for message in self.outbox.values() {
            send(&mut guest, message)?;
        }
        let mut left = messages;
        loop {
            while left > 0 && self.outbox.len() < AT_ONCE {
                left -= 1;
                let message = self.next_message();
                send(&mut guest, &message)?;
            }
            if self.outbox.is_empty() {
                return Ok(());
            }
            let frame = guest.hear()?;
            if self.take(&guest.id, &frame) {
                let _ = acknowledge.send(());
                person.lock().unwrap().is_kept = true;
            }
        }
    }

    fn next_message(&mut self) -> Value {
        self.sent += 1;
        let (cid, room) = (
            format!("{}-{}", self.number, self.sent),
            ROOMS[self.sent % 3],
        );
        let (kind, mark) = if self.sent % 7 == 3 {
            ("file", FILE)
        } else {
            ("message", "")
        };
        let text = format!("{mark}{cid}{}", ".".repeat(self.sent * 97 % 900));
        let message = json!({"type": kind, "room": room, "cid": cid, "text": text});
        self.outbox.insert(cid, message.clone());
        message
    }

    /// Joins a room and fills what is missing.
    fn join(&mut self, guest: &mut Guest, place: usize) -> Result<(), Gone> {
        let Room { epoch, whole, .. } = &self.rooms[place];
        let (epoch, whole) = (epoch.clone(), *whole);
        let mut join = json!({"type": "join", "room": ROOMS[place]});
        if !epoch.is_empty() {
            join["after"] = json!({"epoch": epoch, "seq": whole});
        }
        guest.tell(&join)?;
        let joined = self.hear_until(guest, "joined")?;
        let (room, seq) = (&mut self.rooms[place], joined["seq"].as_u64().unwrap());
        let same = joined["epoch"] == epoch;
        assert!(same || room.said.is_empty(), "the epoch stays: {joined}");
        assert!(
            seq >= room.whole,
            "nothing that was seen is missing: {joined}"
        );
        joined["epoch"]
            .as_str()
            .unwrap()
            .clone_into(&mut room.epoch);
        room.last = seq;
        let entries = joined["entries"].as_array().unwrap();
        if joined["recovered"] == true {
            assert_eq!(entries.len() as u64, seq - whole, "{joined}");
        } else if same {
            assert!(seq - whole > 50, "few were missing: {joined}");
        }
        entries.iter().for_each(|entry| room.put(entry));
        while self.rooms[place].whole < seq {
            let after = self.rooms[place].whole;
            let history = json!({"type": "history", "room": ROOMS[place], "after": after});
            guest.tell(&history)?;
            let page = self.hear_until(guest, "history")?;
            let entries = page["entries"].as_array().unwrap();
            entries
                .iter()
                .for_each(|entry| self.rooms[place].put(entry));
            assert!(self.rooms[place].whole > after, "there is more: {page}");
        }
        Ok(())
    }

    fn hear_until(&mut self, guest: &mut Guest, kind: &str) -> Result<Value, Gone> {
        loop {
            let frame = guest.hear()?;
            if frame["type"] == kind {
                return Ok(frame);
            }
            self.take(&guest.id, &frame);
        }
    }

    /// Takes a message; whether it acknowledges one of its own.
    fn take(&mut self, id: &str, message: &Value) -> bool {
        let is_file = message["text"].as_str().unwrap().starts_with(FILE);
        let kind = if is_file { "file" } else { "message" };
        assert_eq!(message["type"], kind, "{message}");
        let place = ROOMS.iter().position(|room| message["room"] == *room);
        let room = &mut self.rooms[place.unwrap()];
        let row = row(message);
        let is_mine = row.person == id && self.outbox.contains_key(&row.cid);
        if row.seq > room.last {
            assert_eq!(row.seq, room.last + 1, "in order: {message}");
            room.last = row.seq;
        } else {
            assert!(is_mine, "only an answer comes a second time: {message}");
        }
        room.put(message);
        if is_mine {
            self.outbox.remove(&row.cid);
            self.acknowledged.push(row);
        }
        is_mine
    }
}

impl Room {
    fn put(&mut self, message: &Value) {
        let row = row(message);
        let known = self.said.entry(row.seq).or_insert_with(|| row.clone());
        assert_eq!(known, &row, "a number is one message's");
        while self.said.contains_key(&(self.whole + 1)) {
            self.whole += 1;
        }
    }
}

fn arrive(address: SocketAddr, person: &Mutex<Person>) -> Result<Guest, Gone> {
    let mut person = person.lock().unwrap();
    let guest = Guest::arrive(address, person.name, person.secret.as_deref())?;
    let is_same = guest.id == person.id;
    assert!(is_same || !person.is_kept, "{} stays the same", person.name);
    person.id.clone_from(&guest.id);
    person.secret = Some(guest.secret.clone());
    Ok(guest)
}

/// Sends a message, or what is a file with its bytes.
fn send(guest: &mut Guest, message: &Value) -> Result<(), Gone> {
    if message["type"] == "file" {
        return guest.tell_file(message, &content(message["text"].as_str().unwrap()));
    }
    guest.tell(message)
}

/// What is in the file that is sent with this text.
fn content(text: &str) -> Vec<u8> {
    text.repeat(30).into_bytes()
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

fn row(message: &Value) -> Row {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Row {
        room: text(&message["room"]),
        seq: message["seq"].as_u64().unwrap(),
        person: text(&message["from"]["id"]),
        cid: text(&message["cid"]),
        text: text(&message["text"]),
    }
}

/// When to do what: SplitMix64.
struct Moments(u64);

impl Moments {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}

/// How the texts begin that files are sent with.
const FILE: &str = "file ";

const ROOMS: [&str; 3] = ["hall", "kitchen", "lobby"];
const PEOPLE: [&str; 5] = ["Ann", "Bob", "Cyd", "Dan", "Eve"];

/// The last one is a second one of Ann's.
const TABS: usize = 6;

/// How many messages of a tab are on their way.
const AT_ONCE: usize = 4;
