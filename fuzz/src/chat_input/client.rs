//! A client of the chat that counts its answers.

use serde_json::Value;
use veche::Handler;

use super::super::rfc6455::{Said, client_frame};
use super::super::server_stream;
use super::super::world::{self, REQUEST, World};

/// Everything one client sends is answered: it keeps account.
pub struct Client {
    pub session: Option<String>,
    pub id: Option<String>,
    pub epoch: String,
    pub seq: u64,
    /// What its commands are sent with, instead of something new each time.
    pub cid: Option<String>,
    client: world::Client,
    received: Vec<u8>,
    /// How many of the messages received were looked at.
    heard: usize,
    owed: Vec<Owed>,
    is_closed: bool,
    takes_all: bool,
}

/// A command without an answer so far.
#[derive(Debug)]
struct Owed {
    kind: String,
    cid: Option<String>,
}

impl Client {
    pub fn new<H: Handler>(world: &mut World<H>, address: &str) -> Self {
        let mut client = world.accept(address);
        client.write(REQUEST.as_bytes());
        world.run();
        Client {
            session: None,
            id: None,
            epoch: String::new(),
            seq: 0,
            cid: None,
            client,
            received: Vec::new(),
            heard: 0,
            owed: Vec::new(),
            is_closed: false,
            takes_all: true,
        }
    }

    /// Sends a message, to which there is an answer.
    pub fn send(&mut self, first: u8, payload: &[u8]) {
        let json = match first {
            TEXT => payload,
            _ => split_file(payload).map_or(&[][..], |(json, _)| json),
        };
        let command: Value = serde_json::from_slice(json).unwrap_or_default();
        let word = |name: &str| command[name].as_str().map(str::to_owned);
        let kind = word("type").unwrap_or_default();
        let cid = word("cid").filter(|cid| is_cid(cid));
        self.owed.push(Owed { kind, cid });
        let key = [1, 2, 3, 4];
        self.client.write(&client_frame(first, key, payload));
    }

    pub fn set_capacity(&mut self, bytes: Option<usize>) {
        self.takes_all = bytes.is_none();
        self.client.set_capacity(bytes);
    }

    pub fn leave(&mut self, is_lost: bool) {
        self.is_closed = true;
        if is_lost {
            self.client.reset();
        } else {
            self.client.finish();
        }
    }

    /// Reads what has come and looks at what is new in it.
    pub fn read(&mut self) {
        let fresh = self.client.read();
        self.is_closed |= self.client.is_gone();
        if fresh.is_empty() {
            return;
        }
        self.received.extend(fresh);
        let stream = server_stream::read(&self.received);
        self.is_closed |= stream.is_last;
        let said = stream.said.get(self.heard..).unwrap_or_default();
        self.heard += said.len();
        for said in said {
            match said {
                Said::Text(text) => self.hear(text),
                Said::Binary(frame) => {
                    let (json, bytes) = split_file(frame).expect("a file");
                    let file: Value = serde_json::from_slice(json).expect("JSON");
                    assert_eq!(file["type"], "file", "{file}");
                    assert_eq!(file["size"], bytes.len(), "{file}");
                    self.settle(file["cid"].as_str());
                }
                Said::Ping(payload) => {
                    let pong = client_frame(0x8a, [0; 4], payload);
                    self.client.write(&pong);
                }
                Said::Pong(_) | Said::Close(..) => {}
            }
        }
    }

    fn hear(&mut self, text: &[u8]) {
        let shown = String::from_utf8_lossy(text);
        let answer: Value = serde_json::from_slice(text).expect("an answer is JSON");
        let kind = answer["type"].as_str().expect("an answer has a type");
        let cid = answer["cid"].as_str();
        let is_own = answer["from"]["id"].as_str() == self.id.as_deref() && self.id.is_some();
        match kind {
            "welcome" => {
                self.session = answer["session"].as_str().map(str::to_owned);
                self.id = answer["id"].as_str().map(str::to_owned);
                self.settle(cid);
            }
            "joined" => {
                self.epoch = answer["epoch"].as_str().expect(&shown).to_owned();
                self.seq = answer["seq"].as_u64().expect(&shown);
                check_entries(&answer);
                self.settle(cid);
            }
            "history" => {
                check_entries(&answer);
                self.settle(cid);
            }
            "error" => {
                let code = answer["code"].as_str().expect(&shown);
                assert!(!code.is_empty() && answer["text"].is_string(), "{shown}");
                let is_later = matches!(code, "busy" | "rate_limited" | "quota");
                assert_eq!(answer["retry_ms"].is_u64(), is_later, "{shown}");
                self.settle(cid);
            }
            "left" | "renamed" | "notice" | "pong" => self.settle(cid),
            "typing" if is_own => {
                let typing = self.owed.iter().position(|owed| owed.kind == "typing");
                typing.map(|place| self.owed.remove(place));
            }
            "message" | "file" | "direct" if is_own => {
                // In another tab, or with the cid the server gave.
                let answered = self.owed.iter().position(|owed| owed.cid.as_deref() == cid);
                let nameless = || self.owed.iter().position(|owed| owed.cid.is_none());
                let place = answered.or_else(nameless);
                place.map(|place| self.owed.remove(place));
            }
            "message" | "file" | "direct" | "typing" | "presence" => {}
            _ => panic!("nobody knows {shown}"),
        }
    }

    /// Something was answered: the first of that name, or the last at all, since
    /// what cannot be read has no name and is answered at once.
    fn settle(&mut self, cid: Option<&str>) {
        let same = |owed: &Owed| owed.cid.as_deref() == cid;
        let place = self.owed.iter().position(same);
        let place = place.or_else(|| self.owed.len().checked_sub(1));
        self.owed.remove(place.expect("an answer to something"));
    }

    /// Nothing is owed to who takes what it is given. Who wants a file may wait for
    /// its turn, unless there was time enough.
    pub fn check_answered(&mut self, is_slow: bool, is_late: bool) {
        if self.is_closed {
            self.owed.clear();
        }
        let waits = !is_late && self.owed.iter().any(|owed| owed.kind == "fetch");
        if self.takes_all && !is_slow && !waits {
            assert!(self.owed.is_empty(), "never answered: {:?}", self.owed);
        }
    }
}

/// What the server takes for a name of a command.
fn is_cid(cid: &str) -> bool {
    let is_of_cid = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    (1..=64).contains(&cid.len()) && cid.chars().all(is_of_cid)
}

/// The JSON of a binary frame, and the bytes behind it.
fn split_file(frame: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = frame.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

const TEXT: u8 = 0x81;

/// Entries are few, and numbered without a hole.
fn check_entries(answer: &Value) {
    let entries = answer["entries"].as_array().expect("a list of entries");
    assert!(entries.len() <= 100, "{answer}");
    let seqs = entries.iter().map(|entry| entry["seq"].as_u64().unwrap());
    let seqs: Vec<u64> = seqs.collect();
    assert!(
        seqs.windows(2).all(|pair| pair[0] + 1 == pair[1]),
        "{seqs:?}"
    );
}
