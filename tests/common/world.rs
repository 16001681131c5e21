//! A server in memory: the whole core over pipes instead of sockets, with a
//! clock that stands still until it is told to go on. The clients are
//! tungstenite's, so that they do not share our mistakes. With `VECHE_TLS=1` all
//! of it goes through TLS, and is counted as it is on the line.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

#[path = "pipe.rs"]
mod pipe;

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};
use veche::server::{Clock, Core, Peer};
use veche::{Close, Config, Handler};

use self::pipe::ClientEnd;
pub use self::pipe::Pipe;
use super::ends::{End, is_over_tls};

/// A server, and the pipes to its clients.
pub struct World<H> {
    pub core: Core<End<Pipe>, FakeClock, H>,
    /// Connections carry TLS.
    pub is_tls: bool,
    clock: FakeClock,
    pipes: Vec<Pipe>,
}

#[derive(Clone, Debug)]
pub struct FakeClock {
    now: Rc<Cell<Duration>>,
    /// What the clock on the wall showed at some moment.
    wall: Rc<Cell<(Duration, Duration)>>,
}

/// A client's end.
pub struct Client {
    pub pipe: Pipe,
    pub place: usize,
    socket: Option<WebSocket<ClientEnd>>,
}

pub const REQUEST: &str = "GET /ws HTTP/1.1\r\nHost: veche\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

impl<H: Handler> World<H> {
    pub fn new(config: Config, handler: H) -> Self {
        // Time has passed before the server started, on 2026-01-01.
        let start = Duration::from_secs(1_000);
        let clock = FakeClock {
            now: Rc::new(Cell::new(start)),
            wall: Rc::new(Cell::new((start, Duration::from_secs(1_767_225_600)))),
        };
        World {
            core: Core::new(config, clock.clone(), handler),
            is_tls: is_over_tls(),
            clock,
            pipes: Vec::new(),
        }
    }

    /// A connection that has sent nothing yet.
    pub fn accept(&mut self, address: &str) -> Client {
        let address: IpAddr = address.parse().unwrap();
        self.accept_from(address.into())
    }

    /// The same, to one of several listening sockets.
    pub fn accept_from(&mut self, peer: Peer) -> Client {
        let pipe = Pipe::default();
        let end = if self.is_tls {
            pipe.shake_hands()
        } else {
            End::Plain(pipe.clone())
        };
        let Some(place) = self.core.accept(end, peer) else {
            pipe.0.borrow_mut().reset = true;
            let (place, socket) = (usize::MAX, None);
            return Client {
                pipe,
                place,
                socket,
            };
        };
        self.pipes
            .resize_with(self.pipes.len().max(place + 1), Pipe::default);
        self.pipes[place] = pipe.clone();
        let socket = None;
        Client {
            pipe,
            place,
            socket,
        }
    }

    /// A WebSocket connection.
    pub fn connect(&mut self, address: &str) -> Client {
        let mut client = self.accept(address);
        client.write(REQUEST.as_bytes());
        self.run();
        let head = client.read();
        assert!(
            head.starts_with(b"HTTP/1.1 101 "),
            "{}",
            String::from_utf8_lossy(&head)
        );
        let end = head.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        client.pipe.0.borrow_mut().heard.extend(&head[end..]);
        client.open();
        client
    }

    /// Takes turns until nothing happens any more without the time going on.
    pub fn run(&mut self) {
        for _ in 0..10_000 {
            if !self.turn() {
                return;
            }
        }
        panic!("the loop spins");
    }

    /// Takes one turn; whether there is anything for another one.
    pub fn turn(&mut self) -> bool {
        let mut told = false;
        for (place, pipe) in self.pipes.iter().enumerate() {
            let mut both = pipe.0.borrow_mut();
            let (readable, writable) = (both.readable, both.writable);
            (both.readable, both.writable) = (false, false);
            let closed = both.client_done || both.reset;
            drop(both);
            if readable || writable {
                told = true;
                self.core.event(place, readable, writable, closed);
            }
        }
        self.core.turn(false);
        let is_quiet = !told && self.core.timeout() != Some(Duration::ZERO);
        !is_quiet && !self.core.is_stopped()
    }

    /// Lets the time go on, from one deadline to the next.
    pub fn advance(&mut self, mut time: Duration) {
        self.run();
        while let Some(wait) = self.core.timeout().filter(|wait| *wait <= time)
            && !self.core.is_stopped()
        {
            self.freeze(wait);
            time -= wait;
            self.run();
        }
        self.freeze(time);
        self.run();
    }

    /// Lets the time go on without a turn, as for a process that is stopped.
    pub fn freeze(&mut self, time: Duration) {
        self.clock.now.set(self.clock.now.get() + time);
    }

    /// Sets the clock on the wall, and no other.
    pub fn set_unix_time(&mut self, time: Duration) {
        self.clock.wall.set((self.clock.now.get(), time));
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        self.now.get()
    }

    fn unix_time(&self) -> Duration {
        let (then, shown) = self.wall.get();
        shown + (self.now.get() - then)
    }
}

impl Client {
    /// Speaks WebSocket from here on.
    pub fn open(&mut self) {
        let end = ClientEnd(self.pipe.clone());
        let config = WebSocketConfig::default()
            .max_message_size(None)
            .max_frame_size(None);
        let socket = WebSocket::from_raw_socket(end, Role::Client, Some(config));
        self.socket = Some(socket);
    }

    /// Bytes as they are.
    pub fn write(&mut self, bytes: &[u8]) {
        self.pipe.0.borrow_mut().say(bytes);
    }

    /// All bytes that have arrived.
    pub fn read(&mut self) -> Vec<u8> {
        let mut both = self.pipe.0.borrow_mut();
        both.writable = true;
        both.hear();
        both.heard.drain(..).collect()
    }

    pub fn send(&mut self, message: impl Into<Message>) {
        self.socket.as_mut().unwrap().send(message.into()).unwrap();
    }

    pub fn say(&mut self, json: &Value) {
        self.send(json.to_string());
    }

    /// All messages that have arrived.
    pub fn messages(&mut self) -> Vec<Message> {
        let socket = self.socket.as_mut().unwrap();
        std::iter::from_fn(|| socket.read().ok()).collect()
    }

    /// All text messages that have arrived, which are JSON.
    pub fn frames(&mut self) -> Vec<Value> {
        let messages = self.messages().into_iter();
        let texts = messages.filter_map(|m| m.into_text().ok());
        texts
            .filter_map(|text| serde_json::from_str(&text).ok())
            .collect()
    }

    /// The Close that has arrived.
    pub fn closed(&mut self) -> Option<CloseFrame> {
        self.messages()
            .into_iter()
            .find_map(|message| match message {
                Message::Close(frame) => frame,
                _ => None,
            })
    }

    /// Sends nothing more.
    pub fn finish(&mut self) {
        let mut both = self.pipe.0.borrow_mut();
        if let Some(mut speaker) = both.speaker.take() {
            speaker.end();
            both.to_server.extend(speaker.sent());
            both.speaker = Some(speaker);
        }
        both.client_done = true;
        both.readable = true;
    }

    /// Is lost.
    pub fn reset(&mut self) {
        let mut both = self.pipe.0.borrow_mut();
        both.reset = true;
        both.readable = true;
    }

    /// Takes at most so many bytes before it reads.
    pub fn set_capacity(&mut self, bytes: Option<usize>) {
        let mut both = self.pipe.0.borrow_mut();
        both.capacity = bytes;
        both.writable = true;
    }

    /// Whether the server has said that nothing more will come.
    pub fn is_shut(&self) -> bool {
        self.pipe.0.borrow().server_done
    }

    /// Whether TLS has told that nothing more will come.
    pub fn has_heard_the_end(&self) -> bool {
        self.pipe.0.borrow().speaker.as_ref().unwrap().is_over()
    }

    /// Whether the server has let go of the connection.
    pub fn is_gone(&self) -> bool {
        // This client's ends and the world's are left.
        let own = 1 + usize::from(self.socket.is_some());
        Rc::strong_count(&self.pipe.0) <= own + 1
    }

    pub fn reads(&self) -> usize {
        self.pipe.0.borrow().reads
    }

    pub fn writes(&self) -> usize {
        self.pipe.0.borrow().writes
    }
}

/// A Close, to compare with.
pub fn close(code: u16, reason: &str) -> CloseFrame {
    CloseFrame {
        code: code.into(),
        reason: reason.into(),
    }
}

/// Stops the server as a signal would.
pub fn stop<H: Handler>(world: &mut World<H>, code: u16, reason: &str) {
    let code = veche::CloseCode::new(code);
    world.core.stop(Close { code, reason });
    world.run();
}
