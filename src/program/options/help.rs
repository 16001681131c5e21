//! What `--help` says, made from the table.

use core::fmt::{self, Write as _};

use super::table::GROUPS;

/// What `--help` says, in 80 columns.
#[must_use]
pub fn help() -> String {
    let mut text = String::new();
    write_help(&mut text).expect("a string takes everything");
    text
}

fn write_help(text: &mut String) -> fmt::Result {
    writeln!(text, "{HEAD}")?;
    for (group, (title, entries)) in GROUPS.iter().enumerate() {
        writeln!(text, "\n{title}:")?;
        for entry in *entries {
            let name = format!("{} {}", entry.flag(), entry.value_name);
            let name = name.trim_end();
            let mut help = entry.help.to_owned();
            if !entry.default.is_empty() {
                write!(help, " [{}]", entry.default)?;
            }
            write_option(text, name, &help)?;
        }
        if group == 0 {
            write_option(text, "-h, --help", "say this")?;
            write_option(text, "-V, --version", "say which version this is")?;
        }
    }
    Ok(())
}

/// The name of an option, and beside it what it is for, line by line.
fn write_option(text: &mut String, name: &str, help: &str) -> fmt::Result {
    let mut line = format!("  {name}");
    // A longer name has a line of its own.
    if line.len() + 2 > HELP_COLUMN {
        writeln!(text, "{line}")?;
        line.clear();
    }
    for word in help.split(' ') {
        if line.len() + 1 + word.len() > COLUMNS {
            writeln!(text, "{line}")?;
            line.clear();
        }
        if line.len() < HELP_COLUMN {
            line = format!("{line:HELP_COLUMN$}");
        } else {
            line.push(' ');
        }
        line.push_str(word);
    }
    writeln!(text, "{line}")
}

const HEAD: &str = "\
Veche, a WebSocket chat server: run it, open the address it tells, and chat.

Usage: veche [OPTIONS]

Defaults are in brackets. A limit or time of 0 is none; bytes may be given as
8192, 8K, 1M or 1G. The environment has each option too: VECHE_MAX_ROOMS is
--max-rooms, unless that is given.";

const COLUMNS: usize = 80;

const HELP_COLUMN: usize = 30;
