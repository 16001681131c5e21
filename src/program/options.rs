//! The options: one table makes the command line, the environment and the help.

use core::time::Duration;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::Arg;
use log::LevelFilter;

use crate::chat::Settings;
use crate::server::Config;

/// What the program was asked to do.
pub(super) enum Command {
    /// Print this and end.
    Print(String),
    /// Serve the chat.
    Serve(Box<Options>),
}

/// What was asked for, or the defaults.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) listen: String,
    pub(super) www: Option<PathBuf>,
    pub(super) log: LevelFilter,
    pub(super) keep_messages: usize,
    pub(super) server: Config,
    pub(super) chat: Settings,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            listen: "127.0.0.1:7777".to_owned(),
            www: None,
            log: LevelFilter::Info,
            keep_messages: 1_000,
            server: Config::default(),
            chat: Settings::default(),
        }
    }
}

/// One option.
struct Entry {
    /// On the command line `--name`, in the environment `VECHE_NAME`.
    name: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
    set: fn(&mut Options, &str) -> Result<(), Expected>,
}

/// What a value has to be.
type Expected = &'static str;

const GROUPS: [(&str, &[Entry]); 4] = [
    ("Options", GENERAL),
    ("Limits of the chat (0 = none)", CHAT),
    ("Limits of connections (0 = none)", CONNECTIONS),
    ("Limits of time, in seconds (0 = none)", TIMES),
];

const GENERAL: &[Entry] = &[
    Entry {
        name: "listen",
        value: "ADDRESS",
        default: "127.0.0.1:7777",
        help: "where to listen; 0.0.0.0:7777 is reachable from outside",
        set: |o, value| listen(value).map(|listen| o.listen = listen),
    },
    Entry {
        name: "www",
        value: "DIR",
        default: "the built-in page",
        help: "serve the page from this folder, for changing it",
        set: |o, value| {
            o.www = Some(value.into());
            Ok(())
        },
    },
    Entry {
        name: "time-limit",
        value: "SECONDS",
        default: "0, never",
        help: "stop by itself after this time",
        set: |o, value| seconds(value).map(|time| o.server.time_limit = time),
    },
    Entry {
        name: "log",
        value: "LEVEL",
        default: "info",
        help: "off, error, warn, info, debug or trace, on standard error",
        set: |o, value| level(value).map(|level| o.log = level),
    },
];

const CHAT: &[Entry] = &[
    Entry {
        name: "max-text-bytes",
        value: "BYTES",
        default: "8192",
        help: "the longest text, in UTF-8",
        set: |o, value| number(value).map(|n| o.chat.max_text_bytes = n),
    },
    Entry {
        name: "rate-limit",
        value: "PER_SECOND",
        default: "5",
        help: "commands a second of one person, six times as many at once",
        set: |o, value| number(value).map(|n| o.chat.rate_per_second = n),
    },
    Entry {
        name: "keep-messages",
        value: "COUNT",
        default: "1000",
        help: "messages kept in each room",
        set: |o, value| number(value).map(|n| o.keep_messages = n),
    },
    Entry {
        name: "max-rooms",
        value: "COUNT",
        default: "10000",
        help: "rooms in use, and rooms remembered",
        set: |o, value| number(value).map(|n| o.chat.max_rooms = n),
    },
    Entry {
        name: "max-sessions",
        value: "COUNT",
        default: "10000",
        help: "people remembered who are not connected",
        set: |o, value| number(value).map(|n| o.chat.max_sessions = n),
    },
];

const CONNECTIONS: &[Entry] = &[
    Entry {
        name: "max-connections",
        value: "COUNT",
        default: "descriptors less 32",
        help: "connections open at once; beyond, Close 1013",
        set: |o, value| number(value).map(|n| o.server.max_connections = n),
    },
    Entry {
        name: "max-connections-per-address",
        value: "COUNT",
        default: "256",
        help: "of one address, but for the loopback; beyond, 429",
        set: |o, value| number(value).map(|n| o.server.max_connections_per_address = n),
    },
    Entry {
        name: "max-message-bytes",
        value: "BYTES",
        default: "1048576",
        help: "the largest WebSocket message; beyond, Close 1009",
        set: |o, value| number(value).map(|n| o.server.max_message_bytes = n),
    },
    Entry {
        name: "max-head-bytes",
        value: "BYTES",
        default: "16384",
        help: "the largest request head; beyond, 431",
        set: |o, value| number(value).map(|n| o.server.max_head_bytes = n),
    },
    Entry {
        name: "max-headers",
        value: "COUNT",
        default: "100",
        help: "header lines of a request; beyond, 431",
        set: |o, value| number(value).map(|n| o.server.max_headers = n),
    },
    Entry {
        name: "tape-bytes",
        value: "BYTES",
        default: "262144",
        help: "what a room keeps for those who read slowly",
        set: |o, value| number(value).map(|n| o.server.tape_bytes = n),
    },
    Entry {
        name: "outbox-bytes",
        value: "BYTES",
        default: "1048576",
        help: "answers that may wait for one who reads slowly",
        set: |o, value| number(value).map(|n| o.server.outbox_bytes = n),
    },
];

const TIMES: &[Entry] = &[
    Entry {
        name: "handshake-timeout",
        value: "SECONDS",
        default: "10",
        help: "for a request to arrive, in all",
        set: |o, value| seconds(value).map(|time| o.server.handshake_timeout = time),
    },
    Entry {
        name: "message-timeout",
        value: "SECONDS",
        default: "120",
        help: "for a message to arrive, once begun",
        set: |o, value| seconds(value).map(|time| o.server.message_timeout = time),
    },
    Entry {
        name: "close-timeout",
        value: "SECONDS",
        default: "5",
        help: "for the peer to close, too",
        set: |o, value| seconds(value).map(|time| o.server.close_timeout = time),
    },
    Entry {
        name: "ping-interval",
        value: "SECONDS",
        default: "25",
        help: "silence after which a peer is asked if it lives",
        set: |o, value| seconds(value).map(|time| o.server.ping_interval = time),
    },
    Entry {
        name: "ping-timeout",
        value: "SECONDS",
        default: "10",
        help: "for it to answer",
        set: |o, value| seconds(value).map(|time| o.server.ping_timeout = time),
    },
    Entry {
        name: "stall-timeout",
        value: "SECONDS",
        default: "30",
        help: "for a peer that takes nothing of what it is sent",
        set: |o, value| seconds(value).map(|time| o.server.stall_timeout = time),
    },
];

/// Reads the command line and the environment; the former wins.
///
/// # Errors
/// A line that names the option, or the variable, and what it takes.
pub(super) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Command, String> {
    let mut options = Options::default();
    for entry in entries() {
        let variable = variable(entry.name);
        if let Some(value) = environment(&variable) {
            set(&mut options, entry, &variable, &value)?;
        }
    }
    let mut parser = lexopt::Parser::from_iter(arguments);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Print(help())),
            Arg::Short('V') | Arg::Long("version") => {
                let version = concat!("veche ", env!("CARGO_PKG_VERSION"));
                return Ok(Command::Print(version.to_owned()));
            }
            Arg::Long(name) => {
                let Some(entry) = entries().find(|entry| entry.name == name) else {
                    return Err(unknown(name));
                };
                let value = parser.value();
                let value = value.map_err(|_| {
                    format!("--{} needs a value: --{0} {}", entry.name, entry.value)
                })?;
                set(&mut options, entry, &format!("--{}", entry.name), &value)?;
            }
            Arg::Short(letter) => return Err(format!("there is no option -{letter}")),
            Arg::Value(value) => {
                let value = value.to_string_lossy();
                return Err(format!("what is {value:?}? Options begin with --"));
            }
        }
    }
    Ok(Command::Serve(Box::new(options)))
}

fn entries() -> impl Iterator<Item = &'static Entry> {
    GROUPS.iter().flat_map(|(_, entries)| *entries)
}

/// The name of an option in the environment.
fn variable(name: &str) -> String {
    format!("VECHE_{}", name.replace('-', "_").to_uppercase())
}

fn set(options: &mut Options, entry: &Entry, origin: &str, value: &OsStr) -> Result<(), String> {
    let value = value.to_string_lossy();
    (entry.set)(options, &value)
        .map_err(|expected| format!("{origin} takes {expected}, not {value:?}"))
}

fn unknown(name: &str) -> String {
    let distance = |entry: &&Entry| strsim::osa_distance(entry.name, name);
    let nearest = entries()
        .min_by_key(distance)
        .filter(|entry| distance(entry) <= 4);
    match nearest {
        Some(entry) => format!("there is no option --{name}; do you mean --{}?", entry.name),
        None => format!("there is no option --{name}"),
    }
}

fn number<N: FromStr>(value: &str) -> Result<N, Expected> {
    value.parse().map_err(|_| "a whole number, 0 for no limit")
}

fn seconds(value: &str) -> Result<Duration, Expected> {
    let seconds = value.parse().ok().filter(|seconds| *seconds <= MAX_SECONDS);
    let seconds = seconds.ok_or("seconds, such as 60 or 0.5, 0 for no limit")?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "seconds that are not below 0")
}

fn level(value: &str) -> Result<LevelFilter, Expected> {
    value
        .parse()
        .map_err(|_| "off, error, warn, info, debug or trace")
}

/// An address with its port; a port alone is one of the loopback.
fn listen(value: &str) -> Result<String, Expected> {
    if value.parse::<u16>().is_ok() {
        return Ok(format!("127.0.0.1:{value}"));
    }
    let port = value.rsplit_once(':').map(|(_, port)| port);
    if port.is_none_or(|port| port.parse::<u16>().is_err()) {
        return Err("an address and a port, such as 127.0.0.1:7777");
    }
    Ok(value.to_owned())
}

fn help() -> String {
    let mut help = String::from(
        "Veche: a chat server with its page.\n\n\
         Usage: veche [OPTIONS]\n",
    );
    for (title, entries) in GROUPS {
        let _ = write!(help, "\n{title}:\n");
        for entry in entries {
            let option = format!("--{} {}", entry.name, entry.value);
            let _ = writeln!(help, "  {option:<36} {} [{}]", entry.help, entry.default);
        }
    }
    help.push_str(
        "\n  -h, --help                           print this\
         \n  -V, --version                        print the version\
         \n\nEach option can be set in the environment, too: --time-limit 60 is\
         \nVECHE_TIME_LIMIT=60. The command line wins.",
    );
    help
}

/// A year.
const MAX_SECONDS: f64 = 31_536_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_all(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Command, String> {
        let arguments = ["veche"].iter().chain(arguments).map(OsString::from);
        parse(arguments, |name| {
            let found = environment.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    fn options(arguments: &[&str], environment: &[(&str, &str)]) -> Options {
        match parse_all(arguments, environment) {
            Ok(Command::Serve(options)) => *options,
            Ok(Command::Print(text)) => panic!("printed {text}"),
            Err(error) => panic!("{error}"),
        }
    }

    fn error(arguments: &[&str], environment: &[(&str, &str)]) -> String {
        parse_all(arguments, environment).err().expect("an error")
    }

    #[test]
    fn command_line_wins_over_the_environment_and_that_over_the_default() {
        let environment = [("VECHE_MAX_ROOMS", "7"), ("VECHE_TIME_LIMIT", "0.5")];
        let options = options(&["--max-rooms=8"], &environment);
        assert_eq!(options.chat.max_rooms, 8);
        assert_eq!(options.server.time_limit, Duration::from_millis(500));
        assert_eq!(options.listen, "127.0.0.1:7777");
    }

    #[test]
    fn defaults_that_the_help_tells_are_the_defaults() {
        for entry in entries() {
            let number = entry.default.split(',').next().unwrap_or_default();
            if number.parse::<f64>().is_err() {
                continue;
            }
            let mut changed = Options::default();
            assert_eq!((entry.set)(&mut changed, number), Ok(()), "{}", entry.name);
            let (changed, default) = (format!("{changed:?}"), format!("{:?}", Options::default()));
            assert_eq!(changed, default, "{}", entry.name);
        }
    }

    #[test]
    fn every_number_can_be_zero_for_no_limit() {
        let is_number = |entry: &&Entry| entry.name != "log" && entry.name != "listen";
        for entry in entries().filter(is_number) {
            assert_eq!(
                (entry.set)(&mut Options::default(), "0"),
                Ok(()),
                "{}",
                entry.name
            );
        }
    }

    #[test]
    fn mistakes_are_told_in_one_line_that_names_the_option_and_the_remedy() {
        for (arguments, environment, expected) in [
            (
                &["--max-room", "1"][..],
                &[][..],
                "do you mean --max-rooms?",
            ),
            (
                &["--quite-something-else"],
                &[],
                "no option --quite-something-else",
            ),
            (
                &["--max-rooms", "many"],
                &[],
                "--max-rooms takes a whole number, 0 for no limit, not \"many\"",
            ),
            (
                &["--max-rooms"],
                &[],
                "--max-rooms needs a value: --max-rooms COUNT",
            ),
            (
                &["--rate-limit", "-1"],
                &[],
                "--rate-limit takes a whole number",
            ),
            (&["--time-limit", "nan"], &[], "--time-limit takes seconds"),
            (&["--time-limit", "-1"], &[], "--time-limit takes seconds"),
            (&["--time-limit", "1e30"], &[], "--time-limit takes seconds"),
            (
                &["--listen", "here"],
                &[],
                "--listen takes an address and a port",
            ),
            (
                &["--listen", "127.0.0.1:99999"],
                &[],
                "--listen takes an address and a port",
            ),
            (&["-x"], &[], "no option -x"),
            (&["chat"], &[], "what is \"chat\"?"),
            (
                &[],
                &[("VECHE_MAX_ROOMS", "x")],
                "VECHE_MAX_ROOMS takes a whole number",
            ),
        ] {
            let error = error(arguments, environment);
            assert!(error.contains(expected), "{arguments:?}: {error}");
            assert!(!error.contains('\n'));
        }
    }

    #[test]
    fn port_alone_is_one_of_the_loopback() {
        assert_eq!(options(&["--listen", "8080"], &[]).listen, "127.0.0.1:8080");
        assert_eq!(options(&["--listen", "[::1]:80"], &[]).listen, "[::1]:80");
    }

    #[test]
    fn help_names_every_option_and_fits_a_terminal() {
        let help = help();
        for entry in entries() {
            assert!(help.contains(&format!("--{} {}", entry.name, entry.value)));
        }
        assert!(
            help.lines().all(|line| line.chars().count() <= 120),
            "{help}"
        );
    }
}
