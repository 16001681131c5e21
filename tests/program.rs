//! The program as people and service managers meet it.
#![cfg(feature = "chat")]

mod common;
#[path = "common/ends.rs"]
mod ends;

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::process::Command;

use common::{Ended, Program, Scratch, command, command_redirected, run, run_command};

const START: [&str; 6] = [
    "SERVER START",
    "Socket create...",
    "Socket bind...",
    "Set option...",
    "Listening socket...",
    "Waiting for connections...",
];

const END: [&str; 2] = ["Closing connection...", "SERVER STOP"];

#[test]
fn program_says_each_step_and_where_to_find_the_page() {
    let program = Program::start(&[]);
    let address = program.address();
    assert_ne!(address.port(), 0);
    let ended = program.stop();
    assert_eq!(ended.output[..6], START);
    assert_eq!(
        ended.output[6],
        format!("Open http://{address}/ in a browser.")
    );
    assert_eq!(ended.output[7..], END);
    assert_eq!(ended.status.code(), Some(0));
}

#[test]
fn address_of_all_interfaces_is_told_as_one_that_a_browser_opens() {
    let program = Program::start_command(command().args(["--listen", "0.0.0.0:0"]));
    assert!(program.address().ip().is_loopback());
    assert_eq!(program.get("/").0, 200);
}

#[test]
fn help_and_version_are_answers_and_not_errors() {
    for option in ["--help", "-h"] {
        let ended = run(&[option]);
        assert_eq!(ended.status.code(), Some(0));
        assert!(
            ended
                .output
                .iter()
                .any(|line| line.starts_with("  --listen ADDRESS"))
        );
        assert_eq!(ended.errors, [""; 0]);
    }
    for option in ["--version", "-V"] {
        let ended = run(&[option]);
        assert_eq!(ended.status.code(), Some(0));
        assert_eq!(ended.output, [concat!("veche ", env!("CARGO_PKG_VERSION"))]);
    }
}

#[test]
fn what_is_not_understood_is_one_line_and_status_2() {
    for (arguments, told) in [
        (&["--lisen", "7777"][..], "did you mean --listen?"),
        (&["--max-rooms", "many"], "--max-rooms takes a whole number"),
        (&["--listen", "localhost:x"], "--listen takes HOST:PORT"),
        (&["--log", "loud"], "--log takes off, error, warn"),
        (&["--listen"], "--listen"),
        (&["7777"], "an address goes with --listen"),
    ] {
        let ended = run(arguments);
        assert_fails(&ended, 2, told);
        assert_eq!(ended.output, [""; 0], "{arguments:?}");
    }
}

#[test]
fn variable_of_the_environment_is_named_where_its_value_is_not_taken() {
    let ended = run_command(command().env("VECHE_MAX_ROOMS", "many"));
    assert_fails(&ended, 2, "VECHE_MAX_ROOMS takes a whole number");
}

#[test]
fn flag_beats_environment() {
    let mut environment = command();
    environment
        .env("VECHE_LISTEN", "127.0.0.1:1")
        .env("VECHE_TIME_LIMIT", "1");
    let program = Program::start_command(environment.args(["--listen", "127.0.0.1:0"]));
    assert_ne!(program.address().port(), 1);
    // What no flag beats holds.
    assert_eq!(program.wait().status.code(), Some(0));
}

#[test]
fn taken_port_is_told_with_the_remedy() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address").to_string();
    let ended = run(&["--listen", &address]);
    let told = format!(
        "--listen {address}: the port is taken; \
         stop the other program or choose another port with --listen"
    );
    assert_fails(&ended, 1, &told);
    assert_eq!(ended.output, START[..2]);
}

#[test]
fn address_of_another_machine_is_told_with_the_remedy() {
    // RFC 5737: an address of nobody's.
    let ended = run(&["--listen", "192.0.2.1:7777"]);
    assert_fails(
        &ended,
        1,
        "--listen 192.0.2.1:7777: this machine does not have the address",
    );
}

#[test]
fn name_without_address_is_told_with_the_remedy() {
    // RFC 6761: a name that never has one.
    let ended = run(&["--listen", "veche.invalid:7777"]);
    assert_fails(
        &ended,
        1,
        "--listen veche.invalid:7777: the name has no address",
    );
}

#[test]
fn missing_folder_is_told_with_the_remedy() {
    let ended = run(&["--listen", "0", "--www", "/nowhere/at/all"]);
    assert_fails(&ended, 1, "--www \"/nowhere/at/all\": ");
}

#[test]
fn folder_is_served_as_it_is_at_the_moment() {
    let folder = Scratch::new("edits");
    folder.write("www/index.html", "first");
    folder.write("www/styles/chat.css", "body {}");
    let program = Program::start(&["--www", folder.path("www").to_str().expect("UTF-8")]);
    assert_eq!(program.get("/"), (200, b"first".to_vec()));
    assert_eq!(program.get("/styles/chat.css"), (200, b"body {}".to_vec()));
    folder.write("www/index.html", "second");
    assert_eq!(program.get("/"), (200, b"second".to_vec()));
    fs::remove_file(folder.path("www/styles/chat.css")).expect("removed");
    assert_eq!(program.get("/styles/chat.css").0, 404);
}

#[test]
fn no_path_leads_out_of_the_folder() {
    let folder = Scratch::new("outside");
    folder.write("www/index.html", "inside");
    folder.write("www/help/index.html", "help");
    folder.write("secret.txt", "secret");
    folder.write("www/.hidden", "secret");
    symlink(folder.path("secret.txt"), folder.path("www/link.txt")).expect("a link");
    symlink(folder.path(""), folder.path("www/up")).expect("a link");
    symlink(folder.path("www/index.html"), folder.path("www/same.html")).expect("a link");
    let program = Program::start(&["--www", folder.path("www").to_str().expect("UTF-8")]);
    for path in [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e%2fsecret.txt",
        "/x/../../secret.txt",
        "/..\\secret.txt",
        "//secret.txt",
        "/link.txt",
        "/up/secret.txt",
        "/.hidden",
        "/index.html%00.css",
    ] {
        let (status, body) = program.get(path);
        assert!(matches!(status, 400 | 404), "{path}: {status}");
        assert!(!body.starts_with(b"secret"), "{path}");
    }
    assert_eq!(program.get("/same.html"), (200, b"inside".to_vec()));
    assert_eq!(program.get("/help").0, 308);
    assert_eq!(program.get("/help/"), (200, b"help".to_vec()));
}

#[test]
fn only_files_of_sensible_size_are_served_from_the_folder() {
    let folder = Scratch::new("files");
    folder.write("www/folder/file.txt", "a file");
    let large = fs::File::create(folder.path("www/large.bin")).expect("a file");
    large.set_len((16 << 20) + 1).expect("a hole");
    folder.pipe("www/pipe");
    let program = Program::start(&["--www", folder.path("www").to_str().expect("UTF-8")]);
    for path in ["/folder", "/large.bin", "/pipe"] {
        assert_eq!(program.get(path).0, 404, "{path}");
    }
    assert_eq!(program.get("/folder/file.txt").0, 200);
}

#[test]
fn signal_closes_every_connection_and_ends_with_status_0() {
    // RFC 6455 §7.4.1; 1012 is registered beside it.
    for (signal, code) in [("TERM", 1012_u16), ("INT", 1001)] {
        let program = Program::start(&[]);
        let mut client = program.upgrade();
        program.signal(signal);
        assert_eq!(read_close(&mut client), code, "{signal}");
        // A masked Close in answer, with the masking key 0.
        let mut reply = vec![0x88, 0x82, 0, 0, 0, 0];
        reply.extend(code.to_be_bytes());
        client.write_all(&reply).expect("sent");
        drop(client);
        let ended = program.wait();
        assert_eq!(ended.status.code(), Some(0), "{signal}");
        assert_eq!(ended.output[7..], END, "{signal}");
    }
}

#[test]
fn second_signal_stops_at_once() {
    // The client never answers, and is waited for longer than any test.
    let program = Program::start(&["--close-timeout", "3600"]);
    let mut client = program.upgrade();
    program.signal("TERM");
    read_close(&mut client);
    program.signal("TERM");
    let ended = program.wait();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(ended.output[7..], END);
}

#[test]
fn hangup_is_survived() {
    let program = Program::start(&[]);
    program.signal("HUP");
    assert_eq!(program.get("/").0, 200);
    assert_eq!(program.stop().status.code(), Some(0));
}

#[test]
fn time_limit_stops_it() {
    let ended = Program::start(&["--time-limit", "1"]).wait();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(ended.output[7..], END);
}

#[test]
fn output_that_nobody_takes_changes_nothing() {
    let folder = Scratch::new("output");
    let pipe = folder.pipe("pipe");
    // The last one is a pipe whose reader has gone.
    for redirection in [">&-", ">/dev/full", &format!("3<>{pipe} >{pipe} 3<&-")] {
        // Only the log tells the port then.
        let mut deaf = command_redirected(redirection);
        deaf.args(["--listen", "127.0.0.1:0", "--log", "debug"]);
        assert_serves(&mut deaf, 1);
    }
}

#[test]
fn output_that_is_full_changes_nothing() {
    let folder = Scratch::new("full");
    let pipe = folder.pipe("pipe");
    let both_ends = File::options()
        .read(true)
        .write(true)
        .open(folder.path("pipe"));
    let mut full = both_ends.expect("a pipe");
    full.write_all(&[b'x'; PIPE_BYTES])
        .expect("room for as much");
    let mut deaf = command_redirected(&format!("1<>{pipe}"));
    deaf.args(["--listen", "127.0.0.1:0", "--log", "debug"]);
    assert_serves(&mut deaf, 1);
}

#[test]
fn log_on_a_terminal_that_was_halted_changes_nothing() {
    let terminal = "import os, sys
master, terminal = os.openpty()
os.set_inheritable(master, True)
os.dup2(terminal, 2)
os.execv(sys.argv[1], sys.argv[1:])";
    let mut deaf = Command::new("python3");
    deaf.args(["-c", terminal, env!("CARGO_BIN_EXE_veche")]);
    deaf.args(["--listen", "127.0.0.1:0", "--log", "trace"]);
    assert_serves(&mut deaf, 1000);
}

#[test]
fn log_that_nobody_takes_changes_nothing() {
    let folder = Scratch::new("log");
    let pipe = folder.pipe("pipe");
    // The last one is a pipe that nobody empties, filled by many requests.
    for (redirection, requests) in [
        ("2>&-", 1),
        ("2>/dev/full", 1),
        (&format!("2<>{pipe}"), 1000),
    ] {
        let mut deaf = command_redirected(redirection);
        deaf.args(["--listen", "127.0.0.1:0", "--log", "trace"]);
        assert_serves(&mut deaf, requests);
    }
}

#[test]
fn what_a_peer_sends_forges_no_line_of_the_log() {
    let folder = Scratch::new("forged");
    folder.write("secret.txt", "secret");
    folder.write("www/index.html", "page");
    symlink(
        folder.path("secret.txt"),
        folder.path("www/\u{9b}31m\u{2028}x"),
    )
    .expect("a link");
    let www = folder.path("www");
    let program = Program::start(&["--www", www.to_str().expect("UTF-8")]);
    program.get("/%E2%80%A8x%C2%9B");
    program.get("/%C2%9B31m%E2%80%A8x");
    program.get("/secret%0AWARN%20forged");
    let program = program.stop();
    for line in &program.errors {
        let level = line.split(' ').next();
        assert!(matches!(level, Some("INFO" | "WARN")), "{line:?}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(!line.contains('\u{2028}'), "{line:?}");
    }
}

/// What every failure looks like: one line, this status.
#[track_caller]
fn assert_fails(ended: &Ended, status: i32, told: &str) {
    assert_eq!(ended.status.code(), Some(status), "{ended:?}");
    let [line] = &ended.errors[..] else {
        panic!("not one line: {ended:?}");
    };
    assert!(line.starts_with("veche: ") && line.contains(told), "{line}");
}

/// Starts the program, and has it serve and end as ever.
#[track_caller]
fn assert_serves(command: &mut Command, requests: usize) {
    let program = Program::start_command(command);
    for _ in 0..requests {
        assert_eq!(program.get("/").0, 200, "{command:?}");
    }
    assert_eq!(program.stop().status.code(), Some(0), "{command:?}");
}

/// Reads the server's Close and returns its code.
fn read_close(client: &mut impl Read) -> u16 {
    let mut header = [0; 2];
    client.read_exact(&mut header).expect("a frame");
    assert_eq!(header[0], 0x88, "a Close");
    let mut payload = vec![0; header[1].into()];
    client.read_exact(&mut payload).expect("its payload");
    u16::from_be_bytes([payload[0], payload[1]])
}

/// What a pipe of Linux holds.
const PIPE_BYTES: usize = 64 * 1024;
