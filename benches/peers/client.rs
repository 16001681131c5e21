//! One client: its socket, and the frames on it.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::DEADLINE;

/// A client after its handshake.
pub(crate) struct Client {
    pub(crate) stream: mio::net::TcpStream,
    /// Whose messages it gets.
    pub(crate) group: usize,
    /// How many of them it got.
    pub(crate) received: usize,
    /// The beginning of a frame that is not here yet.
    rest: Vec<u8>,
    /// What the system did not take yet.
    unsent: Vec<u8>,
}

/// Opens connections, at once as far as the server lets them in. They block.
pub(crate) fn connect(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let streams = (0..count).map(|_| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(UPGRADE).unwrap();
        stream
    });
    let mut streams: Vec<_> = streams.collect();
    for stream in &mut streams {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut bytes = [0; 1024];
            let read = stream.read(&mut bytes).expect("the handshake's answer");
            assert!(read > 0, "the server has closed the connection");
            head.extend(&bytes[..read]);
        }
        let is_accepted = head.starts_with(b"HTTP/1.1 101 ") && text(&head).contains(ACCEPT);
        assert!(is_accepted, "{}", text(&head));
    }
    streams
}

/// Sends a command and takes what comes, until an answer that has these words.
pub(crate) fn ask(stream: &mut TcpStream, command: &str, answer: &str) {
    let mut frame = Vec::new();
    push_frame(&mut frame, command.as_bytes());
    stream.write_all(&frame).unwrap();
    loop {
        let mut head = Vec::new();
        let (_, size) = loop {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
            if let Some(header) = header(&head) {
                break header;
            }
        };
        let mut payload = vec![0; size];
        stream.read_exact(&mut payload).unwrap();
        let payload = text(&payload);
        assert!(!payload.contains("error"), "{payload}");
        if payload.contains(answer) {
            break;
        }
    }
}

impl Client {
    pub(crate) fn new(stream: TcpStream, group: usize) -> Self {
        stream.set_nonblocking(true).unwrap();
        Client {
            stream: mio::net::TcpStream::from_std(stream),
            group,
            received: 0,
            rest: Vec::new(),
            unsent: Vec::new(),
        }
    }

    /// Sends frames, later what the system does not take now.
    pub(crate) fn send(&mut self, frames: &[u8]) {
        self.unsent.extend(frames);
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                written => drop(self.unsent.drain(..written.unwrap())),
            }
        }
    }

    /// Takes what is there and gives `each` the payload of each frame. Returns
    /// how many reads brought something.
    pub(crate) fn receive(&mut self, buffer: &mut [u8], mut each: impl FnMut(&[u8])) -> u64 {
        let mut reads = 0;
        loop {
            let kept = self.rest.len();
            buffer[..kept].copy_from_slice(&self.rest);
            let read = match self.stream.read(&mut buffer[kept..]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return reads,
                result => result.expect("what the server sends"),
            };
            assert!(read > 0, "the server has closed a connection");
            reads += 1;
            let mut bytes = &buffer[..kept + read];
            while let Some((start, size)) = header(bytes)
                && bytes.len() >= start + size
            {
                match bytes[0] {
                    TEXT => each(&bytes[start..start + size]),
                    // It has been silent for long.
                    _ => self.unsent.extend([PONG, 0x80, 0, 0, 0, 0]),
                }
                bytes = &bytes[start + size..];
            }
            self.flush();
            self.rest.clear();
            self.rest.extend(bytes);
            if kept + read < buffer.len() {
                return reads;
            }
        }
    }
}

/// Adds a masked text frame.
pub(crate) fn push_frame(frames: &mut Vec<u8>, payload: &[u8]) {
    frames.push(TEXT);
    match u8::try_from(payload.len()) {
        Ok(length @ ..126) => frames.push(0x80 | length),
        _ => {
            let length = u16::try_from(payload.len()).expect("less than 64 KiB");
            frames.push(0x80 | 126);
            frames.extend(length.to_be_bytes());
        }
    }
    frames.extend(MASK);
    let start = frames.len();
    frames.extend(payload);
    for bytes in frames[start..].chunks_mut(MASK.len()) {
        bytes
            .iter_mut()
            .zip(MASK)
            .for_each(|(byte, mask)| *byte ^= mask);
    }
}

/// Where the payload of a server's frame begins, and its size: a whole text
/// or an empty Ping.
fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes {
        [PING, 0, ..] => Some((2, 0)),
        [TEXT, 126, high, low, ..] => Some((4, usize::from(u16::from_be_bytes([high, low])))),
        [TEXT, length @ ..126, ..] => Some((2, usize::from(length))),
        [TEXT | PING] | [] | [TEXT, 126, ..] => None,
        _ => panic!("an unexpected frame: {}", text(bytes)),
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

const TEXT: u8 = 0x81;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The answer to that key (RFC 6455 §1.3).
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
