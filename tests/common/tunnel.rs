//! A tunnel to a server that speaks TLS, for clients that do not: whatever happens
//! on one side of it happens on the other, and hardly anything fits into it.
#![allow(clippy::unwrap_used)]

use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{Shutdown, SocketAddr};
use std::thread;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use socket2::{Domain, SockRef, Socket, Type};

use super::ends::{Config, Speaker};

/// Opens a tunnel, for as long as the tests run; returns where it begins.
pub fn open(server: SocketAddr, config: Config) -> SocketAddr {
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    let mut poll = Poll::new().unwrap();
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let registry = poll.registry();
    registry
        .register(&mut listener, LISTENER, Interest::READABLE)
        .unwrap();
    thread::spawn(move || {
        let mut pairs = Slab::new();
        let mut events = Events::with_capacity(1024);
        loop {
            match poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => result.unwrap(),
            }
            for event in &events {
                let Token(token) = event.token();
                if event.token() == LISTENER {
                    while let Ok((plain, _)) = listener.accept() {
                        let entry = pairs.vacant_entry();
                        let token = 2 * entry.key();
                        // The server may just have ended.
                        if let Ok(mut pair) = Pair::new(plain, server, &config) {
                            pair.register(&poll, token).unwrap();
                            entry.insert(pair);
                        }
                    }
                } else if let Some(pair) = pairs.get_mut(token / 2)
                    && pair.pass_on() == State::Over
                {
                    pairs.remove(token / 2);
                }
            }
        }
    });
    address
}

/// A connection on both sides of the tunnel.
struct Pair {
    speaker: Speaker,
    plain: Side,
    tls: Side,
}

/// One side.
struct Side {
    stream: TcpStream,
    /// What is to be written there.
    waiting: Vec<u8>,
    /// Nothing more comes from there.
    is_over: bool,
    /// Nothing more will be written there, once what waits is; and it knows.
    is_ending: bool,
    is_shut: bool,
}

#[derive(PartialEq, Eq)]
enum State {
    Open,
    Over,
}

impl Pair {
    fn new(plain: TcpStream, server: SocketAddr, config: &Config) -> io::Result<Pair> {
        SockRef::from(&plain).set_send_buffer_size(SOCKET_BYTES)?;
        let tls = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
        tls.set_recv_buffer_size(SOCKET_BYTES)?;
        if let Err(error) = tls.connect(&server.into()) {
            reset(&plain);
            return Err(error);
        }
        tls.set_nonblocking(true)?;
        let mut pair = Pair {
            speaker: Speaker::new(config),
            plain: Side::new(plain),
            tls: Side::new(TcpStream::from_std(tls.into())),
        };
        pair.tls.waiting = pair.speaker.sent();
        Ok(pair)
    }

    fn register(&mut self, poll: &Poll, token: usize) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let (plain, tls) = (&mut self.plain.stream, &mut self.tls.stream);
        poll.registry().register(plain, Token(token), interest)?;
        poll.registry().register(tls, Token(token + 1), interest)
    }

    /// Passes on whatever there is, both ways, and how either side ends.
    fn pass_on(&mut self) -> State {
        let passed = loop {
            match self.step() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if passed.is_err() {
            // It is known here: the other side learns it too.
            reset(&self.plain.stream);
            reset(&self.tls.stream);
            return State::Over;
        }
        if self.plain.is_shut && self.tls.is_shut {
            return State::Over;
        }
        State::Open
    }

    /// Whether anything has moved.
    fn step(&mut self) -> io::Result<bool> {
        let mut piece = [0; PIECE_BYTES];
        let mut has_moved = false;
        // What comes is taken only when all is gone that came before.
        if self.tls.waiting.is_empty()
            && !self.speaker.is_handshaking()
            && let Some(bytes) = self.plain.read(&mut piece)?
        {
            self.speaker.say(&piece[..bytes]);
            if bytes == 0 {
                self.speaker.end();
                self.tls.is_ending = true;
            }
            self.tls.waiting = self.speaker.sent();
            has_moved = true;
        }
        if self.plain.waiting.is_empty()
            && let Some(bytes) = self.tls.read(&mut piece)?
        {
            let heard = self.speaker.hear(&piece[..bytes]);
            self.plain.waiting = heard.map_err(io::Error::other)?;
            self.tls.waiting.extend(self.speaker.sent());
            self.tls.is_over |= self.speaker.is_over();
            if bytes == 0 {
                // A server that has spoken says goodbye.
                if !self.speaker.is_over() && !self.speaker.is_handshaking() {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                self.tls.is_ending = true;
            }
            self.plain.is_ending = self.tls.is_over;
            has_moved = true;
        }
        Ok(self.plain.write()? | self.tls.write()? | has_moved)
    }
}

impl Side {
    fn new(stream: TcpStream) -> Side {
        // Pieces go on as they came.
        let _ = stream.set_nodelay(true);
        Side {
            stream,
            waiting: Vec::new(),
            is_over: false,
            is_ending: false,
            is_shut: false,
        }
    }

    /// What has come, if anything; 0 is the end, once.
    fn read(&mut self, piece: &mut [u8]) -> io::Result<Option<usize>> {
        if self.is_over {
            return Ok(None);
        }
        match self.stream.read(piece) {
            Ok(bytes) => {
                self.is_over = bytes == 0;
                Ok(Some(bytes))
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes what waits, and then the end if that follows; whether anything went.
    fn write(&mut self) -> io::Result<bool> {
        if self.waiting.is_empty() {
            if self.is_ending && !mem::replace(&mut self.is_shut, true) {
                // It may have gone altogether.
                let _ = self.stream.shutdown(Shutdown::Write);
            }
            return Ok(false);
        }
        match self.stream.write(&self.waiting) {
            Ok(bytes) => {
                self.waiting.drain(..bytes);
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Has a connection end with RST when it is dropped.
fn reset(stream: &TcpStream) {
    // It may have gone already.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

const LISTENER: Token = Token(usize::MAX);

/// What is passed on at once.
const PIECE_BYTES: usize = 4 << 10;

/// What the system keeps for the tunnel where a reader stalls, on either side.
const SOCKET_BYTES: usize = 8 << 10;
