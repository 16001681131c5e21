//! What `--print-config` and `--check-config` say: configuration files.

use core::fmt::{self, Write as _};

use toml_writer::{ToTomlValue as _, TomlStringBuilder};

use super::Options;
use super::help::write_words;
use super::table::{GROUPS, OptionEntry, entries};

/// What `--print-config` says: a file with every option and its default, behind a
/// `#`. What it is for stands behind two, and so stays a comment without one.
#[must_use]
pub fn print_config() -> String {
    let mut text = String::new();
    write_config(&mut text).expect("a string takes everything");
    text
}

fn write_config(text: &mut String) -> fmt::Result {
    text.push_str(HEAD);
    for (title, entries) in GROUPS {
        writeln!(text, "\n\n## == {title} ==")?;
        for entry in *entries {
            writeln!(text)?;
            write_words(text, "## ".to_owned(), "## ", entry.help)?;
            writeln!(text, "# {}", assignment(entry, entry.default))?;
        }
    }
    Ok(())
}

/// What each option is set to, and by what.
pub(super) fn settings(
    options: &mut Options,
    source: impl Fn(&OptionEntry) -> Option<String>,
) -> String {
    let mut text = String::new();
    for entry in entries() {
        let assignment = assignment(entry, &entry.field.show(options));
        let source = source(entry).unwrap_or_else(|| "default".to_owned());
        writeln!(text, "{assignment:SOURCE_COLUMN$}   # {source}")
            .expect("a string takes everything");
    }
    text
}

/// An option in the file, with a value as it would be typed.
fn assignment(entry: &OptionEntry, typed: &str) -> String {
    let value = if entry.field.is_switch() {
        (!typed.is_empty()).to_string()
    } else if entry.field.is_list() && (typed.is_empty() || typed.contains(',')) {
        let texts = typed.split(',').filter(|text| !text.is_empty());
        format!("[{}]", texts.map(string).collect::<Vec<_>>().join(", "))
    } else if typed
        .parse()
        .is_ok_and(|number: i64| number.to_string() == typed)
    {
        typed.to_owned()
    } else {
        string(typed)
    };
    format!("{} = {value}", entry.name)
}

/// A string of TOML, in one line.
fn string(text: &str) -> String {
    TomlStringBuilder::new(text).as_basic().to_toml_value()
}

const HEAD: &str = "\
## The options of Veche, for veche --config FILE, each with its default. To
## change one, remove the # before it. A limit or time of 0 is none; bytes may
## be given as 8192, \"8K\", \"1M\" or \"1G\"; a path is one from where the server
## is started. What the environment or a flag says beats this file.
";

const SOURCE_COLUMN: usize = 34;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::file::ConfigFile;
    use super::*;

    /// The options after a file was read.
    fn options_of(text: &str) -> Options {
        let file = ConfigFile::parse(Path::new("veche.toml"), text.as_bytes()).expect(text);
        let mut options = Options::default();
        for entry in entries() {
            options.set(entry, file.value(entry)).expect(entry.name);
        }
        options
    }

    /// Their values as they would be typed.
    fn values(mut options: Options) -> Vec<String> {
        let values = entries().map(|entry| entry.field.show(&mut options));
        values.collect()
    }

    /// The same as lines of a file.
    fn assignments(options: Options) -> Vec<String> {
        let values = entries().zip(values(options));
        values
            .map(|(entry, value)| assignment(entry, &value))
            .collect()
    }

    #[test]
    fn the_printed_file_means_the_defaults_with_and_without_its_comments() {
        let printed = print_config();
        let defaults = values(Options::default());
        assert_eq!(values(options_of(&printed)), defaults);
        for comment in ["#", "# "] {
            let lines = printed.lines();
            let without: Vec<_> = lines
                .map(|line| line.strip_prefix(comment).unwrap_or(line))
                .collect();
            for setting in &assignments(Options::default()) {
                assert!(
                    without.iter().any(|line| line.trim() == setting),
                    "{setting}"
                );
            }
            assert_eq!(values(options_of(&without.join("\n"))), defaults);
        }
    }

    #[test]
    fn the_printed_file_fits_eighty_columns() {
        for line in print_config().lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert_eq!(line, line.trim_end());
        }
    }

    #[test]
    fn settings_are_a_file_that_means_the_same() {
        let text = [
            "listen = \"[::1]:80\"",
            #[cfg(feature = "sqlite")]
            "new-epoch = true",
            "www = \"a \\\"b\\\" \\\\ \\u001B \\n\"",
            "max-text-bytes = \"2M\"",
            "max-rooms = 5",
            "origin = [\"https://a.example\", \"http://b.example\"]",
            "trusted-proxy = \"10.0.0.0/8\"",
        ]
        .join("\n");
        let settings = assignments(options_of(&text));
        assert_eq!(assignments(options_of(&settings.join("\n"))), settings);
        for line in text.lines() {
            assert!(
                settings.iter().any(|setting| setting == line),
                "{line}\n{settings:#?}"
            );
        }
    }
}
