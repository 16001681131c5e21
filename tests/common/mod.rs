//! The real program, run by a test.
//!
//! Nothing here sleeps: whatever is waited for has a deadline, after which the
//! test fails and shows what the program has said so far.
//!
//! With `VECHE_TLS=1` the program speaks TLS, and those who connect to it do so
//! through a tunnel.

// Each test takes from here what it needs.
#![allow(dead_code, unreachable_pub)]

#[cfg(feature = "tls")]
#[path = "tunnel.rs"]
mod tunnel;

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(feature = "tls")]
use super::ends;

/// How long anything may take on a machine that is busy with other things.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Runs the program to its end.
pub fn run(arguments: &[&str]) -> Ended {
    run_command(command().args(arguments))
}

/// Runs a command to its end.
pub fn run_command(command: &mut Command) -> Ended {
    Program::spawn(command).wait()
}

/// The program as it is without anybody's environment.
pub fn command() -> Command {
    command_of(env!("CARGO_BIN_EXE_veche"))
}

/// The program, by a shell that redirects what it says: `>&-`.
pub fn command_redirected(redirection: &str) -> Command {
    let mut command = command_of("/bin/sh");
    command.args(["-c", &format!("exec \"$0\" \"$@\" {redirection}")]);
    command.arg(env!("CARGO_BIN_EXE_veche"));
    command
}

/// The program, with so many descriptors.
pub fn command_with_descriptors(most: u32) -> Command {
    command_limited(&format!("ulimit -n {most}"))
}

/// The program, by a shell that limits it first.
pub fn command_limited(limit: &str) -> Command {
    let mut command = command_of("/bin/sh");
    command.args(["-c", &format!("{limit} && exec \"$0\" \"$@\"")]);
    command.arg(env!("CARGO_BIN_EXE_veche"));
    command
}

fn command_of(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("VECHE_") {
            command.env_remove(name);
        }
    }
    // Tests leave nothing behind; those of the file ask for one.
    command.env("VECHE_DB", "none");
    command
}

/// A program that runs, and is killed when the test is over.
#[derive(Debug)]
pub struct Program {
    child: Child,
    lines: Receiver<Line>,
    said: Vec<Line>,
    address: Option<SocketAddr>,
    #[cfg(feature = "tls")]
    identity: Option<ends::identity::Identity>,
}

/// A line that the program has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// On standard output.
    Output(String),
    /// On standard error.
    Error(String),
}

/// A program that has ended: its status and what it has said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub output: Vec<String>,
    pub errors: Vec<String>,
}

impl Program {
    /// Starts the program on a free port of the loopback, and waits until it
    /// serves.
    pub fn start(arguments: &[&str]) -> Program {
        Program::start_command(command().args(["--listen", "127.0.0.1:0"]).args(arguments))
    }

    /// Starts a command that runs the program, and waits until it serves.
    pub fn start_command(command: &mut Command) -> Program {
        #[cfg(feature = "tls")]
        if ends::is_over_tls() {
            return Program::start_tunnel(command);
        }
        Program::start_alone(command)
    }

    /// The same, with a tunnel to it.
    #[cfg(feature = "tls")]
    fn start_tunnel(command: &mut Command) -> Program {
        let identity = ends::identity::Identity::new();
        command.arg("--tls-cert").arg(identity.certificate());
        command.arg("--tls-key").arg(identity.key());
        let mut program = Program::start_alone(command);
        let config = identity.config(&rustls::version::TLS13, b"http/1.1");
        program.address = Some(tunnel::open(program.address(), config));
        program.identity = Some(identity);
        program
    }

    /// The same, as it is.
    pub fn start_alone(command: &mut Command) -> Program {
        let mut program = Program::spawn(command);
        program.address = Some(program.wait_for("the address", address_in));
        program
    }

    /// Starts a command.
    pub fn spawn(command: &mut Command) -> Program {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (sender, lines) = channel();
        let output = child.stdout.take().expect("standard output is a pipe");
        let errors = child.stderr.take().expect("standard error is a pipe");
        for (pipe, line) in [
            (
                Box::new(output) as Box<dyn Read + Send>,
                Line::Output as fn(String) -> Line,
            ),
            (Box::new(errors), Line::Error),
        ] {
            let sender = sender.clone();
            thread::spawn(move || {
                for text in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = sender.send(line(text));
                }
            });
        }
        Program {
            child,
            lines,
            said: Vec::new(),
            address: None,
            #[cfg(feature = "tls")]
            identity: None,
        }
    }

    /// Where to connect to it.
    pub fn address(&self) -> SocketAddr {
        self.address.expect("a program that was waited for")
    }

    /// Connects to another address of it from now on.
    pub fn move_to(&mut self, address: SocketAddr) {
        self.address = Some(address);
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// A connection to it, on which nothing takes longer than the deadline.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.address(), DEADLINE).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream.set_write_timeout(Some(DEADLINE)).expect("a timeout");
        stream
    }

    /// An open WebSocket that gives no answer to anything by itself.
    pub fn upgrade(&self) -> TcpStream {
        let mut stream = self.connect();
        let request = "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\n\
            Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("sent");
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
        stream
    }

    /// Asks for a path exactly as it is given: the status, and the body.
    pub fn get(&self, path: &str) -> (u16, Vec<u8>) {
        let mut stream = self.connect();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut response = Vec::new();
        stream.read_to_end(&mut response).expect("a response");
        let text = String::from_utf8_lossy(&response);
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
        let end = response.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        (
            status.expect("a status"),
            response[end.expect("a head") + 4..].to_vec(),
        )
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("/bin/sh").args(["-c", &kill]).status();
        assert!(status.expect("a shell").success(), "{kill}");
    }

    /// The processor's time that it has used.
    #[cfg(target_os = "linux")]
    pub fn processor_time(&self) -> Duration {
        let ticks = [13, 14].map(|field| self.stat(field).parse::<u64>().expect("a number"));
        // Hundredths of a second, on every Linux there is.
        Duration::from_millis(10 * (ticks[0] + ticks[1]))
    }

    /// A field of `/proc/PID/stat`, counted from 0.
    #[cfg(target_os = "linux")]
    pub fn stat(&self, field: usize) -> String {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("a process");
        stat.split(' ').nth(field).expect("a field").to_owned()
    }

    /// Waits until it says a line of which `found` makes something.
    pub fn wait_for<T>(&mut self, what: &str, found: impl Fn(&Line) -> Option<T>) -> T {
        if let Some(found) = self.said.iter().find_map(&found) {
            return found;
        }
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("the program has not said {what} but {:#?}", self.said);
            };
            let result = found(&line);
            self.said.push(line);
            if let Some(result) = result {
                return result;
            }
        }
    }

    /// Whether it runs no longer.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    /// Asks it to stop, and waits until it has.
    pub fn stop(self) -> Ended {
        self.signal("TERM");
        self.wait()
    }

    /// Waits until it has ended by itself.
    pub fn wait(mut self) -> Ended {
        let deadline = Instant::now() + DEADLINE;
        // The pipes are closed when it ends, whoever ends it.
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.said.push(line),
                Err(_) if left.is_zero() => panic!("still running: {:#?}", self.said),
                Err(_) => break,
            }
        }
        let status = loop {
            match self.child.try_wait().expect("a child") {
                Some(status) => break status,
                None if Instant::now() > deadline => panic!("still running: {:#?}", self.said),
                None => thread::yield_now(),
            }
        };
        let mut ended = Ended {
            status,
            output: Vec::new(),
            errors: Vec::new(),
        };
        for line in self.said.drain(..) {
            match line {
                Line::Output(line) => ended.output.push(line),
                Line::Error(line) => ended.errors.push(line),
            }
        }
        ended
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the line that tells where it listens: the one for people on
/// standard output, or the one of the log.
fn address_in(line: &Line) -> Option<SocketAddr> {
    let address = match line {
        Line::Output(line) => line.split_once("://")?.1.split_once('/')?.0,
        Line::Error(line) => line.split_once("listening at ")?.1,
    };
    address.parse().ok()
}

/// A folder that is gone when the test is over.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Scratch {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        Scratch(folder)
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    /// Makes a named pipe; returns its path, quoted for a shell.
    pub fn pipe(&self, path: &str) -> String {
        let path = self.path(path);
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo").success());
        format!("'{}'", path.display())
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        let folder = path.parent().expect("a path within the folder");
        fs::create_dir_all(folder).expect("a folder");
        fs::write(path, content).expect("a file");
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
