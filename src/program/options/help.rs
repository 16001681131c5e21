//! What `--help` says, made from the table.

use core::fmt::{self, Write as _};

#[cfg(feature = "config")]
use super::table::CONFIG;
use super::table::{GROUPS, OptionEntry};

/// What `--help` says, in 80 columns.
#[must_use]
pub fn help() -> String {
    let mut text = String::new();
    write_help(&mut text).expect("a string takes everything");
    text
}

fn write_help(text: &mut String) -> fmt::Result {
    writeln!(text, "{HEAD}")?;
    #[cfg(feature = "config")]
    writeln!(text, "{HEAD_OF_FILE}")?;
    for (group, (title, entries)) in GROUPS.iter().enumerate() {
        writeln!(text, "\n{title}:")?;
        for entry in *entries {
            write_entry(text, entry)?;
        }
        if group == 0 {
            #[cfg(feature = "config")]
            {
                write_entry(text, &CONFIG)?;
                write_option(text, "--check-config", CHECK_CONFIG)?;
                write_option(text, "--print-config", PRINT_CONFIG)?;
            }
            write_option(text, "-h, --help", "say this")?;
            write_option(text, "-V, --version", "say which version this is")?;
        }
    }
    Ok(())
}

fn write_entry(text: &mut String, entry: &OptionEntry) -> fmt::Result {
    let name = format!("{} {}", entry.flag(), entry.value_name);
    let mut help = entry.help.to_owned();
    if !entry.default.is_empty() {
        write!(help, " [{}]", entry.default)?;
    }
    write_option(text, name.trim_end(), &help)
}

/// The name of an option, and beside it what it is for, line by line.
fn write_option(text: &mut String, name: &str, help: &str) -> fmt::Result {
    let mut line = format!("  {name}");
    // A longer name has a line of its own.
    if line.len() + 2 > HELP_COLUMN {
        writeln!(text, "{line}")?;
        line.clear();
    }
    let indent = " ".repeat(HELP_COLUMN);
    write_words(text, format!("{line:HELP_COLUMN$}"), &indent, help)
}

/// Writes words in lines, the first behind `line`, others behind `indent`.
pub(super) fn write_words(
    text: &mut String,
    mut line: String,
    indent: &str,
    words: &str,
) -> fmt::Result {
    let mut is_begun = false;
    for word in words.split(' ') {
        if is_begun && line.len() + 1 + word.len() > COLUMNS {
            writeln!(text, "{line}")?;
            indent.clone_into(&mut line);
            is_begun = false;
        }
        if is_begun {
            line.push(' ');
        }
        line.push_str(word);
        is_begun = true;
    }
    writeln!(text, "{line}")
}

const HEAD: &str = "\
Veche, a WebSocket chat server: run it, open the address it tells, and chat.

Usage: veche [OPTIONS]

Defaults are in brackets. A limit or time of 0 is none; bytes may be given as
8192, 8K, 1M or 1G. The environment has each option too: VECHE_MAX_ROOMS is
--max-rooms, unless that is given.";

#[cfg(feature = "config")]
const HEAD_OF_FILE: &str = "\
The file of --config may have them as well, as max-rooms = 500, unless that is
given in either way.";

#[cfg(feature = "config")]
const CHECK_CONFIG: &str =
    "say what every option is set to, and by what, and look whether all of it is right";

#[cfg(feature = "config")]
const PRINT_CONFIG: &str = "say a configuration file with every option and its default";

const COLUMNS: usize = 80;

const HELP_COLUMN: usize = 30;
