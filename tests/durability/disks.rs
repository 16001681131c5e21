//! A disk that is full or slow, a file that goes away: senders are told, readers
//! go on, and it heals by itself.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{DEADLINE, Line, Program, command};
use crate::guest::{Guest, seqs};
use crate::{Folder, Locker, rows};

#[test]
fn file_that_may_not_grow_costs_senders_an_error_and_readers_nothing() {
    let folder = Folder::new("limit");
    let mut program = folder.start(&[]);
    let pid = i32::try_from(program.id()).unwrap();
    let limit = |bytes| {
        let none = rlimit::INFINITY;
        rlimit::prlimit(pid, rlimit::Resource::FSIZE, Some((bytes, none)), None).unwrap();
    };
    let fill = || limit(folder.wal_bytes());
    assert_heals(&mut program, fill, || limit(rlimit::INFINITY));
    drop(program);
    assert_eq!(rows(&folder.file()).len(), 9);
}

#[test]
fn disk_that_is_full_costs_senders_an_error_and_readers_nothing() {
    let folder = Folder::new("full");
    // A disk of its own, which goes with the program.
    let mut disk = command();
    let inner = format!(
        "mount -t tmpfs -o size=1m none '{}' && exec \"$0\" \"$@\"",
        folder.0.display()
    );
    let mut unshare = Command::new("unshare");
    unshare.envs(
        disk.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    unshare.args(["--mount", "--map-root-user", "sh", "-c", &inner]);
    unshare.arg(disk.get_program());
    let mut probe = Command::new("unshare");
    let probe = probe.args(["--mount", "--map-root-user", "sh", "-c"]);
    let mounts = format!("mount -t tmpfs none '{}'", folder.0.display());
    if !probe
        .arg(mounts)
        .status()
        .is_ok_and(|status| status.success())
    {
        println!("skipped: this system lets nobody mount a disk");
        return;
    }
    disk = unshare;
    disk.args(["--listen=127.0.0.1:0", "--rate-limit=0", "--db"]);
    let mut program = Program::start_command(disk.arg(folder.file()));
    let inside = PathBuf::from(format!("/proc/{}/root", program.id()));
    let ballast = inside.join(folder.path("ballast").strip_prefix("/").unwrap());
    let fill = || {
        let full = fs::write(&ballast, vec![0; 2 << 20]);
        assert!(full.is_err(), "it is full");
    };
    assert_heals(&mut program, fill, || fs::remove_file(&ballast).unwrap());
}

/// Says something, makes the disk fail and heal, and sees that those who read
/// noticed nothing, and nothing of what was refused is there.
fn assert_heals(program: &mut Program, fill: impl Fn(), free: impl Fn()) {
    let mut ann = Guest::arrive(program.address(), "Ann", None).unwrap();
    let mut bob = Guest::arrive(program.address(), "Bob", None).unwrap();
    let epoch = ann.join(None)["epoch"].clone();
    bob.join(None);
    for seq in 1..=5 {
        assert_eq!(ann.say(&format!("before-{seq}")), seq);
    }
    fill();
    // What is left of the last page may do for the first ones.
    let mut seq = 5;
    let refused = loop {
        ann.send(&format!("full-{seq}"));
        let frame = ann.hear().unwrap();
        if frame["type"] == "error" {
            break frame;
        }
        seq += 1;
        assert!(seq < 5_000, "full at some time");
    };
    assert_eq!(refused["code"], "storage");
    for number in 0..20 {
        let error = ann.say_in_vain(&format!("refused-{number}"));
        assert_eq!(error["code"], "storage", "{error}");
    }
    program.wait_for("that messages are refused", |line| match line {
        Line::Error(line) => line.contains("messages are refused until").then_some(()),
        Line::Output(_) => None,
    });
    // Bob hears what was kept, reads, and somebody new comes.
    for _ in 0..seq {
        assert_eq!(bob.hear().unwrap()["type"], "message");
    }
    assert_eq!(bob.history("before", 3), (vec![1, 2], false));
    assert_eq!(program.get("/ready").0, 503);
    assert_eq!(program.get("/health").0, 200);
    let mut cyd = Guest::arrive(program.address(), "Cyd", None).unwrap();
    assert_eq!(cyd.join(None)["seq"], seq);
    let elsewhere = cyd.ask(&json!({"type": "join", "room": "hall"}));
    assert_eq!(elsewhere["type"], "joined");

    // A span of time to measure the processor's in.
    let (start, before) = (Instant::now(), program.processor_time());
    thread::sleep(Duration::from_millis(500));
    let (span, used) = (start.elapsed(), program.processor_time() - before);
    assert!(used < span / 5, "{used:?} of {span:?}");

    free();
    // Without anybody who tries.
    let deadline = Instant::now() + DEADLINE;
    while program.get("/ready").0 != 200 {
        assert!(Instant::now() < deadline, "it is not ready again");
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(ann.say("refused-0"), seq + 1);
    for number in 0..3 {
        assert_eq!(ann.say(&format!("after-{number}")), seq + 2 + number);
    }
    assert_eq!(program.get("/ready").0, 200);
    #[cfg(feature = "metrics")]
    {
        let (_, metrics) = program.get("/metrics");
        let kept = format!("veche_commit_messages_sum {}", seq + 4);
        let metrics = String::from_utf8(metrics).unwrap();
        assert!(metrics.lines().any(|line| line == kept), "{metrics}");
    }
    program.wait_for("that messages are kept", |line| match line {
        Line::Error(line) => line.contains("messages are kept again").then_some(()),
        Line::Output(_) => None,
    });
    for number in 1..=4 {
        assert_eq!(bob.hear().unwrap()["seq"], seq + number);
    }
    for number in 1..=4 {
        assert_eq!(cyd.hear().unwrap()["seq"], seq + number);
    }
    let joined = cyd.join(Some((epoch.as_str().unwrap(), seq)));
    assert_eq!(seqs(&joined), (seq + 1..=seq + 4).collect::<Vec<_>>());
}

#[test]
fn file_that_is_deleted_costs_senders_an_error_until_the_next_start() {
    let folder = Folder::new("deleted");
    let program = folder.start(&[]);
    let mut ann = Guest::arrive(program.address(), "Ann", None).unwrap();
    ann.join(None);
    assert_eq!(ann.say("1"), 1);
    fs::remove_file(folder.file()).unwrap();
    assert_eq!(ann.say_in_vain("2")["code"], "storage");
    assert_eq!(ann.history("after", 0), (vec![1], false));
    drop(ann);
    assert_eq!(program.stop().status.code(), Some(0));

    let _ = fs::remove_file(folder.path("veche.db-wal"));
    let _ = fs::remove_file(folder.path("veche.db-shm"));
    let program = folder.start(&[]);
    let mut ann = Guest::arrive(program.address(), "Ann", None).unwrap();
    ann.join(None);
    assert_eq!(ann.say("2"), 1);
}

#[test]
fn file_in_whose_place_another_one_is_heals_when_it_is_back() {
    let folder = Folder::new("replaced");
    let program = folder.start(&[]);
    let mut ann = Guest::arrive(program.address(), "Ann", None).unwrap();
    ann.join(None);
    assert_eq!(ann.say("1"), 1);
    let away = folder.path("away.db");
    fs::rename(folder.file(), &away).unwrap();
    fs::write(folder.file(), "another").unwrap();
    for _ in 0..3 {
        assert_eq!(ann.say_in_vain("2")["code"], "storage");
    }
    assert_eq!(ann.history("after", 0), (vec![1], false));
    assert_eq!(fs::read(folder.file()).unwrap(), b"another");
    fs::rename(&away, folder.file()).unwrap();
    assert_eq!(ann.say("3"), 2);
    drop(ann);
    assert_eq!(program.stop().status.code(), Some(0));
    let kept = rows(&folder.file());
    assert_eq!(
        kept.iter().map(|row| &*row.cid).collect::<Vec<_>>(),
        ["1", "3"]
    );
}

#[test]
fn lock_of_another_program_is_waited_for_and_all_that_was_taken_is_answered_in_order() {
    const EACH: usize = 1_200;
    const JOBS: usize = 4_096;
    let folder = Folder::new("locked");
    // So much that nobody is too slow, however busy this machine is.
    let mut program = folder.start(&["--tape-bytes=2M"]);
    let address = program.address();
    let mut guests = ["Ann", "Bob", "Cyd", "Dan"].map(|name| {
        let mut guest = Guest::arrive(address, name, None).unwrap();
        guest.join(None);
        guest
    });
    assert_eq!(guests[0].say("first"), 1);
    for guest in &mut guests[1..] {
        assert_eq!(guest.hear_said("first"), 1);
    }
    let lock = Locker::lock(&folder.file());
    for (place, guest) in guests.iter_mut().enumerate() {
        for number in 0..EACH {
            guest.send(&format!("{place}-{number}"));
        }
    }
    program.wait_for("that it is locked", |line| match line {
        Line::Error(line) => line.contains("another program has it locked").then_some(()),
        Line::Output(_) => None,
    });
    // Beyond so many jobs each is told to come again.
    let mut busy: [Vec<Value>; 4] = Default::default();
    let mut refused = 0;
    let deadline = Instant::now() + DEADLINE;
    while refused < 4 * EACH - JOBS {
        assert!(Instant::now() < deadline, "{refused} refused in time");
        // Whoever waits for an answer gets a pong only behind it.
        for (guest, busy) in guests.iter_mut().zip(&mut busy) {
            guest.tell(&json!({"type": "ping", "n": 1})).unwrap();
            loop {
                let frame = guest.hear().unwrap();
                if frame["type"] == "pong" {
                    break;
                }
                assert_eq!(frame["code"], "busy", "{frame}");
                assert!(frame["retry_ms"].as_u64().is_some(), "{frame}");
                busy.push(frame["cid"].clone());
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 4 * EACH - JOBS);

    let taken = |place: usize| {
        let all = (0..EACH).map(|number| json!(format!("{place}-{number}")));
        all.filter(|cid| !busy[place].contains(cid))
            .collect::<Vec<_>>()
    };
    let taken = [0, 1, 2, 3].map(taken);
    thread::scope(|scope| {
        for guest in &mut guests {
            scope.spawn(|| {
                let mut heard: [Vec<Value>; 4] = Default::default();
                for seq in 2..2 + JOBS {
                    let message = guest.hear().unwrap();
                    assert_eq!(message["seq"], seq);
                    let place: usize = message["cid"].as_str().unwrap()[..1].parse().unwrap();
                    heard[place].push(message["cid"].clone());
                }
                assert!(heard == taken, "in order");
            });
        }
        drop(lock);
    });
    // Who comes again is served.
    if let Some(cid) = busy[0].first() {
        let number = guests[0].say(cid.as_str().unwrap());
        assert_eq!(number, 2 + JOBS as u64);
    }
}

#[test]
fn server_that_is_stopped_while_another_program_has_the_file_locked_ends_in_time() {
    let folder = Folder::new("stuck");
    let program = folder.start(&["--close-timeout=2"]);
    let mut ann = Guest::arrive(program.address(), "Ann", None).unwrap();
    ann.join(None);
    assert_eq!(ann.say("1"), 1);
    let lock = Locker::lock(&folder.file());
    ann.send("2");
    // It was read, and is with the journal.
    assert_eq!(ann.ask(&json!({"type": "ping", "n": 1}))["type"], "pong");
    let start = Instant::now();
    program.signal("TERM");
    assert!(ann.hear().is_err(), "a Close and no message");
    assert_eq!(program.wait().status.code(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
    drop(lock);

    // It was not acknowledged, and so is sent again.
    let program = folder.start(&[]);
    let mut ann = Guest::arrive(program.address(), "Ann", Some(&ann.secret)).unwrap();
    ann.join(None);
    assert_eq!(ann.say("2"), 2);
}
