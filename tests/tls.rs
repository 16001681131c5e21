//! The program over TLS, with independent clients.
#![cfg(all(feature = "chat", feature = "tls"))]
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/ends.rs"]
mod ends;

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use common::{DEADLINE, Line, Program, command, run};
use ends::identity::Identity;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, StreamOwned, SupportedProtocolVersion,
};
use serde_json::{Value, json};
use socket2::{Domain, Socket as Socket2, Type};
use tungstenite::{Message, WebSocket};
use veche::server::Handle;
use veche::{ConnectionId, Context, Server, Tls};

#[test]
fn people_chat_over_both_versions_of_tls() {
    let identity = Identity::new();
    let program = identity.start(&[]);
    let mut ann = identity.chat(&program, "Ann", &TLS13);
    let mut bob = identity.chat(&program, "Bob", &TLS12);
    say(&mut ann, "Здравствуй");
    for client in [&mut ann, &mut bob] {
        assert_eq!(hear(client, "message")["text"], "Здравствуй");
    }
    // Larger than some records.
    let long = "x".repeat(200_000);
    let ping = json!({"type": "ping", "n": 1, "padding": long}).to_string();
    bob.send(Message::text(ping)).unwrap();
    assert_eq!(hear(&mut bob, "pong")["n"], 1);
    ann.close(None).unwrap();
    assert!(matches!(ann.read(), Ok(Message::Close(_))));
    // Behind the closing handshake comes the end of TLS, not only of TCP.
    assert!(matches!(ann.get_mut().read(&mut [0]), Ok(0)));
}

#[test]
fn page_is_served_to_curl_which_checks_the_certificate() {
    let identity = Identity::new();
    let program = identity.start(&[]);
    let url = format!("https://localhost:{}/", program.address().port());
    let curl = |arguments: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--noproxy", "*"]);
        curl.args(arguments).arg(&url);
        curl.output().expect("curl is installed")
    };
    let certificate = identity.certificate();
    let page = curl(&["--cacert", certificate.to_str().unwrap()]);
    assert!(page.status.success(), "{page:?}");
    assert!(String::from_utf8_lossy(&page.stdout).contains("<title>"));
    assert!(!curl(&[]).status.success(), "nobody vouches for it");
}

#[test]
fn who_comes_back_resumes_the_session() {
    let identity = Identity::new();
    let program = identity.start(&[]);
    for version in [&TLS12, &TLS13] {
        let config = identity.config(version, b"http/1.1");
        let handshake = || {
            let mut stream = connect(&config, program.address());
            let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            stream.write_all(request).unwrap();
            stream.read_to_end(&mut Vec::new()).unwrap();
            stream.conn.handshake_kind().unwrap()
        };
        assert_eq!(handshake(), HandshakeKind::Full);
        assert_eq!(handshake(), HandshakeKind::Resumed, "{version:?}");
    }
}

#[test]
fn who_speaks_only_http_2_is_refused_in_the_handshake() {
    let identity = Identity::new();
    let program = identity.start(&[]);
    let mut stream = connect(&identity.config(&TLS13, b"h2"), program.address());
    let error = stream.write(b"PRI").unwrap_err();
    assert!(
        error.to_string().contains("NoApplicationProtocol"),
        "{error}"
    );
}

#[test]
fn who_speaks_plain_http_is_told_what_to_do() {
    let identity = Identity::new();
    let program = identity.start(&[]);
    let (status, body) = program.get("/");
    assert_eq!(status, 400);
    assert!(String::from_utf8_lossy(&body).contains("https://"));
}

#[test]
fn who_sends_garbage_or_nothing_disturbs_nobody() {
    let identity = Identity::new();
    let program = identity.start(&["--handshake-timeout", "1"]);
    let mut silent = program.connect();
    let mut garbage = program.connect();
    // A record of a handshake whose contents are none.
    garbage.write_all(&[22, 3, 1, 0, 4, 9, 9, 9, 9]).unwrap();
    let mut torn = program.connect();
    torn.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    let mut ann = identity.chat(&program, "Ann", &TLS13);
    for stream in [&mut silent, &mut garbage, &mut torn] {
        match stream.read_to_end(&mut Vec::new()) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
    say(&mut ann, "still here");
    assert_eq!(hear(&mut ann, "message")["text"], "still here");
}

#[test]
fn certificate_is_renewed_without_dropping_anybody() {
    let (mut identity, other) = (Identity::new(), Identity::new());
    let mut program = identity.start(&[]);
    let mut ann = identity.chat(&program, "Ann", &TLS13);

    // One that does not fit together changes nothing.
    fs::copy(other.key(), identity.key()).unwrap();
    program.signal("HUP");
    tells(&mut program, "is not the key of this certificate");
    let mut bob = identity.chat(&program, "Bob", &TLS13);

    fs::copy(other.certificate(), identity.certificate()).unwrap();
    program.signal("HUP");
    tells(&mut program, "read anew");
    let config = identity.config(&TLS13, b"http/1.1");
    let refused = connect(&config, program.address())
        .write(b"GET")
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidData);
    identity.trusted = other.trusted.clone();
    let mut eve = identity.chat(&program, "Eve", &TLS13);
    say(&mut ann, "all here");
    for client in [&mut ann, &mut bob, &mut eve] {
        assert_eq!(hear(client, "message")["text"], "all here");
    }
}

#[test]
fn each_wrong_file_is_one_line_with_its_remedy() {
    let (identity, other) = (Identity::new(), Identity::new());
    let (certificate, key) = (identity.certificate(), identity.key());
    let file = |name: &str, text: &str| {
        let path = identity.folder.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted = file("encrypted.pem", encrypted);
    let broken = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    let broken = file("broken.pem", broken);
    let strange = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    let strange = file("strange.pem", strange);
    let missing = identity.folder.join("missing.pem");
    for (certificate, key, told) in [
        (
            &missing,
            &key,
            ["--tls-cert", "missing.pem: cannot be read"],
        ),
        (
            &certificate,
            &missing,
            ["--tls-key", "missing.pem: cannot be read"],
        ),
        (&key, &key, ["--tls-cert", "has no certificate"]),
        (
            &certificate,
            &certificate,
            ["--tls-key", "has no private key"],
        ),
        (&certificate, &encrypted, ["--tls-key", "openssl pkey"]),
        (&broken, &key, ["--tls-cert", "is no PEM file"]),
        (&strange, &key, ["--tls-cert", "cannot be used"]),
        (
            &certificate,
            &other.key(),
            ["--tls-key", "is not the key of this certificate"],
        ),
    ] {
        let [certificate, key] = [certificate, key].map(|path| path.to_str().unwrap());
        let ended = run(&["--tls-cert", certificate, "--tls-key", key]);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let [error] = &ended.errors[..] else {
            panic!("one line: {ended:?}");
        };
        assert!(told.iter().all(|part| error.contains(part)), "{error}");
    }
    for (given, other) in [("--tls-cert", "--tls-key"), ("--tls-key", "--tls-cert")] {
        let ended = run(&[given, certificate.to_str().unwrap()]);
        assert_eq!(ended.status.code(), Some(2));
        assert!(ended.errors[0].contains(other), "{ended:?}");
    }
}

/// What does not fit into the socket at once comes whole and in order all the
/// same, in whatever pieces it is taken.
#[test]
fn slow_reader_gets_every_byte_in_order() {
    let identity = Identity::new();
    let tls = Tls::from_files(identity.certificate(), identity.key()).unwrap();
    let (address, handle, serving) = serve(tls);
    for version in [&TLS12, &TLS13] {
        let stream = connect(&identity.config(version, b"http/1.1"), address);
        let (mut client, _) = tungstenite::client("wss://localhost/", stream).unwrap();
        client.send(Message::text("2000")).unwrap();
        for number in 0..2_000 {
            let message = client.read().unwrap().into_data();
            assert!(*message == payload(number), "message {number}");
        }
    }
    handle.stop();
    serving.join().unwrap().unwrap();
}

/// A record may carry a byte, or none, and costs as much as one that is full.
#[test]
fn flood_of_tiny_records_keeps_nobody_waiting() {
    let identity = Identity::new();
    let program = identity.start(&[]);
    let mut ann = identity.chat(&program, "Ann", &TLS13);
    let flooder = identity.chat(&program, "Flood", &TLS13);
    let (mut session, mut socket) = flooder.into_inner().into_parts();
    // A message that never ends, byte by byte.
    let mut flood = Vec::new();
    session
        .writer()
        .write_all(&[0x82, 0xff, 0, 0, 0, 0, 0, 15, 0, 0, 1, 2, 3, 4])
        .unwrap();
    for _ in 0..200_000 {
        session.writer().write_all(b"x").unwrap();
        session.write_tls(&mut flood).unwrap();
    }
    let flooding = thread::spawn(move || socket.write_all(&flood).map(|()| socket));
    for _ in 0..3 {
        ann.send(Message::text(json!({"type": "ping", "n": 1}).to_string()))
            .unwrap();
        hear(&mut ann, "pong");
    }
    assert!(!flooding.is_finished(), "she was answered when it was over");
    drop(program);
    let _ = flooding.join();
}

#[test]
fn library_reads_its_certificate_anew_when_told() {
    let (identity, other) = (Identity::new(), Identity::new());
    let tls = Tls::from_files(identity.certificate(), identity.key()).unwrap();
    let (address, handle, serving) = serve(tls);
    fs::copy(other.certificate(), identity.certificate()).unwrap();
    fs::copy(other.key(), identity.key()).unwrap();
    handle.reload_tls();
    let config = other.config(&TLS13, b"http/1.1");
    let deadline = Instant::now() + DEADLINE;
    // Until then whoever connects gets the old one.
    while connect(&config, address).write(b"GET").is_err() {
        assert!(Instant::now() < deadline, "it goes on with the old one");
    }
    handle.stop();
    serving.join().unwrap().unwrap();
}

#[test]
fn last_bytes_before_the_end_reach_a_slow_reader() {
    let identity = Identity::new();
    let page: String = (0..100_000).map(|number| format!("{number}\n")).collect();
    fs::write(identity.folder.join("index.html"), &page).unwrap();
    let folder = identity.folder.to_str().unwrap();
    let program = identity.start(&["--www", folder]);
    let socket = Socket2::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(&program.address().into()).unwrap();
    let mut stream = over(&identity.config(&TLS13, b"http/1.1"), socket.into());
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.ends_with(&page), "{} bytes", response.len());
}

#[test]
fn goodbye_is_answered_with_one_even_where_nothing_was_asked() {
    let identity = Identity::new();
    let program = identity.start(&[]);
    for version in [&TLS12, &TLS13] {
        let mut stream = connect(&identity.config(version, b"http/1.1"), program.address());
        stream.conn.complete_io(&mut stream.sock).unwrap();
        stream.conn.send_close_notify();
        stream.conn.complete_io(&mut stream.sock).unwrap();
        assert!(matches!(stream.read(&mut [0]), Ok(0)), "{version:?}");
    }
}

#[test]
fn what_came_before_a_broken_record_counts() {
    let identity = Identity::new();
    let program = identity.start(&[]);
    let mut bob = identity.chat(&program, "Bob", &TLS13);
    for (version, name) in [(&TLS12, "Ann"), (&TLS13, "Eve")] {
        let mut client = identity.chat(&program, name, version);
        let Socket { conn, sock } = client.get_mut();
        let last = json!({"type": "message", "room": "lobby", "cid": "a", "text": name});
        let last = last.to_string();
        // A text masked with zeros (RFC 6455 §5.2).
        let length = 0x80 | u8::try_from(last.len()).unwrap();
        let frame = [&[0x81, length, 0, 0, 0, 0], last.as_bytes()].concat();
        let mut sent = Vec::new();
        conn.writer().write_all(&frame).unwrap();
        conn.write_tls(&mut sent).unwrap();
        sent.extend(BROKEN_RECORD);
        sock.write_all(&sent).unwrap();
        assert_eq!(hear(&mut bob, "message")["text"], name);
        while client.read().is_ok() {}
    }
}

#[test]
fn broken_record_behind_the_end_disturbs_nobody() {
    let identity = Identity::new();
    let program = identity.start(&[]);
    for version in [&TLS12, &TLS13] {
        let mut client = identity.chat(&program, &format!("{version:?}"), version);
        client.close(None).unwrap();
        while !client.read().unwrap().is_close() {}
        client.get_mut().sock.write_all(&BROKEN_RECORD).unwrap();
        drop(client);
    }
    let mut bob = identity.chat(&program, "Bob", &TLS13);
    say(&mut bob, "still here");
    assert_eq!(hear(&mut bob, "message")["text"], "still here");
}

/// Of application data that nobody has encrypted.
const BROKEN_RECORD: [u8; 25] = {
    let mut record = [b'x'; 25];
    [record[0], record[1], record[2], record[3], record[4]] = [23, 3, 3, 0, 20];
    record
};

/// A server in a thread that sends so many messages as it is asked for.
fn serve(tls: Tls) -> (SocketAddr, Handle, JoinHandle<io::Result<()>>) {
    let (started, start) = channel();
    let serving = thread::spawn(move || {
        let mut server = Server::bind("127.0.0.1:0").unwrap();
        server.set_tls(tls);
        server.config().outbox_bytes = 64 << 20;
        started
            .send((server.local_addr().unwrap(), server.handle()))
            .unwrap();
        server.run(
            |cx: &mut Context, id: ConnectionId, message: veche::Message| {
                let count: usize = match message {
                    veche::Message::Text(count) => count.parse().unwrap(),
                    veche::Message::Binary(_) => 0,
                };
                for number in 0..count {
                    cx.send(id, &payload(number));
                }
            },
        )
    });
    let (address, handle) = start.recv().unwrap();
    (address, handle, serving)
}

/// Of each a size of its own, from nothing to some records.
fn payload(number: usize) -> Vec<u8> {
    let size = number * 7_919 % 40_000;
    (0..size)
        .map(|place| (number + place).to_le_bytes()[0])
        .collect()
}

/// Waits until the log has that.
fn tells(program: &mut Program, what: &str) {
    program.wait_for(what, |line| match line {
        Line::Error(line) => line.contains(what).then_some(()),
        Line::Output(_) => None,
    });
}

type Socket = StreamOwned<ClientConnection, TcpStream>;

fn connect(config: &Arc<ClientConfig>, address: SocketAddr) -> Socket {
    over(
        config,
        TcpStream::connect_timeout(&address, DEADLINE).unwrap(),
    )
}

fn over(config: &Arc<ClientConfig>, stream: TcpStream) -> Socket {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(
        ClientConnection::new(Arc::clone(config), name).unwrap(),
        stream,
    )
}

impl Identity {
    fn start(&self, arguments: &[&str]) -> Program {
        let mut command = command();
        command.args(["--listen", "127.0.0.1:0", "--tls-cert"]);
        command
            .arg(self.certificate())
            .arg("--tls-key")
            .arg(self.key());
        Program::start_alone(command.args(arguments))
    }

    /// Somebody in the lobby.
    fn chat(
        &self,
        program: &Program,
        name: &str,
        version: &'static SupportedProtocolVersion,
    ) -> WebSocket<Socket> {
        let stream = connect(&self.config(version, b"http/1.1"), program.address());
        let (mut client, _) = tungstenite::client("wss://localhost/ws", stream).unwrap();
        let hello = json!({"type": "hello", "name": name}).to_string();
        client.send(Message::text(hello)).unwrap();
        hear(&mut client, "welcome");
        let join = json!({"type": "join", "room": "lobby"}).to_string();
        client.send(Message::text(join)).unwrap();
        hear(&mut client, "joined");
        client
    }
}

fn say(client: &mut WebSocket<Socket>, text: &str) {
    let message = json!({"type": "message", "room": "lobby", "cid": "a", "text": text});
    client.send(Message::text(message.to_string())).unwrap();
}

/// The next of that type.
fn hear(client: &mut WebSocket<Socket>, kind: &str) -> Value {
    loop {
        let message = client.read().unwrap();
        let Message::Text(text) = message else {
            continue;
        };
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_ne!(answer["type"], "error", "{answer}");
        if answer["type"] == kind {
            return answer;
        }
    }
}
