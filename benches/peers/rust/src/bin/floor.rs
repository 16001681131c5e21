//! No WebSocket server, but the least that any of them does on this kernel: one
//! thread with epoll, and a loop over sockets. `PORT echo|broadcast [FRAMES]`:
//! a broadcast writes FRAMES messages at once; 1 unless told.
//!
//! It knows only the key of the load, and unbroken messages of less than 64 KiB
//! without a mistake. One who does not read makes all others wait.
use std::io::{ErrorKind, Read, Result, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::SockRef;

struct Client {
    stream: TcpStream,
    is_open: bool,
    /// The start of a request or a frame whose end is still to come.
    rest: Vec<u8>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let port: u16 = arguments[0].parse().expect("a port");
    let is_echo = arguments[1] == "echo";
    assert!(is_echo || arguments[1] == "broadcast", "no such mode");
    let frames = arguments.get(2).map_or(1, |n| n.parse().expect("a number"));
    rlimit::increase_nofile_limit(u64::MAX)?;

    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(([127, 0, 0, 1], port).into())?;
    SockRef::from(&listener).listen(4096)?;
    let registry = poll.registry().try_clone()?;
    registry.register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(1024);
    let mut clients: Vec<Client> = Vec::new();
    let (mut input, mut output, mut gathered) = (vec![0; 256 << 10], Vec::new(), 0);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            let Token(at) = event.token();
            while event.token() == LISTENER
                && let Ok((mut stream, _)) = listener.accept()
            {
                stream.set_nodelay(true)?;
                registry.register(&mut stream, Token(clients.len()), Interest::READABLE)?;
                clients.push(Client {
                    stream,
                    is_open: false,
                    rest: Vec::new(),
                });
            }
            // The place may be another's since the event: then this reads early.
            while let Some(client) = clients.get_mut(at) {
                let Some(end) = client.read(&mut input) else {
                    clients.swap_remove(at);
                    if let Some(Client { stream, .. }) = clients.get_mut(at) {
                        // This also tells again what there is to read.
                        registry.reregister(stream, Token(at), Interest::READABLE)?;
                    }
                    break;
                };
                let mut taken = 0;
                if !client.is_open
                    && let Some(end) = input[..end].windows(4).position(|b| b == b"\r\n\r\n")
                {
                    write(&mut client.stream, SWITCHING_PROTOCOLS);
                    client.is_open = true;
                    taken = end + 4;
                }
                while clients[at].is_open
                    && let Some(length) = unmask(&mut input[taken..end], &mut output)
                {
                    taken += length;
                    gathered += 1;
                    if !is_echo && gathered == frames {
                        for client in clients.iter_mut().filter(|client| client.is_open) {
                            write(&mut client.stream, &output);
                        }
                        output.clear();
                        gathered = 0;
                    }
                }
                let client = &mut clients[at];
                if is_echo {
                    write(&mut client.stream, &output);
                    output.clear();
                }
                client.rest.clear();
                client.rest.extend_from_slice(&input[taken..end]);
                // The kernel tells of what comes after a short read.
                if end < input.len() && !event.is_read_closed() {
                    break;
                }
            }
        }
    }
}

impl Client {
    /// Reads behind what is left. The end of both; `None` at the stream's end.
    fn read(&mut self, input: &mut [u8]) -> Option<usize> {
        let start = self.rest.len();
        input[..start].copy_from_slice(&self.rest);
        match self.stream.read(&mut input[start..]) {
            Ok(n) => (n > 0).then_some(start + n),
            Err(error) => (error.kind() == ErrorKind::WouldBlock).then_some(start),
        }
    }
}

/// Puts the message of the first frame as a server's frame behind the output.
/// The length of the client's frame in bytes, unless a part is missing.
fn unmask(input: &mut [u8], output: &mut Vec<u8>) -> Option<usize> {
    let [_, code, high, low] = *input.first_chunk()?;
    let (head, length) = match code & 0x7F {
        126 => (4, u16::from_be_bytes([high, low])),
        length => (2, length.into()),
    };
    let end = head + 4 + usize::from(length);
    let (mask, payload) = input.get_mut(head..end)?.split_at_mut(4);
    let mask = u128::from_ne_bytes(std::array::from_fn(|at| mask[at % 4]));
    let (chunks, rest) = payload.as_chunks_mut::<16>();
    for chunk in chunks {
        *chunk = (u128::from_ne_bytes(*chunk) ^ mask).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.to_ne_bytes()) {
        *byte ^= mask;
    }
    input[1] &= 0x7F;
    output.extend_from_slice(&input[..head]);
    output.extend_from_slice(&input[head + 4..end]);
    Some(end)
}

/// One call, unless the kernel's buffer is full. Reading tells of a lost peer.
fn write(stream: &mut TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(n) => bytes = &bytes[n..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(_) => return,
        }
    }
}

const LISTENER: Token = Token(usize::MAX);
/// To the key `dGhlIHNhbXBsZSBub25jZQ==` of RFC 6455 §1.3.
const SWITCHING_PROTOCOLS: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
