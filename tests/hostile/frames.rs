//! Frames that break the protocol: each fails its own connection, with its
//! code, and no other.

use crate::{HOME, frame, header, log, world};

/// Sends this in pieces: the code of the Close that comes, once, and nothing
/// that follows is looked at.
#[track_caller]
fn code_of(bytes: &[u8], piece: usize) -> u16 {
    let mut world = world();
    let (mut broken, mut other) = (world.connect(HOME), world.connect(HOME));
    for piece in bytes.chunks(piece) {
        broken.write(piece);
        world.run();
    }
    broken.write(&frame(0x81, b"never seen"));
    other.send("hello");
    world.run();
    let answer = broken.read();
    let shown = bytes[..bytes.len().min(20)].escape_ascii();
    let [0x88, length, high, low, ..] = answer[..] else {
        panic!("{shown}: no Close but {}", answer.escape_ascii());
    };
    assert_eq!(answer.len(), 2 + usize::from(length), "{shown}: one Close");
    assert!(broken.is_shut(), "{shown}");
    let code = u16::from_be_bytes([high, low]);
    assert_eq!(
        log(&mut world)[2..],
        [format!("close 0.1 {code}"), "message 1.2 5".into()],
        "{shown}"
    );
    assert_eq!(other.messages().len(), 1);
    code
}

#[test]
fn broken_frame_fails_its_own_connection_and_no_other() {
    let fragment = frame(0x01, b"a");
    let reserved_opcodes = (3..8).chain(11..16).map(|opcode| frame(0x80 | opcode, b""));
    let reserved_bits = [0xc1, 0xa1, 0x91, 0xf1, 0xc9].map(|first| frame(first, b"a"));
    let others = [
        (vec![0x81, 1, b'a'], 1002),
        (vec![0x89, 0], 1002),
        (vec![0x88, 0], 1002),
        (frame(0x80, b"a"), 1002),
        (frame(0x00, b"a"), 1002),
        ([&fragment[..], &frame(0x81, b"b")].concat(), 1002),
        ([&fragment[..], &frame(0x02, b"b")].concat(), 1002),
        ([&fragment[..], &frame(0x83, b"b")].concat(), 1002),
        (frame(0x09, b"a"), 1002),
        (frame(0x08, b""), 1002),
        (header(0x89, 126), 1002),
        (header(0x88, 65_536), 1002),
        // Lengths that take more bytes than they need.
        (vec![0x82, 0xfe, 0, 125, 0, 0, 0, 0], 1002),
        ([&[0x82, 0xff][..], &[0; 12]].concat(), 1002),
        (frame(0x88, b"\x03"), 1002),
        (frame(0x88, &1005_u16.to_be_bytes()), 1002),
        (frame(0x88, &[0x03, 0xe8, 0xff]), 1007),
        (frame(0x81, b"\xed\xa0\x80"), 1007),
        (frame(0x01, b"\xf4\x90"), 1007),
        ([&fragment[..], &frame(0x80, b"\xd0")].concat(), 1007),
    ];
    let reserved = reserved_opcodes.chain(reserved_bits);
    for (bytes, code) in reserved.map(|bytes| (bytes, 1002)).chain(others) {
        for piece in [usize::MAX, 1] {
            assert_eq!(code_of(&bytes, piece), code, "{}", bytes.escape_ascii());
        }
    }
}

#[test]
fn length_that_is_too_large_is_refused_when_only_its_header_has_come() {
    let mebibyte = 1 << 20;
    for (length, code) in [
        (mebibyte + 1, 1009),
        (1 << 31, 1009),
        (1 << 32, 1009),
        (u64::MAX >> 1, 1009),
        (1 << 63, 1002),
        (u64::MAX, 1002),
    ] {
        let fragment = frame(0x02, b"a");
        for start in [
            header(0x81, length),
            header(0x02, length),
            [&fragment[..], &header(0x00, length)].concat(),
        ] {
            for piece in [usize::MAX, 1] {
                assert_eq!(code_of(&start, piece), code, "{length}");
            }
        }
    }
    // Fragments count together.
    let most = frame(0x02, &vec![0; 1 << 20]);
    assert_eq!(code_of(&[most, header(0x80, 1)].concat(), 100_000), 1009);
}
