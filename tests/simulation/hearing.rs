//! What a tab is told: every frame is checked, and answered for in what the
//! tab knows.

use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::client::{Phase, Request, Tab, To};
use super::deflate::{MAX_WINDOW_BITS, MIN_DEFLATED_BYTES, Offer, meaning};
use super::frames::{self, CLOSE, Frame, PING, PONG, TEXT};
use super::tls::Speaker;
use super::view::{Standing, Taken, View, string};

impl Tab {
    /// Reads what has come.
    pub fn read(&mut self, bytes: usize) {
        let Some(link) = &mut self.link else { return };
        let mut received = link.line.borrow_mut().receive(bytes);
        if let Some(speaker) = &mut link.speaker {
            let answer;
            (received, answer) = speaker.hear(&received);
            link.line.borrow_mut().send(&answer);
        }
        link.input.extend(received);
        self.take_head();
        while let Some(link) = &mut self.link
            && link.phase != Phase::Upgrading
            && let Some(frame) = frames::take(&mut link.input)
        {
            assert!(!link.got_close, "{}: a frame after Close", self.label);
            self.take_frame(frame);
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
                let is_told = link.speaker.as_ref().is_none_or(Speaker::is_over);
                assert!(is_told || !line.is_shut(), "TLS ends with the line alone");
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
            link.window_bits = Offer::agreed(link.offer, &head);
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

    fn take_frame(&mut self, frame: Frame) {
        let Frame {
            opcode,
            is_deflated,
            payload,
        } = frame;
        let window_bits = self.link.as_ref().unwrap().window_bits;
        let may_be = opcode == TEXT && window_bits.is_some();
        assert!(may_be || !is_deflated, "{}: RSV1", self.label);
        match opcode {
            TEXT => {
                let is_small = payload.len() < MIN_DEFLATED_BYTES;
                assert!(
                    is_deflated || is_small || window_bits != Some(MAX_WINDOW_BITS),
                    "{} gets {} bytes as they are",
                    self.label,
                    payload.len()
                );
                let key = (window_bits.filter(|_| is_deflated), payload);
                let known = self.parsed.borrow().get(&key).cloned();
                let frame = known.unwrap_or_else(|| {
                    let frame = Rc::new(parse(key.0, &key.1));
                    self.parsed.borrow_mut().insert(key, Rc::clone(&frame));
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
            ("left", Request::Leave { .. }) => self.view(&room).lose(),
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

/// What a text means, compressed for a window of so many bits or as it is.
fn parse(window_bits: Option<u8>, payload: &[u8]) -> Value {
    let Some(bits) = window_bits else {
        return serde_json::from_slice(payload).expect("JSON");
    };
    let text = meaning(payload, bits);
    assert!(payload.len() < text.len(), "compressed for nothing");
    serde_json::from_slice(&text).expect("JSON")
}

/// Only made where it is shown.
struct Shown<'a>(&'a dyn Fn() -> String);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.600}", (self.0)())
    }
}
