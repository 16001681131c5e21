//! The program as a service of systemd: what it tells the manager, and the unit.
#![cfg(all(feature = "sqlite", target_os = "linux"))]
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/ends.rs"]
mod ends;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::{Command, id};

use common::{DEADLINE, Program, Scratch, command, run_command};

#[test]
fn manager_is_told_when_it_waits_for_connections_and_when_it_stops() {
    let file = socket("ready");
    let name = format!("veche-test-{}", id());
    for (path, address) in [
        (
            file.display().to_string(),
            SocketAddr::from_pathname(&file).unwrap(),
        ),
        (
            format!("@{name}"),
            SocketAddr::from_abstract_name(&name).unwrap(),
        ),
    ] {
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        manager.set_read_timeout(Some(DEADLINE)).unwrap();
        let hear = || {
            let mut told = [0; 100];
            let length = manager.recv(&mut told).unwrap();
            String::from_utf8_lossy(&told[..length]).into_owned()
        };
        let program = start(&path);
        assert_eq!(hear(), "READY=1");
        assert_eq!(program.get("/").0, 200);
        assert_eq!(program.stop().status.code(), Some(0));
        assert_eq!(hear(), "STOPPING=1");
    }
    fs::remove_file(file).unwrap();
}

#[test]
fn manager_who_does_not_listen_is_served_all_the_same() {
    for socket in ["/nowhere/at/all", "@veche-nobody", "@", ""] {
        let program = start(socket);
        assert_eq!(program.get("/").0, 200);
        let ended = program.stop();
        assert_eq!(ended.status.code(), Some(0));
        let told = "was not told READY=1: ";
        assert!(
            ended.errors.iter().any(|line| line.contains(told)),
            "{ended:?}"
        );
    }
}

#[test]
fn manager_who_has_no_time_is_not_waited_for() {
    let file = socket("busy");
    let manager = UnixDatagram::bind(&file).unwrap();
    let full = UnixDatagram::unbound().unwrap();
    full.set_nonblocking(true).unwrap();
    while full.send_to(b"WATCHDOG=1", &file).is_ok() {}
    let program = start(file.to_str().unwrap());
    assert_eq!(program.get("/").0, 200);
    assert_eq!(program.stop().status.code(), Some(0));
    drop(manager);
    fs::remove_file(file).unwrap();
}

#[test]
fn unit_is_one_that_systemd_understands() {
    let scratch = Scratch::new("service-verify");
    let verify = |program| systemd_analyze(&["verify", "--man=no"], &unit_of(&scratch, program));
    let done = verify(env!("CARGO_BIN_EXE_veche"));
    assert!(done.is_empty(), "{done}");
    // It does find what is wrong.
    let done = verify("/nowhere/veche");
    assert!(done.contains("/nowhere/veche"), "{done}");
}

/// From 0 to 10; most services of a system have more than 9. What is left is
/// that it listens at addresses of the network.
#[test]
fn unit_is_exposed_to_little() {
    let scratch = Scratch::new("service-security");
    let unit = unit_of(&scratch, env!("CARGO_BIN_EXE_veche"));
    let told = systemd_analyze(&["security", "--offline=true", "--threshold=15"], &unit);
    assert!(told.contains("Overall exposure level"), "{told}");
}

#[test]
fn what_the_unit_starts_serves() {
    let scratch = Scratch::new("service-starts");
    let unit = fs::read_to_string(UNIT).unwrap();
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let folder = scratch.path("");
    let line = line
        .unwrap()
        .replace("/var/lib/veche/", folder.to_str().unwrap());
    let line = line.replace("127.0.0.1:7777", "127.0.0.1:0");
    let line = line.replace("127.0.0.1:9177", "127.0.0.1:0");
    let mut words = line.split(' ');
    assert_eq!(words.next(), Some("/usr/local/bin/veche"));
    let program = Program::start_command(command().args(words));
    assert_eq!(program.get("/").0, 200);
    assert!(scratch.path("veche.db").exists());
    assert_eq!(program.stop().status.code(), Some(0));
    // The status that is not started again.
    assert!(unit.contains("RestartPreventExitStatus=2"));
    let ended = run_command(command().arg("--no-such-option"));
    assert_eq!(ended.status.code(), Some(2));
}

fn start(socket: impl AsRef<OsStr>) -> Program {
    let mut program = command();
    program.args(["--listen", "127.0.0.1:0"]);
    Program::start_command(program.env("NOTIFY_SOCKET", socket))
}

/// The unit, with another program to start.
fn unit_of(scratch: &Scratch, program: &str) -> PathBuf {
    let unit = fs::read_to_string(UNIT).unwrap();
    let unit = unit.replace("/usr/local/bin/veche", program);
    scratch.write("veche.service", unit);
    scratch.path("veche.service")
}

/// What systemd-analyze says, which says nothing where all is well.
#[track_caller]
fn systemd_analyze(arguments: &[&str], unit: &Path) -> String {
    let mut command = Command::new("systemd-analyze");
    command.args(arguments).arg("--no-pager").arg(unit);
    let done = command.output().expect("systemd is installed");
    let [output, errors] = [done.stdout, done.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(
        done.status.success(),
        errors.is_empty(),
        "{output}\n{errors}"
    );
    output + &errors
}

/// Where a socket may be made: its path has to be short.
fn socket(name: &str) -> PathBuf {
    env::temp_dir().join(format!("veche-{name}-{}", id()))
}

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/veche.service");
