//! The real program: what only descriptors, memory, resets and signals show.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};

use crate::common::{DEADLINE, Line, Program, command, command_with_descriptors};
use crate::ends::is_over_tls;
use crate::frame;
use crate::guests::{Guest, converse, guests};
use crate::world::REQUEST;

#[test]
fn million_empty_fragments_take_no_memory_and_hinder_nobody() {
    let program = Program::start(&["--rate-limit", "0"]);
    let mut flood = program.upgrade();
    let mut guests = guests(&program, 2);
    converse(&mut guests, 0, 2);
    let before = program.memory("VmRSS");
    flood.write_all(&frame(0x01, b"")).unwrap();
    let fragments = frame(0x00, b"").repeat(50_000);
    for round in 0..20 {
        flood.write_all(&fragments).unwrap();
        converse(&mut guests, 2 + 2 * round, 2);
    }
    flood.write_all(&frame(0x80, b"no JSON")).unwrap();
    let mut answer = [0; 2];
    flood.read_exact(&mut answer).unwrap();
    assert_eq!(answer[0], 0x81, "an answer to the whole of it");
    let grown = program.memory("VmHWM").saturating_sub(before);
    assert!(grown < 1 << 20, "{grown} bytes more");
}

#[test]
fn reader_that_never_reads_costs_memory_within_bounds_and_the_others_nothing() {
    const READERS: usize = 25;
    const ROUNDS: u64 = 85;
    const ROUND: u64 = 12;
    let program = &mut Program::start(&[
        "--rate-limit=0",
        "--keep-messages=10",
        "--close-timeout=1",
        "--log=debug",
    ]);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&program.address().into()).unwrap();
    let mut stalled = Guest::on(upgrade(socket.into()));
    stalled.enter("Stalled");
    let mut guests = guests(program, READERS);
    let text = "x".repeat(8_000);
    let mut heard = 0;
    let mut before = 0;
    for round in 0..ROUNDS {
        // Less than is kept for those who are slow.
        for _ in 0..ROUND {
            guests[0].say(&text);
        }
        let mut last = 0;
        for guest in &mut guests {
            for seq in 1..=ROUND {
                let message = guest.hear();
                assert_eq!(message["seq"], round * ROUND + seq);
                let text = message["text"].as_str().unwrap();
                last = text.len();
                heard += last;
            }
        }
        assert_eq!(last, text.len());
        if round == 0 {
            before = program.memory("VmRSS");
        }
    }
    assert!(heard > 200_000_000, "{heard} bytes");
    let grown = program.memory("VmHWM").saturating_sub(before);
    assert!(grown < 2 << 20, "{grown} bytes more");
    program.wait_for("that one was too slow", |line| match line {
        Line::Error(line) => line.contains("closed: 4008 ").then_some(()),
        Line::Output(_) => None,
    });
    // It takes nothing, so that it never learns it; its place is free all the
    // same.
    let guests = guests.len();
    until("its place is free", || program.sockets() == guests);
}

#[test]
fn connections_dropped_in_mid_handshake_give_back_what_they_had() {
    const CONNECTIONS: usize = 2_000;
    rlimit::increase_nofile_limit(CONNECTIONS as u64 + 1_000).unwrap();
    let program = Program::start(&["--handshake-timeout", "60"]);
    let half = format!(
        "GET /ws HTTP/1.1\r\nHost: veche\r\nCookie: {}",
        "x".repeat(8_000)
    );
    let crowd = || {
        let crowd: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let mut stream = program.connect();
                stream.write_all(half.as_bytes()).unwrap();
                stream
            })
            .collect();
        until("all are in", || program.sockets() == CONNECTIONS);
        // They are read in the order in which they came.
        assert_eq!(program.get("/").0, 200);
        for (place, stream) in crowd.into_iter().enumerate() {
            if place % 2 == 0 {
                reset(stream);
            }
        }
        until("all are gone", || program.sockets() == 0);
        program.memory("VmHWM")
    };
    let before = program.memory("VmRSS");
    let first = crowd();
    let each = (first - before) / CONNECTIONS;
    // TLS takes as much again.
    let most = if is_over_tls() { 24 << 10 } else { 12 << 10 };
    assert!(each < most, "{each} bytes each");
    // What was freed may stay with the allocator: a second crowd finds it there.
    let more = crowd() - first;
    assert!(more < 1 << 20, "{more} bytes more");
}

#[test]
fn reset_of_half_of_all_at_once_changes_nothing_for_the_other_half() {
    let program = Program::start(&["--rate-limit", "0"]);
    let mut guests = guests(&program, 60);
    converse(&mut guests, 0, 2);
    let lost = guests.split_off(30);
    for mut guest in lost {
        // In the midst of a frame.
        let torn = &frame(0x81, b"{\"type\":\"message\"}")[..12];
        guest.socket.get_mut().write_all(torn).unwrap();
        let stream = guest.socket.get_ref().try_clone().unwrap();
        drop(guest);
        reset(stream);
    }
    converse(&mut guests, 2, 30);
    until("the lost are gone", || program.sockets() == 30);
    converse(&mut guests, 32, 30);
}

#[test]
fn those_inside_go_on_while_descriptors_are_used_up_and_those_outside_come_in_later() {
    let www = concat!(env!("CARGO_MANIFEST_DIR"), "/www");
    let mut limited = command_with_descriptors(64);
    limited.args(["--listen=127.0.0.1:0", "--rate-limit=0", "--www", www]);
    limited.arg("--handshake-timeout=60");
    let program = &mut Program::start_command(&mut limited);
    let mut browser = program.connect();
    let request = "GET / HTTP/1.1\r\nHost: veche\r\n\r\n";
    let mut guests = guests(program, 2);
    let mut crowd: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = program.connect();
            stream.write_all(REQUEST.as_bytes()).unwrap();
            stream
        })
        .collect();
    program.wait_for("that it is full", |line| match line {
        Line::Error(line) => line.contains("cannot accept").then_some(()),
        Line::Output(_) => None,
    });
    converse(&mut guests, 0, 20);
    // Files can still be read.
    browser.write_all(request.as_bytes()).unwrap();
    let mut status = [0; 13];
    browser.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 200 ");

    // A span of time to measure the processor's in.
    let (start, before) = (Instant::now(), program.processor_time());
    thread::sleep(Duration::from_secs(1));
    let (span, used) = (start.elapsed(), program.processor_time() - before);
    assert!(used < span / 10, "{used:?} of {span:?}");

    // Nobody knocks anew: those who wait come in when others leave.
    drop(crowd.drain(..100));
    let mut status = [0; 13];
    crowd[0].read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 101 ");
    drop(crowd);
    let mut late = Guest::on(program.upgrade());
    late.enter("Late");
    guests.push(late);
    converse(&mut guests, 20, 6);
}

#[test]
fn nobody_is_lost_who_was_alive_while_the_program_was_stopped() {
    let program = Program::start(&[
        "--ping-interval=1",
        "--ping-timeout=3",
        "--handshake-timeout=3",
        "--message-timeout=3",
    ]);
    let (mut quiet, mut unfinished) = (program.upgrade(), program.upgrade());
    let mut ping = [0; 2];
    quiet.read_exact(&mut ping).unwrap();
    assert_eq!(ping, [0x89, 0]);
    unfinished.write_all(&frame(0x01, b"no ")).unwrap();
    let mut half = program.connect();
    half.write_all(&REQUEST.as_bytes()[..50]).unwrap();
    // A turn in which the others were read.
    assert_eq!(program.get("/").0, 200);

    program.signal("STOP");
    until("the program is stopped", || program.state() == "T");
    quiet.write_all(&frame(0x8a, b"")).unwrap();
    quiet.write_all(&frame(0x81, b"no JSON")).unwrap();
    unfinished.write_all(&frame(0x80, b"JSON")).unwrap();
    half.write_all(&REQUEST.as_bytes()[50..]).unwrap();
    // Longer than any of them may take.
    thread::sleep(Duration::from_secs(4));
    program.signal("CONT");

    for stream in [&mut quiet, &mut unfinished] {
        let answer = loop {
            let mut header = [0; 2];
            stream.read_exact(&mut header).unwrap();
            if header != [0x89, 0] {
                break header[0];
            }
        };
        assert_eq!(answer, 0x81, "an answer");
    }
    let mut status = [0; 13];
    half.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 101 ");
}

#[test]
fn reason_of_a_close_forges_no_line_of_the_log() {
    let mut loud = command();
    loud.args(["--listen=127.0.0.1:0", "--log=trace"]);
    let program = Program::start_command(&mut loud);
    let mut client = program.upgrade();
    let reason = "bye\nWARN forged\r\u{1b}[2J\u{9b}31m\u{2028}WARN \u{202e}forged";
    let payload = [&1000_u16.to_be_bytes(), reason.as_bytes()].concat();
    client.write_all(&frame(0x88, &payload)).unwrap();
    client.read_to_end(&mut Vec::new()).unwrap();
    let errors = program.stop().errors;
    assert!(errors.iter().any(|line| line.contains("forged")), "is told");
    for line in errors {
        assert!(!line.starts_with("WARN"), "{line:?}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(!line.contains(['\u{2028}', '\u{202e}']), "{line:?}");
    }
}

#[test]
fn pages_that_may_not_connect_fill_no_log() {
    let program = Program::start(&[]);
    let start = Instant::now();
    let origin = format!("\r\nOrigin: http://{}\r\n\r\n", "x".repeat(4_000));
    let request = REQUEST.replace("\r\n\r\n", &origin);
    for _ in 0..500 {
        let mut stream = program.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut status = [0; 13];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 403 ");
    }
    let errors = program.stop().errors;
    let periods = usize::try_from(start.elapsed().as_secs()).unwrap() / 10 + 1;
    let told = errors.iter().filter(|line| line.contains("http://xxx"));
    assert!((1..=10 * periods).contains(&told.count()), "{errors:?}");
    for line in errors {
        assert!(line.len() < 200, "{line}");
    }
}

impl Program {
    /// A line of what the system says of its memory, in bytes.
    pub(crate) fn memory(&self, name: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let mut lines = status.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = lines.find(|(key, _)| *key == name).unwrap();
        let kibibytes = value.trim().strip_suffix(" kB").unwrap();
        1024 * kibibytes.parse::<usize>().unwrap()
    }

    /// How many connections it has.
    fn sockets(&self) -> usize {
        let all = fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap();
        let links = all.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        let sockets = links.filter(|link| link.to_string_lossy().starts_with("socket:"));
        // Not those of the listener and of signals.
        sockets.count() - OWN_SOCKETS
    }

    fn state(&self) -> String {
        self.stat(2)
    }
}

/// An upgrade on a stream of one's own making.
fn upgrade(mut stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    open(&mut stream, REQUEST);
    stream
}

/// The opening handshake.
pub(crate) fn open(stream: &mut TcpStream, request: &str) {
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("a response");
        head.extend(byte);
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101 "),
        "{}",
        head.escape_ascii()
    );
}

/// Ends a connection with RST.
fn reset(stream: TcpStream) {
    let lingering = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    lingering.expect("an option");
}

/// Waits until something holds.
#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// The listener, and a pair for each of two signals.
const OWN_SOCKETS: usize = 5;
