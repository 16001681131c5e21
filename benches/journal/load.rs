//! The senders: one thread, frames made beforehand, and of what comes back only
//! what is checked is looked at.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// Senders at work.
pub(crate) struct Load {
    poll: Poll,
    events: Events,
    senders: Vec<Sender>,
    buffer: Box<[u8]>,
}

/// What came back in some time.
pub(crate) struct Window {
    pub(crate) length: Duration,
    /// From the write to the read, each message, in microseconds.
    pub(crate) times: Vec<f64>,
}

impl Load {
    /// Connects so many senders, each in a room of its own, and has each send
    /// the first messages.
    pub(crate) fn new(address: SocketAddr, senders: usize, in_flight: usize) -> Self {
        let poll = Poll::new().unwrap();
        let senders = (0..senders).map(|number| {
            let mut sender = Sender::join(address, number);
            let stream = &mut sender.stream;
            let registry = poll.registry();
            registry
                .register(stream, Token(number), Interest::READABLE)
                .unwrap();
            sender
        });
        let mut senders: Vec<Sender> = senders.collect();
        for sender in &mut senders {
            sender.send(in_flight, Instant::now());
        }
        Load {
            poll,
            events: Events::with_capacity(1024),
            senders,
            buffer: vec![0; 64 << 10].into(),
        }
    }

    /// Sends a message for each that comes back, for some time.
    pub(crate) fn work(&mut self, time: Duration) -> Window {
        let begin = Instant::now();
        let mut times = Vec::new();
        while begin.elapsed() < time {
            self.turn(&mut times, true);
        }
        let length = begin.elapsed();
        Window { length, times }
    }

    /// Waits for what is under way still.
    pub(crate) fn finish(mut self) {
        let mut times = Vec::new();
        while self.senders.iter().any(|sender| !sender.sent.is_empty()) {
            self.turn(&mut times, false);
        }
    }

    fn turn(&mut self, times: &mut Vec<f64>, goes_on: bool) {
        self.poll.poll(&mut self.events, Some(DEADLINE)).unwrap();
        assert!(!self.events.is_empty(), "nothing comes back");
        for event in &self.events {
            let sender = &mut self.senders[event.token().0];
            let count = sender.receive(&mut self.buffer, times);
            if goes_on && count > 0 {
                sender.send(count, Instant::now());
            }
        }
    }
}

struct Sender {
    stream: TcpStream,
    number: usize,
    /// A frame but for its `cid`.
    frame: Vec<u8>,
    frames: Vec<u8>,
    /// What a broadcast begins with, as far as its number.
    beginning: Vec<u8>,
    /// When those under way were sent.
    sent: VecDeque<Instant>,
    /// How many came back.
    received: u64,
    /// A part of a frame.
    rest: Vec<u8>,
}

impl Sender {
    fn join(address: SocketAddr, number: usize) -> Self {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(UPGRADE).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(byte(&mut stream));
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", text(&head));
        head.clear();
        let hello = format!(r#"{{"type":"hello","name":"Sender {number}"}}"#);
        let join = format!(r#"{{"type":"join","room":"room-{number}"}}"#);
        for (command, answer) in [(hello, "welcome"), (join, "joined")] {
            stream.write_all(&frame(command.as_bytes())).unwrap();
            let size = loop {
                head.push(byte(&mut stream));
                if let Some((_, size)) = header(&head) {
                    break size;
                }
            };
            let mut payload = vec![0; size];
            stream.read_exact(&mut payload).unwrap();
            assert!(text(&payload).contains(answer), "{}", text(&payload));
            head.clear();
        }
        stream.set_nonblocking(true).unwrap();
        let message = format!(
            r#"{{"type":"message","room":"room-{number}","text":"{TEXT}","cid":"{:32}"}}"#,
            ""
        );
        Sender {
            stream: TcpStream::from_std(stream),
            number,
            frame: frame(message.as_bytes()),
            frames: Vec::new(),
            beginning: format!(r#"{{"type":"message","room":"room-{number}","seq":"#).into(),
            sent: VecDeque::new(),
            received: 0,
            rest: Vec::new(),
        }
    }

    /// Sends so many messages with one write.
    fn send(&mut self, count: usize, now: Instant) {
        self.frames.clear();
        for _ in 0..count {
            let cid = cid(self.number, self.received + self.sent.len() as u64);
            let end = self.frame.len() - ENDING.len();
            self.frame[end - cid.len()..end].copy_from_slice(&cid);
            self.frames.extend(&self.frame);
            self.sent.push_back(now);
        }
        let written = self.stream.write(&self.frames).unwrap();
        assert_eq!(written, self.frames.len(), "the system takes little");
    }

    /// Takes what is there; how many messages came back.
    fn receive(&mut self, buffer: &mut [u8], times: &mut Vec<f64>) -> usize {
        let kept = self.rest.len();
        buffer[..kept].copy_from_slice(&self.rest);
        let read = match self.stream.read(&mut buffer[kept..]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return 0,
            result => result.unwrap(),
        };
        assert!(read > 0, "the server has closed the connection");
        let now = Instant::now();
        let before = self.received;
        let mut bytes = &buffer[..kept + read];
        while let Some((start, size)) = header(bytes)
            && bytes.len() >= start + size
        {
            self.check(&bytes[start..start + size], now, times);
            bytes = &bytes[start + size..];
        }
        self.rest.clear();
        self.rest.extend(bytes);
        usize::try_from(self.received - before).unwrap()
    }

    /// Each message comes back once, in the order in which it was sent.
    fn check(&mut self, payload: &[u8], now: Instant, times: &mut Vec<f64>) {
        let Some(rest) = payload.strip_prefix(&*self.beginning) else {
            assert!(
                payload.starts_with(br#"{"type":"presence","#),
                "{}",
                text(payload)
            );
            return;
        };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
        let seq = digits.fold(0, |seq, digit| seq * 10 + u64::from(digit - b'0'));
        assert_eq!(seq, self.received + 1, "{}", text(payload));
        let mut end = cid(self.number, self.received).to_vec();
        end.extend(ENDING);
        assert!(rest.ends_with(&end), "{}", text(payload));
        let sent = self.sent.pop_front().expect("a message under way");
        times.push(super::micros(now - sent));
        self.received += 1;
    }
}

/// What a sender calls its messages: as long, and in as little order, as the
/// page's.
fn cid(sender: usize, count: u64) -> [u8; 32] {
    let number = (sender as u64) << 40 | count;
    let mut random = u128::from(number.wrapping_add(1)).wrapping_mul(MIXER);
    random ^= random >> 64;
    core::array::from_fn(|place| b"0123456789abcdef"[(random >> (4 * place)) as usize % 16])
}

/// A text frame of a client. Its mask is zero, which masks nothing and costs
/// the server as much as any.
fn frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(payload.len()) {
        Ok(length @ ..126) => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Where the payload of a server's frame begins, and its size.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes {
        [0x81, 126, high, low, ..] => Some((4, usize::from(u16::from_be_bytes([high, low])))),
        [0x81, length @ ..126, ..] => Some((2, usize::from(length))),
        [0x81] | [] | [0x81, 126, ..] => None,
        _ => panic!("an unexpected frame: {}", text(bytes)),
    }
}

fn byte(stream: &mut impl Read) -> u8 {
    let mut byte = [0];
    stream.read_exact(&mut byte).unwrap();
    byte[0]
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A line of a chat.
const TEXT: &str = "Shall we meet at seven at the usual place? I will be a bit late.";

/// What follows the `cid`, which comes last in what is sent and what comes back.
const ENDING: &[u8] = b"\"}";

const MIXER: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

const DEADLINE: Duration = Duration::from_secs(20);
