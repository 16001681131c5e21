//! The configuration file: TOML whose keys are the names of the options.

use core::fmt;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::error::nearest_of;
use super::table::{OptionEntry, entries};
use super::{Options, UsageError};
use crate::program::Error;

/// What a configuration file says.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    /// The names of options, their values, and their lines.
    values: Vec<(&'static str, OsString, usize)>,
}

impl ConfigFile {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read, and what in it is not understood.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let bytes = read(path).map_err(|why| FileError {
            path: path.to_owned(),
            why,
        })?;
        Ok(Self::parse(path, &bytes)?)
    }

    /// Understands the bytes of a file.
    ///
    /// # Errors
    /// What comes first in it and is not understood. A line that something else
    /// beats has to be right, too.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, UsageError> {
        let place = |offset| format!("{}:{}", path.display(), line_of(bytes, offset));
        let wrong = |offset, what| {
            let place = place(offset);
            UsageError::Line(LineError { place, what })
        };
        let text = str::from_utf8(bytes).map_err(|error| {
            wrong(
                error.valid_up_to(),
                Wrong::Syntax("this is not UTF-8".to_owned()),
            )
        })?;
        let table = DeTable::parse(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            wrong(start, Wrong::Syntax(error.message().to_owned()))
        })?;
        let mut keys: Vec<_> = table.get_ref().iter().collect();
        keys.sort_by_key(|(key, _)| key.span().start);

        let mut values = Vec::new();
        let mut scratch = Options::default();
        for (key, value) in keys {
            let (name, start) = (key.get_ref(), key.span().start);
            if value.get_ref().is_table() {
                return Err(wrong(start, Wrong::Table(name.to_string())));
            }
            let Some(entry) = entries().find(|entry| entry.name == name) else {
                let nearest = nearest_of(name, entries().map(|entry| entry.name));
                return Err(wrong(start, Wrong::Key(name.to_string(), nearest)));
            };
            let typed = as_typed(entry, value.get_ref());
            // What is empty counts as none, as in the environment.
            if typed.as_deref() == Some("") {
                continue;
            }
            match typed.map(OsString::from) {
                Some(typed) if entry.field.set(&mut scratch, &typed).is_ok() => {
                    values.push((entry.name, typed, line_of(bytes, start)));
                }
                _ => {
                    let source = format!("{}: {name}", place(start));
                    let shown = match value.get_ref() {
                        DeValue::String(text) => text,
                        _ => &text[value.span()],
                    };
                    return Err(UsageError::Invalid(source, shown.into(), entry));
                }
            }
        }
        let path = path.to_owned();
        Ok(ConfigFile { path, values })
    }

    /// The value of an option, and where it stands.
    pub(super) fn value(&self, entry: &OptionEntry) -> Option<(String, OsString)> {
        let (_, value, line) = self.values.iter().find(|(name, ..)| *name == entry.name)?;
        let source = format!("file {}, line {line}", self.path.display());
        Some((source, value.clone()))
    }
}

/// The line that a byte is in, from 1.
fn line_of(bytes: &[u8], offset: usize) -> usize {
    let before = bytes[..offset].iter();
    1 + before.filter(|&&byte| byte == b'\n').count()
}

/// A value as it would be typed; `None` where no value of this type is.
fn as_typed(entry: &OptionEntry, value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => {
            let number = i128::from_str_radix(number.as_str(), number.radix());
            Some(number.ok()?.to_string())
        }
        DeValue::Boolean(is_on) if entry.field.is_switch() => Some(is_on.to_string()),
        DeValue::Array(list) if entry.field.is_list() => {
            let texts = list.iter().map(|value| value.get_ref().as_str());
            Some(texts.collect::<Option<Vec<_>>>()?.join(","))
        }
        _ => None,
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Why> {
    // A pipe is not waited for.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let file = options.open(path).map_err(Why::Io)?;
    if !file.metadata().map_err(Why::Io)?.is_file() {
        return Err(Why::NoFile);
    }
    let mut bytes = Vec::new();
    let mut start = file.take(MAX_BYTES + 1);
    start.read_to_end(&mut bytes).map_err(Why::Io)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Why::TooLarge);
    }
    Ok(bytes)
}

/// A configuration file that cannot be read.
#[derive(Debug)]
pub struct FileError {
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Io(io::Error),
    NoFile,
    TooLarge,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--config {}: ", self.path.display())?;
        match &self.why {
            Why::Io(error) => write!(
                f,
                "cannot be read ({error}); give the path of a TOML file that this user may read"
            ),
            Why::NoFile => f.write_str("is no regular file; give the path of a TOML file"),
            Why::TooLarge => write!(
                f,
                "has more than {} KB; give the path of a TOML file, which has a few",
                MAX_BYTES >> 10
            ),
        }
    }
}

impl core::error::Error for FileError {}

/// A line of the configuration file that is not understood.
#[derive(Debug)]
pub struct LineError {
    /// The file and the number of the line.
    place: String,
    what: Wrong,
}

#[derive(Debug)]
enum Wrong {
    /// What TOML has to say.
    Syntax(String),
    /// A key that is no option; perhaps another one was meant.
    Key(String, Option<&'static str>),
    /// The name of a table.
    Table(String),
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        match &self.what {
            Wrong::Syntax(message) => write!(
                f,
                "{message}; veche --print-config shows how it is written, text in quotes"
            ),
            Wrong::Key(key, Some(nearest)) => {
                write!(f, "there is no option {key:?}; did you mean {nearest}?")
            }
            Wrong::Key(key, None) => write!(
                f,
                "there is no option {key:?}; veche --print-config tells which there are"
            ),
            Wrong::Table(key) => write!(
                f,
                "{key:?} is a table; options stand in none, as veche --print-config has them"
            ),
        }
    }
}

/// A hundred times the file that has every option.
const MAX_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests;
