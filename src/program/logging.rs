//! The log, on standard error.

use std::io::Write as _;

use env_logger::{Builder, Target};
use log::LevelFilter;

/// Starts logging from this level on.
pub(super) fn start(level: LevelFilter) {
    // A standard error that is closed or full is no reason to stop: what cannot
    // be written is lost.
    let mut builder = Builder::new();
    builder.filter_level(level).target(Target::Stderr);
    builder.format(|out, record| {
        let level = record.level().as_str().to_lowercase();
        writeln!(out, "{level} {}", one_line(&record.args().to_string()))
    });
    // Somebody else who started a log before has it.
    let _ = builder.try_init();
}

/// A message without anything that could look like another line, or command a
/// terminal: a peer's bytes may be in it.
fn one_line(message: &str) -> String {
    let mut line = String::with_capacity(message.len());
    for c in message.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_cannot_be_forged() {
        let forged = "a\r\nerror \u{1b}[31mb\u{85}";
        assert_eq!(one_line(forged), "a\\r\\nerror \\u{1b}[31mb\\u{85}");
        assert_eq!(one_line("площадь"), "площадь");
    }
}
