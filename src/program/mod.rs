//! The program: what was asked for, the page, the log, and the parts put
//! together.
//!
//! | module | what it is for |
//! |---|---|
//! | [`options`] | what was typed, and what it means |
//! | [`listen`] | the address to listen at |
//! | [`logging`] | what a line of the log looks like |
//! | `metrics` | what the program does, in numbers, with the feature `metrics` |
//! | `notify` | how far the program is, for a service manager |
//! | `output` | standard output and error, which never stop the chat |
//! | [`page`] | the page: embedded in the program, or from a folder |
//! | `secret` | files with a secret |
//! | `storage` | where messages are kept: in a file, or in memory |
//! | [`watch`] | the chat, and answers to those who watch the program |
//!
//! Standard output says in single lines how far the program is; standard error
//! has the log. Neither has to be there: a line that cannot be written is lost,
//! and the chat goes on.

use core::fmt;
use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use log::{debug, warn};
use signal_hook::consts::SIGXFSZ;
use signal_hook::flag;

use crate::chat::{Chat, SUBPROTOCOL};
#[cfg(feature = "sqlite")]
use crate::journal::sqlite::OpenError;
use crate::server::{Config, Server, Step};
#[cfg(feature = "tls")]
use crate::server::{Tls, TlsError};

pub mod listen;
pub mod logging;
#[cfg(feature = "metrics")]
mod metrics;
mod notify;
pub mod options;
mod output;
pub mod page;
#[cfg(feature = "site")]
pub mod secret;
mod storage;
#[cfg(feature = "page")]
mod strip;
pub mod watch;

use self::listen::BindError;
#[cfg(feature = "config")]
use self::options::FileError;
use self::options::{Options, Request, UsageError};
use self::output::Output;
use self::page::FolderError;
#[cfg(feature = "site")]
use self::secret::SecretError;
use self::storage::Storage;
use self::watch::Watched;

/// Does what the arguments (without the program's name) and the environment
/// ask for: says what was asked, or serves until it is stopped.
///
/// # Errors
/// What is wrong, in one line with its remedy.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<(), Error> {
    match Request::parse(arguments, &environment)? {
        Request::Help => print(&options::help()),
        Request::Version => print(VERSION),
        #[cfg(feature = "config")]
        Request::PrintConfig => print(&options::print_config()),
        #[cfg(feature = "config")]
        Request::CheckConfig(mut options, settings) => {
            check(&mut options)?;
            print(&settings);
        }
        Request::Serve(options) => serve(*options, environment("NOTIFY_SOCKET"))?,
    }
    Ok(())
}

/// Tells on standard error why the program ends.
pub fn complain(error: &Error) {
    // Where it cannot be told there, the exit status still tells it.
    let _ = writeln!(io::stderr(), "veche: {error}");
}

/// Looks at whatever can be looked at without serving.
#[cfg(feature = "config")]
fn check(options: &mut Options) -> Result<(), Error> {
    options.check()?;
    page::assets(options.www.as_deref())?;
    #[cfg(feature = "tls")]
    tls(options)?;
    #[cfg(feature = "site")]
    read_secrets(options)?;
    Ok(())
}

#[cfg(feature = "tls")]
fn tls(options: &Options) -> Result<Option<Tls>, TlsError> {
    match (&options.tls_cert, &options.tls_key) {
        (Some(certificate), Some(key)) => Tls::from_files(certificate, key).map(Some),
        _ => Ok(None),
    }
}

/// Serves, and tells the service manager at `socket`, if there is one.
#[cfg_attr(not(feature = "site"), expect(unused_mut))]
fn serve(mut options: Options, socket: Option<OsString>) -> Result<(), Error> {
    options.check()?;
    // A file that may not grow is an error where it is written.
    flag::register(SIGXFSZ, Arc::default()).map_err(Error::Descriptors)?;
    logging::start(options.log, options.log_format).map_err(Error::Descriptors)?;
    let mut output = Output::new(io::stdout()).map_err(Error::Descriptors)?;
    let mut say = |line: &str| output.line(line.as_bytes());
    let notify = |state: &str| {
        if let Some(socket) = &socket
            && let Err(error) = notify::notify(socket, state)
        {
            warn!("the service manager at NOTIFY_SOCKET was not told {state}: {error}");
        }
    };
    let assets = page::assets(options.www.as_deref())?;
    #[cfg(feature = "tls")]
    let tls = tls(&options)?;
    #[cfg(feature = "site")]
    read_secrets(&mut options)?;
    let storage = Storage::open(&options)?;
    let scheme = if options.has_tls() { "https" } else { "http" };
    let config = Config {
        subprotocols: vec![SUBPROTOCOL],
        websocket_paths: vec!["/ws", "/"],
        assets: Some(assets),
        ..options.server
    };

    say("SERVER START");
    let mut listeners = Vec::new();
    for listen in &options.listen {
        listeners.push(listen.bind("--listen", |step| say(step_line(step)))?);
    }
    let mut places = Vec::new();
    for (listen, listener) in options.listen.iter().zip(&listeners) {
        places.push(match listener.local_addr() {
            Some(address) => {
                debug!("listening at {address}");
                invitation(scheme, address, &config.base_path)
            }
            None => format!("Have a proxy connect to {listen}."),
        });
    }
    #[cfg(feature = "metrics")]
    for listen in &options.metrics_listen {
        let listener = listen.bind("--metrics-listen", |_| {})?;
        let base_path = &config.base_path;
        places.push(match listener.local_addr() {
            Some(address) => format!("Metrics are at {scheme}://{address}{base_path}/metrics"),
            None => format!("Metrics are at {listen}, {base_path}/metrics"),
        });
        listeners.push(listener);
    }
    let mut server = Server::new(listeners, config).map_err(Error::Descriptors)?;
    server.handle_signals().map_err(Error::Descriptors)?;
    #[cfg(feature = "tls")]
    if let Some(tls) = tls {
        server.set_tls(tls);
    }
    let journal = storage.journal(server.handle())?;
    say("Waiting for connections...");
    places.iter().for_each(|place| say(place));
    let chat = Chat::new(options.chat, journal, |bytes| {
        getrandom::fill(bytes).expect("a system that had randomness at the start has it always");
    });
    let watched = Watched::new(chat);
    #[cfg(feature = "metrics")]
    let watched = match options.metrics_listen.is_empty() {
        true => watched,
        false => watched.apart(options.listen.len()),
    };
    notify(notify::READY);
    let result = server.run(watched);
    notify(notify::STOPPING);
    say("Closing connection...");
    say("SERVER STOP");
    result.map_err(Error::Run)
}

/// Reads the files that the options name.
#[cfg(feature = "site")]
fn read_secrets(options: &mut Options) -> Result<(), SecretError> {
    if let Some(path) = &options.api_token_file {
        let token = secret::read("--api-token-file", path)?;
        let is_text = token.iter().all(u8::is_ascii_graphic);
        let token = String::from_utf8(token).ok().filter(|_| is_text);
        let not_text = || SecretError::not_text("--api-token-file", path);
        options.chat.api_token = Some(token.ok_or_else(not_text)?);
    }
    if let Some(path) = &options.jwt_secret_file {
        options.chat.jwt_secret = Some(secret::read("--jwt-secret-file", path)?);
    }
    Ok(())
}

/// What is said when a step has been done.
fn step_line(step: Step) -> &'static str {
    match step {
        Step::Create => "Socket create...",
        Step::Bind => "Socket bind...",
        Step::Options => "Set option...",
        Step::Listen => "Listening socket...",
    }
}

/// Where to find the page: an address that a browser can open, even where the
/// server listens at all of them.
fn invitation(scheme: &str, mut address: SocketAddr, base_path: &str) -> String {
    let ip = address.ip();
    if !ip.is_unspecified() {
        return format!("Open {scheme}://{address}{base_path}/ in a browser.");
    }
    address.set_ip(if ip.is_ipv4() {
        Ipv4Addr::LOCALHOST.into()
    } else {
        Ipv6Addr::LOCALHOST.into()
    });
    format!(
        "Open {scheme}://{address}{base_path}/ in a browser, or port {} of this machine from another.",
        address.port()
    )
}

/// Says what was asked for, to whoever still wants to hear it.
fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Why the program ends other than by being stopped.
#[derive(Debug)]
pub enum Error {
    /// What was asked for is not understood.
    Usage(UsageError),
    /// The configuration file cannot be read.
    #[cfg(feature = "config")]
    Config(FileError),
    /// The address is not to be had.
    Listen(BindError),
    /// The folder with the page is not to be had.
    Page(FolderError),
    /// The certificate or its key cannot be used.
    #[cfg(feature = "tls")]
    Tls(TlsError),
    /// A file with a secret cannot be used.
    #[cfg(feature = "site")]
    Secret(SecretError),
    /// The file that messages are kept in cannot be used.
    #[cfg(feature = "sqlite")]
    Database(OpenError),
    /// The system gave no thread.
    #[cfg(feature = "sqlite")]
    Thread(io::Error),
    /// The system gave no randomness.
    Random(getrandom::Error),
    /// The system gave no descriptors for the output, events and signals.
    Descriptors(io::Error),
    /// The system failed a server that ran.
    Run(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Usage(error) => error.fmt(f),
            #[cfg(feature = "config")]
            Error::Config(error) => error.fmt(f),
            Error::Listen(error) => error.fmt(f),
            Error::Page(error) => error.fmt(f),
            #[cfg(feature = "tls")]
            Error::Tls(error) if error.is_of_key() => write!(f, "--tls-key {error}"),
            #[cfg(feature = "tls")]
            Error::Tls(error) => write!(f, "--tls-cert {error}"),
            #[cfg(feature = "site")]
            Error::Secret(error) => error.fmt(f),
            #[cfg(feature = "sqlite")]
            Error::Database(error) => error.fmt(f),
            #[cfg(feature = "sqlite")]
            Error::Thread(error) => {
                write!(f, "no thread: {error}; raise the limit (ulimit -u)")
            }
            Error::Random(error) => write!(
                f,
                "no randomness: {error}; sessions are not safe without it, so the system has to give some"
            ),
            Error::Descriptors(error) => {
                write!(f, "no descriptors: {error}; raise the limit (ulimit -n)")
            }
            Error::Run(error) => {
                write!(
                    f,
                    "waiting for events failed: {error}; start the server again"
                )
            }
        }
    }
}

impl core::error::Error for Error {}

impl From<UsageError> for Error {
    fn from(error: UsageError) -> Self {
        Error::Usage(error)
    }
}

#[cfg(feature = "config")]
impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Error::Config(error)
    }
}

impl From<BindError> for Error {
    fn from(error: BindError) -> Self {
        Error::Listen(error)
    }
}

#[cfg(feature = "sqlite")]
impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        Error::Database(error)
    }
}

#[cfg(feature = "site")]
impl From<SecretError> for Error {
    fn from(error: SecretError) -> Self {
        Error::Secret(error)
    }
}

#[cfg(feature = "tls")]
impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        Error::Tls(error)
    }
}

impl From<FolderError> for Error {
    fn from(error: FolderError) -> Self {
        Error::Page(error)
    }
}

const VERSION: &str = concat!("veche ", env!("CARGO_PKG_VERSION"), "\n");
