//! What is measured.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::client;
use crate::figures::Figures;
use crate::load::{self, Load, Pace};
use crate::server::{CHAT, Peer, Server};
use crate::talk::Talk;

/// Something to measure of each server.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) field: Field,
    pub(crate) what: What,
}

/// What takes part in a case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    /// The library's examples and all others.
    Servers,
    /// The library's example and the chat.
    Chat,
    /// The chat alone.
    ChatAlone,
}

#[derive(Clone)]
pub(crate) enum What {
    /// From the start to the first connection, and the size of the program.
    Start,
    /// Connections that do nothing, and their handshakes.
    Idle,
    /// Messages.
    Flow(Flow),
}

/// Messages from some clients to all of their groups.
#[derive(Clone)]
pub(crate) struct Flow {
    mode: &'static str,
    /// Of each client.
    pub(crate) groups: Vec<usize>,
    /// How many of the first group send; all, where each has a group of its own.
    senders: usize,
    pace: Pace,
    size: Size,
}

/// Bytes of a message.
#[derive(Clone, Copy)]
enum Size {
    /// As it comes back.
    Payload(usize),
    /// Of its text alone, in the chat.
    Text(usize),
}

impl Case {
    pub(crate) fn all() -> Vec<Case> {
        let servers = |name: &str, what| Case::new(name.to_owned(), Field::Servers, what);
        let mut cases = vec![servers("start", What::Start), servers("idle", What::Idle)];
        for size in [20, 1024, 16384] {
            for in_flight in [1, 16] {
                let name = format!("echo {size} in-flight-{in_flight}");
                let pace = Pace::InFlight(in_flight);
                let flow = Flow::alone("echo", pace, Size::Payload(size));
                cases.push(Case::new(name, Field::Servers, What::Flow(flow)));
            }
        }
        for clients in [100, 1_000, 5_000, 15_000] {
            for size in [64, 512] {
                for (senders, pace) in PACES {
                    let alone = if senders == 1 { " one-sender" } else { "" };
                    let name = format!("fan-out {clients} {size} {}{alone}", pace.name());
                    let flow = Flow::room(clients, senders, pace, Size::Payload(size));
                    cases.push(Case::new(name, Field::Servers, What::Flow(flow)));
                }
            }
        }
        for (senders, pace) in PACES {
            let (clients, size) = (1_000, 512);
            let alone = if senders == 1 { " one-sender" } else { "" };
            let name = format!("chat {clients} {size} {}{alone}", pace.name());
            let flow = Flow::room(clients, senders, pace, Size::Payload(size));
            cases.push(Case::new(name, Field::Chat, What::Flow(flow)));
        }
        for in_flight in [1, 16] {
            let name = format!("chat alone in-flight-{in_flight}");
            let pace = Pace::InFlight(in_flight);
            let flow = Flow::alone("", pace, Size::Text(64));
            cases.push(Case::new(name, Field::ChatAlone, What::Flow(flow)));
        }
        for rooms in [1, CROWD] {
            let name = format!("chat rooms {rooms}");
            let pace = Pace::InFlight(1);
            let mut flow = Flow::room(100, SENDERS, pace, Size::Text(64));
            flow.groups
                .extend((0..CROWD).map(|place| 1 + place % rooms));
            cases.push(Case::new(name, Field::ChatAlone, What::Flow(flow)));
        }
        cases
    }

    fn new(name: String, field: Field, what: What) -> Self {
        Case { name, field, what }
    }

    /// How many clients it has.
    pub(crate) fn clients(&self) -> usize {
        match &self.what {
            What::Start => 1,
            What::Idle => CROWD,
            What::Flow(flow) => flow.groups.len(),
        }
    }
}

impl Flow {
    /// One room of so many clients.
    fn room(clients: usize, senders: usize, pace: Pace, size: Size) -> Self {
        Flow {
            mode: "broadcast",
            groups: vec![0; clients],
            senders,
            pace,
            size,
        }
    }

    /// A hundred clients that get what they send themselves.
    fn alone(mode: &'static str, pace: Pace, size: Size) -> Self {
        Flow {
            mode,
            groups: (0..ALONE).collect(),
            senders: ALONE,
            pace,
            size,
        }
    }
}

/// A server and its clients, ready to be measured again and again.
pub(crate) struct Stage {
    server: Server,
    load: Load,
    talk: Talk,
    flow: Flow,
}

impl Stage {
    pub(crate) fn new(peer: &Peer, flow: &Flow) -> Self {
        let server = peer.start(flow.mode);
        let is_chat = peer.name == CHAT;
        let mut load = Load::connect(&server, &flow.groups, |stream, place| {
            if is_chat {
                greet(stream, place, flow.groups[place]);
            }
        });
        let talk = match flow.size {
            Size::Payload(size) if is_chat => {
                // How long it is without its text the server shows.
                let talk = Talk::chat(1);
                load.work(&server, &talk, 1, Pace::InFlight(1), Duration::ZERO);
                Talk::chat(1 + size - load.payload_bytes())
            }
            Size::Payload(size) => Talk::plain(size),
            Size::Text(size) => Talk::chat(size),
        };
        let flow = flow.clone();
        Stage {
            server,
            load,
            talk,
            flow,
        }
    }

    pub(crate) fn measure(&mut self, time: Duration) -> Figures {
        let Flow { senders, pace, .. } = self.flow;
        let window = self
            .load
            .work(&self.server, &self.talk, senders, pace, time);
        let (seconds, deliveries) = (window.took.as_secs_f64(), window.deliveries as f64);
        let quantile = |share| window.latency.quantile(share);
        Figures(vec![
            ("messages/s", window.messages as f64 / seconds),
            ("deliveries/s", deliveries / seconds),
            ("cpu µs", window.processor.as_secs_f64() * 1e6 / deliveries),
            ("p50 ms", quantile(0.5)),
            ("p99 ms", quantile(0.99)),
            ("p99.9 ms", quantile(0.999)),
            ("frames/read", deliveries / window.reads as f64),
            ("behind", f64::from(u8::from(window.is_behind))),
        ])
    }
}

/// Says hello to the chat, and goes to a room.
pub(crate) fn greet(stream: &mut TcpStream, place: usize, room: usize) {
    let hello = format!(r#"{{"type":"hello","name":"Guest {place}"}}"#);
    client::ask(stream, &hello, "welcome");
    let join = format!(r#"{{"type":"join","room":"room-{room}"}}"#);
    client::ask(stream, &join, "joined");
}

/// From the start to the first connection, and the size of the program.
pub(crate) fn start(peer: &Peer) -> Figures {
    let server = peer.start("echo");
    Figures(vec![
        ("start ms", server.started_in.as_secs_f64() * 1e3),
        ("bytes", peer.bytes().map_or(f64::NAN, |bytes| bytes as f64)),
    ])
}

/// Memory and handshakes.
pub(crate) fn idle(peer: &Peer) -> Figures {
    let server = peer.start("echo");
    // What is made once is made with the first.
    let first = client::connect(server.address, 1);
    let (memory, processor, begin) = (server.memory(), server.time(), Instant::now());
    let mut streams = Vec::new();
    while streams.len() < CROWD {
        streams.extend(client::connect(server.address, load::AT_ONCE));
    }
    let count = streams.len() as f64;
    let seconds = begin.elapsed().as_secs_f64();
    let processor = (server.time() - processor).as_secs_f64();
    let memory = server.memory() - memory;
    drop(first);
    Figures(vec![
        ("handshakes/s", count / seconds),
        ("cpu µs", processor * 1e6 / count),
        ("bytes", memory as f64 / count),
    ])
}

/// How many send, and when.
const PACES: [(usize, Pace); 7] = [
    (1, Pace::InFlight(1)),
    (SENDERS, Pace::InFlight(1)),
    (SENDERS, Pace::InFlight(4)),
    (SENDERS, Pace::PerSecond(50)),
    (SENDERS, Pace::PerSecond(200)),
    (SENDERS, Pace::PerSecond(400)),
    (SENDERS, Pace::PerSecond(1_000)),
];

const SENDERS: usize = 10;
const ALONE: usize = 100;
const CROWD: usize = 10_000;
