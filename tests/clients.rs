//! The program and the examples, over TCP, with an independent client.
//!
//! The examples are run as `cargo test` has built them; where only this file's
//! tests are run, `cargo build --examples` comes first.
#![allow(clippy::unwrap_used)]

#[cfg(feature = "chat")]
mod common;
#[cfg(feature = "chat")]
#[path = "common/ends.rs"]
mod ends;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tungstenite::protocol::WebSocketConfig;
use tungstenite::{Message, WebSocket};

/// How long anything may take on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(20);

/// Each length form of RFC 6455 §5.2 from both sides, and more than one read.
const SIZES: [usize; 6] = [0, 125, 126, 65_535, 65_536, 1 << 20];

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CONTINUATION: u8 = 0;
const PING: u8 = 9;

#[test]
fn echo_answers_whole_messages_of_every_length_form() {
    let echo = Example::start("echo");
    let mut client = echo.connect();
    for size in SIZES {
        for message in messages(size) {
            client.send(message.clone()).unwrap();
            assert_same(&client.read().unwrap(), &message);
        }
    }
}

#[test]
fn echo_answers_a_ping_between_fragments_before_the_message() {
    let echo = Example::start("echo");
    let mut client = echo.connect();
    for size in SIZES {
        for message in messages(size) {
            let ping = format!("in the midst of {size}");
            let bytes = fragments(&message, ping.as_bytes());
            client.get_mut().write_all(&bytes).unwrap();
            assert_eq!(client.read().unwrap(), Message::Pong(ping.into()));
            assert_same(&client.read().unwrap(), &message);
        }
    }
}

#[test]
fn echo_answers_text_that_comes_byte_by_byte() {
    let echo = Example::start("echo");
    let mut client = echo.connect();
    for size in &SIZES[..5] {
        let [text, _] = messages(*size);
        send_in_pieces(&mut client, &text, &[1]);
        assert_same(&client.read().unwrap(), &text);
    }
}

#[test]
fn echo_answers_binary_that_comes_byte_by_byte() {
    let echo = Example::start("echo");
    let mut client = echo.connect();
    for size in &SIZES[..5] {
        let [_, binary] = messages(*size);
        send_in_pieces(&mut client, &binary, &[1]);
        assert_same(&client.read().unwrap(), &binary);
    }
}

#[test]
fn echo_answers_a_mebibyte_that_comes_in_odd_pieces() {
    let echo = Example::start("echo");
    let mut client = echo.connect();
    for message in messages(1 << 20) {
        send_in_pieces(&mut client, &message, &[1, 7, 4093, 3, 16_385, 61, 509]);
        assert_same(&client.read().unwrap(), &message);
    }
}

#[test]
fn commands_tell_date_time_country_and_city() {
    let commands = Example::start("commands");
    let mut client = commands.connect();
    let mut ask = |command: &str| {
        client.send(Message::text(command)).unwrap();
        client.read().unwrap().into_text().unwrap().to_string()
    };
    let before = SystemTime::now();
    let (date, time) = (ask("date"), ask(" time\n"));
    let moments = || {
        let last = SystemTime::now() + Duration::from_secs(1);
        (0..)
            .map(|seconds| before + Duration::from_secs(seconds))
            .take_while(move |moment| *moment <= last)
            .map(httpdate::fmt_http_date)
    };
    assert!(moments().any(|moment| moment[..16] == date), "{date}");
    assert!(moments().any(|moment| moment[17..] == time), "{time}");
    assert_eq!(ask("country"), "Russia");
    assert_eq!(ask("city"), "Veliky Novgorod");
}

#[test]
fn commands_name_the_unknown_one_and_those_there_are() {
    let commands = Example::start("commands");
    let mut client = commands.connect();
    client.send(Message::text("погода")).unwrap();
    let answer = client.read().unwrap().into_text().unwrap();
    for word in ["погода", "date", "time", "country", "city"] {
        assert!(answer.contains(word), "{answer}");
    }
    client.send(Message::binary(b"date".to_vec())).unwrap();
    let answer = client.read().unwrap();
    assert_eq!(answer, Message::text("Commands are text."));
}

#[test]
fn broadcast_goes_verbatim_to_all_in_the_same_order() {
    const EACH: usize = 50;
    let broadcast = Example::start("broadcast");
    let mut clients: Vec<_> = (0..3).map(|_| broadcast.connect()).collect();
    let said = |client: usize, number: usize| match (client + number) % 2 {
        0 => Message::text(format!("{client}: «{number}» <b>")),
        _ => Message::binary([b"\xff\0", format!("{client}: {number}").as_bytes()].concat()),
    };
    for number in 0..EACH {
        for (place, client) in clients.iter_mut().enumerate() {
            client.send(said(place, number)).unwrap();
        }
    }
    let heard: Vec<Vec<_>> = clients
        .iter_mut()
        .map(|client| (0..3 * EACH).map(|_| client.read().unwrap()).collect())
        .collect();
    assert_eq!(heard[1], heard[0]);
    assert_eq!(heard[2], heard[0]);
    for client in 0..3 {
        let mut all = heard[0].iter();
        for number in 0..EACH {
            let message = said(client, number);
            assert!(all.any(|heard| *heard == message), "{message:?} in order");
        }
    }
}

/// An example that runs, and is killed when the test is over.
struct Example {
    child: Child,
    address: SocketAddr,
}

impl Example {
    fn start(name: &str) -> Example {
        // Another program may take the free port before the example does.
        (0..10)
            .find_map(|_| Example::try_start(name))
            .expect("an example that listens")
    }

    fn try_start(name: &str) -> Option<Example> {
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a free port");
        let path = Example::path(name);
        let child = Command::new(&path)
            .arg(address.to_string())
            .stdin(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                let path = path.display();
                panic!("{path}: {error}; cargo build --examples makes it")
            });
        let mut example = Example { child, address };
        let deadline = Instant::now() + DEADLINE;
        while Instant::now() < deadline {
            if example.child.try_wait().expect("a child").is_some() {
                return None;
            }
            if TcpStream::connect(address).is_ok_and(|stream| !is_its_own_peer(&stream)) {
                return Some(example);
            }
            thread::sleep(Duration::from_millis(2));
        }
        None
    }

    /// Where cargo puts examples: beside the folder of the tests.
    fn path(name: &str) -> PathBuf {
        let mut path = std::env::current_exe().expect("the path of this test");
        path.pop();
        path.set_file_name("examples");
        path.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    fn connect(&self) -> WebSocket<TcpStream> {
        upgrade(tcp(self.address))
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port of the loopback at which nobody listens may be given to the very
/// connection that asks for it, which then talks to itself.
fn is_its_own_peer(stream: &TcpStream) -> bool {
    stream.local_addr().unwrap() == stream.peer_addr().unwrap()
}

/// A connection on which nothing takes longer than the deadline, and on which
/// every write is a segment if it can be.
fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).expect("a connection");
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn upgrade(stream: TcpStream) -> WebSocket<TcpStream> {
    let url = format!("ws://{}/ws", stream.peer_addr().unwrap());
    let (client, _) = tungstenite::client::client_with_config(url, stream, Some(config()))
        .map_err(|error| error.to_string())
        .expect("an upgrade");
    client
}

/// Buffers of which a thousand are no burden.
fn config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(16 << 10)
}

/// A text and a binary message of a size.
fn messages(size: usize) -> [Message; 2] {
    let mut text = String::with_capacity(size);
    for character in "Вече ☃, 𝄞 and x\n".chars().cycle() {
        if text.len() + character.len_utf8() > size {
            break;
        }
        text.push(character);
    }
    text.push_str(&"x".repeat(size - text.len()));
    let bytes = (0..size).map(|place| ((place % 251) ^ (place / 251)).to_le_bytes()[0]);
    [
        Message::text(text),
        Message::binary(bytes.collect::<Vec<_>>()),
    ]
}

/// Like `assert_eq!`, but does not print a mebibyte.
fn assert_same(heard: &Message, said: &Message) {
    assert_eq!(heard.is_text(), said.is_text());
    assert_eq!(heard.len(), said.len());
    assert!(heard == said, "{} bytes came back changed", said.len());
}

fn opcode(message: &Message) -> u8 {
    if message.is_text() { TEXT } else { BINARY }
}

/// A message in three fragments, cut without regard to characters, with a ping
/// behind the first.
fn fragments(message: &Message, ping: &[u8]) -> Vec<u8> {
    let payload = message.clone().into_data();
    let (first, rest) = payload.split_at(payload.len() / 3 + payload.len() % 2);
    let (second, third) = rest.split_at(rest.len() / 2);
    [
        frame(opcode(message), false, first),
        frame(PING, true, ping),
        frame(CONTINUATION, false, second),
        frame(CONTINUATION, true, third),
    ]
    .concat()
}

/// Sends a message as one frame, cut into pieces of these sizes in turn.
fn send_in_pieces(client: &mut WebSocket<TcpStream>, message: &Message, sizes: &[usize]) {
    let bytes = frame(opcode(message), true, &message.clone().into_data());
    let mut rest = &bytes[..];
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, others) = rest.split_at(rest.len().min(*size));
        client.get_mut().write_all(piece).unwrap();
        rest = others;
    }
}

/// A client's frame (RFC 6455 §5.2).
fn frame(opcode: u8, fin: bool, payload: &[u8]) -> Vec<u8> {
    const MASKING_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![if fin { 0x80 | opcode } else { opcode }];
    if let Ok(length @ ..126) = u8::try_from(payload.len()) {
        frame.push(0x80 | length);
    } else if let Ok(length) = u16::try_from(payload.len()) {
        frame.push(0x80 | 126);
        frame.extend(length.to_be_bytes());
    } else {
        frame.push(0x80 | 127);
        frame.extend((payload.len() as u64).to_be_bytes());
    }
    frame.extend(MASKING_KEY);
    frame.extend(
        payload
            .iter()
            .zip(MASKING_KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}

#[cfg(feature = "chat")]
mod chat {
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::thread;
    use std::time::Duration;

    use serde_json::{Value, json};
    use socket2::{Domain, SockRef, Socket, Type};
    use tungstenite::handshake::derive_accept_key;
    use tungstenite::protocol::Role;
    use tungstenite::{Error, Message, WebSocket};

    use super::common::{DEADLINE, Program};
    use super::{CONTINUATION, PING, TEXT, config, fragments, frame, send_in_pieces, tcp, upgrade};

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    #[test]
    fn two_people_each_see_both_messages() {
        let program = Program::start(&[]);
        let (mut ann, mut bob) = pair(&program);
        ann.say("Здравствуй, Bob <b>");
        let first = ann.hear();
        assert_eq!(bob.hear(), first);
        bob.say("/me waves");
        let second = ann.hear();
        assert_eq!(bob.hear(), second);
        assert_eq!(line(&first), (1, "Ann", "Здравствуй, Bob <b>"));
        assert_eq!(line(&second), (2, "Bob", "/me waves"));
    }

    #[test]
    fn fragments_of_one_and_messages_of_another_do_not_mix() {
        let program = Program::start(&[]);
        let (mut ann, mut bob) = pair(&program);
        let command = message("a", "разрезано");
        let ping = b"between";
        let bytes = fragments(&Message::text(command.to_string()), ping);
        ann.write(&bytes);
        assert_eq!(ann.pong(), *ping);
        assert_eq!(line(&ann.hear()), (1, "Ann", "разрезано"));
        assert_eq!(line(&bob.hear()), (1, "Ann", "разрезано"));

        // Cut within a letter of two bytes, and others are heard meanwhile.
        let text = message("b", "и ещё").to_string();
        let (first, second) = text.as_bytes().split_at(text.find('щ').unwrap() + 1);
        ann.write(&frame(TEXT, false, first));
        bob.say("meanwhile");
        assert_eq!(line(&bob.hear()), (2, "Bob", "meanwhile"));
        assert_eq!(line(&ann.hear()), (2, "Bob", "meanwhile"));
        ann.write(&frame(PING, true, ping));
        assert_eq!(ann.pong(), *ping);
        ann.write(&frame(CONTINUATION, true, second));
        assert_eq!(line(&ann.hear()), (3, "Ann", "и ещё"));
        assert_eq!(line(&bob.hear()), (3, "Ann", "и ещё"));

        let message = Message::text(message("c", "по байту").to_string());
        send_in_pieces(&mut bob.socket, &message, &[1]);
        assert_eq!(line(&ann.hear()), (4, "Bob", "по байту"));
        assert_eq!(line(&bob.hear()), (4, "Bob", "по байту"));
    }

    #[test]
    fn frames_in_the_segment_of_the_request_are_answered_after_the_101() {
        let program = Program::start(&[]);
        let hello = json!({"type": "hello", "name": "Ann"}).to_string();
        let join = json!({"type": "join", "room": "lobby"}).to_string();
        let mut stream = tcp(program.address());
        let segment = [
            request("/ws", KEY, "").as_bytes(),
            &frame(TEXT, true, hello.as_bytes()),
            &frame(TEXT, true, join.as_bytes()),
        ]
        .concat();
        assert_eq!(stream.write(&segment).unwrap(), segment.len());
        let head = head(&mut stream);
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        let mut ann = Client::behind(stream);
        assert_eq!(ann.answer("welcome")["name"], "Ann");
        assert_eq!(ann.answer("joined")["room"], "lobby");
        ann.say("in");
        assert_eq!(line(&ann.hear()), (1, "Ann", "in"));
    }

    #[test]
    fn one_that_never_finishes_its_handshake_is_refused_and_disturbs_nobody() {
        let program = Program::start(&["--handshake-timeout", "1"]);
        let mut slow = tcp(program.address());
        let request = request("/ws", KEY, "");
        slow.write_all(&request.as_bytes()[..request.len() - 2])
            .unwrap();
        let (mut ann, mut bob) = pair(&program);
        converse(&mut ann, &mut bob, 1, 20, "");
        let mut response = String::new();
        slow.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
        converse(&mut ann, &mut bob, 21, 10, "");
    }

    #[test]
    fn one_that_never_reads_is_closed_and_the_others_lose_nothing() {
        const MESSAGES: u64 = 200;
        // Long enough that it is there still when this test comes to read it.
        let program = Program::start(&["--rate-limit", "0", "--close-timeout", "60"]);
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&program.address().into()).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut stalled = Client::new(upgrade(socket.into()));
        stalled.enter("Stalled");

        let (mut ann, mut bob) = pair(&program);
        let long = "длинно ".repeat(600);
        converse(&mut ann, &mut bob, 1, MESSAGES, &long);

        // What it gets in the end is whole and without a gap as far as it goes.
        let mut last = 0;
        let close = loop {
            match stalled.socket.read().expect("whole frames") {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).expect("JSON");
                    if frame["type"] == "message" {
                        last += 1;
                        assert_eq!(frame["seq"], last);
                        assert!(frame["text"].as_str().unwrap().ends_with(&long));
                    }
                }
                Message::Close(close) => break close.expect("a code"),
                _ => {}
            }
        };
        assert_eq!(u16::from(close.code), 4008);
        assert!(last < MESSAGES, "it has read everything");
        converse(&mut ann, &mut bob, MESSAGES + 1, 10, "");
    }

    #[test]
    fn one_that_says_too_much_is_told_to_wait_and_the_others_are_not() {
        const COMMANDS: usize = 500;
        let program = Program::start(&[]);
        let (mut ann, mut bob) = pair(&program);
        let mut flood = Client::new(upgrade(tcp(program.address())));
        flood.enter("Flood");
        let flooding = thread::spawn(move || {
            for number in 0..COMMANDS {
                flood.say(&format!("flood {number}"));
            }
            let (mut said, mut refused) = (Vec::new(), 0);
            while said.len() + refused < COMMANDS {
                let frame = flood.next();
                if frame["type"] == "message" {
                    if frame["from"]["name"] == "Flood" {
                        said.push(frame);
                    }
                    continue;
                }
                assert_eq!(frame["code"], "rate_limited", "{frame}");
                assert!(frame["retry_ms"].as_u64().unwrap() > 0, "{frame}");
                refused += 1;
            }
            (flood, said, refused)
        });
        let heard = talk(&mut ann, &mut bob, 20);
        let (_flood, said, refused) = flooding.join().unwrap();
        assert!(refused > 0 && said.len() >= 20, "{} said", said.len());
        let own = |frame: &&Value| frame["from"]["name"] != "Flood";
        assert_eq!(heard.iter().filter(own).count(), 20);
    }

    #[test]
    fn one_that_says_too_much_is_told_which_message_to_say_again() {
        let program = Program::start(&["--rate-limit", "1"]);
        let mut ann = Client::new(upgrade(tcp(program.address())));
        ann.enter("Ann");
        let error = loop {
            ann.say("again and again");
            let frame = ann.next();
            if frame["type"] == "error" {
                break frame;
            }
        };
        assert_eq!(error["code"], "rate_limited", "{error}");
        assert_eq!(error["cid"], format!("m{}", ann.said), "{error}");
    }

    #[test]
    fn flood_without_a_limit_costs_the_others_nothing() {
        const FLOOD: usize = 3_000;
        // Nobody here is too slow: not for want of room on a busy machine.
        let program = Program::start(&["--rate-limit", "0", "--tape-bytes", "16M"]);
        let (mut ann, mut bob) = pair(&program);
        let mut flood = Client::new(upgrade(tcp(program.address())));
        flood.enter("Flood");
        let text = |number: usize| format!("flood {number} {}", "~".repeat(100));
        let flooding = thread::spawn(move || {
            for number in 0..FLOOD {
                flood.say(&text(number));
            }
            flood
        });
        let mut heard = talk(&mut ann, &mut bob, 100);
        let mut flood = flooding.join().unwrap();
        while heard.len() < FLOOD + 100 {
            let next = ann.hear();
            assert_eq!(bob.hear(), next);
            heard.push(next);
        }
        for (place, frame) in heard.iter().enumerate() {
            assert_eq!(frame["seq"], place + 1);
        }
        let by_flood = heard
            .iter()
            .filter(|frame| frame["from"]["name"] == "Flood");
        let texts: Vec<_> = by_flood
            .map(|frame| frame["text"].as_str().unwrap())
            .collect();
        assert!(
            texts == (0..FLOOD).map(text).collect::<Vec<_>>(),
            "in order"
        );
        for frame in &heard {
            assert_eq!(flood.hear(), *frame);
        }
    }

    #[test]
    fn reset_of_one_changes_nothing_for_the_others() {
        let program = Program::start(&["--rate-limit", "0"]);
        let (mut ann, mut bob) = pair(&program);
        let mut said = 0;
        for name in ["Carl", "Cyd", "Chris"] {
            let mut lost = Client::new(upgrade(tcp(program.address())));
            lost.enter(name);
            converse(&mut ann, &mut bob, said + 1, 5, "");
            said += 5;
            // In the midst of a frame, and with messages unread.
            lost.write(&frame(TEXT, true, b"{\"type\":\"message\"")[..9]);
            let stream = lost.socket.get_ref();
            SockRef::from(stream)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
            drop(lost);
            converse(&mut ann, &mut bob, said + 1, 5, "");
            said += 5;
        }
    }

    #[test]
    fn thousand_people_each_hear_every_message_once_and_in_order() {
        const PEOPLE: usize = 1_000;
        rlimit::increase_nofile_limit(4 * PEOPLE as u64).unwrap();
        let program = Program::start(&["--rate-limit", "0"]);
        let mut people: Vec<_> = (0..PEOPLE)
            .map(|number| {
                let mut client = Client::new(upgrade(tcp(program.address())));
                client.enter(&format!("Person {number}"));
                client
            })
            .collect();
        let texts = ["one", "two", "three", "four", "five", "end"];
        let mut heard = Vec::new();
        for (speaker, text) in [0, 999, 500, 250, 750, 1].into_iter().zip(texts) {
            people[speaker].say(text);
            // Else it is for the server to decide who was first.
            heard.push(people[0].hear());
        }
        for (place, frame) in heard.iter().enumerate() {
            assert_eq!(
                (&frame["seq"], &frame["text"]),
                (&json!(place + 1), &json!(texts[place]))
            );
        }
        for person in &mut people[1..] {
            let own = [(); 6].map(|()| person.hear());
            assert_eq!(own[..], heard);
        }
    }

    #[test]
    fn key_with_loose_last_bits_in_a_request_of_absolute_form_is_accepted_as_sent() {
        let program = Program::start(&[]);
        let target = format!("ws://{}/ws", program.address());
        for key in [KEY, "dGhlIHNhbXBsZSBub25jZR==", "dGhlIHNhbXBsZSBub25jZf=="] {
            let mut stream = tcp(program.address());
            stream
                .write_all(request(&target, key, "").as_bytes())
                .unwrap();
            let head = head(&mut stream);
            assert!(head.starts_with("HTTP/1.1 101 "), "{key}: {head}");
            let accept = derive_accept_key(key.as_bytes());
            assert_eq!(header(&head, "Sec-WebSocket-Accept"), Some(&*accept));
            let mut client = Client::behind(stream);
            client.tell(&json!({"type": "hello", "name": key[20..22]}));
            client.answer("welcome");
        }
    }

    #[test]
    fn key_of_other_than_16_bytes_is_refused() {
        let program = Program::start(&[]);
        for key in ["AQIDBAUGBwgJ", "AQIDBAUGBwgJCgsMDQ4PEBE=", "", "not base64"] {
            let mut stream = tcp(program.address());
            stream
                .write_all(request("/ws", key, "").as_bytes())
                .unwrap();
            let head = head(&mut stream);
            assert!(head.starts_with("HTTP/1.1 400 "), "{key}: {head}");
        }
    }

    #[test]
    fn subprotocol_is_answered_where_it_is_spoken_and_left_out_where_not() {
        let program = Program::start(&[]);
        for (offered, answered) in [
            ("socket", None),
            ("veche.v1", Some("veche.v1")),
            ("socket, veche.v1", Some("veche.v1")),
        ] {
            let mut stream = tcp(program.address());
            let offer = format!("Sec-WebSocket-Protocol: {offered}\r\n");
            stream
                .write_all(request("/ws", KEY, &offer).as_bytes())
                .unwrap();
            let head = head(&mut stream);
            assert!(head.starts_with("HTTP/1.1 101 "), "{offered}: {head}");
            assert_eq!(
                header(&head, "Sec-WebSocket-Protocol"),
                answered,
                "{offered}"
            );
            let mut client = Client::behind(stream);
            client.tell(&json!({"type": "ping", "n": 1}));
            assert_eq!(client.answer("error")["code"], "hello_first");
        }
    }

    #[test]
    fn one_that_comes_back_gets_exactly_what_it_missed() {
        let program = Program::start(&[]);
        let mut ann = Client::new(upgrade(tcp(program.address())));
        let (welcome, joined) = ann.enter("Ann");
        let mut bob = Client::new(upgrade(tcp(program.address())));
        bob.enter("Bob");
        converse(&mut ann, &mut bob, 1, 2, "");
        let said = ann.leave();

        let missed: Vec<_> = (3..=7)
            .map(|number| {
                bob.say(&format!("missed {number}"));
                bob.hear()
            })
            .collect();
        let mut ann = Client::new(upgrade(tcp(program.address())));
        ann.said = said;
        ann.tell(&json!({"type": "hello", "name": "Ann", "session": welcome["session"]}));
        assert_eq!(ann.answer("welcome")["id"], welcome["id"]);
        let after = json!({"epoch": joined["epoch"], "seq": 2});
        ann.tell(&json!({"type": "join", "room": "lobby", "after": after}));
        let joined = ann.answer("joined");
        assert_eq!(joined["recovered"], true);
        assert_eq!(joined["entries"], Value::from(missed));
        assert_eq!(joined["seq"], 7);
        converse(&mut ann, &mut bob, 8, 4, "");
    }

    #[test]
    fn sigterm_tells_everybody_when_to_come_back() {
        const PEOPLE: usize = 20;
        let program = Program::start(&["--rate-limit", "0"]);
        let (sender, chatting) = channel::<()>();
        let people: Vec<_> = (0..PEOPLE)
            .map(|number| {
                let mut client = Client::new(upgrade(tcp(program.address())));
                let sender = sender.clone();
                thread::spawn(move || {
                    client.enter(&format!("Person {number}"));
                    client.say("here");
                    while client.hear()["from"]["name"] != format!("Person {number}") {}
                    drop(sender);
                    let close = client.chat_until_closed(&format!("on and on {number}."));
                    (close, client.socket.read())
                })
            })
            .collect();
        drop(sender);
        // Nothing is ever sent there: it ends when everybody has been heard.
        let end = chatting.recv_timeout(DEADLINE);
        assert_eq!(end, Err(RecvTimeoutError::Disconnected));
        let ended = program.stop();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        for person in people {
            let ((code, reason), end) = person.join().unwrap();
            assert_eq!(code, 1012);
            let retry = reason.strip_prefix("retry_ms=").expect(&reason);
            assert!(retry.parse::<u32>().is_ok(), "{reason}");
            assert!(matches!(end, Err(Error::ConnectionClosed)), "{end:?}");
        }
    }

    /// Somebody who chats in the lobby.
    struct Client {
        socket: WebSocket<TcpStream>,
        said: usize,
    }

    impl Client {
        fn new(socket: WebSocket<TcpStream>) -> Client {
            Client { socket, said: 0 }
        }

        /// On a stream whose handshake was made by hand.
        fn behind(stream: TcpStream) -> Client {
            let config = Some(config());
            Client::new(WebSocket::from_raw_socket(stream, Role::Client, config))
        }

        /// Says hello and joins: what was answered.
        fn enter(&mut self, name: &str) -> (Value, Value) {
            self.tell(&json!({"type": "hello", "name": name}));
            let welcome = self.answer("welcome");
            assert_eq!(welcome["name"], name);
            self.tell(&json!({"type": "join", "room": "lobby"}));
            (welcome, self.answer("joined"))
        }

        fn tell(&mut self, command: &Value) {
            let message = Message::text(command.to_string());
            self.socket.send(message).expect("sent");
        }

        fn say(&mut self, text: &str) {
            self.said += 1;
            self.tell(&message(&format!("m{}", self.said), text));
        }

        fn write(&mut self, bytes: &[u8]) {
            self.socket.get_mut().write_all(bytes).expect("sent");
        }

        /// The next frame that is not about who comes and goes.
        fn next(&mut self) -> Value {
            loop {
                match self.socket.read().expect("a frame in time") {
                    Message::Text(text) if is_presence(&text) => {}
                    Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                    Message::Ping(_) => {}
                    other => panic!("{other:?}"),
                }
            }
        }

        /// The answer to a ping, which is the next as [`Client::next`] has it.
        fn pong(&mut self) -> Vec<u8> {
            loop {
                match self.socket.read().expect("a frame in time") {
                    Message::Text(text) if is_presence(&text) => {}
                    Message::Pong(payload) => return payload.to_vec(),
                    other => panic!("{other:?}"),
                }
            }
        }

        fn answer(&mut self, kind: &str) -> Value {
            let frame = self.next();
            assert_eq!(frame["type"], kind, "{frame}");
            frame
        }

        fn hear(&mut self) -> Value {
            self.answer("message")
        }

        /// Closes, and waits until the server has too: how much was said, since
        /// a session says nothing twice under one `cid`.
        fn leave(mut self) -> usize {
            self.socket.close(None).expect("sent");
            loop {
                match self.socket.read() {
                    Ok(_) => {}
                    Err(Error::ConnectionClosed) => return self.said,
                    Err(error) => panic!("{error}"),
                }
            }
        }

        /// Speaks, hears and speaks again until it is told to go: the code and
        /// the reason.
        fn chat_until_closed(&mut self, text: &str) -> (u16, String) {
            self.say(text);
            loop {
                match self.socket.read().expect("a frame in time") {
                    Message::Text(frame) if frame.contains(text) => self.say(text),
                    Message::Close(close) => {
                        let close = close.expect("a code");
                        return (close.code.into(), close.reason.to_string());
                    }
                    _ => {}
                }
            }
        }
    }

    /// Ann and Bob, in the lobby.
    fn pair(program: &Program) -> (Client, Client) {
        let [ann, bob] = ["Ann", "Bob"].map(|name| {
            let mut client = Client::new(upgrade(tcp(program.address())));
            client.enter(name);
            client
        });
        (ann, bob)
    }

    /// Two in turn say something, which both hear before the other goes on, and
    /// nothing else, numbered from `first`.
    fn converse(ann: &mut Client, bob: &mut Client, first: u64, count: u64, ending: &str) {
        for seq in first..first + count {
            let (name, speaker) = if seq % 2 == 0 {
                ("Ann", &mut *ann)
            } else {
                ("Bob", &mut *bob)
            };
            let text = format!("{seq} {ending}");
            speaker.say(&text);
            let heard = ann.hear();
            assert_eq!(line(&heard), (seq, name, &*text));
            assert_eq!(bob.hear(), heard);
        }
    }

    /// Two in turn say something where others talk too: what both have heard,
    /// which is the same.
    fn talk(ann: &mut Client, bob: &mut Client, count: usize) -> Vec<Value> {
        let mut heard: Vec<Value> = Vec::new();
        for number in 0..count {
            let speaker = if number % 2 == 0 {
                &mut *ann
            } else {
                &mut *bob
            };
            let text = format!("talk {number}");
            speaker.say(&text);
            loop {
                let next = ann.hear();
                assert_eq!(bob.hear(), next);
                if let Some(last) = heard.last() {
                    assert_eq!(next["seq"], last["seq"].as_u64().unwrap() + 1);
                }
                let is_own = next["text"] == *text;
                heard.push(next);
                if is_own {
                    break;
                }
            }
        }
        heard
    }

    fn message(cid: &str, text: &str) -> Value {
        json!({"type": "message", "room": "lobby", "cid": cid, "text": text})
    }

    fn is_presence(text: &str) -> bool {
        text.starts_with("{\"type\":\"presence\",")
    }

    /// What somebody has said: its number, whose it is, and the text.
    fn line(message: &Value) -> (u64, &str, &str) {
        (
            message["seq"].as_u64().expect("a number"),
            message["from"]["name"].as_str().expect("a name"),
            message["text"].as_str().expect("a text"),
        )
    }

    /// A request to upgrade, with more headers.
    fn request(target: &str, key: &str, headers: &str) -> String {
        format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: {key}\r\n{headers}\r\n"
        )
    }

    /// The head of a response, and nothing behind it.
    fn head(stream: &mut TcpStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("a response");
            head.extend(byte);
        }
        String::from_utf8(head).expect("UTF-8")
    }

    fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
        let mut headers = head.lines().filter_map(|line| line.split_once(": "));
        let (_, value) = headers.find(|(header, _)| header.eq_ignore_ascii_case(name))?;
        Some(value)
    }
}
