//! The chat program: puts the parts together and tells people how it goes.

mod folder;
mod logging;
mod options;
mod page;

use core::fmt;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use crate::chat::{Chat, SUBPROTOCOL};
use crate::journal::memory::MemoryJournal;
use crate::server::{ListenError, Server, Step, listen};
use folder::Folder;
use options::{Command, Options};

/// Why the program ends without having done its work.
#[derive(Debug)]
pub enum Failure {
    /// It was called in a way that it does not understand.
    Usage(String),
    /// It could not do what it was asked for.
    Runtime(String),
}

/// Runs the program until it is stopped. `arguments` begin with its name;
/// `environment` tells the value of a variable.
///
/// # Errors
/// A line for people that names the option and the remedy.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<(), Failure> {
    match options::parse(arguments, environment).map_err(Failure::Usage)? {
        Command::Print(text) => {
            say(&text);
            Ok(())
        }
        Command::Serve(options) => serve(*options),
    }
}

fn serve(options: Options) -> Result<(), Failure> {
    logging::start(options.log);
    let mut config = options.server;
    config.subprotocols = vec![SUBPROTOCOL];
    config.websocket_paths = vec!["/ws", "/"];
    config.assets = Some(match &options.www {
        Some(path) => Box::new(Folder::open(path).map_err(Failure::Runtime)?),
        None => Box::new(page::embedded()),
    });
    let mut epoch = [0; 8];
    random(&mut epoch);
    let journal = MemoryJournal::new(
        options.keep_messages,
        options.chat.max_rooms,
        u64::from_ne_bytes(epoch),
    );
    let chat = Chat::new(options.chat, journal, random);

    say("SERVER START");
    let listener = bind(&options.listen)?;
    let unexpected = |error: io::Error| Failure::Runtime(format!("cannot serve: {error}"));
    let mut server = Server::new(listener, config).map_err(unexpected)?;
    server.stop_on_signals().map_err(unexpected)?;
    say("Waiting for connections...");
    let address = server.local_addr().map_err(unexpected)?;
    say(&format!(
        "Open http://{}/ in a browser.",
        reachable(address)
    ));
    server.run(chat).map_err(unexpected)?;
    say("Closing connection...");
    say("SERVER STOP");
    Ok(())
}

/// Listens at the first of the option's addresses that can be had.
fn bind(listen_option: &str) -> Result<TcpListener, Failure> {
    let failure = |what: String| Failure::Runtime(format!("--listen {listen_option}: {what}"));
    let addresses = listen_option.to_socket_addrs().map_err(|error| {
        failure(format!(
            "{error}; give an address and a port, such as 127.0.0.1:7777"
        ))
    })?;
    let mut failed = failure("this name has no address".to_owned());
    for address in addresses {
        match listen(address, |step| say(line(step))) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = failure(remedy(&error)),
        }
    }
    Err(failed)
}

/// What was said after each step ever since this was a script.
fn line(step: Step) -> &'static str {
    match step {
        Step::Create => "Socket create...",
        Step::Bind => "Socket bind...",
        Step::Options => "Set option...",
        Step::Listen => "Listening socket...",
    }
}

fn remedy(error: &ListenError) -> String {
    match error.source.kind() {
        io::ErrorKind::AddrInUse => {
            "the port is taken; stop the program that has it, or choose another port".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "not allowed; choose a port from 1024 up, or start with more rights".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address; 0.0.0.0 is all it has".to_owned()
        }
        _ => error.to_string(),
    }
}

/// An address that a browser on this machine can open.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => core::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => core::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Fills a buffer with what nobody can guess.
fn random(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system has randomness");
}

/// A line on standard output. That it is closed or full stops no chat.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

impl Failure {
    /// The exit status: 1 where something went wrong, 2 where it was called
    /// wrongly.
    #[must_use]
    pub fn status(&self) -> u8 {
        match self {
            Failure::Runtime(_) => 1,
            Failure::Usage(_) => 2,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Runtime(what) => write!(f, "veche: {what}"),
            Failure::Usage(what) => write!(f, "veche: {what} (veche --help tells more)"),
        }
    }
}
