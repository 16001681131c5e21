//! Somebody who chats with the real program, and survives it.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};
use tungstenite::error::{Error, ProtocolError};
use tungstenite::protocol::WebSocketConfig;
use tungstenite::{HandshakeError, Message, WebSocket};

use crate::common::DEADLINE;

/// A connection that has said hello.
pub(crate) struct Guest {
    socket: WebSocket<TcpStream>,
    pub(crate) id: String,
    pub(crate) secret: String,
}

/// The connection has ended, with a Close or without.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Gone(pub(crate) Option<(u16, String)>);

impl Guest {
    /// Connects and says hello, as somebody who was here before or as one who
    /// is new.
    pub(crate) fn arrive(
        address: SocketAddr,
        name: &str,
        secret: Option<&str>,
    ) -> Result<Guest, Gone> {
        let socket = connect(address)?;
        let (id, none) = (String::new(), String::new());
        let secret = secret.map_or(none, str::to_owned);
        let mut guest = Guest { socket, id, secret };
        let mut hello = json!({"type": "hello", "name": name});
        if !guest.secret.is_empty() {
            hello["session"] = guest.secret.clone().into();
        }
        guest.tell(&hello)?;
        let welcome = guest.hear()?;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        welcome["id"].as_str().unwrap().clone_into(&mut guest.id);
        let secret = welcome["session"].as_str().unwrap();
        secret.clone_into(&mut guest.secret);
        Ok(guest)
    }

    pub(crate) fn tell(&mut self, command: &Value) -> Result<(), Gone> {
        let sent = self.socket.send(Message::text(command.to_string()));
        sent.map_err(|error| gone(&error))
    }

    /// Sends a file to the lobby whose name is its own `cid`.
    pub(crate) fn send_file(&mut self, cid: &str, bytes: &[u8]) {
        let file = json!({"type": "file", "room": "lobby", "cid": cid, "name": cid});
        self.tell_file(&file, bytes).unwrap();
    }

    pub(crate) fn tell_file(&mut self, command: &Value, bytes: &[u8]) -> Result<(), Gone> {
        let json = command.to_string();
        let length = u16::try_from(json.len()).unwrap().to_be_bytes();
        let frame = [&length, json.as_bytes(), bytes].concat();
        let sent = self.socket.send(Message::binary(frame));
        sent.map_err(|error| gone(&error))
    }

    /// What is in the file of an entry of the lobby, or the error instead.
    pub(crate) fn fetch(&mut self, seq: u64) -> Result<Vec<u8>, String> {
        self.tell(&json!({"type": "fetch", "room": "lobby", "seq": seq}))
            .unwrap();
        loop {
            match self.socket.read().unwrap() {
                Message::Binary(frame) => {
                    let length = usize::from(u16::from_be_bytes([frame[0], frame[1]]));
                    let (json, bytes) = frame[2..].split_at(length);
                    let json: Value = serde_json::from_slice(json).unwrap();
                    assert_eq!((&json["type"], &json["seq"]), (&json!("file"), &json!(seq)));
                    return Ok(bytes.to_vec());
                }
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if frame["type"] == "error" {
                        return Err(frame["code"].as_str().unwrap().to_owned());
                    }
                    assert_eq!(frame["type"], "presence", "{frame}");
                }
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next frame, be it that somebody came or went.
    pub(crate) fn hear_all(&mut self) -> Result<Value, Gone> {
        loop {
            match self.socket.read().map_err(|error| gone(&error))? {
                Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
                Message::Ping(_) => {}
                Message::Close(close) => {
                    // The answer to it.
                    let _ = self.socket.flush();
                    let told = close.map(|close| (close.code.into(), close.reason.to_string()));
                    return Err(Gone(told));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next frame that is not about who comes and goes.
    pub(crate) fn hear(&mut self) -> Result<Value, Gone> {
        loop {
            let frame = self.hear_all()?;
            if frame["type"] != "presence" {
                return Ok(frame);
            }
        }
    }

    /// A command, and the next frame.
    pub(crate) fn ask(&mut self, command: &Value) -> Value {
        self.tell(command).unwrap();
        self.hear().unwrap()
    }

    /// Joins the lobby.
    pub(crate) fn join(&mut self, after: Option<(&str, u64)>) -> Value {
        let mut join = json!({"type": "join", "room": "lobby"});
        if let Some((epoch, seq)) = after {
            join["after"] = json!({"epoch": epoch, "seq": seq});
        }
        let joined = self.ask(&join);
        assert_eq!(joined["type"], "joined", "{joined}");
        joined
    }

    /// Sends a message to the lobby that is its own `cid`.
    pub(crate) fn send(&mut self, cid: &str) {
        let message = json!({"type": "message", "room": "lobby", "cid": cid, "text": cid});
        self.tell(&message).unwrap();
    }

    /// Says something in the lobby: its number.
    #[track_caller]
    pub(crate) fn say(&mut self, cid: &str) -> u64 {
        self.send(cid);
        self.hear_said(cid)
    }

    /// Hears a message with this `cid`: its number.
    #[track_caller]
    pub(crate) fn hear_said(&mut self, cid: &str) -> u64 {
        let message = self.hear().unwrap();
        assert_eq!(
            (&message["type"], &message["cid"]),
            (&json!("message"), &json!(cid))
        );
        message["seq"].as_u64().unwrap()
    }

    /// Says something that is refused: what the error is.
    #[track_caller]
    pub(crate) fn say_in_vain(&mut self, cid: &str) -> Value {
        self.send(cid);
        let error = self.hear().unwrap();
        assert_eq!(
            (&error["type"], &error["cid"]),
            (&json!("error"), &json!(cid))
        );
        error
    }

    /// A page of the lobby: the numbers, and whether there are more.
    pub(crate) fn history(&mut self, which: &str, seq: u64) -> (Vec<u64>, bool) {
        let page = self.ask(&json!({"type": "history", "room": "lobby", which: seq}));
        assert_eq!(page["type"], "history", "{page}");
        (seqs(&page), page["more"].as_bool().unwrap())
    }
}

/// The numbers of the entries in a frame.
pub(crate) fn seqs(frame: &Value) -> Vec<u64> {
    let entries = frame["entries"].as_array().unwrap().iter();
    entries
        .map(|entry| entry["seq"].as_u64().unwrap())
        .collect()
}

fn connect(address: SocketAddr) -> Result<WebSocket<TcpStream>, Gone> {
    let stream = TcpStream::connect(address).map_err(|_| Gone(None))?;
    if stream.local_addr().unwrap() == address {
        // Nobody listens there any more, and it was given the port itself.
        return Err(Gone(None));
    }
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream.set_nodelay(true).unwrap();
    let config = WebSocketConfig::default().read_buffer_size(16 << 10);
    let url = format!("ws://{address}/ws");
    match tungstenite::client::client_with_config(url, stream, Some(config)) {
        Ok((socket, _)) => Ok(socket),
        Err(HandshakeError::Failure(error)) => Err(gone(&error)),
        Err(HandshakeError::Interrupted(_)) => panic!("no handshake in time"),
    }
}

/// That it has ended; anything else is a failure.
fn gone(error: &Error) -> Gone {
    match error {
        Error::Io(error) if is_end(error.kind()) => Gone(None),
        // A proxy is there, and nobody behind it.
        Error::Http(response) if response.status() == 502 => Gone(None),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete,
        ) => Gone(None),
        error => panic!("{error}"),
    }
}

fn is_end(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(
        kind,
        BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof
    )
}
