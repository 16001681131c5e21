//! The server's core in memory: phases, deadlines, bounds.
#![allow(clippy::unwrap_used)]

#[path = "common/ends.rs"]
mod ends;
#[cfg(feature = "tls")]
#[path = "server/tls.rs"]
mod tls;
#[path = "common/world.rs"]
mod world;

use std::time::Duration;

use ends::is_over_tls;
use tungstenite::Message as Frame;
use veche::http::assets::Embedded;
use veche::http::origin::Origins;
use veche::{Close, Config, ConnectionId, Context, Handler, Message, Opening, Topic};
use world::{Client, REQUEST, World, close, stop};

const HOME: &str = "127.0.0.1";
const AWAY: &str = "192.0.2.1";
const ALL: Topic = Topic(1);

/// Does what it is told, and keeps what it was told.
#[derive(Default)]
struct Puppet {
    log: Vec<String>,
    keep_the_slow: bool,
    answer_the_slow: bool,
}

impl Handler for Puppet {
    fn open(&mut self, cx: &mut Context<'_>, id: ConnectionId, opening: &Opening<'_>) {
        self.log.push(format!("open {id} {}", opening.request.path));
        cx.subscribe(id, ALL);
    }

    fn message(&mut self, cx: &mut Context<'_>, id: ConnectionId, message: Message<'_>) {
        match message {
            Message::Text("bye") => cx.close(id, veche::CloseCode::NORMAL, "as you wish"),
            Message::Text("tick") => cx.tick_at(cx.now() + Duration::from_secs(3)),
            Message::Text(text) if text.starts_with("all ") => cx.publish(ALL, &text[4..]),
            Message::Text("too much") => (0..4).for_each(|_| cx.send(id, &"x".repeat(1000))),
            Message::Text("much") => cx.send(id, &"x".repeat(1000)),
            message => cx.send(id, message),
        }
    }

    fn close(&mut self, _: &mut Context<'_>, id: ConnectionId, close: Close<'_>) {
        self.log.push(format!(
            "close {id} {} {}",
            close.code.value(),
            close.reason
        ));
    }

    fn lagged(&mut self, cx: &mut Context<'_>, id: ConnectionId, missed: u64) {
        self.log.push(format!("lagged {id} {missed}"));
        if self.answer_the_slow {
            cx.send(id, "you are slow");
            cx.send(id, "very slow");
        }
        if !self.keep_the_slow {
            cx.close(id, veche::CloseCode::new(4008), "too slow");
        }
    }

    fn wake(&mut self, _: &mut Context<'_>) {
        self.log.push("wake".into());
    }

    fn tick(&mut self, _: &mut Context<'_>) {
        self.log.push("tick".into());
    }
}

fn world() -> World<Puppet> {
    World::new(Config::default(), Puppet::default())
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn log(world: &mut World<Puppet>) -> Vec<String> {
    std::mem::take(&mut world.core.handler().log)
}

#[test]
fn message_is_answered_by_the_handler() {
    let mut world = world();
    let mut client = world.connect(HOME);
    client.send("hello");
    client.send(Frame::binary(vec![1, 2, 3]));
    world.run();
    assert_eq!(
        client.messages(),
        [Frame::text("hello"), Frame::binary(vec![1, 2, 3])]
    );
    assert_eq!(log(&mut world), ["open 0.1 /ws"]);
}

#[test]
fn frames_in_the_segment_of_the_request_are_answered_after_the_101() {
    let mut world = world();
    let mut client = world.accept(HOME);
    // "Hi", masked with zeros.
    let frame = [0x81, 0x82, 0, 0, 0, 0, b'H', b'i'];
    client.write(&[REQUEST.as_bytes(), &frame].concat());
    world.run();
    let bytes = client.read();
    assert!(bytes.starts_with(b"HTTP/1.1 101 "));
    assert!(bytes.ends_with(b"\r\n\r\n\x81\x02Hi"));
}

#[test]
fn frames_behind_a_refused_request_are_never_looked_at() {
    let mut world = world();
    let mut client = world.accept(HOME);
    let refused = REQUEST.replace("Version: 13", "Version: 12");
    client.write(&[refused.as_bytes(), &[0x81, 0x82, 0, 0, 0, 0, b'H', b'i']].concat());
    world.run();
    let text = String::from_utf8(client.read()).unwrap();
    assert!(text.starts_with("HTTP/1.1 426 ") && text.contains("Sec-WebSocket-Version: 13"));
    assert!(client.is_shut() && log(&mut world).is_empty());
}

#[test]
fn request_delivered_byte_by_byte_is_accepted() {
    let mut world = world();
    let mut client = world.accept(HOME);
    for byte in REQUEST.as_bytes() {
        client.write(&[*byte]);
        world.run();
    }
    assert!(client.read().starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn pipelined_request_behind_one_that_came_in_two_parts_is_answered() {
    let config = Config {
        assets: Some(Box::new(Embedded::new(&[("index.html", b"page")]))),
        ..Config::default()
    };
    let mut world = World::new(config, Puppet::default());
    let mut client = world.accept(HOME);
    client.write(b"GET /first HTTP/1.1\r\nHost: veche\r\nX-Long: aaaaaaaaaaaaaaaa\r\n");
    world.run();
    client.write(b"\r\nGET / HTTP/1.1\r\nHost: veche\r\n\r\n");
    world.run();
    let text = String::from_utf8(client.read()).unwrap();
    assert_eq!(text.matches("HTTP/1.1 404 ").count(), 1, "{text}");
    assert_eq!(text.matches("HTTP/1.1 200 ").count(), 1, "{text}");
}

#[test]
fn refusal_of_head_has_no_body() {
    let mut world = world();
    let mut client = world.accept(HOME);
    client.write(b"HEAD / HTTP/1.1\r\nHost: veche\r\n\r\n");
    world.run();
    let text = String::from_utf8(client.read()).unwrap();
    assert!(text.starts_with("HTTP/1.1 426 ") && text.ends_with("\r\n\r\n"));
}

#[test]
fn short_read_is_not_followed_by_another() {
    let mut world = world();
    let mut client = world.connect(HOME);
    let before = client.reads();
    client.send("one");
    world.run();
    assert_eq!(client.reads() - before, 1);
}

#[test]
fn broadcast_is_one_write_a_client_whatever_the_number_of_messages() {
    let mut world = world();
    let mut clients: Vec<_> = (0..3).map(|_| world.connect(HOME)).collect();
    let before = clients[2].writes();
    for text in ["all a", "all b", "all c"] {
        clients[0].send(text);
    }
    world.run();
    assert_eq!(clients[2].writes() - before, 1);
    for client in &mut clients {
        let texts = ["a", "b", "c"].map(Frame::text);
        assert_eq!(client.messages(), texts);
    }
}

#[test]
fn silent_peer_is_asked_and_then_lost() {
    let mut world = world();
    let mut client = world.connect(HOME);
    world.advance(seconds(24));
    assert_eq!(client.messages(), []);
    world.advance(seconds(2));
    assert_eq!(client.read(), [0x89, 0]);
    world.advance(seconds(9));
    assert!(!client.is_gone());
    world.advance(seconds(2));
    assert!(client.is_gone());
    assert_eq!(log(&mut world)[1], "close 0.1 1006 no answer to a ping");
}

#[test]
fn any_byte_proves_life() {
    let mut world = world();
    let mut client = world.connect(HOME);
    for _ in 0..10 {
        world.advance(seconds(26));
        assert_eq!(client.read(), [0x89, 0], "asked again");
        client.write(&[0x82]);
        world.advance(seconds(2));
        client.write(&[0x80, 0, 0, 0, 0]);
        world.run();
        assert_eq!(client.read(), [0x82, 0]);
    }
}

#[test]
fn ping_is_as_often_as_it_is_to_be_whatever_else_takes_longer() {
    let config = Config {
        ping_interval: seconds(2),
        ..Config::default()
    };
    let mut world = World::new(config, Puppet::default());
    let mut client = world.connect(HOME);
    for _ in 0..5 {
        world.advance(seconds(3));
        assert_eq!(client.read(), [0x89, 0], "asked after two seconds");
        client.write(&[0x8a, 0x80, 0, 0, 0, 0]);
        world.run();
    }
}

#[test]
fn time_to_answer_a_ping_counts_from_when_it_was_written() {
    let mut world = world();
    let mut client = world.connect(HOME);
    client.set_capacity(Some(1));
    world.advance(seconds(26));
    client.set_capacity(Some(0));
    // Of a record nothing is known before it is whole.
    let half = if is_over_tls() { 0 } else { 1 };
    assert_eq!(client.read(), [0x89][..half], "half of a ping");
    world.advance(seconds(20));
    client.set_capacity(None);
    world.advance(seconds(9));
    assert!(!client.is_gone());
    world.advance(seconds(2));
    assert!(client.is_gone());
}

#[test]
fn unfinished_request_is_refused_in_time_however_it_drips() {
    let mut world = world();
    let (mut silent, mut dripping) = (world.accept(HOME), world.accept(HOME));
    for byte in &REQUEST.as_bytes()[..9] {
        dripping.write(&[*byte]);
        world.advance(seconds(1));
    }
    world.advance(seconds(2));
    assert!(silent.is_gone() && silent.read().is_empty());
    assert!(dripping.read().starts_with(b"HTTP/1.1 408 "));
    assert!(dripping.is_shut());
}

#[test]
fn unfinished_message_is_failed_in_time() {
    let mut world = world();
    let mut client = world.connect(HOME);
    client.write(&[0x01, 0x81, 0, 0, 0, 0, b'x']);
    for _ in 0..13 {
        world.advance(seconds(10));
        client.write(&[0x8a, 0x80, 0, 0, 0, 0]);
    }
    let expected = close(1008, "message not complete in time");
    assert_eq!(client.closed(), Some(expected));
}

#[test]
fn control_frame_in_parts_leaves_no_message_unfinished() {
    let mut world = world();
    let mut client = world.connect(HOME);
    for _ in 0..30 {
        for part in [&[0x8a, 0x80, 0, 0][..], &[0, 0]] {
            client.write(part);
            world.run();
        }
        world.advance(seconds(10));
    }
    assert_eq!(client.closed(), None);
}

#[test]
fn peer_that_closes_gets_its_code_back_and_the_server_closes_first() {
    let mut world = world();
    let mut client = world.connect(HOME);
    client.write(&[0x88, 0x85, 0, 0, 0, 0, 0x0b, 0xb8, b'b', b'y', b'e']);
    world.run();
    assert_eq!(client.read(), [0x88, 2, 0x0b, 0xb8]);
    assert!(client.is_shut() && !client.is_gone());
    client.finish();
    world.run();
    assert!(client.is_gone());
    assert_eq!(log(&mut world)[1..], ["close 0.1 3000 bye"]);
}

#[test]
fn handler_closes_after_everything_sent_before() {
    let mut world = world();
    let mut client = world.connect(HOME);
    client.send("all first");
    client.send("second");
    client.send("bye");
    client.send("never seen");
    world.run();
    let close = Frame::Close(Some(close(1000, "as you wish")));
    assert_eq!(
        client.messages(),
        [Frame::text("first"), Frame::text("second"), close]
    );
    assert_eq!(log(&mut world)[1..], ["close 0.1 1000 as you wish"]);
    // Its answer, which tungstenite has sent, completes the handshake.
    world.run();
    assert!(client.is_shut());
}

#[test]
fn peer_that_does_not_close_is_dropped_in_time() {
    let mut world = world();
    let mut client = world.connect(HOME);
    client.send("bye");
    world.advance(seconds(4));
    assert!(!client.is_gone());
    world.advance(seconds(2));
    assert!(client.is_gone());
}

#[test]
fn lost_peer_is_told_to_the_handler_once() {
    let mut world = world();
    let (mut one, mut two) = (world.connect(HOME), world.connect(HOME));
    one.reset();
    two.finish();
    world.run();
    assert!(one.is_gone() && two.is_gone());
    let log = log(&mut world);
    assert!(
        log.contains(&"close 0.1 1006 reading failed".into()),
        "{log:?}"
    );
    assert!(
        log.contains(&"close 1.2 1006 the peer is gone".into()),
        "{log:?}"
    );
    assert_eq!(log.len(), 4);
}

#[test]
fn place_of_one_that_has_gone_does_not_get_its_messages() {
    let mut world = world();
    let mut one = world.connect(HOME);
    one.reset();
    world.run();
    let mut two = world.connect(HOME);
    assert_eq!(two.place, one.place);
    two.send("all x");
    world.run();
    assert_eq!(two.messages(), [Frame::text("x")]);
    assert_eq!(log(&mut world)[2], "open 0.2 /ws");
}

#[test]
fn reader_that_lags_is_told_apart_and_the_others_lose_nothing() {
    let mut world = world();
    world.core.handler().keep_the_slow = true;
    let (mut fast, mut slow) = (world.connect(HOME), world.connect(HOME));
    slow.set_capacity(Some(100));
    let text = "x".repeat(10_000);
    for round in 0..40 {
        fast.send(format!("all {text}"));
        world.run();
        assert_eq!(fast.messages().len(), 1, "round {round}");
    }
    let log = log(&mut world);
    assert!(
        log.iter().any(|line| line.starts_with("lagged 1.2 ")),
        "{log:?}"
    );
    slow.set_capacity(None);
    world.run();
    let frames = slow.messages();
    assert!(
        frames
            .iter()
            .all(|frame| *frame == Frame::text(text.clone())),
        "torn"
    );
    let dropped: usize = log
        .iter()
        .filter_map(|l| l.strip_prefix("lagged 1.2 ")?.parse::<usize>().ok())
        .sum::<usize>();
    assert_eq!(frames.len() + dropped, 40);
}

#[test]
fn reader_that_takes_nothing_is_closed_by_the_stall_timer() {
    let mut world = world();
    let mut client = world.connect(HOME);
    client.set_capacity(Some(0));
    client.send("hello");
    for _ in 0..7 {
        world.advance(seconds(4));
        client.write(&[0x8a, 0x80, 0, 0, 0, 0]);
    }
    assert_eq!(log(&mut world).len(), 1);
    world.advance(seconds(4));
    assert_eq!(log(&mut world), ["lagged 0.1 0", "close 0.1 4008 too slow"]);
    world.advance(seconds(6));
    assert!(client.is_gone());
}

#[test]
fn member_that_takes_nothing_of_a_topic_is_closed_without_a_heartbeat_too() {
    let config = Config {
        ping_interval: Duration::ZERO,
        ..Config::default()
    };
    let mut world = World::new(config, Puppet::default());
    let (mut one, mut two) = (world.connect(HOME), world.connect(HOME));
    // The deadline of the handshake is past, and no other is set.
    world.advance(seconds(15));
    two.set_capacity(Some(0));
    one.send("all hello");
    world.advance(seconds(31));
    assert_eq!(
        log(&mut world)[2..],
        ["lagged 1.2 0", "close 1.2 4008 too slow"]
    );
}

#[test]
fn requests_of_a_peer_that_does_not_read_wait() {
    let mut world = World::new(
        Config {
            outbox_bytes: 2_500,
            ..Config::default()
        },
        Puppet::default(),
    );
    let mut client = world.connect(HOME);
    client.set_capacity(Some(0));
    for _ in 0..20 {
        client.send("much");
    }
    world.run();
    client.send("last");
    world.run();
    assert_eq!(log(&mut world).len(), 1, "nothing was dropped");
    let mut frames = Vec::new();
    for _ in 0..30 {
        client.set_capacity(Some(1_100));
        world.run();
        frames.extend(client.messages());
    }
    assert_eq!(frames.len(), 21);
    assert_eq!(frames.last(), Some(&Frame::text("last")));
}

#[test]
fn one_address_has_a_bound_and_the_loopback_has_not() {
    let config = || Config {
        max_connections_per_address: 2,
        ..Config::default()
    };
    let mut world = World::new(config(), Puppet::default());
    let _open: Vec<_> = (0..2).map(|_| world.connect(AWAY)).collect();
    let mut refused = world.accept(AWAY);
    refused.write(REQUEST.as_bytes());
    world.run();
    assert!(refused.read().starts_with(b"HTTP/1.1 429 "));
    let _other = world.connect("192.0.2.2");
    let _loopback: Vec<_> = (0..5).map(|_| world.connect("::1")).collect();
    let _home: Vec<_> = ["2001:db8::1", "2001:db8::2"]
        .map(|ip| world.connect(ip))
        .into();
    let mut refused = world.accept("2001:db8::ffff:3");
    refused.write(REQUEST.as_bytes());
    world.run();
    assert!(
        refused.read().starts_with(b"HTTP/1.1 429 "),
        "of the same /64"
    );
    let _neighbour = world.connect("2001:db8:0:1::1");
    let _mapped: Vec<_> = (0..5).map(|_| world.connect("::ffff:127.0.0.1")).collect();
}

#[test]
fn peer_that_sends_nothing_more_still_gets_its_answers() {
    let mut world = world();
    let mut client = world.accept(HOME);
    let frame = [0x81, 0x82, 0, 0, 0, 0, b'H', b'i'];
    client.write(&[REQUEST.as_bytes(), &frame].concat());
    client.finish();
    world.run();
    assert!(client.read().ends_with(b"\r\n\r\n\x81\x02Hi"));
    assert!(client.is_shut() && client.is_gone());
    assert_eq!(
        log(&mut world),
        ["open 0.1 /ws", "close 0.1 1006 the peer is gone"]
    );
}

#[test]
fn those_who_came_first_are_not_refused_for_those_who_came_later() {
    let config = Config {
        max_connections_per_address: 1,
        ..Config::default()
    };
    let mut world = World::new(config, Puppet::default());
    let mut first = world.accept(AWAY);
    let mut second = world.accept(AWAY);
    for client in [&mut first, &mut second] {
        client.write(REQUEST.as_bytes());
    }
    world.run();
    assert!(first.read().starts_with(b"HTTP/1.1 101 "));
    assert!(second.read().starts_with(b"HTTP/1.1 429 "));
}

#[test]
fn limits_are_those_of_the_people_behind_a_trusted_proxy() {
    let mut world = World::new(behind_a_proxy(), Puppet::default());
    let mut answer = |from: &str, behind: &str| {
        let mut client = world.accept(from);
        client.write(&forwarded(REQUEST, behind));
        (status(&mut world, &mut client), client)
    };
    let (first, _first) = answer(AWAY, "203.0.113.1");
    let (again, _again) = answer(AWAY, "203.0.113.1");
    let (other, mut other_client) = answer(AWAY, "198.51.100.7, 203.0.113.2");
    assert_eq!([&*first, &*again, &*other], ["101", "429", "101"]);
    // Nobody else's word is taken.
    let (stranger, _stranger) = answer("198.51.100.1", "203.0.113.3");
    let (liar, _liar) = answer("198.51.100.1", "203.0.113.4");
    assert_eq!([&*stranger, &*liar], ["101", "429"]);
    other_client.reset();
    answer(AWAY, "198.51.100.9");
    assert_eq!(
        answer(AWAY, "203.0.113.2").0,
        "101",
        "the place is free again"
    );
}

#[test]
fn connection_of_a_proxy_is_a_visitors_only_until_their_request_is_answered() {
    let mut world = World::new(behind_a_proxy(), Puppet::default());
    let mut first = world.accept(AWAY);
    first.set_capacity(Some(0));
    first.write(&forwarded(GET, "203.0.113.1"));
    assert_eq!(status(&mut world, &mut first), "", "on its way");
    let mut again = world.accept(AWAY);
    again.write(&forwarded(REQUEST, "203.0.113.1"));
    assert_eq!(status(&mut world, &mut again), "429");
    again.reset();
    first.set_capacity(None);
    assert_eq!(status(&mut world, &mut first), "200");
    // The proxy keeps it open for whoever comes next.
    let mut again = world.accept(AWAY);
    again.write(&forwarded(REQUEST, "203.0.113.1"));
    assert_eq!(status(&mut world, &mut again), "101");
    first.write(&forwarded(GET, "203.0.113.2"));
    assert_eq!(status(&mut world, &mut first), "200");
    first.write(&forwarded(REQUEST, "203.0.113.1"));
    assert_eq!(status(&mut world, &mut first), "429");
}

#[test]
fn request_of_which_a_trusted_proxy_says_nothing_is_the_proxys() {
    for nothing in [REQUEST.into(), forwarded(REQUEST, "unknown")] {
        let mut world = World::new(behind_a_proxy(), Puppet::default());
        let mut client = world.accept(AWAY);
        let requests = [forwarded(GET, "203.0.113.1"), nothing].concat();
        client.write(&requests);
        assert_eq!(status(&mut world, &mut client), "200");
        assert_eq!(log(&mut world), ["open 0.1 /ws"]);
        let mut other = world.accept(AWAY);
        other.write(&forwarded(REQUEST, "203.0.113.1"));
        assert_eq!(status(&mut world, &mut other), "101", "its only connection");
    }
}

/// One connection for each visitor of a proxy, and a page.
fn behind_a_proxy() -> Config {
    Config {
        max_connections_per_address: 1,
        trusted_proxies: vec!["192.0.2.0/24".parse().unwrap()],
        assets: Some(Box::new(Page)),
        ..Config::default()
    }
}

/// A request as a proxy passes it on.
fn forwarded(request: &str, behind: &str) -> Vec<u8> {
    let forwarded = format!("\r\nX-Forwarded-For: {behind}\r\n\r\n");
    request.replace("\r\n\r\n", &forwarded).into_bytes()
}

/// The status of what is answered to what was written.
fn status(world: &mut World<Puppet>, client: &mut Client) -> String {
    world.run();
    let answer = String::from_utf8(client.read()).unwrap();
    answer.get(9..12).unwrap_or_default().to_owned()
}

const GET: &str = "GET /a HTTP/1.1\r\nHost: veche\r\n\r\n";

#[test]
fn page_of_another_origin_is_refused_before_the_upgrade() {
    let config = Config {
        origins: Origins::SameHostOr(vec!["https://site.example".into()]),
        ..Config::default()
    };
    let mut world = World::new(config, Puppet::default());
    for (origins, status) in [
        ("", "101"),
        ("Origin: http://veche\r\n", "101"),
        ("Origin: https://site.example\r\n", "101"),
        ("Origin: https://evil.example\r\n", "403"),
        ("Origin: null\r\n", "403"),
        ("Origin: http://veche.evil.example\r\n", "403"),
        ("Origin: http://veche\r\nOrigin: http://veche\r\n", "403"),
    ] {
        let mut client = world.accept(HOME);
        let request = REQUEST.replace("\r\n\r\n", &format!("\r\n{origins}\r\n"));
        // "Hi", masked with zeros, which must not be answered.
        client.write(&[request.as_bytes(), &[0x81, 0x82, 0, 0, 0, 0, b'H', b'i']].concat());
        world.run();
        let answer = String::from_utf8_lossy(&client.read()).into_owned();
        assert_eq!(&answer[9..12], status, "{origins}");
        assert_eq!(answer.ends_with("Hi"), status == "101", "{origins}");
    }
}

#[test]
fn one_address_cannot_hold_any_number_of_silent_connections() {
    let config = Config {
        max_connections_per_address: 2,
        ..Config::default()
    };
    let mut world = World::new(config, Puppet::default());
    let silent: Vec<_> = (0..100).map(|_| world.accept(AWAY)).collect();
    world.run();
    assert_eq!(world.core.connections(), 4);
    drop(silent);
    let _home: Vec<_> = (0..100).map(|_| world.connect(HOME)).collect();
}

#[test]
fn reader_that_was_over_its_bound_is_asked_before_it_is_lost() {
    let config = Config {
        outbox_bytes: 2_500,
        stall_timeout: seconds(300),
        ..Config::default()
    };
    let mut world = World::new(config, Puppet::default());
    let mut client = world.connect(HOME);
    client.set_capacity(Some(0));
    (0..3).for_each(|_| client.send("much"));
    world.run();
    world.advance(seconds(40));
    client.set_capacity(None);
    world.run();
    assert!(client.read().ends_with(&[0x89, 0]), "a Ping");
    world.advance(seconds(5));
    assert!(!client.is_gone());
}

#[test]
fn handler_may_answer_somebody_who_is_too_slow() {
    let config = Config {
        outbox_bytes: 1_500,
        ..Config::default()
    };
    let puppet = Puppet {
        keep_the_slow: true,
        answer_the_slow: true,
        ..Puppet::default()
    };
    let mut world = World::new(config, puppet);
    let mut client = world.connect(HOME);
    log(&mut world);
    client.set_capacity(Some(0));
    client.send("too much");
    world.run();
    assert_eq!(log(&mut world), ["lagged 0.1 2"]);
    client.set_capacity(None);
    world.run();
    assert_eq!(
        client.messages(),
        [Frame::text("you are slow"), Frame::text("very slow")]
    );
}

#[test]
fn handler_that_answers_the_slow_with_too_much_is_not_called_without_end() {
    let config = Config {
        outbox_bytes: 5,
        ..Config::default()
    };
    let puppet = Puppet {
        keep_the_slow: true,
        answer_the_slow: true,
        ..Puppet::default()
    };
    let mut world = World::new(config, puppet);
    let mut client = world.connect(HOME);
    log(&mut world);
    client.send("too much");
    world.run();
    assert_eq!(log(&mut world), ["lagged 0.1 3"]);
}

#[test]
fn flood_of_many_does_not_keep_the_others_waiting_for_all_of_it() {
    let mut world = world();
    let mut floods: Vec<_> = (0..40).map(|_| world.connect(HOME)).collect();
    let mut quiet = world.connect(HOME);
    for flood in &mut floods {
        flood.send("x".repeat(200_000));
    }
    quiet.send("hello");
    for (place, reads) in (0..41).map(|place| (place, true)) {
        world.core.event(place, reads, false, false);
    }
    world.core.turn(false);
    let waiting = floods.iter().filter(|flood| flood.reads() == 1).count();
    assert!(waiting > 10, "a turn has a bound: {waiting} wait");
    world.run();
    assert_eq!(quiet.messages().len(), 1);
    assert!(floods.iter_mut().all(|flood| flood.messages().len() == 1));
}

#[test]
fn place_of_an_address_is_free_again_when_its_connection_has_ended() {
    let config = Config {
        max_connections_per_address: 1,
        ..Config::default()
    };
    let mut world = World::new(config, Puppet::default());
    for _ in 0..5 {
        world.connect(AWAY).reset();
        world.run();
    }
}

#[test]
fn connection_beyond_the_last_is_told_to_come_back_later() {
    let config = Config {
        max_connections: 1,
        ..Config::default()
    };
    let mut world = World::new(config, Puppet::default());
    let mut one = world.connect(HOME);
    let mut two = world.connect(HOME);
    assert_eq!(two.closed(), Some(close(1013, "the server is full")));
    one.reset();
    world.run();
    let mut three = world.connect(HOME);
    three.send("in");
    world.run();
    assert_eq!(three.messages(), [Frame::text("in")]);
    assert_eq!(
        log(&mut world).len(),
        3,
        "the handler never heard of the second"
    );
}

#[test]
fn stopping_tells_everybody_and_waits_for_their_answers() {
    let mut world = world();
    let (mut one, mut two) = (world.connect(HOME), world.connect(HOME));
    let silent = world.accept(HOME);
    stop(&mut world, 1012, "retry_ms=1000");
    let expected = close(1012, "retry_ms=1000");
    assert_eq!(one.closed(), Some(expected.clone()));
    assert!(silent.is_gone() && !world.core.is_stopped());
    world.run();
    one.finish();
    world.run();
    assert!(one.is_gone() && !world.core.is_stopped());
    assert_eq!(two.closed(), Some(expected));
    world.run();
    two.finish();
    world.run();
    assert!(world.core.is_stopped());
}

#[test]
fn stopping_ends_in_time_and_at_once_when_asked_twice() {
    let mut world = world();
    let _silent = world.connect(HOME);
    stop(&mut world, 1001, "");
    world.advance(seconds(4));
    assert!(!world.core.is_stopped());
    stop(&mut world, 1001, "");
    assert!(world.core.is_stopped());

    let mut world = self::world();
    let _silent = world.connect(HOME);
    stop(&mut world, 1001, "");
    world.advance(seconds(6));
    assert!(world.core.is_stopped());
}

#[test]
fn handler_is_called_when_it_asked_to_be() {
    let mut world = world();
    let mut client = world.connect(HOME);
    client.send("tick");
    world.advance(seconds(2));
    assert_eq!(log(&mut world).len(), 1);
    world.advance(seconds(2));
    world.core.wake();
    world.run();
    assert_eq!(log(&mut world), ["tick", "wake"]);
    world.advance(seconds(10));
    assert!(log(&mut world).is_empty());
}

#[test]
fn time_limit_stops_the_server() {
    let config = Config {
        time_limit: seconds(60),
        ..Config::default()
    };
    let mut world = World::new(config, Puppet::default());
    world.advance(seconds(59));
    assert!(!world.core.is_stopping());
    world.advance(seconds(2));
    assert!(world.core.is_stopped());
}

#[test]
fn pipelined_requests_are_answered_in_order_up_to_the_upgrade() {
    let config = Config {
        assets: Some(Box::new(Page)),
        ..Config::default()
    };
    let mut world = World::new(config, Puppet::default());
    let mut client = world.accept(HOME);
    let get = |path: &str| format!("GET /{path} HTTP/1.1\r\nHost: veche\r\n\r\n");
    client.write((get("a") + &get("b") + &get("c") + REQUEST).as_bytes());
    world.run();
    let text = String::from_utf8(client.read()).unwrap();
    let bodies: Vec<_> = text.split("\r\n\r\n").skip(1).collect();
    assert!(bodies[0].starts_with("aHTTP/1.1 200 "), "{text}");
    assert!(bodies[1].starts_with("bHTTP/1.1 200 "), "{text}");
    assert!(bodies[2].starts_with("cHTTP/1.1 101 "), "{text}");
    assert_eq!(bodies[3], "");
}

#[test]
fn page_is_not_cut_off_while_a_slow_peer_reads_it_and_the_next_request_has_its_time() {
    let config = Config {
        assets: Some(Box::new(Page)),
        ..Config::default()
    };
    let mut world = World::new(config, Puppet::default());
    let mut client = world.accept(HOME);
    client.set_capacity(Some(0));
    client.write(b"GET /a HTTP/1.1\r\nHost: veche\r\n\r\n");
    let mut bytes = Vec::new();
    for _ in 0..4 {
        world.advance(seconds(9));
        client.set_capacity(Some(60));
        world.run();
        bytes.extend(client.read());
    }
    assert_eq!(client.pipe.written(), 240);
    client.set_capacity(None);
    world.advance(seconds(9));
    bytes.extend(client.read());
    assert!(bytes.ends_with(b"\r\n\r\na") && !client.is_gone());
    world.advance(seconds(2));
    assert!(client.is_gone());

    let mut stuck = world.accept(HOME);
    stuck.set_capacity(Some(0));
    stuck.write(b"GET /a HTTP/1.1\r\nHost: veche\r\n\r\n");
    world.advance(seconds(29));
    assert!(!stuck.is_gone());
    world.advance(seconds(2));
    assert!(stuck.is_gone());
}

/// A page of files with one letter, which is what is in them.
struct Page;

impl veche::http::assets::Assets for Page {
    fn find(&self, path: &str) -> Option<veche::http::assets::Asset<'_>> {
        let asset = || veche::http::assets::Asset::new(path, path.as_bytes().to_vec());
        (path.len() == 1).then(asset)
    }
}

#[test]
fn peer_that_shuts_its_side_after_a_request_still_gets_the_answer() {
    let mut world = world();
    let mut client = world.accept(HOME);
    client.write(b"GET / HTTP/1.1\r\nHost: veche\r\n\r\n");
    client.finish();
    world.run();
    assert!(client.read().starts_with(b"HTTP/1.1 426 "));
    assert!(client.is_gone());
}

#[test]
fn nothing_comes_after_a_frame_that_did_not_fit() {
    let config = Config {
        outbox_bytes: 10,
        ..Config::default()
    };
    let handler = |cx: &mut Context<'_>, id: ConnectionId, _: Message<'_>| {
        cx.subscribe(id, ALL);
        cx.send(id, "more than fits");
        cx.send(id, "does not fit");
        cx.publish(ALL, "follows what did not fit");
    };
    let mut world = World::new(config, handler);
    let mut client = world.connect(HOME);
    client.send("x");
    world.run();
    let messages = client.messages();
    assert_eq!(messages, [Frame::Close(Some(close(1008, "too slow")))]);
}
