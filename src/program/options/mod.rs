//! What was typed, and what it means.
//!
//! One table names every option; the command line, the environment, the
//! configuration file and `--help` are made from it. A flag beats the
//! environment, which beats the file. A flag that was given twice adds to the first
//! where it takes a list; of any other the last one counts.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use super::Error;
use super::listen::Listen;
use super::logging::Format;
use crate::chat::{MAX_FILE_HEADER_BYTES, Settings};
use crate::http::origin::Origins;
#[cfg(feature = "sqlite")]
use crate::journal::sqlite::Durability;
use crate::server::Config;
use log::LevelFilter;

mod error;
#[cfg(feature = "config")]
mod file;
mod help;
#[cfg(feature = "config")]
mod print;
mod table;
mod value;

pub use self::error::UsageError;
#[cfg(feature = "config")]
pub use self::file::{FileError, LineError};
pub use self::help::help;
#[cfg(feature = "config")]
pub use self::print::print_config;
use self::table::{OptionEntry, entries};
#[cfg(feature = "config")]
use self::{file::ConfigFile, print::settings, table::CONFIG};

/// What the program is asked to do.
#[derive(Debug)]
pub enum Request {
    /// Serve.
    Serve(Box<Options>),
    /// Say what the options are.
    Help,
    /// Say which version this is.
    Version,
    /// Say a configuration file with every default.
    #[cfg(feature = "config")]
    PrintConfig,
    /// Look whether this can be served, and say what each option is set to and
    /// where: the text.
    #[cfg(feature = "config")]
    CheckConfig(Box<Options>, String),
}

/// How the program is to serve.
#[derive(Debug)]
pub struct Options {
    /// The file that has what neither flags nor the environment have.
    #[cfg(feature = "config")]
    pub config: Option<PathBuf>,
    /// Where to listen.
    pub listen: Vec<Listen>,
    /// The folder with the page, instead of the page in the program.
    pub www: Option<PathBuf>,
    /// What is logged.
    pub log: LevelFilter,
    /// What its lines look like.
    pub log_format: Format,
    /// Where metrics are had, and nothing else but health; none for where all else
    /// is.
    #[cfg(feature = "metrics")]
    pub metrics_listen: Vec<Listen>,
    /// The certificate to speak TLS with; plain HTTP without one.
    #[cfg(feature = "tls")]
    pub tls_cert: Option<PathBuf>,
    /// Its key.
    #[cfg(feature = "tls")]
    pub tls_key: Option<PathBuf>,
    /// The file with the token of a site, which speaks over HTTP; none without.
    #[cfg(feature = "site")]
    pub api_token_file: Option<PathBuf>,
    /// The file with the secret by which a site signs its members' tokens.
    #[cfg(feature = "site")]
    pub jwt_secret_file: Option<PathBuf>,
    /// The bounds of the server.
    pub server: Config,
    /// The bounds of the chat.
    pub chat: Settings,
    /// How many messages of each room are kept; 0 for all. Default: 100,000,
    /// some 20 MB in a file.
    pub keep_messages: usize,
    /// How many bytes of files are kept; 0 for all. Default: 1 GiB.
    pub keep_files: usize,
    /// The file that they are kept in; `None` for memory. Default: `veche.db`
    /// in the working directory.
    #[cfg(feature = "sqlite")]
    pub db: Option<PathBuf>,
    /// When they count as kept. Default: when they are on the disk.
    #[cfg(feature = "sqlite")]
    pub durability: Durability,
    /// How many days they are kept; 0 for ever, which is the default.
    #[cfg(feature = "sqlite")]
    pub keep_days: usize,
    /// Whether the numbering of rooms begins anew.
    #[cfg(feature = "sqlite")]
    pub new_epoch: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            #[cfg(feature = "config")]
            config: None,
            listen: vec![Listen::default()],
            www: None,
            log: LevelFilter::Info,
            log_format: Format::Text,
            #[cfg(feature = "metrics")]
            metrics_listen: Vec::new(),
            #[cfg(feature = "tls")]
            tls_cert: None,
            #[cfg(feature = "tls")]
            tls_key: None,
            #[cfg(feature = "site")]
            api_token_file: None,
            #[cfg(feature = "site")]
            jwt_secret_file: None,
            server: Config {
                origins: Origins::SameHostOr(Vec::new()),
                ..Config::default()
            },
            chat: Settings::default(),
            keep_messages: 100_000,
            keep_files: 1 << 30,
            #[cfg(feature = "sqlite")]
            db: Some(PathBuf::from("veche.db")),
            #[cfg(feature = "sqlite")]
            durability: Durability::Full,
            #[cfg(feature = "sqlite")]
            keep_days: 0,
            #[cfg(feature = "sqlite")]
            new_epoch: false,
        }
    }
}

impl Options {
    /// Whether TLS is spoken, and nothing else.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls_cert.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// Sees that what was asked for goes together.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self) -> Result<(), UsageError> {
        #[cfg(feature = "tls")]
        match (&self.tls_cert, &self.tls_key) {
            (Some(_), None) => return Err(UsageError::Alone("--tls-cert", "--tls-key")),
            (None, Some(_)) => return Err(UsageError::Alone("--tls-key", "--tls-cert")),
            _ => {}
        }
        #[cfg(feature = "site")]
        if self.chat.require_token && self.jwt_secret_file.is_none() {
            return Err(UsageError::Alone("--require-token", "--jwt-secret-file"));
        }
        let file = self.chat.max_file_bytes;
        let needed = file.saturating_add(MAX_FILE_HEADER_BYTES);
        let bounds = [
            ("--max-message-bytes", self.server.max_message_bytes),
            ("--outbox-bytes", self.server.outbox_bytes),
        ];
        for (flag, bound) in bounds {
            if file > 0 && bound > 0 && bound < needed {
                return Err(UsageError::FileTooLarge(flag, bound, needed));
            }
        }
        Ok(())
    }

    /// Takes what was given for an option, if anything, and by what.
    fn set(
        &mut self,
        entry: &'static OptionEntry,
        given: Option<(String, OsString)>,
    ) -> Result<(), UsageError> {
        match given {
            Some((source, value)) if entry.field.set(self, &value).is_err() => {
                Err(UsageError::Invalid(source, value, entry))
            }
            _ => Ok(()),
        }
    }
}

impl Request {
    /// Reads the arguments, without the program's name, the environment, and the
    /// configuration file that they name.
    ///
    /// # Errors
    /// What is not understood, or a file that cannot be read.
    pub fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        environment: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Request, Error> {
        let mut typed = Vec::new();
        #[cfg(feature = "config")]
        let mut is_check = false;
        let mut parser = Parser::from_args(arguments);
        loop {
            let entry = match parser.next() {
                Ok(None) => break,
                Ok(Some(Arg::Short('h') | Arg::Long("help"))) => return Ok(Request::Help),
                Ok(Some(Arg::Short('V') | Arg::Long("version"))) => return Ok(Request::Version),
                #[cfg(feature = "config")]
                Ok(Some(Arg::Long("print-config"))) => return Ok(Request::PrintConfig),
                #[cfg(feature = "config")]
                Ok(Some(Arg::Long("check-config"))) => {
                    is_check = true;
                    continue;
                }
                Ok(Some(Arg::Long(name))) => table::flags()
                    .find(|entry| entry.name == name)
                    .ok_or_else(|| UsageError::unknown_option(name))?,
                Ok(Some(Arg::Short(name))) => {
                    return Err(UsageError::UnknownOption(format!("-{name}"), None).into());
                }
                Ok(Some(Arg::Value(argument))) => {
                    return Err(UsageError::UnexpectedArgument(argument).into());
                }
                // Of the option before, which takes none.
                Err(error) => return Err(UsageError::UnexpectedValue(error).into()),
            };
            let value = match entry.field.is_switch() {
                true => "1".into(),
                false => parser.value().map_err(|_| UsageError::NoValue(entry))?,
            };
            typed.push((entry.name, value));
        }

        let given = |entry: &OptionEntry| {
            let mut flags = typed.iter().filter(|(name, _)| *name == entry.name);
            let flag = match entry.field.is_list() {
                true => flags.map(|(_, value)| value.clone()).reduce(joined),
                false => flags.next_back().map(|(_, value)| value.clone()),
            };
            if let Some(value) = flag {
                return Some((entry.flag(), value));
            }
            // An empty variable counts as none: many ways to start a program
            // can set one and not unset it.
            environment(&entry.variable())
                .filter(|value| !value.is_empty())
                .map(|value| (entry.variable(), value))
        };
        let mut options = Options::default();
        #[cfg(feature = "config")]
        let given = {
            options.set(&CONFIG, given(&CONFIG))?;
            let file = options.config.as_deref().map(ConfigFile::read);
            let file = file.transpose()?;
            move |entry: &OptionEntry| given(entry).or_else(|| file.as_ref()?.value(entry))
        };
        for entry in entries() {
            options.set(entry, given(entry))?;
        }
        #[cfg(feature = "config")]
        if is_check {
            let source = |entry: &OptionEntry| given(entry).map(|(source, _)| source);
            let settings = settings(&mut options, source);
            return Ok(Request::CheckConfig(Box::new(options), settings));
        }
        Ok(Request::Serve(Box::new(options)))
    }
}

fn joined(mut list: OsString, more: OsString) -> OsString {
    list.push(",");
    list.push(more);
    list
}

#[cfg(test)]
mod tests;
