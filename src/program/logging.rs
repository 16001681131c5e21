//! The log: one line per record on standard error.
//!
//! A line is `LEVEL message`, without a time, since whatever keeps logs adds
//! its own; or an object in JSON, with the time. What a peer sent is never in it
//! raw: no peer can forge a line or speak to the terminal. Nor can peers fill a disk with what they cause: of each
//! kind of line only some are written in a while, and the others are counted.
//! Those of `debug` and `trace` are all written where they were asked for.

use core::fmt::{self, Write as _};
use core::time::Duration;
use std::io::{self, Write};
use std::sync::Mutex;
use std::time::{Instant, SystemTime};

use env_logger::{Builder, Target};
use log::{Level, LevelFilter, Record};

use super::output::{MAX_LINE_BYTES, Output, lost_lines};
use crate::http::date::Timestamp;

/// What lines look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `LEVEL message`.
    Text,
    /// `{"time":…,"level":…,"target":…,"message":…}`.
    Json,
}

impl Format {
    /// As it is asked for.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
            Format::Json => "json",
        }
    }
}

/// Has everything that is logged from now on, from this level on, written to
/// standard error.
///
/// # Errors
/// Where the system gives no descriptor.
pub(super) fn start(level: LevelFilter, format: Format) -> io::Result<()> {
    let mut output = Output::new(io::stderr())?;
    if format == Format::Json {
        output.tell_lost = |lost| Json::now(Level::Warn, module_path!(), lost_lines(lost)).line();
    }
    let log = Log(output);
    let kinds = Mutex::new(Kinds::default());
    let mut builder = Builder::new();
    builder
        .filter_level(level)
        // It is what writes these lines, and would wait for itself.
        .filter_module("mio", LevelFilter::Off)
        .target(Target::Pipe(Box::new(log)))
        .format(move |line, record| {
            let Ok(mut kinds) = kinds.lock() else {
                return Ok(());
            };
            match kinds.admit(record, Instant::now()) {
                Some(left_out) => match format {
                    Format::Text => write!(line, "{}", Line(record, left_out)),
                    Format::Json => {
                        let message = Message(record, left_out).to_string();
                        let json = Json::now(record.level(), record.target(), message);
                        line.write_all(json.line().as_bytes())
                    }
                },
                None => Ok(()),
            }
        });
    // There may be a logger already where the program is part of another one.
    let _ = builder.try_init();
    Ok(())
}

/// Takes a whole line at a time.
struct Log(Output);

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written of each kind of line.
#[derive(Default)]
struct Kinds(Vec<Kind>);

/// The lines that one place in the code makes.
struct Kind {
    place: Place,
    since: Instant,
    /// How many there were since.
    lines: u32,
}

/// A file and a line in it.
type Place = (Option<&'static str>, Option<u32>);

impl Kinds {
    /// Whether a record is to be written at this moment, and how many of its
    /// kind were left out before it.
    fn admit(&mut self, record: &Record<'_>, now: Instant) -> Option<u32> {
        if record.level() > Level::Info {
            return Some(0);
        }
        let place = (record.file_static(), record.line());
        let Some(kind) = self.0.iter_mut().find(|kind| kind.place == place) else {
            let (since, lines) = (now, 1);
            self.0.push(Kind {
                place,
                since,
                lines,
            });
            return Some(0);
        };
        let mut left_out = 0;
        if now.duration_since(kind.since) >= PERIOD {
            left_out = kind.lines.saturating_sub(MAX_LINES);
            (kind.since, kind.lines) = (now, 0);
        }
        kind.lines = kind.lines.saturating_add(1);
        (kind.lines <= MAX_LINES).then_some(left_out)
    }
}

/// A record as it is written, and how many like it were left out.
struct Line<'a>(&'a Record<'a>, u32);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line(record, left_out) = *self;
        write!(f, "{} ", record.level())?;
        write!(Escaped(f), "{}", Message(record, left_out))
    }
}

/// What a record says, and how many like it were left out.
struct Message<'a>(&'a Record<'a>, u32);

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Message(record, left_out) = *self;
        write!(f, "{}", record.args())?;
        if left_out > 0 {
            write!(f, " ({left_out} more like it before)")?;
        }
        Ok(())
    }
}

/// A line in JSON.
#[derive(serde::Serialize)]
struct Json<'a> {
    time: String,
    level: &'static str,
    target: &'a str,
    message: String,
}

impl<'a> Json<'a> {
    fn now(level: Level, target: &'a str, message: String) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Json {
            time: Timestamp::from_unix_time(since.unwrap_or_default()).to_string(),
            level: level.as_str(),
            target,
            message,
        }
    }

    /// The whole object: of a message that is too long only the beginning.
    fn line(mut self) -> String {
        loop {
            let line = serde_json::to_string(&self).unwrap_or_default();
            if line.len() <= MAX_JSON_BYTES || self.message.is_empty() {
                return line;
            }
            let half = self.message.len() / 2;
            let cut = (0..=half).rfind(|&at| self.message.is_char_boundary(at));
            self.message.truncate(cut.unwrap_or(0));
        }
    }
}

/// Writes `\u{1b}` and the like for whatever would end a line, speak to a
/// terminal or change the order in which it is read.
struct Escaped<'a, 'f>(&'a mut fmt::Formatter<'f>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                // Line and paragraph separators, embeddings and isolates.
                '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                    write!(self.0, "{}", character.escape_unicode())?;
                }
                character if character.is_control() => {
                    write!(self.0, "{}", character.escape_default())?;
                }
                character => self.0.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// Beside it, there has to be room for a line that tells of those that were lost.
const MAX_JSON_BYTES: usize = MAX_LINE_BYTES - 512;

/// So many lines of a kind are enough to see what happens, in so much time.
const MAX_LINES: u32 = 10;
const PERIOD: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_forge_a_line_is_escaped() {
        let line = |args| {
            let record = Record::builder().args(args).build();
            Line(&record, 0).to_string()
        };
        assert_eq!(line(format_args!("a\nWARN b\r\t")), r"INFO a\nWARN b\r\t");
        assert_eq!(
            line(format_args!("\u{1b}[2J\u{9b}")),
            r"INFO \u{1b}[2J\u{9b}"
        );
        assert_eq!(
            line(format_args!("\u{202e}\u{2028}")),
            r"INFO \u{202e}\u{2028}"
        );
        assert_eq!(line(format_args!("Вече «\"'\\")), "INFO Вече «\"'\\");
    }

    #[test]
    fn line_in_json_is_one_object_whatever_is_in_it() {
        for message in [
            "a\n{\"b\": \"\\\"}\u{1b}[2J\u{2028}\u{0}".to_owned(),
            "Вече".repeat(10_000),
            "\u{1}".repeat(10_000),
        ] {
            let line = Json::now(Level::Warn, "veche::chat", message.clone()).line();
            assert!(line.len() <= MAX_JSON_BYTES && !line.contains(char::is_control));
            let object: serde_json::Value = serde_json::from_str(&line).expect("JSON");
            let told = object["message"].as_str().expect("a text");
            assert!(message.starts_with(told) && told.len() > 100.min(message.len() - 1));
            assert_eq!(object["level"], "WARN");
            assert_eq!(object["target"], "veche::chat");
            let time = object["time"].as_str().expect("a time");
            assert!(time.starts_with("20") && time.ends_with('Z') && time.len() == 24);
        }
    }

    /// A record of a place in the code.
    fn record(level: Level, line: u32) -> Record<'static> {
        let mut builder = Record::builder();
        builder.level(level).file_static(Some("a.rs"));
        builder.line(Some(line)).args(format_args!("a")).build()
    }

    #[test]
    fn lines_of_a_kind_are_few_and_the_others_are_counted() {
        let (mut kinds, start) = (Kinds::default(), Instant::now());
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let info = record(Level::Info, 1);
        let mut told = Vec::new();
        for time in (0..20_000).step_by(10) {
            if let Some(left_out) = kinds.admit(&info, at(time)) {
                told.push((time, Line(&info, left_out).to_string()));
            }
        }
        assert_eq!(told.len(), 20);
        for (place, (time, line)) in told.into_iter().enumerate() {
            let (period, place) = (place as u64 / 10, place as u64 % 10);
            assert_eq!(time, 10_000 * period + 10 * place);
            let is_first = (period, place) == (1, 0);
            let expected = if is_first {
                "INFO a (990 more like it before)"
            } else {
                "INFO a"
            };
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn lines_of_other_kinds_and_those_for_debugging_are_written() {
        let (mut kinds, now) = (Kinds::default(), Instant::now());
        for _ in 0..100 {
            kinds.admit(&record(Level::Warn, 1), now);
            assert_eq!(kinds.admit(&record(Level::Debug, 1), now), Some(0));
        }
        assert_eq!(kinds.admit(&record(Level::Warn, 1), now), None);
        assert_eq!(kinds.admit(&record(Level::Warn, 2), now), Some(0));
    }
}
