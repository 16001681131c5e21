//! The clients of a server: one thread that sends, checks every delivery, and
//! looks at the clock.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use crate::DEADLINE;
use crate::client::{self, Client, push_frame};
use crate::histogram::Histogram;
use crate::server::Server;
use crate::talk::Talk;

impl Pace {
    pub(crate) fn name(self) -> String {
        match self {
            Pace::InFlight(count) => format!("in-flight-{count}"),
            Pace::PerSecond(rate) => format!("{rate}/s"),
        }
    }
}

/// When messages are sent.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// Each sender has so many on their way: the next one when one comes back.
    InFlight(u32),
    /// So many a second, by all senders in turn, whatever comes back.
    PerSecond(u32),
}

/// Clients at work.
pub(crate) struct Load {
    poll: Poll,
    events: Events,
    buffer: Box<[u8]>,
    clients: Vec<Client>,
    groups: Vec<Group>,
    /// Who sends.
    senders: Vec<usize>,
    /// All messages by their numbers.
    messages: Vec<Message>,
    /// The newest message of each client that its group has got.
    newest: Vec<Option<u32>>,
    window: Window,
    frames: Vec<u8>,
    payload: Vec<u8>,
}

/// Clients that get the same messages, all in one order.
#[derive(Clone, Default)]
struct Group {
    /// The numbers of what they got, as far as the first of them is.
    order: Vec<u32>,
}

struct Message {
    sender: u32,
    group: u32,
    at: Instant,
}

/// What happened in some time.
#[derive(Clone)]
pub(crate) struct Window {
    pub(crate) took: Duration,
    /// What the server took of a processor.
    pub(crate) processor: Duration,
    pub(crate) deliveries: u64,
    /// Of their payloads.
    bytes: u64,
    pub(crate) reads: u64,
    pub(crate) messages: u64,
    /// From the moment at which a message was to be sent until it was there.
    pub(crate) latency: Histogram,
    /// More was to be sent than came back.
    pub(crate) is_behind: bool,
}

impl Window {
    fn new() -> Self {
        Window {
            took: Duration::ZERO,
            processor: Duration::ZERO,
            deliveries: 0,
            bytes: 0,
            reads: 0,
            messages: 0,
            latency: Histogram::new(),
            is_behind: false,
        }
    }
}

impl Load {
    /// Connects clients, one for each of these groups; `greet` says what has to
    /// be said first by the one at that place.
    pub(crate) fn connect(
        server: &Server,
        groups: &[usize],
        greet: impl Fn(&mut TcpStream, usize),
    ) -> Self {
        let poll = Poll::new().unwrap();
        let mut clients = Vec::new();
        let members = vec![Group::default(); groups.iter().max().map_or(0, |max| max + 1)];
        for groups in groups.chunks(AT_ONCE) {
            let streams = client::connect(server.address, groups.len());
            for (mut stream, &group) in streams.into_iter().zip(groups) {
                let place = clients.len();
                greet(&mut stream, place);
                let mut client = Client::new(stream, group);
                let both = Interest::READABLE | Interest::WRITABLE;
                let registry = poll.registry();
                registry
                    .register(&mut client.stream, Token(place), both)
                    .unwrap();
                clients.push(client);
            }
        }
        Load {
            poll,
            events: Events::with_capacity(1024),
            buffer: vec![0; 64 << 10].into(),
            newest: vec![None; groups.len()],
            clients,
            groups: members,
            senders: Vec::new(),
            messages: Vec::new(),
            window: Window::new(),
            frames: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// Has some of the clients send, evenly spread among the first group, for some
    /// time after a warm-up; then waits until everybody has everything.
    pub(crate) fn work(
        &mut self,
        server: &Server,
        talk: &Talk,
        senders: usize,
        pace: Pace,
        time: Duration,
    ) -> Window {
        let among = self
            .clients
            .iter()
            .filter(|client| client.group == 0)
            .count()
            .max(senders);
        self.senders = (0..senders)
            .map(|number| (number + 1) * among / senders - 1)
            .collect();
        if let Pace::InFlight(count) = pace {
            for place in 0..senders {
                self.send(talk, self.senders[place], count, Instant::now());
            }
        }
        self.spend(talk, pace, WARM_UP.min(time));
        self.window = Window::new();
        let before = server.time();
        let took = self.spend(talk, pace, time);
        let mut window = self.window.clone();
        window.processor = server.time() - before;
        assert!(
            window.processor > Duration::ZERO || time.is_zero(),
            "the server takes no processor's time: a COMMAND has to be the server, not start it (exec)"
        );
        window.took = took;
        let deadline = Instant::now() + DEADLINE;
        while !self.is_all_there() {
            assert!(Instant::now() < deadline, "something was lost");
            self.turn(talk, Some(Duration::from_millis(100)), false);
        }
        window
    }

    /// How long the payloads are that came last, on average.
    pub(crate) fn payload_bytes(&self) -> usize {
        usize::try_from(self.window.bytes / self.window.deliveries).unwrap()
    }

    fn spend(&mut self, talk: &Talk, pace: Pace, time: Duration) -> Duration {
        let begin = Instant::now();
        let mut due = begin;
        let mut turn = 0;
        while begin.elapsed() < time {
            let wait = match pace {
                Pace::InFlight(_) => Some(DEADLINE),
                Pace::PerSecond(rate) => {
                    let now = Instant::now();
                    while due <= now {
                        if self.under_way() < MAX_UNDER_WAY {
                            self.send(talk, self.senders[turn % self.senders.len()], 1, due);
                        } else {
                            self.window.is_behind = true;
                        }
                        turn += 1;
                        due += Duration::from_secs(1) / rate;
                    }
                    // A poll waits for whole milliseconds: the last one is spent awake.
                    let millis = due.saturating_duration_since(Instant::now()).as_millis();
                    Some(Duration::from_millis(u64::try_from(millis).unwrap()))
                }
            };
            self.turn(talk, wait, matches!(pace, Pace::InFlight(_)));
        }
        begin.elapsed()
    }

    /// How many messages nobody of their groups has got.
    fn under_way(&self) -> usize {
        let got: usize = self.groups.iter().map(|group| group.order.len()).sum();
        self.messages.len() - got
    }

    fn is_all_there(&self) -> bool {
        let has_all = |client: &Client| client.received == self.groups[client.group].order.len();
        self.under_way() == 0 && self.clients.iter().all(has_all)
    }

    /// Sends so many messages with one write.
    fn send(&mut self, talk: &Talk, place: usize, count: u32, at: Instant) {
        let room = self.clients[place].group;
        self.frames.clear();
        for _ in 0..count {
            let number = u32::try_from(self.messages.len()).unwrap();
            let sender = u32::try_from(place).unwrap();
            let group = u32::try_from(room).unwrap();
            self.messages.push(Message { sender, group, at });
            talk.write(room, number, &mut self.payload);
            push_frame(&mut self.frames, &self.payload);
        }
        self.window.messages += u64::from(count);
        self.clients[place].send(&self.frames);
    }

    /// Takes what has come. With `goes_on` each sender sends as many as came
    /// back to it.
    fn turn(&mut self, talk: &Talk, wait: Option<Duration>, goes_on: bool) {
        self.poll.poll(&mut self.events, wait).unwrap();
        assert!(
            wait != Some(DEADLINE) || !self.events.is_empty(),
            "nothing comes back"
        );
        let events = core::mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let place = event.token().0;
            if event.is_writable() {
                self.clients[place].flush();
            }
            if event.is_readable() {
                let came_back = self.receive(talk, place);
                if goes_on && came_back > 0 {
                    self.send(talk, place, came_back, Instant::now());
                }
            }
        }
        self.events = events;
    }

    /// Takes what is there for one client; how many of its own that were.
    fn receive(&mut self, talk: &Talk, place: usize) -> u32 {
        let Load {
            clients,
            groups,
            messages,
            newest,
            window,
            buffer,
            ..
        } = self;
        let client = &mut clients[place];
        let place_of_group = client.group;
        let group = &mut groups[place_of_group];
        let mut received = client.received;
        let mut own = 0;
        let mut now = None;
        window.reads += client.receive(buffer, |payload| {
            let Some(number) = talk.read(payload) else {
                return;
            };
            let message = messages.get(number as usize).expect("one that was sent");
            match group.order.get(received) {
                Some(&expected) => assert_eq!(number, expected, "not in the order of others"),
                // The first of the group to get it: none of another group's, and
                // nothing of its sender's twice, or before something older.
                None => {
                    let newest = &mut newest[message.sender as usize];
                    assert_eq!(message.group as usize, place_of_group, "of another group");
                    assert!(*newest < Some(number), "twice, or not in order");
                    *newest = Some(number);
                    group.order.push(number);
                }
            }
            received += 1;
            own += u32::from(message.sender as usize == place);
            // Once for all that a read brought.
            let now = *now.get_or_insert_with(Instant::now);
            window.deliveries += 1;
            window.bytes += payload.len() as u64;
            window.latency.add(now - message.at);
        });
        client.received = received;
        own
    }
}

/// How many handshakes are under way at once.
pub(crate) const AT_ONCE: usize = 64;

/// How many messages may be under way at a pace that the server cannot keep.
const MAX_UNDER_WAY: usize = 1_000;

const WARM_UP: Duration = Duration::from_millis(50);
