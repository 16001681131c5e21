//! What a value means, and how it is shown.

use core::time::Duration;
use std::ffi::OsStr;
use std::path::PathBuf;

use log::LevelFilter;

use super::Options;
use crate::http::forwarded::Network;
use crate::http::origin::Origins;
#[cfg(feature = "sqlite")]
use crate::journal::sqlite::Durability;
use crate::program::listen::Listen;
use crate::program::logging::Format;

/// Where the value of an option goes. Its kind decides how it is read.
#[derive(Debug)]
pub(super) enum Field {
    Listen(Place<Vec<Listen>>),
    BasePath(Place<String>),
    Folder(Place<Option<PathBuf>>),
    #[cfg(any(feature = "config", feature = "site", feature = "tls"))]
    File(Place<Option<PathBuf>>),
    Log(Place<LevelFilter>),
    LogFormat(Place<Format>),
    Origins(Place<Origins>),
    Networks(Place<Vec<Network>>),
    Count(Place<usize>),
    #[cfg(feature = "sqlite")]
    Database(Place<Option<PathBuf>>),
    #[cfg(feature = "sqlite")]
    Durability(Place<Durability>),
    #[cfg(any(feature = "site", feature = "sqlite"))]
    Switch(Place<bool>),
    Rate(Place<u32>),
    Bytes(Place<usize>),
    Seconds(Place<Duration>),
}

/// The place of a value among the options.
pub(super) type Place<T> = fn(&mut Options) -> &mut T;

/// A value that is not what the option takes.
#[derive(Debug)]
pub(super) struct NotTaken;

impl Field {
    /// Puts a value where it belongs.
    pub(super) fn set(&self, options: &mut Options, value: &OsStr) -> Result<(), NotTaken> {
        let text = || value.to_str().ok_or(NotTaken);
        match self {
            Field::Listen(place) => *place(options) = list(text()?)?,
            Field::BasePath(place) => *place(options) = base_path(text()?)?.to_owned(),
            Field::Folder(place) => *place(options) = Some(path(value)?),
            #[cfg(any(feature = "config", feature = "site", feature = "tls"))]
            Field::File(place) => *place(options) = Some(path(value)?),
            Field::Log(place) => *place(options) = parse(text()?)?,
            Field::LogFormat(place) => {
                let all = [Format::Text, Format::Json];
                let named = all.into_iter().find(|one| value == one.name());
                *place(options) = named.ok_or(NotTaken)?;
            }
            Field::Origins(place) => *place(options) = parse(text()?)?,
            Field::Networks(place) => *place(options) = list(text()?)?,
            Field::Count(place) => *place(options) = parse(text()?)?,
            #[cfg(feature = "sqlite")]
            Field::Database(place) => {
                *place(options) = Some(path(value)?).filter(|file| file.as_os_str() != NO_FILE);
            }
            #[cfg(feature = "sqlite")]
            Field::Durability(place) => {
                let all = [Durability::Full, Durability::Normal];
                let named = all.into_iter().find(|one| value == one.name());
                *place(options) = named.ok_or(NotTaken)?;
            }
            #[cfg(any(feature = "site", feature = "sqlite"))]
            Field::Switch(place) => {
                *place(options) = match text()? {
                    "true" => true,
                    "false" => false,
                    number => parse::<u8>(number)? != 0,
                }
            }
            Field::Rate(place) => *place(options) = parse(text()?)?,
            Field::Bytes(place) => *place(options) = bytes(text()?)?,
            Field::Seconds(place) => {
                *place(options) = Duration::from_secs(parse::<u32>(text()?)?.into());
            }
        }
        Ok(())
    }

    /// Whether it takes no value on the command line.
    pub(super) fn is_switch(&self) -> bool {
        match self {
            #[cfg(any(feature = "site", feature = "sqlite"))]
            Field::Switch(_) => true,
            _ => false,
        }
    }

    /// Whether it takes several values, with commas between.
    pub(super) fn is_list(&self) -> bool {
        matches!(
            self,
            Field::Listen(_) | Field::Origins(_) | Field::Networks(_)
        )
    }

    /// What it takes, as it stands after that verb.
    pub(super) fn takes(&self) -> &'static str {
        match self {
            Field::Listen(_) => {
                "HOST:PORT, or either alone, such as 127.0.0.1:7777 or [::1]:7777, or unix:PATH, with commas between"
            }
            Field::BasePath(_) => "a path that begins with a slash, such as /chat",
            Field::Folder(_) => "the path of a folder",
            #[cfg(any(feature = "config", feature = "site", feature = "tls"))]
            Field::File(_) => "the path of a file",
            Field::Origins(_) => "origins such as https://chat.example, with commas between, or *",
            Field::Networks(_) => "addresses or networks such as 10.0.0.0/8, with commas between",
            #[cfg(feature = "sqlite")]
            Field::Database(_) => "the path of a file, or none",
            #[cfg(feature = "sqlite")]
            Field::Durability(_) => "full or normal",
            #[cfg(any(feature = "site", feature = "sqlite"))]
            Field::Switch(_) => "true or 1, false or 0",
            Field::Log(_) => "off, error, warn, info, debug or trace",
            Field::LogFormat(_) => "text or json",
            Field::Count(_) | Field::Rate(_) => "a whole number, 0 for no limit",
            Field::Bytes(_) => {
                "a whole number of bytes, such as 8192, 8K, 1M or 1G, 0 for no limit"
            }
            Field::Seconds(_) => "a whole number of seconds, 0 for no limit",
        }
    }

    /// The value among these options as it would be typed; empty for none.
    #[cfg(any(feature = "config", test))]
    pub(super) fn show(&self, options: &mut Options) -> String {
        match self {
            Field::Listen(place) => show_list(place(options)),
            Field::BasePath(place) => place(options).clone(),
            Field::Folder(place) => show_path(place(options).as_ref()),
            #[cfg(any(feature = "config", feature = "site", feature = "tls"))]
            Field::File(place) => show_path(place(options).as_ref()),
            Field::Log(place) => place(options).as_str().to_ascii_lowercase(),
            Field::LogFormat(place) => place(options).name().to_owned(),
            Field::Origins(place) => match place(options) {
                Origins::Any => "*".to_owned(),
                Origins::SameHostOr(others) => others.join(","),
            },
            Field::Networks(place) => show_list(place(options)),
            Field::Count(place) => place(options).to_string(),
            #[cfg(feature = "sqlite")]
            Field::Database(place) => match place(options) {
                Some(file) => file.display().to_string(),
                None => NO_FILE.to_owned(),
            },
            #[cfg(feature = "sqlite")]
            Field::Durability(place) => place(options).name().to_owned(),
            #[cfg(any(feature = "site", feature = "sqlite"))]
            Field::Switch(place) => place(options).then(|| "1".to_owned()).unwrap_or_default(),
            Field::Rate(place) => place(options).to_string(),
            Field::Bytes(place) => show_bytes(*place(options)),
            Field::Seconds(place) => place(options).as_secs().to_string(),
        }
    }
}

fn parse<T: core::str::FromStr>(text: &str) -> Result<T, NotTaken> {
    text.parse().map_err(|_| NotTaken)
}

fn list<T: core::str::FromStr>(text: &str) -> Result<Vec<T>, NotTaken> {
    text.split(',').map(|one| parse(one.trim())).collect()
}

/// A path as a request has it, without the slash at its end.
fn base_path(text: &str) -> Result<&str, NotTaken> {
    let path = text.strip_suffix('/').unwrap_or(text);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    // Browsers resolve these.
    let is_dots = path.split('/').any(|part| matches!(part, "." | ".."));
    let is_whole = text.starts_with('/') && !text.contains("//") && !is_dots;
    let is_path = is_whole && path.bytes().all(is_plain);
    is_path.then_some(path).ok_or(NotTaken)
}

fn path(value: &OsStr) -> Result<PathBuf, NotTaken> {
    if value.is_empty() {
        return Err(NotTaken);
    }
    Ok(PathBuf::from(value))
}

/// A number of bytes, with a unit of 1,024, 1,024² or 1,024³ perhaps.
fn bytes(text: &str) -> Result<usize, NotTaken> {
    let unit = match text.as_bytes().last() {
        Some(b'K' | b'k') => KIB,
        Some(b'M' | b'm') => MIB,
        Some(b'G' | b'g') => GIB,
        _ => 1,
    };
    let number = if unit > 1 {
        &text[..text.len() - 1]
    } else {
        text
    };
    parse::<usize>(number)?.checked_mul(unit).ok_or(NotTaken)
}

#[cfg(any(feature = "config", test))]
fn show_list<T: ToString>(list: &[T]) -> String {
    let list: Vec<String> = list.iter().map(T::to_string).collect();
    list.join(",")
}

#[cfg(any(feature = "config", test))]
fn show_path(path: Option<&PathBuf>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}

#[cfg(any(feature = "config", test))]
fn show_bytes(bytes: usize) -> String {
    match bytes {
        0 => "0".to_owned(),
        _ if bytes.is_multiple_of(GIB) => format!("{}G", bytes / GIB),
        _ if bytes.is_multiple_of(MIB) => format!("{}M", bytes / MIB),
        _ if bytes.is_multiple_of(KIB) => format!("{}K", bytes / KIB),
        _ => bytes.to_string(),
    }
}

/// Stands for a file where there is to be none.
#[cfg(feature = "sqlite")]
const NO_FILE: &str = "none";

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_may_have_a_unit() {
        for (typed, meant) in [
            ("0", 0),
            ("1000", 1000),
            ("8K", 8192),
            ("2m", 2 << 20),
            ("1G", 1 << 30),
        ] {
            assert_eq!(bytes(typed).expect(typed), meant, "{typed}");
        }
        for typed in ["", "K", "1.5M", "1T", "-1", "18446744073709551615K"] {
            assert!(bytes(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn base_path_is_one_as_requests_have_it() {
        for (typed, meant) in [("/", ""), ("/chat", "/chat"), ("/a/b-c/", "/a/b-c")] {
            assert_eq!(base_path(typed).expect(typed), meant, "{typed}");
        }
        for typed in [
            "",
            "chat",
            "//",
            "/a//b",
            "/a?b",
            "/ä",
            "/a%20b",
            "/.",
            "/../a",
            "http://a/b",
        ] {
            assert!(base_path(typed).is_err(), "{typed}");
        }
    }

    #[test]
    fn shown_bytes_are_read_as_the_same() {
        for count in [0, 1, 1000, 8192, 1 << 20, (1 << 20) + 1024, 1 << 30] {
            assert_eq!(bytes(&show_bytes(count)).expect("a number"), count);
        }
    }
}
