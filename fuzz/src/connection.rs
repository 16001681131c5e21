//! Whole connections over pipes: HTTP, then WebSocket, with an echo behind it,
//! plain and compressed; cut anywhere, with peers that read little, and with the
//! clock going on.
//!
//! A line is a client, what it does, and the rest:
//!
//! | | |
//! |---|---|
//! | `u`, `g`, `h` | asks for an upgrade, a page, its head (path) |
//! | `r`, `R` | sends a line of a head, bytes as they are |
//! | `f`, `F`, `x` | sends a frame (`.` or `-` for FIN, opcode, payload), a long text (length), a Close (code, reason) |
//! | `m`, `M` | sends a message compressed (how often, opcode, what), the same in fragments with Pings between |
//! | `q` | sends a frame with RSV1 whose payload is what it is (as for `f`) |
//! | `w` | sends from now on in pieces of so many bytes; 0: all at once and later |
//! | `c`, `d` | takes so many bytes and no more (`*`: any), reads them |
//! | `e`, `z`, `n` | sends nothing more, is lost, connects anew |
//! | `t`, `S` | so many milliseconds go by, the server stops |

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use veche::http::assets::{Asset, Assets};
use veche::http::request::{Limits, Request};
use veche::server::{ConnectionId, Context, Handler, Opening};
use veche::websocket::deflate::{Agreement, Deflater, negotiate};
use veche::websocket::error::ProtocolError;
use veche::websocket::handshake;
use veche::{Close, CloseCode, Config, Message};

use self::sent::{KEY, RSV1, compressed_message, frame, page, upgrade};
use super::lines::{Step, steps};
use super::rfc6455::{self, Ending, Said, client_frame};
use super::server_stream;
use super::world::{Client, Pipe, World};

mod sent;

pub fn run(data: &[u8]) {
    let mut town = Town::new();
    for step in steps(data, CLIENTS, b"ughrRfFxmMqwcdezntS") {
        town.take(&step);
    }
    town.finish();
}

struct Town {
    world: World<Echo>,
    guests: Vec<Guest>,
    /// Nothing has happened but what clients did: no time went by.
    is_undisturbed: bool,
    is_stopped: bool,
}

/// A client, and all that went to and fro.
struct Guest {
    client: Client,
    sent: Vec<u8>,
    received: Vec<u8>,
    /// In pieces of so many bytes; 0: all at once.
    piece: usize,
    /// It sends no more, or is lost.
    is_done: bool,
}

impl Town {
    fn new() -> Self {
        let echo = Echo::default();
        let pipes = Rc::clone(&echo.pipes);
        let config = Config {
            subprotocols: vec!["veche.v1"],
            assets: Some(Box::new(Page)),
            websocket_paths: vec!["/", "/ws"],
            max_message_bytes: MAX_MESSAGE_BYTES,
            max_head_bytes: MAX_HEAD_BYTES,
            max_headers: 12,
            outbox_bytes: OUTBOX_BYTES,
            max_connections: MAX_CONNECTIONS,
            ..Config::default()
        };
        let mut world = World::new(config, echo);
        let guests = (0..CLIENTS).map(|_| Guest::new(&mut world, &pipes));
        let guests = guests.collect();
        Town {
            world,
            guests,
            is_undisturbed: true,
            is_stopped: false,
        }
    }

    fn take(&mut self, step: &Step<'_>) {
        let rest = step.rest;
        let shown = String::from_utf8_lossy(rest);
        match step.what {
            b'u' => self.send(step.who, upgrade(&shown).as_bytes()),
            b'g' => self.send(step.who, page("GET", &shown).as_bytes()),
            b'h' => self.send(step.who, page("HEAD", &shown).as_bytes()),
            b'r' => self.send(step.who, &[rest, b"\r\n"].concat()),
            b'R' => self.send(step.who, rest),
            b'f' => self.send(step.who, &frame(0, rest)),
            b'q' => self.send(step.who, &frame(RSV1, rest)),
            b'm' | b'M' => self.send(step.who, &compressed_message(step)),
            b'F' => {
                let text = vec![b'a'; step.number(2 * MAX_MESSAGE_BYTES)];
                self.send(step.who, &client_frame(0x81, KEY, &text));
            }
            b'x' => {
                let code = u16::try_from(step.number(65_535)).unwrap();
                let payload = [&code.to_be_bytes(), step.after_blank()].concat();
                self.send(step.who, &client_frame(0x88, KEY, &payload));
            }
            b'w' => self.guests[step.who].piece = step.number(2_000),
            b'c' => {
                let bytes = (rest.first() != Some(&b'*')).then(|| step.number(4_000));
                self.guests[step.who].client.set_capacity(bytes);
                self.run();
            }
            b'd' => {
                self.run();
                self.guests[step.who].read();
                self.run();
            }
            b'e' => {
                self.guests[step.who].is_done = true;
                self.guests[step.who].client.finish();
                self.run();
            }
            b'z' => {
                self.guests[step.who].is_done = true;
                self.guests[step.who].client.reset();
                self.run();
            }
            b'n' => self.reconnect(step.who),
            b't' => {
                let time = step.number(200_000) as u64;
                self.is_undisturbed = false;
                self.world.advance(Duration::from_millis(time));
            }
            _ => self.stop(),
        }
    }

    fn send(&mut self, who: usize, bytes: &[u8]) {
        let guest = &mut self.guests[who];
        if guest.is_done {
            return;
        }
        guest.sent.extend(bytes);
        if guest.piece == 0 {
            return guest.client.write(bytes);
        }
        for piece in bytes.chunks(guest.piece) {
            self.guests[who].client.write(piece);
            self.run();
        }
    }

    /// Turns until nothing happens; then nothing must happen.
    fn run(&mut self) {
        if self.is_stopped {
            return;
        }
        self.world.run();
        let before = self.moves();
        self.world.core.turn(false);
        assert_eq!(self.moves(), before, "reads or writes for nothing");
        let open = self.world.core.handler().conversations.len();
        assert!(open <= MAX_CONNECTIONS, "more than may be open");
    }

    fn moves(&self) -> usize {
        let clients = self.guests.iter().map(|guest| &guest.client);
        clients.map(|client| client.reads() + client.writes()).sum()
    }

    fn reconnect(&mut self, who: usize) {
        if self.is_stopped {
            return;
        }
        self.guests[who].is_done = true;
        self.guests[who].client.finish();
        self.run();
        self.guests[who].read();
        self.guests[who].check(false);
        // Whoever has not gone by now is lost.
        self.guests[who].client.reset();
        self.run();
        let pipes = Rc::clone(&self.world.core.handler().pipes);
        let client = &self.guests[who].client;
        pipes.borrow_mut().retain(|_, pipe| !pipe.is(&client.pipe));
        assert!(client.is_gone(), "the lost are let go");
        self.guests[who] = Guest::new(&mut self.world, &pipes);
    }

    fn stop(&mut self) {
        self.is_undisturbed = false;
        let code = CloseCode::GOING_AWAY;
        let reason = "stop";
        self.world.core.stop(Close { code, reason });
        self.world.run();
        self.is_stopped = self.world.core.is_stopped();
    }

    /// Everybody reads all there is and leaves: nothing is left of them.
    fn finish(mut self) {
        for who in 0..CLIENTS {
            self.guests[who].client.set_capacity(None);
            self.run();
            self.guests[who].read();
            let is_complete = self.is_undisturbed && !self.guests[who].is_done;
            self.guests[who].check(is_complete);
        }
        for guest in &mut self.guests {
            guest.is_done = true;
            guest.client.finish();
        }
        self.world.advance(Duration::from_secs(600));
        for guest in &mut self.guests {
            guest.read();
            guest.check(false);
        }
        let core = &mut self.world.core;
        assert!(core.connections() == 0 || core.is_stopped(), "not released");
        assert!(
            core.timeout().is_none() || core.is_stopping(),
            "waits for nobody"
        );
        let open = core.handler().conversations.len();
        assert!(open == 0 || core.is_stopping(), "close was not called");
    }
}

impl Guest {
    fn new(world: &mut World<Echo>, pipes: &Pipes) -> Self {
        let client = world.accept("127.0.0.1");
        let pipe = client.pipe.clone();
        pipes.borrow_mut().insert(client.place, pipe);
        Guest {
            client,
            sent: Vec::new(),
            received: Vec::new(),
            piece: 0,
            is_done: false,
        }
    }

    fn read(&mut self) {
        let bytes = self.client.read();
        self.received.extend(bytes);
    }

    /// What came is what a server may say to what was sent; all of it, where it
    /// is complete.
    fn check(&self, is_complete: bool) {
        let stream = server_stream::read(&self.received);
        let is_shut = self.client.is_shut();
        assert!(stream.is_whole || !is_shut, "cut off at the end");
        assert!(stream.is_last || !is_shut || self.is_done, "shut unsaid");
        if stream.statuses.last() != Some(&101) {
            assert!(stream.said.is_empty());
            return;
        }
        let (mut expected, ending) = self.expected(stream.has_deflate);
        let mut said = stream.said;
        let close = said.pop_if(|last| matches!(last, Said::Close(..)));
        said.retain(|said| !matches!(said, Said::Ping(_)));
        if is_complete && !matches!(close, Some(Said::Close(1013, _))) {
            let code = close.map(|close| match close {
                Said::Close(code, _) => code,
                _ => 0,
            });
            let expected_code = close_code(ending, expected.last());
            // What is no DEFLATE may have meant too much before that was seen.
            let is_either = ending == Ending::Failed(ProtocolError::InvalidDeflate);
            assert!(code == expected_code || is_either && code == Some(1009));
            assert_eq!(is_shut, code.is_some(), "shut after Close, and only then");
            expected.retain(|said| !matches!(said, Said::Close(..)));
            assert_eq!(said, expected, "an answer is lost");
        } else {
            assert!(expected.starts_with(&said), "{said:?} of {expected:?}");
        }
    }

    /// What the echo says to what was sent, and how that ends.
    fn expected(&self, has_deflate: bool) -> (Vec<Said>, Ending) {
        let limits = Limits {
            max_head_bytes: MAX_HEAD_BYTES,
            ..Limits::default()
        };
        let mut rest = &*self.sent;
        loop {
            let parsed = Request::parse(rest, &limits).expect("it was not refused");
            let (request, bytes) = parsed.expect("it was answered");
            rest = &rest[bytes..];
            if handshake::is_upgrade(&request) {
                break;
            }
        }
        let (said, ending) = rfc6455::read(rest, MAX_MESSAGE_BYTES, has_deflate);
        let answers = said.into_iter().filter_map(|said| match said {
            Said::Ping(payload) => Some(Said::Pong(payload)),
            Said::Pong(_) => None,
            said => Some(said),
        });
        (answers.collect(), ending)
    }
}

/// The code of the Close that answers (§5.5.1, §7.1.7).
fn close_code(ending: Ending, last: Option<&Said>) -> Option<u16> {
    match (ending, last) {
        (Ending::Closed, Some(Said::Close(1010, _))) => Some(1000),
        (Ending::Closed, Some(Said::Close(code, _))) => Some(*code),
        (Ending::Failed(error), _) => Some(error.close_code().value()),
        _ => None,
    }
}

/// Sends back what it gets, and watches what it is told.
#[derive(Default)]
struct Echo {
    pipes: Pipes,
    /// With those who are open.
    conversations: HashMap<ConnectionId, Conversation>,
    /// Tells how long an answer is.
    deflater: Deflater,
}

struct Conversation {
    /// At least so many bytes were sent, since so many were written.
    sent: usize,
    before: usize,
    /// Where compression was agreed upon.
    window_bits: Option<u8>,
}

type Pipes = Rc<RefCell<HashMap<usize, Pipe>>>;

impl Echo {
    fn written(&self, id: ConnectionId) -> usize {
        self.pipes.borrow()[&id.index()].written()
    }
}

impl Handler for Echo {
    fn open(&mut self, _: &mut Context<'_>, id: ConnectionId, opening: &Opening<'_>) {
        let conversation = Conversation {
            sent: 0,
            before: self.written(id),
            window_bits: negotiate(opening.request).map(Agreement::window_bits),
        };
        let same = self.conversations.insert(id, conversation);
        assert!(same.is_none(), "opened twice");
    }

    fn message(&mut self, cx: &mut Context<'_>, id: ConnectionId, message: Message<'_>) {
        let written = self.written(id);
        let conversation = self.conversations.get_mut(&id).expect("it is open");
        let waits = (conversation.sent).saturating_sub(written - conversation.before);
        assert!(waits <= OUTBOX_BYTES, "heard while {waits} bytes wait");
        let payload = message.payload();
        assert!(payload.len() <= MAX_MESSAGE_BYTES);
        let window_bits = conversation.window_bits.unwrap_or_default();
        let deflated = self.deflater.deflate(window_bits, payload);
        conversation.sent += 2 + deflated.unwrap_or(payload).len();
        cx.send(id, message);
    }

    fn close(&mut self, _: &mut Context<'_>, id: ConnectionId, _: Close<'_>) {
        assert!(self.conversations.remove(&id).is_some(), "closed twice");
    }
}

/// A site of one page.
struct Page;

impl Assets for Page {
    fn find(&self, path: &str) -> Option<Asset<'_>> {
        (path == "index.html").then(|| Asset::new(path, &b"<p>page"[..]))
    }
}

const CLIENTS: usize = 3;
const MAX_CONNECTIONS: usize = 2;
/// Enough for answers that are compressed.
const MAX_MESSAGE_BYTES: usize = 3_000;
const MAX_HEAD_BYTES: usize = 600;
const OUTBOX_BYTES: usize = 500;
