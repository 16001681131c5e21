//! The log: one line per record on standard error.
//!
//! A line is `LEVEL message`, without a time, since whatever keeps logs adds
//! its own. What a peer sent is never in it raw: no peer can forge a line or
//! speak to the terminal.

use core::fmt::{self, Write as _};
use std::io::{self, Write};

use env_logger::{Builder, Target};
use log::{LevelFilter, Record};

use super::output::Output;

/// Has everything that is logged from now on, from this level on, written to
/// standard error.
///
/// # Errors
/// Where the system gives no descriptor.
pub(super) fn start(level: LevelFilter) -> io::Result<()> {
    let log = Log(Output::new(io::stderr())?);
    let mut builder = Builder::new();
    builder
        .filter_level(level)
        // It is what writes these lines, and would wait for itself.
        .filter_module("mio", LevelFilter::Off)
        .target(Target::Pipe(Box::new(log)))
        .format(|line, record| write!(line, "{}", Line(record)));
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
