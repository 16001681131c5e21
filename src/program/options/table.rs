//! The table of all options.

use super::value::Field;

/// One option.
#[derive(Debug)]
pub struct OptionEntry {
    /// Its name, without dashes.
    pub(super) name: &'static str,
    /// What stands for its value; nothing for a switch, which has none.
    pub(super) value_name: &'static str,
    /// What it would be typed as if it were left out; a test compares it with
    /// the [`Options`].
    pub(super) default: &'static str,
    /// Where its value goes.
    pub(super) field: Field,
    /// What it is for, in which unit, and why it is what it is.
    pub(super) help: &'static str,
}

impl OptionEntry {
    /// As it is typed: `--max-rooms`.
    pub(super) fn flag(&self) -> String {
        format!("--{}", self.name)
    }

    /// As the environment has it: `VECHE_MAX_ROOMS`.
    pub(super) fn variable(&self) -> String {
        format!("VECHE_{}", self.name.replace('-', "_").to_ascii_uppercase())
    }
}

/// All options, in the order of the table.
pub(super) fn entries() -> impl Iterator<Item = &'static OptionEntry> {
    GROUPS.iter().flat_map(|(_, entries)| *entries)
}

/// All that may be typed or be in the environment: the name of the
/// configuration file, too, which is not in the file.
pub(super) fn flags() -> impl Iterator<Item = &'static OptionEntry> {
    #[cfg(feature = "config")]
    let others = [&CONFIG];
    #[cfg(not(feature = "config"))]
    let others = [];
    entries().chain(others)
}

/// The name of the configuration file.
#[cfg(feature = "config")]
pub(super) static CONFIG: OptionEntry = OptionEntry {
    name: "config",
    value_name: "FILE",
    default: "",
    field: Field::File(|options| &mut options.config),
    help: "the TOML file that has the options that are not given otherwise, such as max-rooms = 500",
};

/// The table.
pub(super) const GROUPS: &[(&str, &[OptionEntry])] = &[
    (
        "Options",
        &[
            OptionEntry {
                name: "listen",
                value_name: "ADDRESS",
                default: "127.0.0.1:7777",
                field: Field::Listen(|options| &mut options.listen),
                help: "HOST:PORT to listen at, or either alone; 0.0.0.0 or [::] for all addresses, port 0 for any free one; unix:PATH for a Unix socket; several with commas between",
            },
            OptionEntry {
                name: "base-path",
                value_name: "PATH",
                default: "",
                field: Field::BasePath(|options| &mut options.server.base_path),
                help: "the path that all others are below, such as /chat, where a proxy leaves it there",
            },
            #[cfg(feature = "sqlite")]
            OptionEntry {
                name: "db",
                value_name: "FILE",
                default: "veche.db",
                field: Field::Database(|options| &mut options.db),
                help: "the file that messages are kept in, or none to keep them in memory until the server ends",
            },
            #[cfg(feature = "sqlite")]
            OptionEntry {
                name: "durability",
                value_name: "HOW",
                default: "full",
                field: Field::Durability(|options| &mut options.durability),
                help: "full: a message that was seen survives a power cut; normal: it survives the end of the server, which is quicker on a flash card",
            },
            #[cfg(feature = "sqlite")]
            OptionEntry {
                name: "new-epoch",
                value_name: "",
                default: "",
                field: Field::Switch(|options| &mut options.new_epoch),
                help: "say so once after an older copy of the file was put back: pages then fetch everything anew",
            },
            OptionEntry {
                name: "www",
                value_name: "DIR",
                default: "",
                field: Field::Folder(|options| &mut options.www),
                help: "serve the page from this folder, read anew each time, for working on it",
            },
            #[cfg(feature = "tls")]
            OptionEntry {
                name: "tls-cert",
                value_name: "FILE",
                default: "",
                field: Field::File(|options| &mut options.tls_cert),
                help: "speak TLS (https and wss) with the certificate in this PEM file, and the chain behind it; SIGHUP has it read anew",
            },
            #[cfg(feature = "tls")]
            OptionEntry {
                name: "tls-key",
                value_name: "FILE",
                default: "",
                field: Field::File(|options| &mut options.tls_key),
                help: "the PEM file with the certificate's key",
            },
            OptionEntry {
                name: "time-limit",
                value_name: "SECONDS",
                default: "0",
                field: Field::Seconds(|options| &mut options.server.time_limit),
                help: "stop after this time",
            },
            OptionEntry {
                name: "log",
                value_name: "LEVEL",
                default: "info",
                field: Field::Log(|options| &mut options.log),
                help: "what is told on standard error: off, error, warn, info, debug or trace",
            },
            OptionEntry {
                name: "log-format",
                value_name: "FORMAT",
                default: "text",
                field: Field::LogFormat(|options| &mut options.log_format),
                help: "what its lines are: text, or json, an object with the time in each",
            },
            #[cfg(feature = "metrics")]
            OptionEntry {
                name: "metrics-listen",
                value_name: "ADDRESS",
                default: "",
                field: Field::Listen(|options| &mut options.metrics_listen),
                help: "where /metrics is had, and nothing else but /health and /ready; as for --listen, which has all three where this is not given",
            },
        ],
    ),
    (
        "The chat",
        &[
            OptionEntry {
                name: "max-text-bytes",
                value_name: "BYTES",
                default: "8K",
                field: Field::Bytes(|options| &mut options.chat.max_text_bytes),
                help: "the longest text in UTF-8, a few pages; a longer one is answered with an error",
            },
            OptionEntry {
                name: "max-file-bytes",
                value_name: "BYTES",
                default: "1000000",
                field: Field::Bytes(|options| &mut options.chat.max_file_bytes),
                help: "the largest file, a photograph; 0 is none at all here, since a file has to fit into a message",
            },
            OptionEntry {
                name: "file-quota",
                value_name: "BYTES",
                default: "50M",
                field: Field::Bytes(|options| &mut options.chat.file_quota_bytes),
                help: "of files that a session may send a day, at once if it likes; ten times that from one address",
            },
            OptionEntry {
                name: "rate-limit",
                value_name: "PER_SECOND",
                default: "5",
                field: Field::Rate(|options| &mut options.chat.rate_per_second),
                help: "commands a session may send each second, after six times as many at once; nobody types faster",
            },
            OptionEntry {
                name: "keep-messages",
                value_name: "N",
                default: "100000",
                field: Field::Count(|options| &mut options.keep_messages),
                help: "messages kept of each room, the newest; in memory 4M of them at most",
            },
            OptionEntry {
                name: "keep-files",
                value_name: "BYTES",
                default: "1G",
                field: Field::Bytes(|options| &mut options.keep_files),
                help: "of files kept of all rooms, the newest; in memory 64M of them at most",
            },
            #[cfg(feature = "sqlite")]
            OptionEntry {
                name: "keep-days",
                value_name: "DAYS",
                default: "0",
                field: Field::Count(|options| &mut options.keep_days),
                help: "days that a message is kept in the file",
            },
            OptionEntry {
                name: "max-rooms",
                value_name: "N",
                default: "10000",
                field: Field::Count(|options| &mut options.chat.max_rooms),
                help: "rooms there may be at once, since anybody may make one",
            },
            OptionEntry {
                name: "max-sessions",
                value_name: "N",
                default: "50000",
                field: Field::Count(|options| &mut options.chat.max_sessions),
                help: "people remembered at once who are not here, so that they come back as themselves",
            },
        ],
    ),
    (
        "Connections",
        &[
            OptionEntry {
                name: "origin",
                value_name: "ORIGINS",
                default: "",
                field: Field::Origins(|options| &mut options.server.origins),
                help: "other sites whose pages may connect, such as https://a.example,http://b.example, or * for all",
            },
            OptionEntry {
                name: "trusted-proxy",
                value_name: "NETWORKS",
                default: "",
                field: Field::Networks(|options| &mut options.server.trusted_proxies),
                help: "proxies, such as 10.0.0.0/8,::1, whose X-Forwarded-For and X-Forwarded-Proto are believed, so that limits are those of the people behind them; a Unix socket is 127.0.0.1",
            },
            OptionEntry {
                name: "max-connections",
                value_name: "N",
                default: "0",
                field: Field::Count(|options| &mut options.server.max_connections),
                help: "connections at once; without a limit as many as there are descriptors, less 32",
            },
            OptionEntry {
                name: "max-connections-per-address",
                value_name: "N",
                default: "256",
                field: Field::Count(|options| &mut options.server.max_connections_per_address),
                help: "of them from one address, enough for an office; this machine is exempt",
            },
            OptionEntry {
                name: "max-message-bytes",
                value_name: "BYTES",
                default: "1M",
                field: Field::Bytes(|options| &mut options.server.max_message_bytes),
                help: "the largest WebSocket message; a larger one ends its connection",
            },
            OptionEntry {
                name: "max-head-bytes",
                value_name: "BYTES",
                default: "16K",
                field: Field::Bytes(|options| &mut options.server.max_head_bytes),
                help: "the largest request head, with room for the cookies of a site",
            },
            OptionEntry {
                name: "max-headers",
                value_name: "N",
                default: "100",
                field: Field::Count(|options| &mut options.server.max_headers),
                help: "header lines of a request; browsers behind proxies send some 30",
            },
            OptionEntry {
                name: "tape-bytes",
                value_name: "BYTES",
                default: "256K",
                field: Field::Bytes(|options| &mut options.server.tape_bytes),
                help: "what a room keeps for those who receive slowly; who falls further behind is closed and comes back",
            },
            OptionEntry {
                name: "outbox-bytes",
                value_name: "BYTES",
                default: "1M",
                field: Field::Bytes(|options| &mut options.server.outbox_bytes),
                help: "answers that may wait for one connection; while there are more it is not read",
            },
        ],
    ),
    #[cfg(feature = "site")]
    (
        "A site beside it",
        &[
            OptionEntry {
                name: "api-token-file",
                value_name: "FILE",
                default: "",
                field: Field::File(|options| &mut options.api_token_file),
                help: "lets whoever has the token in this file speak, read and keep order over HTTP, below /api/",
            },
            OptionEntry {
                name: "jwt-secret-file",
                value_name: "FILE",
                default: "",
                field: Field::File(|options| &mut options.jwt_secret_file),
                help: "lets a site name its members by tokens (JWT, HS256) signed with the secret in this file",
            },
            OptionEntry {
                name: "require-token",
                value_name: "",
                default: "",
                field: Field::Switch(|options| &mut options.chat.require_token),
                help: "let nobody in without such a token",
            },
        ],
    ),
    (
        "Patience",
        &[
            OptionEntry {
                name: "handshake-timeout",
                value_name: "SECONDS",
                default: "10",
                field: Field::Seconds(|options| &mut options.server.handshake_timeout),
                help: "for a request to arrive, in all",
            },
            OptionEntry {
                name: "message-timeout",
                value_name: "SECONDS",
                default: "120",
                field: Field::Seconds(|options| &mut options.server.message_timeout),
                help: "for a message to arrive, enough for 1M over a slow line",
            },
            OptionEntry {
                name: "stall-timeout",
                value_name: "SECONDS",
                default: "30",
                field: Field::Seconds(|options| &mut options.server.stall_timeout),
                help: "with one that takes nothing of what is sent to it",
            },
            OptionEntry {
                name: "ping-interval",
                value_name: "SECONDS",
                default: "25",
                field: Field::Seconds(|options| &mut options.server.ping_interval),
                help: "with silence before a ping; routers forget a connection after 30",
            },
            OptionEntry {
                name: "ping-timeout",
                value_name: "SECONDS",
                default: "10",
                field: Field::Seconds(|options| &mut options.server.ping_timeout),
                help: "for the answer to a ping",
            },
            OptionEntry {
                name: "close-timeout",
                value_name: "SECONDS",
                default: "5",
                field: Field::Seconds(|options| &mut options.server.close_timeout),
                help: "for the goodbyes, of one connection and of the server",
            },
        ],
    ),
];
