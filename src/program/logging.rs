//! The log: one line per record on standard error.
//!
//! A line is `LEVEL message`, without a time, since whatever keeps logs adds
//! its own. What a peer sent is never in it raw: no peer can forge a line or
//! speak to the terminal.

use core::fmt::{self, Write as _};
use core::str::FromStr;
use core::time::Duration;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::thread;

use env_logger::{Builder, Target};
use log::{LevelFilter, Record};

/// What `--log` takes: a level, or levels of modules.
///
/// Stricter than what `RUST_LOG` takes, where a misspelt level is a module
/// that does not exist, and the log stays empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(Vec<(Option<String>, LevelFilter)>);

impl Default for LogFilter {
    fn default() -> Self {
        LogFilter(vec![(None, LevelFilter::Info)])
    }
}

impl FromStr for LogFilter {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let directive = |text: &str| {
            let (module, level) = match text.split_once('=') {
                Some((module, level)) => (Some(module.trim()), level.trim()),
                None => (None, text.trim()),
            };
            if module.is_some_and(str::is_empty) {
                return Err(());
            }
            Ok((module.map(str::to_owned), level.parse().map_err(drop)?))
        };
        text.split(',')
            .map(directive)
            .collect::<Result<_, _>>()
            .map(LogFilter)
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (module, level)) in self.0.iter().enumerate() {
            f.write_str(if place == 0 { "" } else { "," })?;
            if let Some(module) = module {
                write!(f, "{module}=")?;
            }
            f.write_str(&level.as_str().to_ascii_lowercase())?;
        }
        Ok(())
    }
}

/// Has everything that is logged from now on written to standard error.
///
/// A thread of its own writes it, because a pipe that nobody empties and a
/// terminal that was halted would otherwise stop the chat. What does not fit
/// into the queue before it is dropped and counted.
///
/// # Errors
/// Where the system gives no thread.
pub fn start(filter: &LogFilter) -> io::Result<Log> {
    let (lines, queue) = sync_channel(QUEUED_LINES);
    let (ended, end) = channel();
    let dropped = Arc::new(AtomicU64::new(0));
    let queued = Queued {
        lines,
        dropped: Arc::clone(&dropped),
    };
    thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || {
            write_all(&queue, &dropped);
            drop(ended);
        })?;

    let mut builder = Builder::new();
    for (module, level) in &filter.0 {
        builder.filter(module.as_deref(), *level);
    }
    let target = Target::Pipe(Box::new(queued.clone()));
    builder
        .target(target)
        .format(|line, record| writeln!(line, "{}", Line(record)));
    // There may be a logger already where the program is part of another one.
    let _ = builder.try_init();
    Ok(Log { queued, end })
}

/// The log of a running program. Dropping it waits, but not for long, until
/// what was logged is written.
#[derive(Debug)]
pub struct Log {
    queued: Queued,
    end: Receiver<()>,
}

impl Drop for Log {
    fn drop(&mut self) {
        // An empty line, which no record makes, is the last one.
        if self.queued.lines.try_send(Vec::new()).is_ok() {
            let _ = self.end.recv_timeout(LAST_LINES_TIMEOUT);
        }
    }
}

/// The writing end of the queue, where a line comes in one piece.
#[derive(Clone, Debug)]
struct Queued {
    lines: SyncSender<Vec<u8>>,
    dropped: Arc<AtomicU64>,
}

impl Write for Queued {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(TrySendError::Full(_)) = self.lines.try_send(line.to_vec()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes lines until the empty one. One that cannot be written is lost: there
/// is nowhere to tell it.
fn write_all(queue: &Receiver<Vec<u8>>, dropped: &AtomicU64) {
    let mut output = io::stderr();
    for line in queue.iter().take_while(|line| !line.is_empty()) {
        let _ = output.write_all(&line);
        let count = dropped.swap(0, Ordering::Relaxed);
        if count > 0 {
            let _ = writeln!(
                output,
                "WARN {count} lines of the log were dropped: standard error takes them too slowly"
            );
        }
    }
}

/// A record as it is written.
struct Line<'a>(&'a Record<'a>);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.0.level())?;
        write!(Escaped(f), "{}", self.0.args())
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

/// More than a turn of the server logs at `info`.
const QUEUED_LINES: usize = 256;

/// Who reads the log at all reads it by then.
const LAST_LINES_TIMEOUT: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_and_levels_of_modules_are_a_filter() {
        for filter in ["info", "off", "warn,veche::server=trace", "veche=debug"] {
            let parsed: LogFilter = filter.parse().expect(filter);
            assert_eq!(parsed.to_string(), filter);
        }
    }

    #[test]
    fn a_misspelt_level_is_no_filter() {
        for filter in ["", "inof", "veche=loud", "=info", "info,"] {
            assert_eq!(filter.parse::<LogFilter>(), Err(()), "{filter}");
        }
    }

    #[test]
    fn what_would_forge_a_line_is_escaped() {
        let line = |args| {
            let record = Record::builder().args(args).build();
            Line(&record).to_string()
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
    fn lines_beyond_the_queue_are_dropped_and_counted() {
        let (lines, _queue) = sync_channel(1);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut queued = Queued {
            lines,
            dropped: Arc::clone(&dropped),
        };
        for line in ["one\n", "two\n", "three\n"] {
            queued.write_all(line.as_bytes()).expect("never an error");
        }
        assert_eq!(dropped.load(Ordering::Relaxed), 2);
    }
}
