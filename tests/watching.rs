//! What those see who watch the program: health, metrics and the log.
#![cfg(feature = "metrics")]
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/ends.rs"]
mod ends;
#[path = "durability/guest.rs"]
#[allow(dead_code)]
mod guest;
#[path = "common/world.rs"]
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use common::{Line, Program, command};
use guest::Guest;
use prometheus_parse::{Scrape, Value as Reading};
use serde_json::{Value, json};
use tungstenite::Message as Frame;
use veche::chat::{Busy, Chat, Job, Journal, Outcome, Report, SUBPROTOCOL, Settings};
use veche::http::assets::Embedded;
use veche::http::origin::Origins;
use veche::journal::memory::MemoryJournal;
use veche::program::watch::Watched;
use veche::server::Peer;
use veche::{Close, CloseCode, Config};
use world::{Client, REQUEST, World};

const HOME: &str = "127.0.0.1";

type Town<J = MemoryJournal> = World<Watched<J>>;

fn town() -> Town {
    town_with(Config::default())
}

fn town_with(config: Config) -> Town {
    let journal = MemoryJournal::new(1_000, 100, 7);
    World::new(of_chat(config), Watched::new(chat(journal)))
}

fn chat<J: Journal>(journal: J) -> Chat<J> {
    let settings = Settings {
        rate_per_second: 0,
        ..Settings::default()
    };
    let mut state = 0_u8;
    Chat::new(settings, journal, move |bytes| {
        for byte in bytes {
            state = state.wrapping_add(1);
            *byte = state;
        }
    })
}

fn of_chat(config: Config) -> Config {
    Config {
        subprotocols: vec![SUBPROTOCOL],
        websocket_paths: vec!["/ws", "/"],
        assets: Some(Box::new(Embedded::new(&[("index.html", b"<p>")]))),
        origins: Origins::SameHostOr(Vec::new()),
        ..config
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: veche\r\n\r\n")
}

/// What is answered to what is written.
fn answer<J: Journal>(town: &mut Town<J>, client: &mut Client, request: &str) -> String {
    client.write(request.as_bytes());
    town.run();
    String::from_utf8(client.read()).unwrap()
}

/// The status of what is answered to somebody new.
fn status<J: Journal>(town: &mut Town<J>, request: &str) -> u16 {
    let mut client = town.accept(HOME);
    let answered = answer(town, &mut client, request);
    client.reset();
    town.run();
    answered[9..12].parse().unwrap()
}

/// All samples, by name and labels: `veche_closes_total{code="1000"}`.
type Samples = BTreeMap<String, f64>;

fn samples(text: &str) -> Samples {
    let lines = text.lines().map(|line| io::Result::Ok(line.to_owned()));
    let scrape = Scrape::parse(lines).unwrap();
    let mut samples = Samples::new();
    let mut add = |name, value| assert_eq!(samples.insert(name, value), None, "twice");
    for sample in &scrape.samples {
        let labels = match sample.labels.len() {
            0 => String::new(),
            _ => format!("{{{}}}", sample.labels),
        };
        let name = format!("{}{labels}", sample.metric);
        match &sample.value {
            Reading::Counter(value) | Reading::Gauge(value) | Reading::Untyped(value) => {
                add(name.clone(), *value);
            }
            Reading::Histogram(buckets) => {
                let mut least = 0.0;
                for bucket in buckets {
                    assert!(bucket.count >= least, "{name}");
                    least = bucket.count;
                    add(format!("{name}_bucket{}", bucket.less_than), bucket.count);
                }
            }
            Reading::Summary(_) => panic!("{name}"),
        }
        let documented = ["_sum", "_count"]
            .iter()
            .find_map(|end| sample.metric.strip_suffix(end));
        let documented = documented.unwrap_or(&sample.metric);
        assert!(scrape.docs.contains_key(documented), "{name} has no help");
    }
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    assert_eq!(lines.count(), samples.len(), "a line was not understood");
    samples
}

/// What somebody new is told of metrics.
fn scrape<J: Journal>(town: &mut Town<J>) -> Samples {
    let mut client = town.accept(HOME);
    let answered = answer(town, &mut client, &get("/metrics"));
    client.reset();
    town.run();
    let (head, body) = answered.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("\r\nContent-Type: text/plain; version=0.0.4\r\n"));
    samples(body)
}

/// By how much each has grown that has.
fn growth(before: &Samples, after: &Samples) -> Samples {
    let grown = after.iter().filter_map(|(name, value)| {
        let grown = value - before.get(name).unwrap_or(&0.0);
        (grown != 0.0).then(|| (name.clone(), grown))
    });
    grown.collect()
}

/// Somebody who has joined the lobby and has read what came of it.
fn member(town: &mut Town, name: &str) -> Client {
    let mut client = town.connect(HOME);
    for command in [
        json!({"type": "hello", "name": name}),
        json!({"type": "join", "room": "lobby"}),
    ] {
        client.say(&command);
        town.run();
    }
    client.frames();
    client
}

fn say(town: &mut Town, client: &mut Client, cid: &str) {
    client.say(&json!({"type": "message", "room": "lobby", "text": "hi", "cid": cid}));
    town.run();
}

#[test]
fn health_is_told_by_get_and_head_alone() {
    let mut town = town();
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(status(&mut town, &get(path)), 200, "{path}");
        let head = get(path).replace("GET", "HEAD");
        let mut client = town.accept(HOME);
        let answered = answer(&mut town, &mut client, &head);
        assert!(answered.starts_with("HTTP/1.1 200 "), "{answered}");
        assert!(answered.ends_with("\r\n\r\n"), "{answered}");
        let post = get(path).replace("GET", "POST");
        assert_eq!(status(&mut town, &post), 405, "{path}");
    }
    let mut client = town.accept(HOME);
    assert!(answer(&mut town, &mut client, &get("/health")).ends_with("\r\n\r\nok\n"));
    // All else is the chat's.
    assert_eq!(status(&mut town, &get("/")), 200);
    assert_eq!(status(&mut town, &get("/metrics/")), 404);
    assert_eq!(status(&mut town, REQUEST), 101);
}

#[test]
fn numbers_are_those_of_what_was_done() {
    let mut town = town();
    let before = scrape(&mut town);
    let (mut ann, mut bob) = (member(&mut town, "Ann"), member(&mut town, "Bob"));
    for cid in ["1", "2", "3"] {
        say(&mut town, &mut ann, cid);
    }
    assert_eq!(bob.frames().len(), 3);
    let after = scrape(&mut town);
    let grown = growth(&before, &after);
    for (name, expected) in [
        // Ann, Bob, and who scrapes.
        ("veche_connections_accepted_total", 3.0),
        ("veche_connections{phase=\"open\"}", 2.0),
        ("veche_handshakes_total{status=\"101\"}", 2.0),
        ("veche_http_responses_total{status=\"200\"}", 1.0),
        ("veche_messages_received_total", 2.0 * 2.0 + 3.0),
        // Each was welcomed and has joined.
        ("veche_messages_sent_total", 2.0 * 2.0),
        // Ann was told that Bob came.
        ("veche_messages_published_total", 3.0 + 1.0),
        ("veche_frames_published_total", 2.0 * 3.0 + 1.0),
        ("veche_rooms", 1.0),
        ("veche_members", 2.0),
        ("veche_clients", 2.0),
        ("veche_sessions", 2.0),
    ] {
        assert_eq!(grown.get(name), Some(&expected), "{name}: {grown:#?}");
    }
    for name in [
        "veche_closes_total",
        "veche_lagged",
        "veche_frames_dropped",
        "veche_journal",
    ] {
        assert!(!grown.keys().any(|grown| grown.starts_with(name)), "{name}");
    }
    assert!(after["process_resident_memory_bytes"] > 1e6);
    assert!(after["process_open_fds"] > 2.0);
}

#[test]
fn bytes_and_turns_are_counted_to_the_last() {
    let mut town = town();
    let mut client = town.accept(HOME);
    let first = answer(&mut town, &mut client, &get("/metrics"));
    let second = answer(&mut town, &mut client, &get("/metrics"));
    let body = |answered: &str| samples(answered.split_once("\r\n\r\n").unwrap().1);
    let (before, after) = (body(&first), body(&second));
    let grown = growth(&before, &after);
    #[allow(clippy::cast_precision_loss)]
    let bytes = |text: &str| text.len() as f64;
    assert_eq!(grown["veche_received_bytes_total"], bytes(&get("/metrics")));
    assert_eq!(grown["veche_sent_bytes_total"], bytes(&first));
    assert!(grown["veche_turn_duration_seconds_count"] >= 1.0);
    assert_eq!(
        grown["veche_turn_duration_seconds_count"],
        grown["veche_turn_duration_seconds_bucketinf"]
    );
    for (name, value) in before {
        let is_counter = ["_total", "_count", "_sum", "bucket"];
        if is_counter.iter().any(|part| name.contains(part)) {
            assert!(after[&name] >= value, "{name} has become less");
        }
    }
}

#[test]
fn refused_handshakes_are_counted_by_status() {
    let mut town = town();
    let before = scrape(&mut town);
    let foreign = REQUEST.replace("Host: veche", "Host: veche\r\nOrigin: http://elsewhere");
    for (request, expected) in [
        (foreign, 403),
        (REQUEST.replace("Version: 13", "Version: 12"), 426),
        (REQUEST.replace("/ws", "/elsewhere"), 404),
        (get("/elsewhere"), 404),
    ] {
        assert_eq!(status(&mut town, &request), expected);
    }
    let grown = growth(&before, &scrape(&mut town));
    for (name, expected) in [
        ("veche_handshakes_total{status=\"403\"}", Some(&1.0)),
        ("veche_handshakes_total{status=\"426\"}", Some(&1.0)),
        ("veche_handshakes_total{status=\"404\"}", Some(&1.0)),
        ("veche_handshakes_total{status=\"101\"}", None),
        ("veche_http_responses_total{status=\"404\"}", Some(&2.0)),
    ] {
        assert_eq!(grown.get(name), expected, "{name}");
    }
}

#[test]
fn closes_are_counted_by_code_once_each() {
    let mut town = town();
    let before = scrape(&mut town);
    let leave = |town: &mut Town, code: u16| {
        let mut client = town.connect(HOME);
        client.send(Frame::Close(Some(world::close(code, "bye"))));
        town.run();
        client.messages();
        client.finish();
        town.run();
    };
    for code in [1000, 1000, 1001, 3000, 4008, 4999] {
        leave(&mut town, code);
    }
    town.connect(HOME).reset();
    let mut broken = town.connect(HOME);
    broken.write(&[0x83, 0x80, 0, 0, 0, 0]);
    town.run();
    broken.reset();
    town.run();
    let after = scrape(&mut town);
    let mut grown = growth(&before, &after);
    grown.retain(|name, _| name.starts_with("veche_closes"));
    let expected = [
        ("1000", 2.0),
        ("1001", 1.0),
        ("1002", 1.0),
        ("1006", 1.0),
        ("other", 3.0),
    ];
    let expected =
        expected.map(|(code, count)| (format!("veche_closes_total{{code=\"{code}\"}}"), count));
    assert_eq!(grown, Samples::from(expected));
    assert_eq!(after["veche_connections{phase=\"open\"}"], 0.0);
}

#[test]
fn lagging_is_counted_with_what_was_missed() {
    let mut town = town_with(Config {
        tape_bytes: 1024,
        ..Config::default()
    });
    let (mut ann, mut bob) = (member(&mut town, "Ann"), member(&mut town, "Bob"));
    bob.set_capacity(Some(0));
    let before = scrape(&mut town);
    for number in 0..20 {
        say(&mut town, &mut ann, &number.to_string());
        ann.frames();
    }
    let grown = growth(&before, &scrape(&mut town));
    assert_eq!(grown["veche_lagged_total"], 1.0);
    assert!((1.0..=20.0).contains(&grown["veche_frames_dropped_total"]));
    assert_eq!(grown["veche_closes_total{code=\"4008\"}"], 1.0);
}

#[test]
fn labels_stay_few_whatever_peers_send() {
    let mut town = town();
    let names = |samples: Samples| samples.into_keys().collect::<BTreeSet<String>>();
    status(&mut town, "x y z\r\n\r\n");
    let before = names(scrape(&mut town));
    for number in 0..200 {
        let method = format!("M{number}");
        status(&mut town, &get(&format!("/{number}")));
        status(&mut town, &get("/").replace("GET", &method));
        status(&mut town, &REQUEST.replace("/ws", &format!("/{number}")));
        let mut client = town.connect(HOME);
        let code = 3000 + 7 * number;
        client.send(Frame::Close(Some(world::close(code, &method))));
        town.run();
        client.reset();
        town.run();
    }
    let mut added = names(scrape(&mut town));
    added.retain(|name| !before.contains(name));
    // A handshake by another method than GET is none.
    assert!(added.len() <= 2, "{added:?}");
}

#[test]
fn listening_socket_of_its_own_has_metrics_and_health_alone() {
    let journal = MemoryJournal::new(1_000, 100, 7);
    let watched = Watched::new(chat(journal)).apart(2);
    let mut town = World::new(of_chat(Config::default()), watched);
    let requests = ["/metrics", "/health", "/ready", "/", "/elsewhere"].map(get);
    let requests = [&requests[..], &[REQUEST.to_owned()]].concat();
    for (listener, expected) in [
        (0, [404, 200, 200, 200, 404, 101]),
        (1, [404, 200, 200, 200, 404, 101]),
        (2, [200, 200, 200, 404, 404, 404]),
        (3, [200, 200, 200, 404, 404, 404]),
    ] {
        for (request, expected) in requests.iter().zip(expected) {
            let address = HOME.parse().unwrap();
            let mut client = town.accept_from(Peer { address, listener });
            let answered = answer(&mut town, &mut client, request);
            assert_eq!(
                answered[9..12],
                expected.to_string(),
                "{listener} {request}"
            );
        }
    }
}

/// Answers nothing, and says how it does.
struct Stuck {
    is_failing: bool,
}

impl Journal for Stuck {
    fn submit(&mut self, _: Job) -> Result<(), Busy> {
        Ok(())
    }

    fn outcome(&mut self) -> Option<Outcome> {
        None
    }

    fn report(&self) -> Report {
        Report {
            is_failing: self.is_failing,
            ..Report::default()
        }
    }
}

#[test]
fn readiness_ends_while_messages_cannot_be_kept_and_when_the_server_stops() {
    let is_failing = false;
    let mut town = World::new(
        of_chat(Config::default()),
        Watched::new(chat(Stuck { is_failing })),
    );
    assert_eq!(status(&mut town, &get("/ready")), 200);
    town.core.handler().chat().journal().is_failing = true;
    assert_eq!(status(&mut town, &get("/ready")), 503);
    assert_eq!(status(&mut town, &get("/health")), 200);
    assert_eq!(scrape(&mut town)["veche_journal_failing"], 1.0);
    town.core.handler().chat().journal().is_failing = false;
    assert_eq!(status(&mut town, &get("/ready")), 200);

    // While the server waits for the journal, it answers who is connected.
    let mut ann = town.connect(HOME);
    ann.say(&json!({"type": "hello", "name": "Ann"}));
    ann.say(&json!({"type": "join", "room": "lobby"}));
    town.run();
    let [mut probe, mut late] = [town.accept(HOME), town.accept(HOME)];
    town.core.stop(Close::new(CloseCode::SERVICE_RESTART, ""));
    town.run();
    let answered = answer(&mut town, &mut probe, &get("/ready"));
    assert!(answered.starts_with("HTTP/1.1 503 "), "{answered}");
    assert!(answered.ends_with("\r\n\r\nThe server stops.\n"));
    assert!(answer(&mut town, &mut probe, &get("/health")).starts_with("HTTP/1.1 200 "));
    assert!(answer(&mut town, &mut late, REQUEST).starts_with("HTTP/1.1 503 "));
    // What Ann says is not read any more.
    let received = samples_of(&mut town, &mut probe)["veche_messages_received_total"];
    ann.say(&json!({"type": "ping", "n": 1}));
    town.run();
    let still = samples_of(&mut town, &mut probe)["veche_messages_received_total"];
    assert_eq!(received, still);
    town.advance(Duration::from_secs(10));
    assert!(town.core.is_stopped());
}

fn samples_of<J: Journal>(town: &mut Town<J>, client: &mut Client) -> Samples {
    let answered = answer(town, client, &get("/metrics"));
    samples(answered.split_once("\r\n\r\n").unwrap().1)
}

#[test]
fn program_has_metrics_at_an_address_of_their_own() {
    let mut program = Program::start(&["--metrics-listen", "0"]);
    let place = program.wait_for("where metrics are", |line| match line {
        Line::Output(line) => Some(line.strip_prefix("Metrics are at ")?.to_owned()),
        Line::Error(_) => None,
    });
    let place = place
        .strip_prefix("http://")
        .and_then(|place| place.strip_suffix("/metrics"));
    let place = place.unwrap().parse().unwrap();
    assert_eq!(program.get("/metrics").0, 404);
    assert_eq!(program.get("/ready").0, 200);
    program.move_to(place);
    let (status, body) = program.get("/metrics");
    assert_eq!(status, 200);
    let samples = samples(&String::from_utf8(body).unwrap());
    assert_eq!(samples["veche_http_responses_total{status=\"404\"}"], 1.0);
    assert_eq!(program.get("/").0, 404);
    assert_eq!(program.get("/health"), (200, b"ok\n".to_vec()));
}

#[test]
fn taken_address_for_metrics_is_told_with_its_option() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = common::run(&["--listen", "0", "--metrics-listen", &address]);
    let told = format!(
        "veche: --metrics-listen {address}: the port is taken; \
         stop the other program or choose another port with --metrics-listen"
    );
    assert_eq!(ended.errors, [told]);
}

/// Chats with the program, and has it log what it can: refuses pages of others,
/// breaks the protocol, stops it. Returns the log.
fn logged_chat(arguments: &[&str]) -> Vec<String> {
    let mut run = command();
    run.args(["--listen", "127.0.0.1:0"]).args(arguments);
    let program = Program::start_command(&mut run);
    let address = program.address();
    let mut ann = Guest::arrive(address, "Annabella", None).unwrap();
    ann.join(None);
    assert_eq!(ann.say("secrets-of-mine"), 1);
    ann.tell(&json!({"type": "direct", "to": "nobody", "text": "more secrets"}))
        .unwrap();
    ann.tell(&json!({"type": "rename", "name": "Bartholomew"}))
        .unwrap();
    ann.hear().unwrap();
    for _ in 0..25 {
        let mut stream = program.connect();
        let request = REQUEST.replace("\r\n\r\n", "\r\nOrigin: http://elsewhere.example\r\n\r\n");
        io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut told = Vec::new();
        io::Read::read_to_end(&mut stream, &mut told).unwrap();
        assert!(told.starts_with(b"HTTP/1.1 403 "));
    }
    let mut broken = program.upgrade();
    io::Write::write_all(&mut broken, &[0x83, 0x80, 0, 0, 0, 0]).unwrap();
    io::Read::read_to_end(&mut broken, &mut Vec::new()).unwrap();
    program.get(&format!("/{}", "Annabella".repeat(100)));
    drop((ann, broken));
    program.stop().errors
}

#[test]
fn log_has_nothing_of_anybody_at_info() {
    for format in ["text", "json"] {
        let log = logged_chat(&["--log", "info", "--log-format", format]);
        assert!(log.iter().any(|line| line.contains("stopping")), "{log:?}");
        for line in &log {
            for told in [
                "Annabella",
                "Bartholomew",
                "secret",
                "lobby",
                "nobody",
                "127.0.0.1",
                "::",
            ] {
                // The module that says it.
                let line = line.replace("veche::server::", "");
                assert!(!line.contains(told), "{line}");
            }
        }
    }
}

#[test]
fn log_in_json_has_an_object_in_each_line_and_few_of_a_kind() {
    let log = logged_chat(&["--log-format", "json"]);
    let objects: Vec<Value> = log
        .iter()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    for object in &objects {
        let keys: Vec<&String> = object.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["level", "message", "target", "time"]);
    }
    let refused = objects.iter().filter(|object| {
        let message = object["message"].as_str().unwrap();
        message.starts_with("a page of \"http://elsewhere.example\" may not")
    });
    assert_eq!(refused.count(), 10);
    assert_eq!(objects[0]["level"], "INFO");
    assert_eq!(objects[0]["target"], "veche::server::requests");
}
