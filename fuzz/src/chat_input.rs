//! What clients of a chat may send, in any order, over a journal that may be
//! slow, full or broken.
//!
//! A line is a client, what it does, and the rest. Letters of the first row send
//! a command; its fields are taken from the rest, blank by blank, and `~` is a
//! field left out:
//!
//! | | |
//! |---|---|
//! | `h` `r`, `j` `l` `t`, `m` `d`, `H`, `c`, `p` | hello, rename (name); join, leave, typing (room); message (room, text), direct (to whom, text); history (`<` or `>` and a seq, room); command (room, line); ping (n) |
//! | `s`, `a` | hello as who it was; join after what it has seen |
//! | `f`, `F` | sends a file (room, bytes), fetches one (seq, room) |
//! | `T`, `B` | sends a text, bytes |
//! | `k` | sends the next commands with this cid; without one, with new ones |
//! | `J` | the journal is from now on `s`low, `b`usy, `f`ailing, or well again |
//! | `C`, `D` | takes so many bytes and no more (`*`: any), reads them |
//! | `x`, `z`, `w` | leaves, is lost, lets milliseconds go by |

mod client;
mod journal;

use std::time::Duration;

use serde_json::{Value, json};
use veche::Config;
use veche::chat::{Chat, SUBPROTOCOL, Settings};

use self::client::Client;
use self::journal::{Mood, Moody};
use super::lines::{Step, steps};
use super::world::World;

pub fn run(data: &[u8]) {
    let mut town = Town::new();
    for step in steps(data, CLIENTS, b"hrjltmdHcpsaTBkJCDxzwfF") {
        town.take(&step);
    }
    town.finish();
}

struct Town {
    world: World<Chat<Moody>>,
    clients: Vec<Client>,
    cids: usize,
}

impl Town {
    fn new() -> Self {
        let config = Config {
            subprotocols: vec![SUBPROTOCOL],
            max_message_bytes: 3_000,
            tape_bytes: 4_000,
            outbox_bytes: 4_000,
            ..Config::default()
        };
        let settings = Settings {
            max_text_bytes: 40,
            max_file_bytes: 500,
            file_quota_bytes: 1_000,
            max_rooms: MAX_ROOMS,
            max_sessions: 2,
            ..Settings::default()
        };
        let mut state = 0_u8;
        let count_up = move |bytes: &mut [u8]| {
            state += 1;
            bytes.fill(state);
        };
        let chat = Chat::new(settings, Moody::new(KEEP_MESSAGES, MAX_ROOMS), count_up);
        let mut world = World::new(config, chat);
        let clients = (0..CLIENTS).map(|who| Client::new(&mut world, address(who)));
        Town {
            clients: clients.collect(),
            world,
            cids: 0,
        }
    }

    fn take(&mut self, step: &Step<'_>) {
        let text = String::from_utf8_lossy(step.rest).into_owned();
        let (word, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let client = &mut self.clients[step.who];
        match step.what {
            b'h' => self.say(step.who, json!({"type": "hello", "name": field(&text)})),
            b'r' => self.say(step.who, json!({"type": "rename", "name": field(&text)})),
            b'j' => self.say(step.who, json!({"type": "join", "room": field(word)})),
            b'l' => self.say(step.who, json!({"type": "leave", "room": field(word)})),
            b't' => self.say(step.who, json!({"type": "typing", "room": field(word)})),
            b'm' => {
                let command = json!({"type": "message", "room": field(word), "text": field(rest)});
                self.say(step.who, command);
            }
            b'd' => {
                let to = word.bytes().next().map(|who| usize::from(who) % CLIENTS);
                let to = to.and_then(|who| self.clients[who].id.clone());
                let command = json!({"type": "direct", "to": to, "text": field(rest)});
                self.say(step.who, command);
            }
            b'H' => {
                let (direction, seq) = word.split_at_checked(1).unwrap_or(("<", ""));
                let direction = if direction == ">" { "after" } else { "before" };
                let seq: u64 = seq.parse().unwrap_or(u64::MAX);
                let mut command = json!({"type": "history", "room": field(rest)});
                command[direction] = seq.into();
                self.say(step.who, command);
            }
            b'c' => {
                let command = json!({"type": "command", "room": field(word), "line": field(rest)});
                self.say(step.who, command);
            }
            b'p' => self.say(
                step.who,
                json!({"type": "ping", "n": word.parse::<u64>().ok()}),
            ),
            b's' => {
                let session = client.session.clone();
                let command = json!({"type": "hello", "name": field(&text), "session": session});
                self.say(step.who, command);
            }
            b'a' => {
                let seq = word.parse::<u64>().unwrap_or(client.seq);
                let after = json!({"epoch": client.epoch, "seq": seq});
                let command = json!({"type": "join", "room": field(rest), "after": after});
                self.say(step.who, command);
            }
            b'f' => {
                let mut command = json!({"type": "file", "room": field(word), "name": rest});
                self.name(step.who, &mut command);
                let json = command.to_string();
                let length = u16::try_from(json.len()).unwrap_or(u16::MAX).to_be_bytes();
                let bytes = [&length, json.as_bytes(), rest.as_bytes()].concat();
                self.send(step.who, 0x82, &bytes);
            }
            b'F' => {
                let seq = word.parse::<u64>().unwrap_or(client.seq);
                let command = json!({"type": "fetch", "room": field(rest), "seq": seq});
                self.say(step.who, command);
            }
            b'T' => self.send(step.who, 0x81, step.rest),
            b'B' => self.send(step.who, 0x82, step.rest),
            b'k' => client.cid = (!text.is_empty()).then(|| text.clone()),
            b'J' => self.set_mood(step.rest.first()),
            b'C' => {
                let bytes = (word != "*").then(|| step.number(20_000));
                client.set_capacity(bytes);
                self.run();
            }
            b'D' => self.run(),
            b'x' | b'z' => {
                client.leave(step.what == b'z');
                self.run();
                self.clients[step.who] = Client::new(&mut self.world, address(step.who));
            }
            _ => {
                let mut left = Duration::from_millis(step.number(60_000) as u64);
                // Nobody is asleep for longer than a ping waits.
                while !left.is_zero() {
                    let time = left.min(Duration::from_secs(9));
                    left -= time;
                    self.world.advance(time);
                    self.run();
                }
            }
        }
    }

    /// Sends a command, as a page does: fields without a value are left out.
    fn say(&mut self, who: usize, mut command: Value) {
        self.name(who, &mut command);
        self.send(who, 0x81, command.to_string().as_bytes());
    }

    /// Gives a command its cid.
    fn name(&mut self, who: usize, command: &mut Value) {
        self.cids += 1;
        let fields = command.as_object_mut().unwrap();
        fields.retain(|_, value| !value.is_null());
        let cid = self.clients[who].cid.clone();
        let cid = cid.unwrap_or_else(|| format!("cid-{}", self.cids));
        if cid != "~" {
            fields.insert("cid".into(), cid.into());
        }
    }

    fn send(&mut self, who: usize, first: u8, payload: &[u8]) {
        self.clients[who].send(first, payload);
        self.run();
    }

    fn run(&mut self) {
        self.world.run();
        for client in &mut self.clients {
            client.read();
        }
        // What was read may have let more come.
        self.world.run();
        let is_slow = self.world.core.handler().journal().is_slow();
        for client in &mut self.clients {
            client.read();
            client.check_answered(is_slow, false);
        }
        let rooms = self.world.core.handler().journal().loaded();
        assert!(rooms <= MAX_ROOMS, "{rooms} rooms");
    }

    fn set_mood(&mut self, mood: Option<&u8>) {
        let mood = match mood {
            Some(b's') => Mood::Slow,
            Some(b'b') => Mood::Busy,
            Some(b'f') => Mood::Failing,
            _ => Mood::Well,
        };
        self.world.core.handler().journal().mood = mood;
        self.world.core.wake();
        self.run();
    }

    /// Everybody reads all there is and leaves: the chat keeps no room.
    fn finish(mut self) {
        for client in &mut self.clients {
            client.set_capacity(None);
        }
        self.run();
        self.set_mood(None);
        for _ in 0..2 {
            self.world.advance(Duration::from_secs(9));
            self.run();
        }
        for client in &mut self.clients {
            client.check_answered(false, true);
            client.leave(false);
        }
        self.world.advance(Duration::from_secs(600));
        let core = &mut self.world.core;
        assert_eq!(core.connections(), 0);
        assert_eq!(core.timeout(), None, "waits for nobody");
        assert_eq!(core.handler().journal().loaded(), 0, "rooms are kept");
    }
}

/// A field of a command, or none.
fn field(text: &str) -> Option<&str> {
    (text != "~").then_some(text)
}

/// Two at home, where a proxy would be, and two in one place elsewhere.
fn address(who: usize) -> &'static str {
    ["127.0.0.1", "::1", "192.0.2.1", "192.0.2.1"][who]
}

const CLIENTS: usize = 4;
const MAX_ROOMS: usize = 3;
const KEEP_MESSAGES: usize = 5;
