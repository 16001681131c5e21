//! Requests that the handler answers, in memory: bodies, answers that come later,
//! paths below another, what proxies say.
#![allow(clippy::unwrap_used)]

#[path = "common/ends.rs"]
mod ends;
#[path = "common/world.rs"]
mod world;

use std::time::Duration;

use tungstenite::Message as Frame;
use veche::http::assets::Embedded;
use veche::http::origin::Origins;
use veche::http::refusal::Refusal;
use veche::http::request::Request;
use veche::http::response::{Response, Status};
use veche::{Close, CloseCode, Config, ConnectionId, Context, Handler, Message};
use world::{Client, REQUEST, World};

const HOME: &str = "127.0.0.1";

/// Answers what is below /api/: at once, or when it is told to.
#[derive(Default)]
struct Clerk {
    log: Vec<String>,
    waiting: Vec<ConnectionId>,
    is_busy: bool,
}

impl Handler for Clerk {
    fn takes(&self, request: &Request<'_>) -> Result<Option<usize>, Refusal> {
        if request.path == "/api/secret" {
            return Err(Refusal::new(Status::Unauthorized, "Who are you?"));
        }
        Ok(request.path.starts_with("/api/").then_some(10))
    }

    fn request(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        request: &Request<'_>,
        body: &[u8],
    ) -> Option<Response<'static>> {
        let body = String::from_utf8_lossy(body);
        let Request { method, path, .. } = request;
        let address = cx.address(id).unwrap();
        self.log.push(format!("{method} {path} {body} {address}"));
        if *path == "/api/later" {
            self.waiting.push(id);
            self.is_busy = true;
            return None;
        }
        Some(Response::text(Status::Ok, &format!("took {body}")))
    }

    fn message(&mut self, cx: &mut Context<'_>, id: ConnectionId, message: Message<'_>) {
        cx.send(id, message);
    }

    fn wake(&mut self, cx: &mut Context<'_>) {
        self.is_busy = false;
        for id in self.waiting.drain(..) {
            cx.respond(id, Response::text(Status::Created, "done"));
            cx.respond(id, Response::text(Status::Created, "done twice"));
        }
    }

    fn is_waiting(&self) -> bool {
        self.is_busy
    }
}

fn world() -> World<Clerk> {
    world_with(Config::default())
}

fn world_with(config: Config) -> World<Clerk> {
    let assets = Embedded::new(&[("index.html", b"<p>"), ("a/index.html", b"<p>")]);
    let config = Config {
        assets: Some(Box::new(assets)),
        ..config
    };
    World::new(config, Clerk::default())
}

/// What is answered to what is written.
fn answer(world: &mut World<Clerk>, client: &mut Client, request: &str) -> String {
    client.write(request.as_bytes());
    world.run();
    String::from_utf8(client.read()).unwrap()
}

fn post(path: &str, body: &str) -> String {
    let bytes = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: veche\r\nContent-Length: {bytes}\r\n\r\n{body}")
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: veche\r\n\r\n")
}

#[test]
fn body_is_the_handlers_in_whatever_pieces_it_comes() {
    let mut world = world();
    let request = post("/api/a", "0123456789");
    for pieces in [1, 7, request.len()] {
        let mut client = world.accept(HOME);
        let mut answered = String::new();
        for piece in request.as_bytes().chunks(pieces) {
            assert_eq!(answered, "");
            answered += &answer(
                &mut world,
                &mut client,
                core::str::from_utf8(piece).unwrap(),
            );
        }
        assert!(answered.starts_with("HTTP/1.1 200 OK\r\n"), "{answered}");
        assert!(answered.ends_with("\r\n\r\ntook 0123456789\n"));
    }
    let log = &world.core.handler().log;
    assert_eq!(*log, ["POST /api/a 0123456789 127.0.0.1"; 3]);
}

#[test]
fn requests_in_a_row_are_answered_in_their_order() {
    let mut world = world();
    let mut client = world.accept(HOME);
    let requests = [
        post("/api/a", "1"),
        get("/"),
        post("/api/b", "22"),
        get("/x"),
    ];
    let answers = answer(&mut world, &mut client, &requests.concat());
    let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).collect();
    let begins = statuses.iter().map(|answer| &answer[..3]);
    assert_eq!(begins.collect::<Vec<_>>(), ["200", "200", "200", "404"]);
    assert!(statuses[2].ends_with("took 22\n"));
}

#[test]
fn answer_may_come_later_and_what_is_asked_next_waits_for_it() {
    let mut world = world();
    let mut client = world.accept(HOME);
    let requests = post("/api/later", "1") + &post("/api/b", "2");
    assert_eq!(answer(&mut world, &mut client, &requests), "");
    // Longer than a request may take to arrive.
    world.advance(Duration::from_secs(60));
    assert_eq!(client.read(), b"");
    assert_eq!(world.core.handler().log.len(), 1, "the second one waits");
    world.core.wake();
    world.run();
    let answers = String::from_utf8(client.read()).unwrap();
    let (first, second) = answers.split_once("done\n").unwrap();
    assert!(first.starts_with("HTTP/1.1 201 Created\r\n"));
    assert!(second.starts_with("HTTP/1.1 200 OK\r\n") && second.ends_with("took 2\n"));
    // And then it may be silent for as long as any other.
    world.advance(Duration::from_secs(11));
    assert!(client.is_gone());
}

#[test]
fn who_has_gone_gets_no_answer_and_who_came_instead_not_theirs() {
    let mut world = world();
    let mut gone = world.accept(HOME);
    answer(&mut world, &mut gone, &post("/api/later", ""));
    gone.reset();
    let waiting = world.core.handler().waiting.clone();
    world.core.wake();
    world.run();
    let mut next = world.accept(HOME);
    assert_eq!(next.place, gone.place);
    assert_eq!(answer(&mut world, &mut next, &post("/api/later", "")), "");
    world.core.handler().waiting = waiting;
    world.core.wake();
    world.run();
    assert_eq!(next.read(), b"");
}

#[test]
fn who_sends_nothing_more_still_gets_the_answer() {
    let mut world = world();
    let mut client = world.accept(HOME);
    client.write(post("/api/later", "").as_bytes());
    client.finish();
    world.run();
    world.core.wake();
    world.run();
    assert!(client.read().ends_with(b"done\n"));
    assert!(client.is_gone());
}

#[test]
fn server_that_stops_waits_for_the_answer() {
    let mut world = world();
    let mut client = world.accept(HOME);
    answer(&mut world, &mut client, &post("/api/later", ""));
    world.core.stop(Close::new(CloseCode::GOING_AWAY, ""));
    world.run();
    world.core.wake();
    world.run();
    assert!(client.read().ends_with(b"done\n") && client.is_shut());
}

#[test]
fn body_that_is_not_taken_is_refused_by_its_head() {
    let mut world = world();
    let coded = "POST /api/a HTTP/1.1\r\nHost: veche\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (request, status) in [
        (post("/api/a", "0123456789x"), "413"),
        (coded.to_owned(), "411"),
        (post("/api/secret", "1"), "401"),
        (post("/", "1"), "405"),
        (post("/a", ""), "405"),
        (
            get("/").replace("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\n"),
            "413",
        ),
    ] {
        let mut client = world.accept(HOME);
        // What follows is never looked at.
        let head = &request[..request.find("\r\n\r\n").unwrap() + 4];
        let answered = answer(&mut world, &mut client, &(head.to_owned() + &get("/api/a")));
        assert_eq!(&answered[9..12], status, "{request}");
        assert_eq!(answered.matches("HTTP/1.1 ").count(), 1);
        assert_eq!(
            status == "401",
            answered.contains("WWW-Authenticate: Bearer\r\n")
        );
        assert!(client.is_shut());
    }
    assert!(world.core.handler().log.is_empty());
}

#[test]
fn who_waits_to_be_told_to_go_on_is_told_once() {
    let mut world = world();
    let mut client = world.accept(HOME);
    let request = post("/api/a", "12").replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let (head, body) = request.split_at(request.len() - 2);
    let told = answer(&mut world, &mut client, head);
    assert_eq!(told, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(answer(&mut world, &mut client, &body[..1]), "");
    assert!(answer(&mut world, &mut client, &body[1..]).ends_with("took 12\n"));
}

#[test]
fn http_1_0_is_not_told_to_go_on() {
    let mut world = world();
    let mut client = world.accept(HOME);
    let request = post("/api/a", "12").replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let request = request.replace("HTTP/1.1", "HTTP/1.0");
    let (head, body) = request.split_at(request.len() - 2);
    assert_eq!(answer(&mut world, &mut client, head), "");
    assert!(answer(&mut world, &mut client, body).ends_with("took 12\n"));
}

#[test]
fn visitor_of_a_proxy_stays_one_while_the_answer_is_made() {
    let mut world = world_with(Config {
        trusted_proxies: vec!["192.0.2.1".parse().unwrap()],
        max_connections_per_address: 1,
        ..Config::default()
    });
    let visitor = "\r\nX-Forwarded-For: 203.0.113.7\r\n\r\n";
    let mut proxied = world.accept("192.0.2.1");
    // The answer to the first is written when the second is taken already.
    let requests =
        get("/").replace("\r\n\r\n", visitor) + &get("/api/later").replace("\r\n\r\n", visitor);
    assert!(answer(&mut world, &mut proxied, &requests).starts_with("HTTP/1.1 200"));
    let mut second = world.accept("192.0.2.1");
    let refused = answer(
        &mut world,
        &mut second,
        &get("/").replace("\r\n\r\n", visitor),
    );
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
}

#[test]
fn body_has_to_arrive_in_the_time_of_its_request() {
    let mut world = world();
    let mut client = world.accept(HOME);
    let request = post("/api/a", "12");
    assert_eq!(
        answer(&mut world, &mut client, &request[..request.len() - 1]),
        ""
    );
    world.advance(Duration::from_secs(11));
    assert!(client.read().starts_with(b"HTTP/1.1 408 "));
}

#[test]
fn answer_to_head_has_no_body_and_http_1_0_is_answered_once() {
    let mut world = world();
    let mut client = world.accept(HOME);
    let head = answer(
        &mut world,
        &mut client,
        &get("/api/a").replace("GET", "HEAD"),
    );
    assert!(head.ends_with("\r\n\r\n") && head.contains("\r\nContent-Length: 6\r\n"));
    assert!(!client.is_shut());
    answer(
        &mut world,
        &mut client,
        &get("/api/a").replace("1.1", "1.0"),
    );
    assert!(client.is_shut());
}

#[test]
fn everything_is_below_the_base_path() {
    let mut world = world_with(Config {
        base_path: "/chat".into(),
        websocket_paths: vec!["/ws"],
        ..Config::default()
    });
    for (path, status) in [
        ("/chat/", "200"),
        ("/chat/api/a", "200"),
        ("/chat", "308"),
        ("/chat/a", "308"),
        ("/chat/b", "404"),
        ("/", "404"),
        ("/api/a", "404"),
        ("/chatter/", "404"),
        ("/chat/chat/", "404"),
    ] {
        let mut client = world.accept(HOME);
        let answered = answer(&mut world, &mut client, &get(path));
        assert_eq!(&answered[9..12], status, "{path}");
        let location = match path {
            "/chat" => "./chat/",
            _ => "./a/",
        };
        let location = format!("\r\nLocation: {location}\r\n");
        assert_eq!(answered.contains(&location), status == "308", "{path}");
    }
    assert_eq!(world.core.handler().log, ["GET /api/a  127.0.0.1"]);
    let mut client = world.accept(HOME);
    let upgrade = REQUEST.replace("/ws", "/chat/ws");
    assert!(answer(&mut world, &mut client, &upgrade).starts_with("HTTP/1.1 101 "));
    client.open();
    client.send(Frame::text("Hi"));
    world.run();
    assert_eq!(client.messages(), [Frame::text("Hi")]);
    let mut client = world.accept(HOME);
    assert!(answer(&mut world, &mut client, REQUEST).starts_with("HTTP/1.1 404 "));
}

#[test]
fn trusted_proxy_tells_how_a_page_was_loaded_and_nobody_else() {
    let mut world = world_with(Config {
        origins: Origins::SameHostOr(Vec::new()),
        trusted_proxies: vec!["192.0.2.1".parse().unwrap()],
        ..Config::default()
    });
    for (from, proto, origin, status) in [
        ("192.0.2.1", "https", "https://veche", "101"),
        ("192.0.2.1", "https", "http://veche", "403"),
        ("192.0.2.1", "http", "https://veche", "403"),
        // One that tells nothing, and one that is not believed.
        ("192.0.2.1", "", "http://veche", "101"),
        ("192.0.2.2", "https", "http://veche", "101"),
    ] {
        let headers = format!("\r\nX-Forwarded-Proto: {proto}\r\nOrigin: {origin}\r\n\r\n");
        let request = REQUEST.replace("\r\n\r\n", &headers);
        let mut client = world.accept(from);
        let answered = answer(&mut world, &mut client, &request);
        assert_eq!(&answered[9..12], status, "{from} {proto} {origin}");
    }
}
