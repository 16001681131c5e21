//! Somebody who comes back as often as the program does, and forgets nothing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::mpsc::Sender;

use serde_json::{Value, json};

use crate::Row;
use crate::guest::{Gone, Guest};

/// A connection of somebody who is in all rooms, through all crashes.
pub(crate) struct Tab {
    number: usize,
    pub(crate) person: usize,
    /// How many of its messages are on their way at once.
    at_once: usize,
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
pub(crate) struct Person {
    name: String,
    id: String,
    secret: Option<String>,
    /// Something was acknowledged: whose it is has to stay.
    is_kept: bool,
}

impl Person {
    pub(crate) fn new(name: &str) -> Self {
        Person {
            name: name.to_owned(),
            id: String::new(),
            secret: None,
            is_kept: false,
        }
    }
}

impl Tab {
    pub(crate) fn new(number: usize, person: usize, at_once: usize) -> Self {
        Tab {
            number,
            person,
            at_once,
            rooms: Default::default(),
            sent: 0,
            outbox: BTreeMap::new(),
            acknowledged: Vec::new(),
        }
    }

    /// How many messages.
    pub(crate) fn sent(&self) -> usize {
        self.sent
    }

    /// Comes back, gets what is missing, sends what is not acknowledged again,
    /// and more as long as it has more to say, until all are acknowledged or the
    /// program is gone.
    pub(crate) fn live(
        &mut self,
        address: SocketAddr,
        person: &Mutex<Person>,
        has_more: impl Fn() -> bool,
        acknowledge: &Sender<()>,
    ) -> Result<Guest, Gone> {
        let mut guest = arrive(address, person)?;
        for place in 0..ROOMS.len() {
            self.join(&mut guest, place)?;
        }
        for message in self.outbox.values() {
            send(&mut guest, message)?;
        }
        loop {
            while self.outbox.len() < self.at_once && has_more() {
                let message = self.next_message();
                send(&mut guest, &message)?;
            }
            if self.outbox.is_empty() {
                return Ok(guest);
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

    /// Hears on until something with this text was said in a room; it may have
    /// been already.
    pub(crate) fn stay_for(&mut self, guest: &mut Guest, text: &str) -> Result<(), Gone> {
        let is_said = |room: &Room| {
            room.said
                .values()
                .next_back()
                .is_some_and(|row| row.text == text)
        };
        while !self.rooms.iter().any(is_said) {
            let frame = guest.hear()?;
            self.take(&guest.id, &frame);
        }
        Ok(())
    }

    /// All that it has sent was acknowledged, once, and is kept; and what it sees
    /// is what is kept.
    #[track_caller]
    pub(crate) fn check(&self, kept: &[Row]) {
        let number = self.number;
        for row in &self.acknowledged {
            assert!(kept.binary_search(row).is_ok(), "acknowledged: {row:?}");
        }
        assert_eq!(self.acknowledged.len(), self.sent, "all of tab {number}");
        let seen = self.rooms.iter().flat_map(|room| room.said.values());
        assert!(seen.eq(kept), "what tab {number} sees is what is kept");
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
    let guest = Guest::arrive(address, &person.name, person.secret.as_deref())?;
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
pub(crate) fn content(text: &str) -> Vec<u8> {
    text.repeat(30).into_bytes()
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

/// How the texts begin that files are sent with.
pub(crate) const FILE: &str = "file ";

pub(crate) const ROOMS: [&str; 3] = ["hall", "kitchen", "lobby"];
