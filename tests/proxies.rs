//! The recipes of `deploy/` for nginx, Apache and Caddy, run by those as Debian has
//! them, with independent clients. What differs from the recipes is in `proxy`.
#![cfg(all(feature = "page", feature = "tls", target_os = "linux"))]
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/ends.rs"]
mod ends;
#[path = "proxies/proxy.rs"]
mod proxy;

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::thread;

use common::{DEADLINE, Program};
use ends::identity::Identity;
use proxy::{
    APACHE_PATH, APACHE_SUBDOMAIN, CADDY_PATH, CADDY_SUBDOMAIN, NGINX_PATH, NGINX_SUBDOMAIN, Proxy,
    Recipe,
};
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use rustls::{ClientConnection, StreamOwned};
use serde_json::{Value, json};
use socket2::{Domain, Type};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Error, HandshakeError, Message, WebSocket};

type Socket = StreamOwned<ClientConnection, TcpStream>;

#[test]
fn nginx_by_subdomain() {
    everything_works(&NGINX_SUBDOMAIN);
}

#[test]
fn nginx_by_path() {
    everything_works(&NGINX_PATH);
}

#[test]
fn apache_by_subdomain() {
    everything_works(&APACHE_SUBDOMAIN);
}

#[test]
fn apache_by_path() {
    everything_works(&APACHE_PATH);
}

#[test]
fn caddy_by_subdomain() {
    everything_works(&CADDY_SUBDOMAIN);
}

#[test]
fn caddy_by_path() {
    everything_works(&CADDY_PATH);
}

/// As the comments of the recipes have it.
#[test]
fn path_that_a_proxy_leaves_there_is_the_base_path() {
    let identity = Identity::new();
    for (recipe, text, other) in [
        (&NGINX_PATH, "//127.0.0.1:7777/;", "//127.0.0.1:7777;"),
        (&APACHE_PATH, "127.0.0.1:7777/", "127.0.0.1:7777/chat/"),
        (&CADDY_PATH, "handle_path", "handle"),
    ] {
        let program = start(&["--base-path", "/chat"]);
        let (folder, address) = (&identity.folder, program.address());
        let site = Site {
            proxy: Proxy::start_with(recipe, folder, address, &[(text, other)]),
            identity: &identity,
            recipe,
        };
        site.page_is_served();
        site.people_chat();
    }
}

/// The timeout of the proxies is replaced by one of six seconds.
#[test]
fn who_is_silent_is_kept_by_pings() {
    let identity = Identity::new();
    // It is as late as each of these that a connection is looked at again.
    let [ping, answer, handshake] = [
        "--ping-interval=1",
        "--ping-timeout=3",
        "--handshake-timeout=3",
    ];
    let program = start(&[ping, answer, handshake]);
    let sites = RECIPES.map(|recipe| Site::start(&identity, recipe, program.address()));
    let mut clients = sites
        .each_ref()
        .map(|site| site.connect(LOOPBACK, &[]).unwrap());
    // The third comes nine seconds after the first word.
    for _ in 0..3 {
        for client in &mut clients {
            assert!(matches!(client.read(), Ok(Message::Ping(_))));
            client.flush().unwrap();
        }
    }
    for client in &mut clients {
        client.close(None).unwrap();
        assert!(matches!(client.read(), Ok(Message::Close(_))));
    }
}

fn everything_works(recipe: &'static Recipe) {
    let identity = Identity::new();
    lay_out(&identity);
    let program = start(&["--max-connections-per-address", "2"]);
    let site = Site::start(&identity, recipe, program.address());
    site.page_is_served();
    site.site_is_as_it_was();
    site.people_chat();
    site.foreign_pages_are_refused();
    site.visitors_are_counted();
    drop(site);
    server_is_told_who_asks_for_what(&identity, recipe);
}

/// The program behind a proxy.
fn start(arguments: &[&str]) -> Program {
    Program::start(&[&["--trusted-proxy", "127.0.0.1"], arguments].concat())
}

/// A site that was there before the chat.
fn lay_out(identity: &Identity) {
    let site = identity.folder.join("site");
    fs::create_dir(&site).unwrap();
    fs::write(site.join("index.html"), "the site").unwrap();
    fs::write(site.join("site.css"), "of the site").unwrap();
}

/// A proxy whose certificate is known, with the chat behind it.
struct Site<'a> {
    identity: &'a Identity,
    proxy: Proxy,
    recipe: &'static Recipe,
}

impl Site<'_> {
    fn start<'a>(
        identity: &'a Identity,
        recipe: &'static Recipe,
        upstream: SocketAddr,
    ) -> Site<'a> {
        Site {
            identity,
            proxy: Proxy::start(recipe, &identity.folder, upstream),
            recipe,
        }
    }

    fn page_is_served(&self) {
        let path = self.recipe.path;
        let (status, page) = self.get(path);
        assert_eq!(status, "200", "{page}");
        assert!(page.contains("<title>Veche"), "{page}");
        let script = page.split_once("src=\"").unwrap().1;
        let script = script.split_once('"').unwrap().0;
        let (status, script) = self.get(&format!("{path}{script}"));
        assert_eq!(status, "200", "{script}");
        assert!(script.contains("document"), "{script}");
        // It is sent on to the folder, which is below that of the page.
        let (status, console) = self.get(&format!("{path}console"));
        assert_eq!(status, "200", "{console}");
        assert!(console.contains("console.css"), "{console}");
        assert_eq!(self.get(&format!("{path}console/console.css")).0, "200");
        assert_eq!(self.get(&format!("{path}nothing")).0, "404");
    }

    /// What else the recipe serves.
    fn site_is_as_it_was(&self) {
        let Recipe { host, path, .. } = self.recipe;
        if *path != "/" {
            assert_eq!(self.get("/"), ("200".into(), "the site".into()));
            assert_eq!(self.get("/site.css"), ("200".into(), "of the site".into()));
            let (_, page) = self.get(path.trim_end_matches('/'));
            assert!(page.contains("<title>Veche"), "{page}");
            assert_eq!(self.get("/js/main.js").0, "404");
        } else if !self.recipe.file.starts_with("caddy") {
            // Caddy's are its own affair.
            let url = format!("http://{host}:{}/x?y", self.proxy.plain.port());
            let told = self.curl(&["--write-out", "%{redirect_url}", &url], self.proxy.plain);
            let secure = format!("https://{host}/x");
            assert!(told.contains(&secure), "{told}");
        }
    }

    fn people_chat(&self) {
        let mut ann = self.chat("Ann");
        let mut bob = self.chat("Bob");
        let message = json!({"type": "message", "room": "lobby", "cid": "a", "text": "Привет"});
        ann.send(Message::text(message.to_string())).unwrap();
        for client in [&mut ann, &mut bob] {
            assert_eq!(hear(client, "message")["text"], "Привет");
        }
        let file =
            json!({"type": "file", "room": "lobby", "cid": "b", "name": "a.bin"}).to_string();
        let length = u16::try_from(file.len()).unwrap().to_be_bytes();
        let frame = [&length, file.as_bytes(), &[7; 500_000]].concat();
        ann.send(Message::binary(frame)).unwrap();
        for client in [&mut ann, &mut bob] {
            assert_eq!(hear(client, "file")["size"], 500_000);
        }
        ann.close(None).unwrap();
        while ann.read().is_ok() {}
    }

    fn foreign_pages_are_refused(&self) {
        let (host, port) = (self.recipe.host, self.proxy.address.port());
        for (origin, allowed) in [
            (format!("https://{host}:{port}"), true),
            // Not over TLS: another one.
            (format!("http://{host}:{port}"), false),
            (format!("https://{host}"), false),
            ("https://evil.example".into(), false),
        ] {
            let headers = [("Origin", &*origin), ("X-Forwarded-Proto", "http")];
            let status = self.connect(LOOPBACK, &headers).err();
            assert_eq!(status, (!allowed).then_some(403), "{origin}");
        }
    }

    /// By their own addresses, and not by those that they make up.
    fn visitors_are_counted(&self) {
        let forged = [("X-Forwarded-For", "203.0.113.9")];
        let others = [("X-Forwarded-For", "203.0.113.10, 127.0.0.1")];
        // The loopback is exempt, whoever says that it was somebody else.
        let connected: Vec<_> = (0..3).map(|_| self.connect(LOOPBACK, &forged)).collect();
        assert!(connected.iter().all(Result::is_ok));
        let Some(address) = own_address() else {
            return;
        };
        let _one = self.connect(address, &forged).unwrap();
        let _two = self.connect(address, &others).unwrap();
        assert_eq!(self.connect(address, &[]).err(), Some(429));
        assert_eq!(self.connect(address, &forged).err(), Some(429));
    }

    /// The status and the body.
    fn get(&self, path: &str) -> (String, String) {
        let (host, address) = (self.recipe.host, self.proxy.address);
        let url = format!("https://{host}:{}{path}", address.port());
        let answer = self.curl(
            &["--location", "--write-out", "\n%{http_code}", &url],
            address,
        );
        let (body, status) = answer.rsplit_once('\n').unwrap();
        (status.to_owned(), body.to_owned())
    }

    fn curl(&self, arguments: &[&str], address: SocketAddr) -> String {
        let host = self.recipe.host;
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--resolve"]);
        curl.arg(format!("{host}:{}:{}", address.port(), address.ip()));
        curl.arg("--cacert").arg(self.identity.certificate());
        let done = curl.args(arguments).output().expect("curl is installed");
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    }

    /// Somebody in the lobby.
    fn chat(&self, name: &str) -> WebSocket<Socket> {
        let mut client = self.connect(LOOPBACK, &[]).unwrap();
        let hello = json!({"type": "hello", "name": name}).to_string();
        client.send(Message::text(hello)).unwrap();
        hear(&mut client, "welcome");
        let join = json!({"type": "join", "room": "lobby"}).to_string();
        client.send(Message::text(join)).unwrap();
        hear(&mut client, "joined");
        client
    }

    /// A WebSocket from an address of this machine, or the status instead.
    fn connect(
        &self,
        from: IpAddr,
        headers: &[(&'static str, &str)],
    ) -> Result<WebSocket<Socket>, u16> {
        let Recipe { host, path, .. } = self.recipe;
        let socket = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.set_write_timeout(Some(DEADLINE)).unwrap();
        socket
            .connect_timeout(&self.proxy.address.into(), DEADLINE)
            .unwrap();
        let config = self.identity.config(&TLS13, b"http/1.1");
        let tls = ClientConnection::new(config, ServerName::try_from(*host).unwrap()).unwrap();
        let stream = StreamOwned::new(tls, socket.into());
        let url = format!("wss://{host}:{}{path}ws", self.proxy.address.port());
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match tungstenite::client(request, stream) {
            Ok((client, _)) => Ok(client),
            Err(HandshakeError::Failure(Error::Http(response))) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

/// What the server gets to read, whatever the visitor said.
fn server_is_told_who_asks_for_what(identity: &Identity, recipe: &'static Recipe) {
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = upstream.local_addr().unwrap();
    let told = thread::spawn(move || {
        loop {
            let (mut stream, _) = upstream.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                head.push(byte[0]);
            }
            let _ = stream.write_all(b"HTTP/1.1 418 No\r\nContent-Length: 0\r\n\r\n");
            if !head.is_empty() {
                return String::from_utf8(head).unwrap();
            }
        }
    });
    let site = Site::start(identity, recipe, address);
    let forged = [
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-Proto", "http"),
    ];
    assert_eq!(site.connect(LOOPBACK, &forged).err(), Some(418));
    let head = told.join().unwrap();
    assert!(head.starts_with("GET /ws HTTP/1.1\r\n"), "{head}");
    let port = site.proxy.address.port();
    for (name, value) in [
        ("host", format!("{}:{port}", recipe.host)),
        ("upgrade", "websocket".into()),
        ("connection", "upgrade".into()),
        ("x-forwarded-for", "127.0.0.1".into()),
        ("x-forwarded-proto", "https".into()),
    ] {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let lines = lines.filter(|line| line.0.eq_ignore_ascii_case(name));
        let values: Vec<_> = lines.map(|line| line.1.to_ascii_lowercase()).collect();
        assert_eq!(values, [value], "{name} in {head}");
    }
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

/// An address of this machine that is none of the loopback's; none where there is
/// no network. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // RFC 5737: an address of nobody's.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const RECIPES: [&Recipe; 6] = [
    &NGINX_SUBDOMAIN,
    &NGINX_PATH,
    &APACHE_SUBDOMAIN,
    &APACHE_PATH,
    &CADDY_SUBDOMAIN,
    &CADDY_PATH,
];
