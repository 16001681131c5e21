//! TLS on the lines, as clients have it: by hand, in records of any size. Its keys
//! are random, and determine nothing else.

use super::client::Tab;
use super::ends::{self, Config, End, configs, serve};
use super::line::ServerEnd;
use super::scene::Scene;

/// What clients need for TLS. Those of one town resume the sessions of each other.
pub struct Tls([Config; 2]);

impl Tls {
    pub fn new() -> Self {
        Tls(configs())
    }

    /// Both sides of TLS, of some version, on a line.
    pub fn connect(&self, end: ServerEnd, scene: &Scene) -> (End<ServerEnd>, Option<Speaker>) {
        let speaker = Speaker {
            inner: ends::Speaker::new(&self.0[scene.below(2)]),
            scene: scene.clone(),
        };
        (serve(end), Some(speaker))
    }
}

/// A client's side.
pub struct Speaker {
    inner: ends::Speaker,
    scene: Scene,
}

impl Speaker {
    /// What goes over the line for these bytes.
    pub fn say(&mut self, bytes: &[u8]) -> Vec<u8> {
        let is_torn = self.scene.chance(20);
        let most = if is_torn {
            1 + self.scene.below(bytes.len())
        } else {
            bytes.len()
        };
        for record in bytes.chunks(most) {
            self.inner.say(record);
            if self.scene.chance(1) {
                self.inner.say(b"");
            }
        }
        self.inner.sent()
    }

    /// What goes over the line where nothing more will follow; some say nothing.
    pub fn end(&mut self) -> Vec<u8> {
        if self.scene.chance(50) && !self.inner.is_handshaking() {
            self.inner.end();
        }
        self.inner.sent()
    }

    /// What these bytes mean, and what goes over the line for them.
    pub fn hear(&mut self, bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let heard = self.inner.hear(bytes).expect("TLS");
        (heard, self.inner.sent())
    }

    /// Whether the server has said that nothing more will follow.
    pub fn is_over(&self) -> bool {
        self.inner.is_over()
    }
}

impl Tab {
    /// Sends something, over TLS where the line carries that.
    pub fn write(&mut self, bytes: &[u8]) {
        let Some(link) = &mut self.link else { return };
        match &mut link.speaker {
            Some(speaker) => link.line.borrow_mut().send(&speaker.say(bytes)),
            None => link.line.borrow_mut().send(bytes),
        }
    }

    /// Says that it will send nothing more, where there is a way to say so; some
    /// do not.
    pub fn end(&mut self) {
        if let Some(link) = &mut self.link
            && let Some(speaker) = &mut link.speaker
        {
            link.line.borrow_mut().send(&speaker.end());
        }
    }
}
