//! Stopped and started again: exactly what was missed comes back.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{DEADLINE, Program};
use crate::guest::{Gone, Guest, seqs};
use crate::{Folder, rows};

#[test]
fn graceful_restart_tells_everybody_all_that_is_kept_before_the_close() {
    let folder = Folder::new("graceful");
    for round in 0..5 {
        let program = folder.start(&[]);
        let mut guests: Vec<_> = (0..4)
            .map(|number| {
                let mut guest = guest(&program, &format!("Guest {number}"));
                let last = guest.join(None)["seq"].as_u64().unwrap();
                (guest, last)
            })
            .collect();
        for (number, (guest, _)) in guests.iter_mut().enumerate() {
            for message in 0..200 {
                guest.send(&format!("{round}-{number}-{message}"));
            }
        }
        // Some have been heard, the others are on their way.
        let (first, last) = &mut guests[0];
        for _ in 0..=20 * round {
            *last = first.hear().unwrap()["seq"].as_u64().unwrap();
        }
        program.signal("TERM");
        let lasts = guests.into_iter().map(|(mut guest, mut last)| {
            let close = hear_close(&mut guest, |message| {
                last = message["seq"].as_u64().unwrap()
            });
            let (code, reason) = close.expect("a Close");
            assert_eq!(code, 1012);
            let retry = reason.strip_prefix("retry_ms=").expect("when to come back");
            assert!(retry.parse::<u64>().is_ok(), "{reason}");
            last
        });
        let lasts: Vec<_> = lasts.collect();
        let ended = program.wait();
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        assert_eq!(folder.wal_bytes(), 0);
        let kept = rows(&folder.file()).len() as u64;
        assert_eq!(
            lasts, [kept; 4],
            "the last that was heard is the last that is kept"
        );
    }
}

#[test]
fn those_who_come_back_get_exactly_what_they_missed() {
    let folder = Folder::new("missed");
    let program = folder.start(&[]);
    let (mut ann, mut bob) = (guest(&program, "Ann"), guest(&program, "Bob"));
    let joined = ann.join(None);
    bob.join(None);
    let epoch = joined["epoch"].as_str().unwrap();
    for seq in 1..=30 {
        assert_eq!(bob.say(&seq.to_string()), seq);
    }
    let (id, secret) = (bob.id.clone(), bob.secret.clone());
    drop((ann, bob));
    assert_eq!(program.stop().status.code(), Some(0));

    let program = folder.start(&[]);
    let mut bob = Guest::arrive(program.address(), "Bob", Some(&secret)).unwrap();
    assert_eq!((&bob.id, &bob.secret), (&id, &secret));
    for seq in [0, 1, 29, 30] {
        let joined = bob.join(Some((epoch, seq)));
        assert_eq!(joined["recovered"], true, "{joined}");
        assert_eq!(
            (&joined["epoch"], &joined["seq"]),
            (&json!(epoch), &json!(30))
        );
        assert_eq!(seqs(&joined), (seq + 1..=30).collect::<Vec<_>>());
        assert_eq!(joined["more"], seq > 0);
    }
    // What was acknowledged before the end is known after it.
    assert_eq!(bob.say("30"), 30);
    assert_eq!(bob.say("31"), 31);
}

#[test]
fn gap_that_is_too_long_is_filled_in_pages() {
    let folder = Folder::new("gap");
    let program = folder.start(&[]);
    let mut ann = guest(&program, "Ann");
    ann.join(None);
    say(&mut ann, 1..=350);
    drop(program);

    let program = folder.start(&[]);
    let mut ann = guest(&program, "Ann");
    let epoch = ann.join(None)["epoch"].as_str().unwrap().to_owned();
    let joined = ann.join(Some((&epoch, 30)));
    assert_eq!(
        (&joined["recovered"], &joined["more"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(seqs(&joined), (251..=350).collect::<Vec<_>>());
    let mut seq = 30;
    let mut filled = Vec::new();
    for size in [100, 100, 100, 20] {
        let (page, more) = ann.history("after", seq);
        assert_eq!((page.len(), more), (size, size == 100));
        seq = *page.last().unwrap();
        filled.extend(page);
    }
    assert_eq!(filled, (31..=350).collect::<Vec<_>>());
}

#[test]
fn nobody_is_told_to_have_all_who_cannot_have() {
    let folder = Folder::new("pruned");
    let program = folder.start(&["--keep-messages=10"]);
    let mut ann = guest(&program, "Ann");
    let epoch = ann.join(None)["epoch"].as_str().unwrap().to_owned();
    say(&mut ann, 1..=500);
    drop(program);

    let program = folder.start(&["--keep-messages=10"]);
    let mut ann = guest(&program, "Ann");
    let oldest = seqs(&ann.join(None))[0];
    assert!((400..=490).contains(&oldest), "{oldest}");
    let page: Vec<u64> = (oldest..=500).collect();
    let later = 500 + 1;
    for (epoch, seq) in [
        (&*epoch, 1),
        (&epoch, oldest - 2),
        (&epoch, later),
        ("another", 499),
    ] {
        let joined = ann.join(Some((epoch, seq)));
        assert_eq!(
            (&joined["recovered"], seqs(&joined)),
            (&json!(false), page.clone())
        );
        assert_eq!(joined["more"], false);
    }
    let joined = ann.join(Some((&epoch, oldest - 1)));
    assert_eq!(
        (&joined["recovered"], seqs(&joined)),
        (&json!(true), page.clone())
    );
    // What is left of what was asked for.
    assert_eq!(ann.history("after", 1), (page, false));
    assert_eq!(ann.history("before", oldest), (vec![], false));
}

#[test]
fn new_epoch_has_everybody_fetch_everything_anew() {
    let folder = Folder::new("epoch");
    let program = folder.start(&[]);
    let mut ann = guest(&program, "Ann");
    let epoch = ann.join(None)["epoch"].as_str().unwrap().to_owned();
    say(&mut ann, 1..=5);
    let (id, secret) = (ann.id.clone(), ann.secret.clone());
    drop(ann);
    program.stop();

    let mut before = epoch;
    for arguments in [&["--new-epoch"][..], &[]] {
        let program = folder.start(arguments);
        let mut ann = Guest::arrive(program.address(), "Ann", Some(&secret)).unwrap();
        assert_eq!(ann.id, id);
        let joined = ann.join(Some((&before, 3)));
        let is_same = arguments.is_empty();
        assert_eq!(
            (joined["epoch"] == *before, &joined["recovered"]),
            (is_same, &json!(is_same))
        );
        assert_eq!(
            seqs(&joined),
            if is_same {
                vec![4, 5]
            } else {
                vec![1, 2, 3, 4, 5]
            }
        );
        joined["epoch"].as_str().unwrap().clone_into(&mut before);
        // Killed, it stays the new one.
        drop(program);
    }
}

#[test]
fn crowd_that_returns_at_once_is_served_and_told_once_a_second_of_it() {
    let crowd_size = std::env::var("VECHE_CROWD").map_or(1_000, |size| size.parse().unwrap());
    let deadline = DEADLINE * u32::try_from(crowd_size / 5_000 + 1).unwrap();
    rlimit::increase_nofile_limit(2 * crowd_size as u64 + 500).unwrap();
    let folder = Folder::new("crowd");
    let program = folder.start(&[]);
    let address = program.address();
    let arrive = |address, number| Guest::arrive(address, &format!("Guest {number}"), None);
    let mut crowd: Vec<_> = (0..crowd_size)
        .map(|n| arrive(address, n).unwrap())
        .collect();
    let epoch = crowd[0].join(None)["epoch"].as_str().unwrap().to_owned();
    say(&mut crowd[0], 1..=50);
    for guest in &mut crowd[1..] {
        guest.join(None);
    }
    program.signal("TERM");
    for mut guest in crowd {
        let close = hear_close(&mut guest, |_| {});
        assert_eq!(close.map(|(code, _)| code), Some(1012));
    }
    assert_eq!(program.wait().status.code(), Some(0));

    let program = folder.start(&[]);
    let (address, start) = (program.address(), Instant::now());
    // Several at once, so that the room is still being loaded for some.
    let mut crowd = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|first| {
                let epoch = &epoch;
                scope.spawn(move || {
                    let come = |number| {
                        let mut guest = arrive(address, number).unwrap();
                        let joined = guest.join(Some((epoch, 40)));
                        assert_eq!(joined["recovered"], true, "{joined}");
                        assert_eq!(seqs(&joined), (41..=50).collect::<Vec<_>>());
                        guest
                    };
                    (first..crowd_size).step_by(8).map(come).collect::<Vec<_>>()
                })
            })
            .collect();
        let crowds = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap());
        crowds.collect::<Vec<_>>()
    });
    let took = start.elapsed();
    println!("{crowd_size} have returned in {took:?}");
    assert!(took < deadline, "{took:?}");
    crowd[0].send("51");
    let (mut presences, mut most) = (0, 0);
    for guest in &mut crowd {
        let mut told: u64 = 0;
        loop {
            let frame = guest.hear_all().unwrap();
            if frame["type"] == "message" {
                assert_eq!(frame["seq"], 51);
                break;
            }
            assert_eq!(frame["type"], "presence", "{frame}");
            let listed = frame["arrived"].as_array().map_or(0, Vec::len);
            assert!(listed <= 100, "{listed}");
            told += 1;
        }
        presences += told;
        most = most.max(told);
    }
    // One at once, one each second, one on the way.
    let seconds = start.elapsed().as_secs() + 2;
    assert!((1..=seconds).contains(&most), "{most} in {seconds} seconds");
    assert!(presences > 0);
    // The last one tells of all.
    let mut count = json!(0);
    while count != crowd_size {
        let frame = crowd[0].hear_all().unwrap();
        assert!(start.elapsed() < deadline + Duration::from_secs(2));
        count = frame["count"].clone();
    }
}

fn guest(program: &Program, name: &str) -> Guest {
    Guest::arrive(program.address(), name, None).unwrap()
}

/// Hears everything up to the Close, which is answered.
fn hear_close(guest: &mut Guest, mut heard: impl FnMut(Value)) -> Option<(u16, String)> {
    loop {
        match guest.hear() {
            Ok(frame) => heard(frame),
            Err(Gone(close)) => return close,
        }
    }
}

/// Says so many messages at once.
fn say(guest: &mut Guest, numbers: std::ops::RangeInclusive<u64>) {
    for seq in numbers.clone() {
        guest.send(&seq.to_string());
    }
    for seq in numbers {
        assert_eq!(guest.hear_said(&seq.to_string()), seq);
    }
}
