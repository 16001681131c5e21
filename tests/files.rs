//! Files: how they come into the chat, what they cost, and how they are given
//! out again.
//!
//! | module | what it is about |
//! |---|---|
//! | `sending` | what is taken and shown to all, and what is not |
//! | `quota` | how much somebody may send |
//! | `fetching` | who gets what when, and what is gone |
#![cfg(feature = "chat")]
#![allow(clippy::unwrap_used)]

#[path = "common/ends.rs"]
mod ends;
#[path = "files/fetching.rs"]
mod fetching;
#[path = "files/quota.rs"]
mod quota;
#[path = "files/sending.rs"]
mod sending;
#[path = "common/world.rs"]
mod world;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::Message as Frame;
use veche::chat::{Busy, Chat, Job, Journal, Outcome, SUBPROTOCOL, Settings};
use veche::journal::memory::MemoryJournal;
use veche::{Config, Handler};
use world::{Client, World};

/// A journal that does nothing until it is told to.
#[derive(Clone)]
struct Slow(Rc<Inner>);

struct Inner {
    memory: RefCell<MemoryJournal>,
    jobs: RefCell<VecDeque<Job>>,
    done: RefCell<VecDeque<Outcome>>,
    is_slow: Cell<bool>,
    is_busy: Cell<bool>,
    fails: Cell<bool>,
    /// How many files were asked for.
    fetches: Cell<usize>,
}

impl Slow {
    fn new(memory: MemoryJournal) -> Slow {
        Slow(Rc::new(Inner {
            memory: RefCell::new(memory),
            jobs: RefCell::default(),
            done: RefCell::default(),
            is_slow: Cell::new(false),
            is_busy: Cell::new(false),
            fails: Cell::new(false),
            fetches: Cell::new(0),
        }))
    }

    /// Does what waits.
    fn work(&self) {
        while let Some(job) = self.0.jobs.borrow_mut().pop_front() {
            let mut memory = self.0.memory.borrow_mut();
            let outcome = match self.0.fails.get() {
                true => Outcome::Failed,
                false => {
                    memory.submit(job).unwrap();
                    memory.outcome().unwrap()
                }
            };
            self.0.done.borrow_mut().push_back(outcome);
        }
    }
}

impl Journal for Slow {
    fn submit(&mut self, job: Job) -> Result<(), Busy> {
        if self.0.is_busy.get() {
            return Err(Busy);
        }
        let is_fetch = matches!(job, Job::Fetch { .. });
        self.0
            .fetches
            .set(self.0.fetches.get() + usize::from(is_fetch));
        self.0.jobs.borrow_mut().push_back(job);
        if !self.0.is_slow.get() {
            self.work();
        }
        Ok(())
    }

    fn outcome(&mut self) -> Option<Outcome> {
        self.0.done.borrow_mut().pop_front()
    }

    fn unload(&mut self, room: &str) {
        self.0.memory.borrow_mut().unload(room);
    }
}

type Town = World<Chat<Slow>>;

/// A chat, and its journal.
fn town(settings: Settings) -> (Town, Slow) {
    town_over(settings, MemoryJournal::new(1_000, 100, 7))
}

fn town_over(settings: Settings, memory: MemoryJournal) -> (Town, Slow) {
    let config = Config {
        subprotocols: vec![SUBPROTOCOL],
        ..Config::default()
    };
    let mut state = 1_u64;
    let random = move |bytes: &mut [u8]| {
        for byte in bytes {
            state = state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            *byte = state.to_be_bytes()[0];
        }
    };
    let journal = Slow::new(memory);
    let chat = Chat::new(settings, journal.clone(), random);
    (World::new(config, chat), journal)
}

/// Settings without a rate, which is not what is looked at.
fn settings() -> Settings {
    Settings {
        rate_per_second: 0,
        ..Settings::default()
    }
}

/// Somebody in the lobby, from that address.
fn member_from(town: &mut Town, name: &str, address: &str) -> Client {
    let mut client = town.connect(address);
    client.say(&json!({"type": "hello", "name": name}));
    client.say(&json!({"type": "join", "room": "lobby"}));
    town.run();
    let frames = client.frames();
    assert_eq!(frames[1]["type"], "joined", "{frames:?}");
    client
}

fn member(town: &mut Town, name: &str) -> Client {
    member_from(town, name, "127.0.0.1")
}

/// A binary frame.
fn framed(json: &Value, bytes: &[u8]) -> Frame {
    let json = json.to_string();
    let length = u16::try_from(json.len()).unwrap().to_be_bytes();
    Frame::binary([&length, json.as_bytes(), bytes].concat())
}

fn file(cid: &str, bytes: &[u8]) -> Frame {
    let json = json!({"type": "file", "room": "lobby", "cid": cid, "name": "a.bin"});
    framed(&json, bytes)
}

fn fetch(seq: u64) -> Value {
    json!({"type": "fetch", "room": "lobby", "seq": seq, "cid": format!("f{seq}")})
}

/// Sends a frame: the one text frame that comes back and is not about who comes
/// and goes.
fn send<H: Handler>(town: &mut World<H>, client: &mut Client, frame: Frame) -> Value {
    client.send(frame);
    town.run();
    let mut frames = client.frames();
    frames.retain(|frame| frame["type"] != "presence");
    assert_eq!(frames.len(), 1, "{frames:?}");
    frames.remove(0)
}

/// What has arrived but for who comes and goes: text as it is, and of a file its
/// JSON and its bytes.
fn arrived(client: &mut Client) -> Vec<(Value, Option<Vec<u8>>)> {
    let messages = client.messages().into_iter();
    let parsed = messages.filter_map(|message| match message {
        Frame::Text(text) => Some((serde_json::from_str(&text).unwrap(), None)),
        Frame::Binary(frame) => {
            let length = usize::from(u16::from_be_bytes([frame[0], frame[1]]));
            let (json, bytes) = frame[2..].split_at(length);
            Some((serde_json::from_slice(json).unwrap(), Some(bytes.to_vec())))
        }
        _ => None,
    });
    parsed
        .filter(|(json, _): &(Value, _)| json["type"] != "presence")
        .collect()
}

#[track_caller]
fn assert_error(frame: &Value, code: &str) {
    assert_eq!(
        (&frame["type"], &frame["code"]),
        (&json!("error"), &json!(code)),
        "{frame}"
    );
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
