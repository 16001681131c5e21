//! People who chat in the lobby of the real program.

use std::net::TcpStream;

use serde_json::{Value, json};
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

use crate::common::Program;

/// Somebody who chats in the lobby.
pub(crate) struct Guest {
    pub(crate) socket: WebSocket<TcpStream>,
    name: String,
    said: usize,
}

impl Guest {
    /// On a stream whose handshake is made.
    pub(crate) fn on(stream: TcpStream) -> Guest {
        let config = WebSocketConfig::default().read_buffer_size(16 << 10);
        Guest {
            socket: WebSocket::from_raw_socket(stream, Role::Client, Some(config)),
            name: String::new(),
            said: 0,
        }
    }

    pub(crate) fn enter(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        self.tell(&json!({"type": "hello", "name": name}));
        assert_eq!(self.next()["type"], "welcome");
        self.tell(&json!({"type": "join", "room": "lobby"}));
        assert_eq!(self.next()["type"], "joined");
    }

    fn tell(&mut self, command: &Value) {
        let message = Message::text(command.to_string());
        self.socket.send(message).expect("sent");
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.said += 1;
        let cid = format!("m{}", self.said);
        self.tell(&json!({"type": "message", "room": "lobby", "cid": cid, "text": text}));
    }

    /// The next frame that is not about who comes and goes.
    fn next(&mut self) -> Value {
        loop {
            match self.socket.read().expect("a frame in time") {
                Message::Text(text) if text.starts_with("{\"type\":\"presence\",") => {}
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn hear(&mut self) -> Value {
        let message = self.next();
        assert_eq!(message["type"], "message", "{message}");
        message
    }
}

/// So many in the lobby.
pub(crate) fn guests(program: &Program, count: usize) -> Vec<Guest> {
    let enter = |number| {
        let mut guest = Guest::on(program.upgrade());
        guest.enter(&format!("Guest {number}"));
        guest
    };
    (0..count).map(enter).collect()
}

/// So many messages, after those that were said before, by all in turn: all
/// hear each before the next, and nothing else.
#[track_caller]
pub(crate) fn converse(guests: &mut [Guest], before: usize, count: usize) {
    for seq in before + 1..=before + count {
        let speaker = seq % guests.len();
        guests[speaker].say(&format!("{seq}"));
        let name = guests[speaker].name.clone();
        for guest in &mut *guests {
            let message = guest.hear();
            assert_eq!(
                (&message["seq"], &message["text"]),
                (&json!(seq), &json!(seq.to_string()))
            );
            assert_eq!(message["from"]["name"], name);
        }
    }
}
