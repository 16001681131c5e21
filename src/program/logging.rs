//! The log: one line per record on standard error.
//!
//! A line is `LEVEL message`, without a time, since whatever keeps logs adds
//! its own. What a peer sent is never in it raw: no peer can forge a line or
//! speak to the terminal.

use core::fmt::{self, Write as _};
use core::time::Duration;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

use env_logger::{Builder, Target};
use log::{LevelFilter, Record};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

/// Has everything that is logged from now on, from this level on, written to
/// standard error.
///
/// # Errors
/// Where the system gives no descriptor.
pub fn start(level: LevelFilter) -> io::Result<()> {
    let target = Target::Pipe(Box::new(StandardError::new()?));
    let mut builder = Builder::new();
    builder
        .filter_level(level)
        // It writes these lines, and would wait for itself.
        .filter_module("mio", LevelFilter::Off)
        .target(target)
        .format(|line, record| writeln!(line, "{}", Line(record)));
    // There may be a logger already where the program is part of another one.
    let _ = builder.try_init();
    Ok(())
}

/// Standard error, where a line that would have to wait is lost instead: a pipe
/// that nobody empties, or a terminal that was halted, must not stop the chat.
struct StandardError {
    poll: Poll,
    events: Events,
    /// Whether it can be waited for at all: a file cannot, and takes a line at
    /// any time.
    is_watched: bool,
    lost: u64,
}

impl StandardError {
    fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut source = SourceFd(&io::stderr().as_raw_fd());
        let watched = poll
            .registry()
            .register(&mut source, Token(0), Interest::WRITABLE);
        Ok(StandardError {
            poll,
            events: Events::with_capacity(1),
            is_watched: watched.is_ok(),
            lost: 0,
        })
    }

    /// Whether it takes a line now. A pipe that takes anything takes
    /// `MAX_LINE_BYTES`.
    fn is_ready(&mut self) -> io::Result<bool> {
        if !self.is_watched {
            return Ok(true);
        }
        // Readiness is told once: being registered anew has it told again.
        let mut source = SourceFd(&io::stderr().as_raw_fd());
        let registry = self.poll.registry();
        registry.reregister(&mut source, Token(0), Interest::WRITABLE)?;
        self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
        Ok(!self.events.is_empty())
    }
}

impl Write for StandardError {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if !self.is_ready()? {
            self.lost += 1;
            return Ok(line.len());
        }
        let mut written = Vec::new();
        if self.lost > 0 {
            let lost = self.lost;
            writeln!(written, "WARN {lost} lines were lost: nobody took them")?;
            self.lost = 0;
        }
        written.extend_from_slice(line);
        if written.len() > MAX_LINE_BYTES {
            written.truncate(MAX_LINE_BYTES - 1);
            written.push(b'\n');
        }
        // Where this fails there is nowhere to tell it.
        let _ = io::stderr().write_all(&written);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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

/// What a pipe takes as a whole (`PIPE_BUF`).
const MAX_LINE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

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
}
