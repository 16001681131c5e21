//! Where the program listens: several addresses, Unix sockets, below a path.
#![cfg(feature = "chat")]
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/ends.rs"]
mod ends;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use common::{DEADLINE, Line, Program, run};
use serde_json::{Value, json};
use socket2::{Domain, SockAddr, Socket, Type};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

#[test]
fn people_chat_through_addresses_and_unix_sockets_at_once() {
    let path = socket("both");
    let unix = format!("unix:{}", path.display());
    let mut program = Program::start(&["--listen", &format!("{unix},[::1]:0")]);
    let six = program.wait_for("the other address", |line| match line {
        Line::Output(line) => {
            let rest = line.strip_prefix("Open http://[::1]:")?;
            rest.split_once('/')?.0.parse::<u16>().ok()
        }
        Line::Error(_) => None,
    });
    program.wait_for("the socket", |line| {
        (*line == Line::Output(format!("Have a proxy connect to {unix}."))).then_some(())
    });
    let mut ann = chat(UnixStream::connect(&path).unwrap(), "Ann");
    let mut bob = chat(program.connect(), "Bob");
    let address = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], six));
    let mut eve = chat(
        TcpStream::connect_timeout(&address, DEADLINE).unwrap(),
        "Eve",
    );
    let message = json!({"type": "message", "room": "lobby", "cid": "a", "text": "Hi"});
    ann.send(Message::text(message.to_string())).unwrap();
    assert_eq!(hear(&mut ann, "message")["text"], "Hi");
    assert_eq!(hear(&mut bob, "message")["text"], "Hi");
    assert_eq!(hear(&mut eve, "message")["text"], "Hi");
    let ended = program.stop();
    assert_eq!(ended.status.code(), Some(0));
    assert!(!path.exists(), "the socket goes with the program");
}

#[test]
fn socket_that_a_killed_server_left_is_replaced_and_one_in_use_is_not() {
    let path = socket("left");
    let unix = format!("unix:{}", path.display());
    let start = || Program::start(&["--listen", &unix]);
    // Dropped is killed.
    drop(start());
    assert!(path.exists());
    let _running = start();
    let ended = run(&["--listen", &unix]);
    assert_eq!(ended.status.code(), Some(1));
    assert_eq!(
        ended.errors,
        [format!(
            "veche: --listen {unix}: the file is there already; \
             stop the program that listens there, or choose another path"
        )]
    );
    assert_eq!(get(&path, ""), "200", "the first one serves on");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(
        mode & 0o777,
        0o666,
        "whoever gets into the folder may connect"
    );
}

#[test]
fn socket_of_another_server_is_left_to_it() {
    let path = socket("other");
    let unix = format!("unix:{}", path.display());
    let program = Program::start(&["--listen", &unix]);
    // Bound, and not listened at yet.
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    assert_eq!(program.stop().status.code(), Some(0));
    assert!(path.exists(), "it is the other one's");
    // Nor is one replaced whose server does not come to its door.
    let waiting: Vec<_> = (0..300).map_while(|_| knock(&path)).collect();
    let ended = run(&["--listen", &unix]);
    assert!(
        ended.errors[0].contains("the file is there already"),
        "{ended:?}"
    );
    drop((other, waiting));
}

#[test]
fn path_that_cannot_be_a_socket_is_told_with_the_remedy() {
    let file = socket("file");
    fs::write(&file, "mine").unwrap();
    let long = format!("/tmp/{}", "x".repeat(200));
    for (path, told) in [
        (file.to_str().unwrap(), "the file is there already"),
        ("/nowhere/at/all.sock", "its folder is not there"),
        (&long, "choose another path"),
    ] {
        let ended = run(&["--listen", &format!("unix:{path}")]);
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        let [error] = &ended.errors[..] else {
            panic!("not one line: {ended:?}");
        };
        assert!(error.contains(told), "{error}");
    }
    assert_eq!(
        fs::read(&file).unwrap(),
        b"mine",
        "nobody's file is touched"
    );
}

#[test]
fn limits_are_those_of_the_people_behind_a_unix_socket_if_its_proxy_is_trusted() {
    let path = socket("trusted");
    let unix = format!("unix:{}", path.display());
    let limit = ["--max-connections-per-address", "1"];
    let visitor = "X-Forwarded-For: 203.0.113.7\r\n";
    for (trusted, again) in [("127.0.0.1", "429"), ("192.0.2.1", "200")] {
        let arguments = [
            "--listen",
            &unix,
            limit[0],
            limit[1],
            "--trusted-proxy",
            trusted,
        ];
        let _program = Program::start(&arguments);
        let stream = UnixStream::connect(&path).unwrap();
        let mut request = "ws://localhost/ws".into_client_request().unwrap();
        let visitor_address = "203.0.113.7".parse().unwrap();
        request
            .headers_mut()
            .insert("X-Forwarded-For", visitor_address);
        let (_open, _) = tungstenite::client(request, stream).unwrap();
        assert_eq!(get(&path, visitor), again, "{trusted}");
        assert_eq!(get(&path, "X-Forwarded-For: 203.0.113.8\r\n"), "200");
    }
}

#[test]
fn everything_is_below_the_base_path_that_was_given() {
    let mut program = Program::start(&["--base-path", "/chat/"]);
    program.wait_for("the address with the path", |line| match line {
        Line::Output(line) => line.contains("/chat/ in a browser").then_some(()),
        Line::Error(_) => None,
    });
    let there = if cfg!(feature = "page") { 200 } else { 404 };
    for (path, status) in [
        ("/chat/", 200),
        ("/chat/js/main.js", there),
        ("/chat/console/", there),
        ("/chat", 308),
        ("/", 404),
        ("/js/main.js", 404),
    ] {
        assert_eq!(program.get(path).0, status, "{path}");
    }
    let url = |path| format!("ws://{}{path}", program.address());
    assert!(tungstenite::client(url("/chat/ws"), program.connect()).is_ok());
    assert!(tungstenite::client(url("/chat/"), program.connect()).is_ok());
    assert!(tungstenite::client(url("/ws"), program.connect()).is_err());
}

/// Somebody who waits there, unless there is no more room to.
fn knock(path: &Path) -> Option<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = SockAddr::unix(path).unwrap();
    socket.connect(&address).is_ok().then_some(socket)
}

/// A path of a test's own, with nothing at it.
fn socket(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("veche-{name}-{}.sock", std::process::id()));
    let _ = fs::remove_file(&path);
    path
}

/// The status of the page at a Unix socket.
fn get(path: &Path, headers: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let request =
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer[9..12].to_owned()
}

/// Somebody in the lobby.
fn chat<S: Read + Write>(stream: S, name: &str) -> WebSocket<S> {
    let (mut client, _) = tungstenite::client("ws://localhost/ws", stream)
        .ok()
        .unwrap();
    let hello = json!({"type": "hello", "name": name}).to_string();
    client.send(Message::text(hello)).unwrap();
    hear(&mut client, "welcome");
    let join = json!({"type": "join", "room": "lobby"}).to_string();
    client.send(Message::text(join)).unwrap();
    hear(&mut client, "joined");
    client
}

/// The next of that type.
fn hear<S: Read + Write>(client: &mut WebSocket<S>, kind: &str) -> Value {
    loop {
        let Message::Text(text) = client.read().unwrap() else {
            continue;
        };
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_ne!(answer["type"], "error", "{answer}");
        if answer["type"] == kind {
            return answer;
        }
    }
}
