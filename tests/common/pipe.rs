//! Connections in memory, and TLS on them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::rc::Rc;

use veche::server::Transport;

use super::super::ends::{End, Speaker, configs, serve};

/// Both ends of a connection.
#[derive(Clone, Debug, Default)]
pub struct Pipe(pub Rc<RefCell<Both>>);

#[derive(Debug, Default)]
pub struct Both {
    pub to_server: VecDeque<u8>,
    pub to_client: VecDeque<u8>,
    /// What has reached the client and was not looked at yet.
    pub heard: VecDeque<u8>,
    /// The client's side of TLS.
    pub speaker: Option<Speaker>,
    /// The client sends nothing more.
    pub client_done: bool,
    /// The server sends nothing more.
    pub server_done: bool,
    /// The connection was reset.
    pub reset: bool,
    /// How many bytes may lie on their way to the client.
    pub capacity: Option<usize>,
    /// The server has something to be told.
    pub readable: bool,
    pub writable: bool,
    /// How often the server read and wrote.
    pub reads: usize,
    pub writes: usize,
    /// How many bytes the server wrote.
    pub written: usize,
}

/// The end of it that a client has.
#[derive(Debug)]
pub struct ClientEnd(pub Pipe);

impl Transport for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut both = self.0.borrow_mut();
        both.reads += 1;
        if both.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if both.to_server.is_empty() && !both.client_done {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        both.to_server.read(buffer)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut both = self.0.borrow_mut();
        both.writes += 1;
        if both.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let room = both
            .capacity
            .map_or(usize::MAX, |c| c.saturating_sub(both.to_client.len()));
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let all = slices.iter().flat_map(|slice| slice.iter().copied());
        let before = both.to_client.len();
        both.to_client.extend(all.take(room));
        let written = both.to_client.len() - before;
        both.written += written;
        Ok(written)
    }

    fn shutdown(&mut self) -> io::Result<()> {
        self.0.borrow_mut().server_done = true;
        Ok(())
    }
}

impl Both {
    /// The client says something.
    pub fn say(&mut self, bytes: &[u8]) {
        self.readable = true;
        match &mut self.speaker {
            Some(speaker) => {
                speaker.say(bytes);
                self.to_server.extend(speaker.sent());
            }
            None => self.to_server.extend(bytes),
        }
    }

    /// The client takes what has come.
    pub fn hear(&mut self) {
        self.writable |= !self.to_client.is_empty();
        match &mut self.speaker {
            Some(speaker) => {
                let bytes: Vec<u8> = self.to_client.drain(..).collect();
                self.heard.extend(speaker.hear(&bytes).expect("TLS"));
                self.to_server.extend(speaker.sent());
            }
            None => self.heard.append(&mut self.to_client),
        }
    }
}

impl Pipe {
    /// Makes the handshake of TLS, which is no part of what is tested; the
    /// server's end of it.
    pub fn shake_hands(&self) -> End<Pipe> {
        let mut end = serve(self.clone());
        let mut speaker = Speaker::new(&configs()[1]);
        while speaker.is_handshaking() {
            self.0.borrow_mut().to_server.extend(speaker.sent());
            assert!(
                end.read(&mut [0; 1_000]).is_err(),
                "nothing but a handshake"
            );
            let bytes: Vec<u8> = self.0.borrow_mut().to_client.drain(..).collect();
            speaker.hear(&bytes).expect("a handshake");
        }
        self.0.borrow_mut().to_server.extend(speaker.sent());
        assert!(
            end.read(&mut [0; 1_000]).is_err(),
            "nothing but a handshake"
        );
        let mut both = self.0.borrow_mut();
        let bytes: Vec<u8> = both.to_client.drain(..).collect();
        speaker.hear(&bytes).expect("tickets");
        *both = Both {
            speaker: Some(speaker),
            ..Both::default()
        };
        drop(both);
        end
    }

    /// How many bytes the server wrote, in all.
    pub fn written(&self) -> usize {
        self.0.borrow().written
    }

    /// Whether this is the same connection.
    pub fn is(&self, other: &Pipe) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl Read for ClientEnd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut both = self.0.0.borrow_mut();
        both.hear();
        if both.heard.is_empty() && !both.server_done {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        both.heard.read(buffer)
    }
}

impl Write for ClientEnd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.0.borrow_mut().say(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
