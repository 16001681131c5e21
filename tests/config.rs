//! The configuration file, as administrators meet it.
#![cfg(feature = "config")]

mod common;
#[path = "common/ends.rs"]
mod ends;

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::process::Command;

use common::{Ended, Program, Scratch, command, run, run_command};

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let folder = Scratch::new("config-precedence");
    folder.write("veche.toml", "# nothing here\nmax-rooms = 1\n");
    let file = folder.path("veche.toml");
    let in_file = format!("file {}, line 2", file.display());
    for (has_file, variable, flag, value, source) in [
        (false, None, None, 10_000, "default"),
        (true, None, None, 1, &*in_file),
        (false, Some("2"), None, 2, "VECHE_MAX_ROOMS"),
        (false, None, Some("3"), 3, "--max-rooms"),
        (true, Some("2"), None, 2, "VECHE_MAX_ROOMS"),
        (true, None, Some("3"), 3, "--max-rooms"),
        (false, Some("2"), Some("3"), 3, "--max-rooms"),
        (true, Some("2"), Some("3"), 3, "--max-rooms"),
        // An empty variable is none.
        (true, Some(""), None, 1, &*in_file),
    ] {
        let mut command = command();
        command.arg("--check-config");
        if has_file {
            command.arg("--config").arg(&file);
        }
        if let Some(value) = variable {
            command.env("VECHE_MAX_ROOMS", value);
        }
        if let Some(value) = flag {
            command.args(["--max-rooms", value]);
        }
        let settings = assert_checks(&mut command);
        let found = settings.iter().find(|line| line.starts_with("max-rooms "));
        let (assignment, comment) = found.expect("a line").split_once('#').expect("a source");
        assert_eq!(assignment.trim(), format!("max-rooms = {value}"));
        assert_eq!(comment.trim(), source);
    }
}

#[test]
fn name_of_the_file_may_be_in_the_environment_and_a_flag_beats_it() {
    let folder = Scratch::new("config-name");
    folder.write("a.toml", "max-rooms = 1");
    folder.write("b.toml", "max-headers = 2");
    let mut in_environment = command();
    in_environment.env("VECHE_CONFIG", folder.path("a.toml"));
    let settings = assert_checks(in_environment.arg("--check-config"));
    assert!(has(&settings, "max-rooms = 1") && has(&settings, "max-headers = 100"));
    in_environment.arg("--config").arg(folder.path("b.toml"));
    let settings = assert_checks(&mut in_environment);
    assert!(has(&settings, "max-rooms = 10000") && has(&settings, "max-headers = 2"));
}

#[test]
fn settings_that_are_printed_are_a_file_that_means_the_same() {
    let folder = Scratch::new("config-settings");
    folder.write(
        "veche.toml",
        "\u{feff}log = \"debug\"\r\ntape-bytes = 8192\r\n\
        origin = [\"https://a.example\", \"https://b.example\"]\r\n",
    );
    let file = folder.path("veche.toml");
    let mut first = command();
    first.arg("--config").arg(&file).arg("--check-config");
    let settings = assert_checks(&mut first);
    for setting in [
        "log = \"debug\"",
        "tape-bytes = \"8K\"",
        "origin = [\"https://a.example\", \"https://b.example\"]",
        "trusted-proxy = []",
        "www = \"\"",
    ] {
        assert!(has(&settings, setting), "{setting} in {settings:#?}");
    }
    folder.write("again.toml", settings.join("\n"));
    let mut again = command();
    again.arg("--config").arg(folder.path("again.toml"));
    let again = assert_checks(again.arg("--check-config"));
    let assignments = |lines: &[String]| -> Vec<_> {
        let assignment = |line: &String| line.split('#').next().map(str::trim).map(str::to_owned);
        lines.iter().map(assignment).collect()
    };
    assert_eq!(assignments(&again), assignments(&settings));
}

#[test]
fn printed_file_is_one_that_changes_nothing() {
    let folder = Scratch::new("config-printed");
    let ended = run(&["--print-config"]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let printed = ended.output.join("\n");
    let uncommented = ended.output.iter().map(|line| &line[1.min(line.len())..]);
    folder.write("printed.toml", &printed);
    folder.write("all.toml", uncommented.collect::<Vec<_>>().join("\n"));
    // A value of the environment would be shown.
    let defaults = assert_checks(command().env_remove("VECHE_DB").arg("--check-config"));
    assert!(defaults.iter().all(|line| line.ends_with("# default")));
    for (name, is_empty) in [("printed.toml", true), ("all.toml", false)] {
        let mut command = command();
        command.env_remove("VECHE_DB").arg("--check-config");
        let settings = assert_checks(command.arg("--config").arg(folder.path(name)));
        assert_eq!(settings.len(), defaults.len());
        for (setting, default) in settings.iter().zip(&defaults) {
            let (value, source) = setting.split_once('#').expect("a source");
            assert_eq!(Some((value, " default")), default.split_once('#'));
            // What has no default is empty, and so none.
            let is_none = value.contains("\"\"") || value.contains("[]");
            assert_eq!(source == " default", is_empty || is_none, "{setting}");
        }
    }
}

#[test]
fn server_does_as_the_file_says() {
    let folder = Scratch::new("config-serve");
    folder.write("www/index.html", "a page");
    let www = folder.path("www");
    let text = format!(
        "listen = \"127.0.0.1:0\"\nwww = {:?}\ntime-limit = 3600\n",
        www.to_str().expect("UTF-8")
    );
    folder.write("veche.toml", text);
    let mut served = command();
    served.arg("--config").arg(folder.path("veche.toml"));
    let program = Program::start_command(&mut served);
    assert_eq!(program.get("/"), (200, b"a page".to_vec()));
    assert_eq!(program.stop().status.code(), Some(0));
}

#[test]
fn what_is_wrong_in_the_file_is_one_line_and_status_2() {
    let folder = Scratch::new("config-wrong");
    let too_many = "max-rooms takes a whole number, 0 for no limit, not \"many\"";
    let form = "veche --print-config shows how it is written, text in quotes";
    for (text, told) in [
        (
            &b"\n\nmax-room = 5"[..],
            "3: there is no option \"max-room\"; did you mean max-rooms?",
        ),
        (b"max-rooms = \"many\"\n", &format!("1: {too_many}")),
        (
            b"max-rooms = 5\r\nlog = info",
            &format!("2: invalid float, expected `inf`; {form}"),
        ),
        (
            b"log = \"off\"\nlog = \"off\"",
            &format!("2: duplicate key; {form}"),
        ),
        (b"# \xe9t\xe9", &format!("1: this is not UTF-8; {form}")),
    ] {
        folder.write("veche.toml", text);
        let file = folder.path("veche.toml");
        // A flag beats the line, which has to be right all the same.
        for others in [&[][..], &["--check-config"], &["--max-rooms", "1"]] {
            let ended = run_command(command().args(others).arg("--config").arg(&file));
            assert_fails(&ended, 2, &format!("{}:{told}", file.display()));
        }
    }
}

#[test]
fn file_that_is_not_to_be_had_is_one_line_and_status_1() {
    let folder = Scratch::new("config-missing");
    folder.pipe("pipe");
    folder.write("folder/file", "");
    symlink(folder.path("folder"), folder.path("link")).expect("a link");
    let large = File::create(folder.path("large.toml")).expect("a file");
    large.set_len((1 << 20) + 1).expect("a hole");
    for (name, told) in [
        (
            "none.toml",
            "cannot be read (No such file or directory (os error 2)); \
             give the path of a TOML file that this user may read",
        ),
        ("folder", "is no regular file; give the path of a TOML file"),
        ("link", "is no regular file; give the path of a TOML file"),
        ("pipe", "is no regular file; give the path of a TOML file"),
        (
            "large.toml",
            "has more than 1024 KB; give the path of a TOML file, which has a few",
        ),
    ] {
        let file = folder.path(name);
        let ended = run_command(command().arg("--config").arg(&file));
        assert_fails(&ended, 1, &format!("--config {}: {told}", file.display()));
    }
    let ended = run(&["--config"]);
    assert_fails(&ended, 2, "--config lacks its value: the path of a file");
}

#[test]
fn file_of_the_largest_size_is_read() {
    let folder = Scratch::new("config-large");
    let mut text = "max-rooms = 5\n".to_owned();
    text += &"#".repeat((1 << 20) - text.len());
    folder.write("veche.toml", text);
    let mut command = command();
    command.arg("--config").arg(folder.path("veche.toml"));
    assert!(has(
        &assert_checks(command.arg("--check-config")),
        "max-rooms = 5"
    ));
}

#[test]
fn check_looks_at_what_goes_together_and_at_files_that_are_named() {
    let folder = Scratch::new("config-check");
    folder.write("text", "no certificate");
    let text = folder.path("text");
    let text = text.to_str().expect("UTF-8");
    for (arguments, status, told) in [
        (
            &["--max-rooms", "many"][..],
            2,
            "--max-rooms takes a whole number",
        ),
        (
            &["--outbox-bytes", "1K"],
            2,
            "the largest file does not fit into --outbox-bytes 1024",
        ),
        (&["--www", text], 1, "--www "),
        #[cfg(feature = "tls")]
        (&["--tls-cert", text], 2, "--tls-cert is of no use alone"),
        #[cfg(feature = "tls")]
        (&["--tls-cert", text, "--tls-key", text], 1, "--tls-cert "),
    ] {
        let ended = run_command(command().arg("--check-config").args(arguments));
        let [line] = &ended.errors[..] else {
            panic!("not one line: {ended:?}");
        };
        assert!(line.starts_with(&format!("veche: {told}")), "{line}");
        assert_eq!(ended.status.code(), Some(status), "{line}");
        assert_eq!(ended.output, [""; 0], "{arguments:?}");
    }
}

#[test]
fn path_that_is_not_utf_8_is_shown_all_the_same() {
    let mut command = command();
    command
        .arg("--check-config")
        .env("VECHE_DB", OsStr::from_bytes(b"/tmp/\xff.db"));
    let settings = run_command(&mut command);
    let shown = "db = \"/tmp/\u{fffd}.db\"";
    let is_shown = has(&settings.output, shown);
    assert_eq!(is_shown, cfg!(feature = "sqlite"), "{settings:?}");
}

/// Whether one of the lines is this setting, whatever it comes from.
fn has(settings: &[String], setting: &str) -> bool {
    let mut assignments = settings.iter().filter_map(|line| line.split_once('#'));
    assignments.any(|(assignment, _)| assignment.trim() == setting)
}

/// Runs a check that finds nothing wrong; returns what it says.
#[track_caller]
fn assert_checks(command: &mut Command) -> Vec<String> {
    let ended = run_command(command);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(ended.errors, [""; 0]);
    ended.output
}

/// Exactly this line, this status, and nothing else.
#[track_caller]
fn assert_fails(ended: &Ended, status: i32, told: &str) {
    assert_eq!(ended.errors, [format!("veche: {told}")]);
    assert_eq!(ended.status.code(), Some(status), "{ended:?}");
    assert_eq!(ended.output, [""; 0]);
}
