//! Files that cannot be used: one line that says so, and nothing is changed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::Folder;
use crate::common::{Ended, command, command_limited, run_command};
use crate::guest::Guest;

#[test]
fn second_server_on_the_same_file_is_refused_and_the_first_goes_on() {
    let folder = Folder::new("second");
    let program = folder.start(&[]);
    let mut ann = Guest::arrive(program.address(), "Ann", None).unwrap();
    ann.join(None);
    assert_eq!(ann.say("1"), 1);
    let link = folder.path("link.db");
    std::os::unix::fs::symlink(folder.file(), &link).unwrap();
    for name in [folder.file(), link] {
        assert_refused(
            &start(&name),
            &name,
            "another server has it open; stop that one",
        );
    }
    assert_eq!(ann.say("2"), 2);
}

#[test]
fn file_that_is_no_database_of_this_program_is_refused_and_left_alone() {
    let folder = Folder::new("foreign");
    let text = folder.path("text.db");
    fs::write(&text, "Dear diary,\n".repeat(1_000)).unwrap();
    assert_refused_and_same(&text, "it is no database; name another file");

    let foreign = folder.path("foreign.db");
    sqlite(&foreign, "CREATE TABLE x (y); INSERT INTO x VALUES (1)");
    assert_refused_and_same(&foreign, "it belongs to another program; name another file");

    let newer = made(&folder, "newer.db");
    sqlite(&newer, "PRAGMA user_version = 1000");
    assert_refused_and_same(&newer, "it was written by a newer version of this server");

    let damaged = made(&folder, "damaged.db");
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[100..4_000].fill(0xff);
    fs::write(&damaged, bytes).unwrap();
    assert_refused_and_same(&damaged, "it is damaged, or beside it is");

    // It is read no further than it must be: this may only show later.
    let cut = made(&folder, "cut.db");
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..1_000]).unwrap();
    assert_refused_and_same(&cut, "it is");
}

#[test]
fn place_where_no_file_can_be_is_told_with_the_remedy() {
    let folder = Folder::new("places");
    let (missing, place) = (folder.path("missing/veche.db"), folder.path("place"));
    assert_refused(
        &start(&missing),
        &missing,
        "there is no such folder; make it",
    );
    fs::create_dir(&place).unwrap();
    assert_refused(&start(&place), &place, "this names no file; name one");
    // Nobody can make files there, root neither.
    let odd = Path::new("/proc/veche.db");
    assert_refused(&start(odd), odd, "name another file with --db");
    let full = Path::new("/dev/full");
    assert_refused(&start(full), full, "this names no file; name one");
}

#[test]
fn folder_that_may_not_be_written_is_told_with_the_remedy() {
    let folder = Folder::new("forbidden");
    let (place, file) = (folder.path("place"), folder.path("place/veche.db"));
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(folder.path("place/probe"), "").is_ok() {
        println!("skipped: root may write everywhere");
        return;
    }
    assert_refused(
        &start(&file),
        &file,
        "no permission to make files in its folder",
    );
}

#[test]
fn file_that_may_not_grow_from_the_start_is_told_and_no_sudden_death() {
    let folder = Folder::new("no-room");
    let file = folder.file();
    let mut limited = command_limited("ulimit -f 4");
    let ended = run_command(limited.args(["--listen=127.0.0.1:0", "--db"]).arg(&file));
    assert_refused(&ended, &file, "name another file with --db");
}

fn start(file: &Path) -> Ended {
    run_command(command().args(["--listen=127.0.0.1:0", "--db"]).arg(file))
}

/// A database that the program has made.
fn made(folder: &Folder, name: &str) -> std::path::PathBuf {
    let file = folder.path(name);
    let mut program = command();
    program.args(["--listen=127.0.0.1:0", "--db"]).arg(&file);
    crate::Program::start_command(&mut program).stop();
    file
}

fn sqlite(file: &Path, statements: &str) {
    let script = "import sqlite3, sys
c = sqlite3.connect(sys.argv[1])
c.executescript(sys.argv[2])
c.commit()";
    let mut python = Command::new("python3");
    let status = python
        .args(["-c", script])
        .arg(file)
        .arg(statements)
        .status();
    assert!(status.unwrap().success());
}

#[track_caller]
fn assert_refused_and_same(file: &Path, told: &str) {
    let before = fs::read(file).unwrap();
    assert_refused(&start(file), file, told);
    assert!(
        fs::read(file).unwrap() == before,
        "{} is as it was",
        file.display()
    );
}

#[track_caller]
fn assert_refused(ended: &Ended, file: &Path, told: &str) {
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let [line] = &ended.errors[..] else {
        panic!("not one line: {ended:?}");
    };
    let start = format!("veche: --db {}: ", file.display());
    assert!(line.starts_with(&start) && line.contains(told), "{line}");
}
