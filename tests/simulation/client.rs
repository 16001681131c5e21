//! One tab of one person: a client as the wire format asks it to be, that
//! checks all that it is told.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::deflate::Offer;
use super::frames::{self, CLOSE};
use super::ledger::Ledger;
use super::line::Line;
use super::scene::Scene;
use super::tls::Speaker;
use super::view::{Standing, View};

/// What the tabs of one person share.
#[derive(Default)]
pub struct Identity {
    pub name: String,
    pub secret: Option<String>,
    pub id: String,
}

pub struct Tab {
    pub label: String,
    pub identity: Rc<RefCell<Identity>>,
    /// Who the server says that it is.
    pub me: String,
    pub link: Option<Link>,
    pub rooms: BTreeMap<String, View>,
    /// The rooms it wants to be in.
    pub wanted: BTreeSet<String>,
    pub outbox: Vec<Item>,
    /// Not to act before.
    pub not_before: Duration,
    pub is_stalled: bool,
    /// Asks for one thing at a time, since it was too slow.
    pub is_patient: bool,
    /// How often in a hundred a command is compressed and says much for nothing.
    pub wordy: usize,
    /// Whether a session may be forgotten by the server.
    pub may_be_forgotten: bool,
    pub scene: Scene,
    pub ledger: Ledger,
    pub parsed: Parsed,
    next_cid: usize,
}

/// Frames that were parsed before, by their payload, and the window of a
/// compressed one: a broadcast is the same for all.
pub type Parsed = Rc<RefCell<HashMap<(Option<u8>, Vec<u8>), Rc<Value>>>>;

/// A connection.
pub struct Link {
    pub line: Rc<RefCell<Line>>,
    /// Its side of TLS, where the line carries that.
    pub speaker: Option<Speaker>,
    pub offer: Option<Offer>,
    /// The window of what the server sends compressed, in bits, where that was
    /// agreed upon.
    pub window_bits: Option<u8>,
    pub phase: Phase,
    pub input: Vec<u8>,
    /// Commands that are not answered yet.
    pub requests: BTreeMap<String, Request>,
    /// How often each message was sent here and has come back known.
    pub sent: BTreeMap<String, (usize, usize)>,
    pub directs: BTreeMap<(String, String), usize>,
    pub is_closing: bool,
    pub got_close: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Upgrading,
    Open,
    Greeting,
    Welcome,
}

/// Something that the server has to answer, once.
#[derive(Debug)]
pub enum Request {
    Hello {
        is_known: bool,
    },
    Join {
        room: String,
        after: Option<(String, u64)>,
    },
    Leave {
        room: String,
    },
    After {
        room: String,
        epoch: String,
        seq: u64,
    },
    Before {
        room: String,
        epoch: String,
        seq: u64,
    },
    Rename {
        name: String,
    },
    /// Is answered only where it is refused.
    Typing,
    Other,
}

/// Something said that is not acknowledged yet.
pub struct Item {
    pub cid: String,
    pub to: To,
    text: String,
    pub is_sent: bool,
    pub not_before: Duration,
}

#[derive(Clone, PartialEq, Eq)]
pub enum To {
    Room(String),
    Person(String),
}

impl Tab {
    pub fn new(
        label: String,
        identity: &Rc<RefCell<Identity>>,
        scene: &Scene,
        ledger: &Ledger,
        parsed: &Parsed,
    ) -> Self {
        Tab {
            label,
            identity: Rc::clone(identity),
            me: String::new(),
            link: None,
            rooms: BTreeMap::new(),
            wanted: BTreeSet::new(),
            outbox: Vec::new(),
            not_before: Duration::ZERO,
            is_stalled: false,
            is_patient: false,
            wordy: 0,
            may_be_forgotten: false,
            scene: scene.clone(),
            ledger: ledger.clone(),
            parsed: Rc::clone(parsed),
            next_cid: 0,
        }
    }

    /// Begins to speak on a new connection.
    pub fn connect(&mut self, line: Rc<RefCell<Line>>, speaker: Option<Speaker>) {
        let offer = Offer::choose(&self.scene);
        self.link = Some(Link {
            line,
            speaker,
            offer,
            window_bits: None,
            phase: Phase::Upgrading,
            input: Vec::new(),
            requests: BTreeMap::new(),
            sent: BTreeMap::new(),
            directs: BTreeMap::new(),
            is_closing: false,
            got_close: false,
        });
        self.write(frames::request(offer).as_bytes());
        // Some do not wait for the answer to their request.
        if self.scene.chance(30) {
            self.hello();
        }
    }

    /// Has no connection any more, whatever the server knows of that.
    pub fn lose(&mut self) {
        self.scene
            .tell(format_args!("{} has lost its line", self.label));
        self.link = None;
        self.rooms.values_mut().for_each(View::lose);
        self.outbox.iter_mut().for_each(|item| item.is_sent = false);
    }

    pub fn is_welcome(&self) -> bool {
        let link = self.link.as_ref();
        link.is_some_and(|link| link.phase == Phase::Welcome && !link.is_closing)
    }

    pub fn view(&mut self, room: &str) -> &mut View {
        self.rooms
            .entry(room.to_owned())
            .or_insert_with(|| View::new(room))
    }

    pub fn is_in(&self, room: &str) -> bool {
        self.rooms
            .get(room)
            .is_some_and(|view| view.standing == Standing::In)
    }

    /// Puts something into the outbox: so many letters, of few kinds or of many.
    pub fn say(&mut self, to: To, letters: usize) {
        let cid = self.cid();
        let kinds = self.scene.pick(&[1, 4, 64]);
        let letter = |_| char::from_u32(0x410 + u32::try_from(self.scene.below(kinds)).ok()?);
        let words: String = (0..letters).filter_map(letter).collect();
        let text = format!("{cid} {words}");
        let not_before = Duration::ZERO;
        self.outbox.push(Item {
            cid,
            to,
            text,
            is_sent: false,
            not_before,
        });
    }

    pub fn ask(&mut self, mut command: Value, request: Request) {
        let cid = self.cid();
        command["cid"] = json!(cid);
        self.send(&command);
        if let Some(link) = &mut self.link {
            link.requests.insert(cid, request);
        }
    }

    pub fn send(&mut self, command: &Value) {
        let text = command.to_string();
        self.scene
            .tell(format_args!("{} says {text:.150}", self.label));
        let may_deflate = self.link.as_ref().is_some_and(|l| l.window_bits.is_some());
        let is_wordy = may_deflate && self.scene.chance(self.wordy);
        let bytes = if is_wordy || may_deflate && self.scene.chance(15) {
            frames::compressed_text(&self.scene, &text, is_wordy)
        } else {
            frames::text(&self.scene, &text)
        };
        self.write(&bytes);
    }

    pub fn close(&mut self) {
        let bytes = frames::frame(&self.scene, 0x80 | CLOSE, &1000_u16.to_be_bytes());
        self.write(&bytes);
        if let Some(link) = &mut self.link {
            link.is_closing = true;
        }
    }

    fn cid(&mut self) -> String {
        self.next_cid += 1;
        format!("{}-{}", self.label, self.next_cid)
    }

    /// Does the next things that a page does by itself.
    pub fn work(&mut self) {
        let now = self.scene.now();
        let Some(link) = &self.link else { return };
        if self.is_stalled || link.is_closing || now < self.not_before {
            return;
        }
        match link.phase {
            Phase::Open => return self.hello(),
            Phase::Upgrading | Phase::Greeting => return,
            Phase::Welcome => {}
        }
        for room in self.wanted.clone() {
            if self.waits() {
                return;
            }
            let view = self.view(&room);
            match (view.standing, view.missing()) {
                (Standing::Out, _) => self.join(&room),
                (Standing::In, Some(seq)) => self.fetch(&room, seq),
                _ => {}
            }
        }
        self.outbox.retain(|item| match &item.to {
            To::Room(room) => self.wanted.contains(room),
            To::Person(_) => true,
        });
        let unwanted = |v: &&View| v.standing == Standing::In && !self.wanted.contains(&v.room);
        let unwanted: Vec<String> = self
            .rooms
            .values()
            .filter(unwanted)
            .map(|v| v.room.clone())
            .collect();
        for room in unwanted {
            self.leave(&room);
        }
        for place in 0..self.outbox.len() {
            if self.waits() {
                return;
            }
            let item = &self.outbox[place];
            let may_go = match &item.to {
                To::Room(room) => self.is_in(room),
                To::Person(_) => true,
            };
            if may_go && !item.is_sent && item.not_before <= now {
                self.send_item(place);
            }
        }
    }

    /// Whether an answer has to come first.
    fn waits(&self) -> bool {
        let mut requests = self.link.iter().flat_map(|link| link.requests.values());
        self.is_patient
            && (requests.any(|r| !matches!(r, Request::Typing))
                || self.outbox.iter().any(|item| item.is_sent))
    }

    fn send_item(&mut self, place: usize) {
        let item = &mut self.outbox[place];
        item.is_sent = true;
        let (cid, text) = (item.cid.clone(), item.text.clone());
        let command = match &item.to {
            To::Room(room) => json!({"type": "message", "room": room, "cid": cid, "text": text}),
            To::Person(id) => json!({"type": "direct", "to": id, "cid": cid, "text": text}),
        };
        // Some say it again before they have an answer.
        for _ in 0..if self.scene.chance(10) { 2 } else { 1 } {
            self.send(&command);
            if let Some(link) = &mut self.link {
                link.sent.entry(cid.clone()).or_default().0 += 1;
            }
        }
    }

    fn hello(&mut self) {
        let identity = self.identity.borrow();
        let mut command = json!({"type": "hello", "name": identity.name});
        let is_known = identity.secret.is_some();
        if let Some(secret) = &identity.secret {
            command["session"] = json!(secret);
        }
        drop(identity);
        self.ask(command, Request::Hello { is_known });
        if let Some(link) = &mut self.link
            && link.phase == Phase::Open
        {
            link.phase = Phase::Greeting;
        }
    }

    pub fn join(&mut self, room: &str) {
        let view = self.view(room);
        view.standing = Standing::Joining;
        let after = view.after();
        let mut command = json!({"type": "join", "room": room});
        if let Some((epoch, seq)) = &after {
            command["after"] = json!({"epoch": epoch, "seq": seq});
        }
        let room = room.to_owned();
        self.ask(command, Request::Join { room, after });
    }

    pub fn leave(&mut self, room: &str) {
        self.view(room).standing = Standing::Leaving;
        // What was not said yet stays unsaid.
        self.outbox
            .retain(|item| item.to != To::Room(room.to_owned()));
        let command = json!({"type": "leave", "room": room});
        self.ask(
            command,
            Request::Leave {
                room: room.to_owned(),
            },
        );
    }

    /// Fills a gap through history.
    fn fetch(&mut self, room: &str, missing: u64) {
        let link = self.link.as_ref().unwrap();
        let is_asked =
            |r: &Request| matches!(r, Request::After { room: other, .. } if other == room);
        if link.requests.values().any(is_asked) {
            return;
        }
        let epoch = self.view(room).epoch.clone().unwrap();
        let (room, seq) = (room.to_owned(), missing - 1);
        let limit = 1 + self.scene.below(100);
        let command = json!({"type": "history", "room": room, "after": seq, "limit": limit});
        self.ask(command, Request::After { room, epoch, seq });
    }
}
