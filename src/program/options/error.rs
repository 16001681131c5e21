//! What was typed and is not understood.

use core::fmt;
use std::ffi::OsString;

#[cfg(feature = "config")]
use super::LineError;
use super::table::{self, OptionEntry};

/// What was typed and is not understood.
#[derive(Debug)]
pub enum UsageError {
    /// There is no such option; perhaps another one was meant.
    UnknownOption(String, Option<&'static str>),
    /// Something that is no option.
    UnexpectedArgument(OsString),
    /// A switch with a value.
    UnexpectedValue(lexopt::Error),
    /// A line of the configuration file.
    #[cfg(feature = "config")]
    Line(LineError),
    /// An option, a variable of the environment or a line of the file, its value,
    /// and what it is.
    Invalid(String, OsString, &'static OptionEntry),
    /// The largest file does not fit into this bound, which is so large and has
    /// to be so large.
    FileTooLarge(&'static str, usize, usize),
    /// An option that is nothing without another.
    #[cfg(any(feature = "site", feature = "tls"))]
    Alone(&'static str, &'static str),
    /// An option without its value.
    NoValue(&'static OptionEntry),
}

impl UsageError {
    pub(super) fn unknown_option(name: &str) -> Self {
        UsageError::UnknownOption(format!("--{name}"), nearest(name))
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UsageError::UnknownOption(name, Some(nearest)) => {
                write!(f, "there is no option {name:?}; did you mean --{nearest}?")
            }
            UsageError::UnknownOption(name, None) => write!(
                f,
                "there is no option {name:?}; veche --help tells which there are"
            ),
            UsageError::UnexpectedArgument(argument) => write!(
                f,
                "{:?} belongs to no option; an address goes with --listen, and veche --help tells the others",
                argument.to_string_lossy()
            ),
            UsageError::UnexpectedValue(error) => error.fmt(f),
            #[cfg(feature = "config")]
            UsageError::Line(error) => error.fmt(f),
            UsageError::Invalid(source, value, entry) => write!(
                f,
                "{source} takes {}, not {:?}",
                entry.field.takes(),
                value.to_string_lossy()
            ),
            UsageError::FileTooLarge(flag, bound, needed) => write!(
                f,
                "the largest file does not fit into {flag} {bound}: raise that to {needed} or more, or lower --max-file-bytes, 0 for no files"
            ),
            #[cfg(any(feature = "site", feature = "tls"))]
            UsageError::Alone(given, other) => {
                write!(f, "{given} is of no use alone; give {other}, too")
            }
            UsageError::NoValue(entry) => {
                write!(
                    f,
                    "{} lacks its value: {}",
                    entry.flag(),
                    entry.field.takes()
                )
            }
        }
    }
}

impl core::error::Error for UsageError {}

/// The option that may have been meant on the command line.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let names = table::flags().map(|entry| entry.name);
    nearest_of(name, names.chain(COMMANDS.iter().copied()))
}

/// The one whose name is so much like this one that it may have been meant.
pub(super) fn nearest_of(
    name: &str,
    names: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let (distance, nearest) = names.map(|known| (edits(name, known), known)).min()?;
    (distance <= nearest.len().div_ceil(3)).then_some(nearest)
}

/// How many characters have to be put in, left out or replaced to make one
/// text of the other (Levenshtein).
fn edits(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, typed) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, known) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(typed != known);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[row.len() - 1]
}

/// What is asked for by name, and has no value.
const COMMANDS: &[&str] = &[
    "help",
    "version",
    #[cfg(feature = "config")]
    "check-config",
    #[cfg(feature = "config")]
    "print-config",
];
