//! The examples as they are started, through an independent client.
#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};
use tungstenite::{Message, WebSocket, client};

const DEADLINE: Duration = Duration::from_secs(20);

/// An example that runs; killed at the end of the test.
struct Example {
    child: Child,
    address: SocketAddr,
}

impl Example {
    fn start(name: &str) -> Self {
        let probe = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = probe.local_addr().unwrap();
        drop(probe);
        let tests = std::env::current_exe().unwrap();
        let program = tests
            .parent()
            .unwrap()
            .parent()
            .unwrap()
            .join("examples")
            .join(name);
        let mut command = Command::new(program);
        command.arg(address.to_string()).stdin(Stdio::null());
        let child = command.spawn().expect("an example that cargo has built");
        let example = Example { child, address };
        let deadline = Instant::now() + DEADLINE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "{name} does not listen");
            thread::yield_now();
        }
        example
    }

    fn connect(&self) -> WebSocket<TcpStream> {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let (socket, _) = client(format!("ws://{}/", self.address), stream).unwrap();
        socket
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client's frame, masked by hand.
fn frame(opcode: OpCode, is_final: bool, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let header = FrameHeader {
        is_final,
        opcode,
        mask: Some(mask),
        ..FrameHeader::default()
    };
    let mut bytes = Vec::new();
    header.format(payload.len() as u64, &mut bytes).unwrap();
    bytes.extend(
        payload
            .iter()
            .zip(mask.into_iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

const SIZES: [usize; 6] = [0, 125, 126, 65_535, 65_536, 1 << 20];

fn messages(bytes: usize) -> [(OpCode, Message); 2] {
    let text: String = ('a'..='z').cycle().take(bytes).collect();
    let binary: Vec<u8> = (0..=255).cycle().take(bytes).collect();
    [
        (OpCode::Data(Data::Text), Message::text(text)),
        (OpCode::Data(Data::Binary), Message::binary(binary)),
    ]
}

#[test]
fn echo_answers_whole_messages_of_every_length() {
    let echo = Example::start("echo");
    let mut socket = echo.connect();
    for (_, message) in SIZES.into_iter().flat_map(messages) {
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == message, "{} bytes", message.len());
    }
}

#[test]
fn echo_answers_fragments_with_a_ping_in_between() {
    let echo = Example::start("echo");
    let mut socket = echo.connect();
    for (opcode, message) in SIZES.into_iter().flat_map(messages) {
        let payload = message.clone().into_data();
        let (first, last) = payload.split_at(payload.len() / 3);
        let ping = frame(OpCode::Control(Control::Ping), true, b"are you there");
        let continued = OpCode::Data(Data::Continue);
        let parts = [
            frame(opcode, false, first),
            ping,
            frame(continued, false, &[]),
            frame(continued, true, last),
        ];
        socket.get_mut().write_all(&parts.concat()).unwrap();
        assert_eq!(
            socket.read().unwrap(),
            Message::Pong("are you there".into())
        );
        assert!(socket.read().unwrap() == message, "{} bytes", message.len());
    }
}

#[test]
fn echo_answers_what_comes_byte_by_byte() {
    let echo = Example::start("echo");
    let mut socket = echo.connect();
    for (opcode, message) in SIZES.into_iter().flat_map(messages) {
        let bytes = frame(opcode, true, &message.clone().into_data());
        // The longest one by single bytes only in its head and beginning, then
        // in pieces that are no power of two.
        let single = if bytes.len() > 1 << 20 {
            300
        } else {
            bytes.len()
        };
        let (begin, rest) = bytes.split_at(single);
        for byte in begin {
            socket.get_mut().write_all(&[*byte]).unwrap();
        }
        for piece in rest.chunks(4_093) {
            socket.get_mut().write_all(piece).unwrap();
        }
        assert!(socket.read().unwrap() == message, "{} bytes", message.len());
    }
}

#[test]
fn echo_closes_as_it_is_closed() {
    let echo = Example::start("echo");
    let mut socket = echo.connect();
    socket.close(None).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Close(None));
    let error = socket.read().unwrap_err();
    assert!(
        matches!(error, tungstenite::Error::ConnectionClosed),
        "{error}"
    );
}

#[test]
fn commands_answer_and_an_unknown_one_is_told_what_there_is() {
    let commands = Example::start("commands");
    let mut socket = commands.connect();
    let mut ask = |command: &str| {
        socket.send(Message::text(command)).unwrap();
        socket.read().unwrap().into_text().unwrap().to_string()
    };
    assert_eq!(ask("country"), "Russia");
    assert_eq!(ask("city"), "Veliky Novgorod");
    let (date, time) = (ask("date"), ask("time"));
    assert_eq!(
        (date.len(), time.len()),
        ("Sun, 06 Nov 1994".len(), "08:49:37 GMT".len())
    );
    let unknown = ask("weather");
    assert!(
        unknown.contains("weather") && unknown.contains("country"),
        "{unknown}"
    );
}

#[test]
fn broadcast_gives_every_message_to_all_in_one_order() {
    let broadcast = Example::start("broadcast");
    let mut sockets: Vec<_> = (0..3).map(|_| broadcast.connect()).collect();
    for round in 0..20 {
        for (place, socket) in sockets.iter_mut().enumerate() {
            let text = format!("{place} {round}");
            let message = if round % 2 == 0 {
                Message::text(text)
            } else {
                Message::binary(text.into_bytes())
            };
            socket.send(message).unwrap();
        }
    }
    let received: Vec<Vec<Message>> = sockets
        .iter_mut()
        .map(|socket| (0..60).map(|_| socket.read().unwrap()).collect())
        .collect();
    assert_eq!(received[0], received[1]);
    assert_eq!(received[0], received[2]);
    for place in 0..3 {
        let own = received[0]
            .iter()
            .filter(|message| (*message).clone().into_data()[0] == b'0' + place);
        assert_eq!(own.count(), 20);
    }
    // And nothing else.
    sockets[0].get_mut().set_nonblocking(true).unwrap();
    let error = sockets[0].read().unwrap_err();
    assert!(
        matches!(&error, tungstenite::Error::Io(e) if e.kind() == ErrorKind::WouldBlock),
        "{error}"
    );
}
