//! One tab of one person: a client as the wire format asks it to be, that
//! checks all that it is told.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::frames::{self, CLOSE, PING, PONG, REQUEST, TEXT};
use super::ledger::Ledger;
use super::line::Line;
use super::scene::Scene;
use super::view::{Standing, Taken, View, string};

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
    is_patient: bool,
    /// Whether a session may be forgotten by the server.
    pub may_be_forgotten: bool,
    scene: Scene,
    ledger: Ledger,
    parsed: Parsed,
    next_cid: usize,
}

/// Frames that were parsed before: a broadcast is the same for all.
pub type Parsed = Rc<RefCell<HashMap<Vec<u8>, Rc<Value>>>>;

/// A connection.
pub struct Link {
    pub line: Rc<RefCell<Line>>,
    pub phase: Phase,
    input: Vec<u8>,
    /// Commands that are not answered yet.
    pub requests: BTreeMap<String, Request>,
    /// How often each message was sent here and has come back known.
    sent: BTreeMap<String, (usize, usize)>,
    directs: BTreeMap<(String, String), usize>,
    pub is_closing: bool,
    got_close: bool,
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
    is_sent: bool,
    not_before: Duration,
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
            may_be_forgotten: false,
            scene: scene.clone(),
            ledger: ledger.clone(),
            parsed: Rc::clone(parsed),
            next_cid: 0,
        }
    }

    /// Begins to speak on a new connection.
    pub fn connect(&mut self, line: Rc<RefCell<Line>>) {
        line.borrow_mut().send(REQUEST.as_bytes());
        self.link = Some(Link {
            line,
            phase: Phase::Upgrading,
            input: Vec::new(),
            requests: BTreeMap::new(),
            sent: BTreeMap::new(),
            directs: BTreeMap::new(),
            is_closing: false,
            got_close: false,
        });
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

    /// Puts something into the outbox.
    pub fn say(&mut self, to: To, padding: usize) {
        let cid = self.cid();
        let text = format!("{cid} {}", "ж".repeat(padding));
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
        let bytes = frames::text(&self.scene, &text);
        self.write(&bytes);
    }

    pub fn close(&mut self) {
        let bytes = frames::frame(&self.scene, 0x80 | CLOSE, &1000_u16.to_be_bytes());
        self.write(&bytes);
        if let Some(link) = &mut self.link {
            link.is_closing = true;
        }
    }

    fn write(&self, bytes: &[u8]) {
        if let Some(link) = &self.link {
            link.line.borrow_mut().send(bytes);
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
        self.send(&command);
        if let Some(link) = &mut self.link {
            link.sent.entry(cid).or_default().0 += 1;
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

    /// Reads what has come.
    pub fn read(&mut self, bytes: usize) {
        let Some(link) = &mut self.link else { return };
        let received = link.line.borrow_mut().receive(bytes);
        link.input.extend(received);
        self.take_head();
        while let Some(link) = &mut self.link
            && link.phase != Phase::Upgrading
            && let Some((opcode, payload)) = frames::take(&mut link.input)
        {
            assert!(!link.got_close, "{}: a frame after Close", self.label);
            self.take_frame(opcode, payload);
        }
        let is_over = self
            .link
            .as_ref()
            .is_some_and(|link| link.line.borrow().is_over());
        if is_over {
            if let Some(link) = &self.link {
                // The client's system closes its side too.
                let mut line = link.line.borrow_mut();
                line.client_done = true;
            }
            self.lose();
            self.not_before = self.scene.now() + Duration::from_millis(self.scene.next() % 500);
        }
    }

    fn take_head(&mut self) {
        let Some(link) = self
            .link
            .as_mut()
            .filter(|link| link.phase == Phase::Upgrading)
        else {
            return;
        };
        let Some(end) = link.input.windows(4).position(|w| w == b"\r\n\r\n") else {
            return;
        };
        let head = String::from_utf8(link.input.drain(..end + 4).collect()).unwrap();
        if head.starts_with("HTTP/1.1 101 ") {
            let has_greeted = !link.requests.is_empty();
            link.phase = if has_greeted {
                Phase::Greeting
            } else {
                Phase::Open
            };
        } else {
            let may_be = ["HTTP/1.1 408 ", "HTTP/1.1 429 "];
            assert!(
                may_be.iter().any(|status| head.starts_with(status)),
                "{head}"
            );
            link.input.clear();
        }
    }

    fn take_frame(&mut self, opcode: u8, payload: Vec<u8>) {
        match opcode {
            TEXT => {
                let known = self.parsed.borrow().get(&payload).cloned();
                let frame = known.unwrap_or_else(|| {
                    let frame: Value = serde_json::from_slice(&payload).expect("JSON");
                    let frame = Rc::new(frame);
                    self.parsed.borrow_mut().insert(payload, Rc::clone(&frame));
                    frame
                });
                let text = || frame.to_string();
                self.scene
                    .tell(format_args!("{} hears {}", self.label, Shown(&text)));
                self.take(&frame);
            }
            PING => {
                let pong = frames::frame(&self.scene, 0x80 | PONG, &payload);
                self.write(&pong);
            }
            PONG => assert_eq!(payload, b"between"),
            CLOSE => {
                let code = payload
                    .get(..2)
                    .map(|code| u16::from_be_bytes([code[0], code[1]]));
                self.scene
                    .tell(format_args!("{} is closed with {code:?}", self.label));
                let link = self.link.as_mut().unwrap();
                link.got_close = true;
                self.is_patient |= code == Some(4008);
                let is_fine = matches!(code, Some(1001 | 1008 | 1012 | 1013 | 4008))
                    || (code == Some(1000) && link.is_closing);
                assert!(is_fine, "{}: closed with {code:?}", self.label);
                if !std::mem::replace(&mut link.is_closing, true) {
                    let reply = frames::frame(&self.scene, 0x80 | CLOSE, &payload);
                    self.write(&reply);
                }
            }
            other => panic!("opcode {other}"),
        }
    }

    fn take(&mut self, frame: &Value) {
        let room = string(frame, "room");
        match frame["type"].as_str().unwrap() {
            "message" => return self.take_message(&room, frame),
            "direct" => return self.take_direct(frame),
            "presence" => {
                let view = self.listening(&room, frame);
                return view.presence(frame);
            }
            "typing" => {
                self.listening(&room, frame);
                return;
            }
            "error" if self.refused(frame) => return,
            _ => {}
        }
        let cid = string(frame, "cid");
        let link = self.link.as_mut().unwrap();
        let Some(request) = link.requests.remove(&cid) else {
            panic!("{} never asked for {frame}", self.label);
        };
        match (frame["type"].as_str().unwrap(), request) {
            ("welcome", Request::Hello { is_known }) => self.welcomed(frame, is_known),
            ("joined", Request::Join { after, .. }) => {
                let ledger = self.ledger.clone();
                let view = self.view(&room);
                view.joined(frame, after.as_ref(), &ledger);
                if view.standing == Standing::Joining {
                    view.standing = Standing::In;
                }
                for entry in frame["entries"].as_array().unwrap() {
                    self.acknowledge(entry);
                }
            }
            ("left", Request::Leave { .. }) => {
                self.view(&room).lose();
                // A join that waited is taken back, and needs no answer.
                let is_it = |r: &Request| matches!(r, Request::Join { room: r, .. } if *r == room);
                self.link
                    .as_mut()
                    .unwrap()
                    .requests
                    .retain(|_, r| !is_it(r));
            }
            ("history", Request::After { room, epoch, seq }) => {
                self.take_history(&room, &epoch, Some(seq), None, frame);
            }
            ("history", Request::Before { room, epoch, seq }) => {
                self.take_history(&room, &epoch, None, Some(seq), frame);
            }
            ("renamed", Request::Rename { name }) => {
                assert_eq!(string(frame, "name"), name);
                self.identity.borrow_mut().name = name;
            }
            ("pong" | "notice", Request::Other) => {}
            ("error", request) => self.failed(frame, request),
            (_, request) => panic!("{}: {frame} answers {request:?}", self.label),
        }
    }

    /// The room of something that only its members may hear.
    fn listening(&mut self, room: &str, frame: &Value) -> &mut View {
        let view = self.rooms.get_mut(room).filter(|view| view.is_listening);
        view.unwrap_or_else(|| panic!("{} is not there: {frame}", self.label))
    }

    fn take_message(&mut self, room: &str, frame: &Value) {
        let cid = string(frame, "cid");
        let is_mine = string(&frame["from"], "id") == self.me;
        let ledger = self.ledger.clone();
        let view = self.rooms.get_mut(room);
        let sent = self
            .link
            .as_mut()
            .unwrap()
            .sent
            .get_mut(&cid)
            .filter(|_| is_mine);
        let taken = match view.filter(|view| view.is_listening) {
            Some(view) => view.entry(frame, &ledger),
            None => Taken::Known,
        };
        if taken == Taken::Known {
            // Nothing comes twice but the answers to what was said again.
            let Some((sent, again)) = sent else {
                panic!("{} has it, or is not there: {frame}", self.label);
            };
            *again += 1;
            assert!(
                *again <= *sent,
                "{}: answered too often: {frame}",
                self.label
            );
        }
        self.acknowledge(frame);
    }

    fn take_direct(&mut self, frame: &Value) {
        let (from, to) = (string(&frame["from"], "id"), string(&frame["to"], "id"));
        let cid = string(frame, "cid");
        let is_mine = from == self.me;
        assert!(is_mine || to == self.me, "{}: {frame}", self.label);
        assert!(string(frame, "text").starts_with(&cid), "{frame}");
        let link = self.link.as_mut().unwrap();
        // To all tabs of both sides once, and to the sender for each repeat.
        let sent = link.sent.get(&cid).filter(|_| is_mine);
        let most = 1 + sent.map_or(0, |sent| sent.0);
        let count = link.directs.entry((from, cid)).or_default();
        *count += 1;
        assert!(*count <= most, "{} got it twice: {frame}", self.label);
        self.acknowledge(frame);
    }

    /// One's own `cid` coming back is the acknowledgement.
    fn acknowledge(&mut self, entry: &Value) {
        if string(&entry["from"], "id") == self.me {
            let cid = string(entry, "cid");
            self.outbox.retain(|item| item.cid != cid);
        }
    }

    fn welcomed(&mut self, frame: &Value, is_known: bool) {
        let mut identity = self.identity.borrow_mut();
        let secret = string(frame, "session");
        let is_same = identity.secret.as_ref() == Some(&secret);
        assert!(
            !is_known || is_same || self.may_be_forgotten,
            "{} is forgotten",
            self.label
        );
        let id = string(frame, "id");
        assert!(
            !is_same || identity.id == id,
            "{} is another one",
            self.label
        );
        self.me.clone_from(&id);
        (identity.id, identity.secret) = (id, Some(secret));
        self.link.as_mut().unwrap().phase = Phase::Welcome;
    }

    fn take_history(
        &mut self,
        room: &str,
        epoch: &str,
        after: Option<u64>,
        before: Option<u64>,
        frame: &Value,
    ) {
        let ledger = self.ledger.clone();
        let view = self.view(room);
        // Who has left meanwhile, or began anew, has no use for it.
        if view.is_listening && view.epoch.as_deref() == Some(epoch) {
            view.history(frame, after, before, &ledger);
            for entry in frame["entries"].as_array().unwrap() {
                self.acknowledge(entry);
            }
        }
    }

    /// Whether it was something said that was refused.
    fn refused(&mut self, frame: &Value) -> bool {
        let cid = string(frame, "cid");
        let link = self.link.as_ref().unwrap();
        if !link.sent.contains_key(&cid) {
            return false;
        }
        let code = frame["code"].as_str().unwrap();
        let wait = Duration::from_millis(frame["retry_ms"].as_u64().unwrap_or(500));
        let place = self.outbox.iter().position(|item| item.cid == cid);
        let item = place.map(|place| &mut self.outbox[place]);
        match (code, item) {
            ("rate_limited" | "busy" | "storage", Some(item)) => {
                item.is_sent = false;
                item.not_before = self.scene.now() + wait;
            }
            ("not_present", Some(item)) => {
                assert!(matches!(item.to, To::Person(_)), "{frame}");
                self.outbox.retain(|item| item.cid != cid);
            }
            // It had left before it was said again, or it was said and is known.
            (_, None) => {}
            _ => panic!("{}: {frame}", self.label),
        }
        true
    }

    fn failed(&mut self, frame: &Value, request: Request) {
        let code = frame["code"].as_str().unwrap();
        let wait = Duration::from_millis(frame["retry_ms"].as_u64().unwrap_or(500));
        let may_be = match &request {
            Request::Hello { .. } => code == "name_taken",
            Request::Rename { .. } => code == "name_taken",
            Request::Join { .. } => matches!(code, "too_many_rooms" | "storage"),
            Request::After { .. } | Request::Before { .. } => {
                matches!(code, "not_joined" | "storage")
            }
            Request::Leave { .. } | Request::Typing | Request::Other => code == "not_joined",
        };
        let is_temporary = matches!(code, "rate_limited" | "busy");
        assert!(
            may_be || is_temporary,
            "{}: {frame} to {request:?}",
            self.label
        );
        self.not_before = self.not_before.max(self.scene.now() + wait);
        match request {
            Request::Hello { .. } => {
                if let Some(suggestion) = frame["suggestion"].as_str() {
                    self.identity.borrow_mut().name = suggestion.to_owned();
                }
                self.link.as_mut().unwrap().phase = Phase::Open;
            }
            Request::Join { room, .. } => {
                let view = self.view(&room);
                if view.standing == Standing::Joining {
                    view.standing = if view.is_listening {
                        Standing::In
                    } else {
                        Standing::Out
                    };
                }
            }
            Request::Leave { room } => {
                let requests = &self.link.as_ref().unwrap().requests;
                let joins = |r: &Request| matches!(r, Request::Join { room: r, .. } if *r == room);
                let is_joining = requests.values().any(joins);
                let view = self.view(&room);
                view.standing = match view.is_listening {
                    _ if is_joining => Standing::Joining,
                    true => Standing::In,
                    false => Standing::Out,
                };
                assert!(
                    code != "not_joined" || view.standing == Standing::Out,
                    "{frame}"
                );
            }
            _ => {}
        }
    }
}

/// Only made where it is shown.
struct Shown<'a>(&'a dyn Fn() -> String);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.600}", (self.0)())
    }
}
