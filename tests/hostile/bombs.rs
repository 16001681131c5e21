//! The real program, and messages that mean a thousand times what they are.

use std::io::{Read, Write};
use std::net::TcpStream;

use miniz_oxide::deflate::compress_to_vec;

use crate::common::Program;
use crate::crowds::open;
use crate::frame;
use crate::guests::{converse, guests};
use crate::world::REQUEST;

#[test]
fn bombs_are_failed_with_1009_and_take_no_memory() {
    const CONNECTIONS: usize = 20;
    let program = Program::start(&["--rate-limit", "0"]);
    let mut guests = guests(&program, 2);
    converse(&mut guests, 0, 2);
    // 100 MiB of zeros, in parts with a last block each.
    let bomb = compress_to_vec(&vec![0; 4 << 20], 6).repeat(25);
    assert!((90_000..120_000).contains(&bomb.len()), "{}", bomb.len());
    let bomb = frame(0xc2, &bomb);
    let explode = || {
        let mut bombers: Vec<_> = (0..CONNECTIONS).map(|_| bomber(&program)).collect();
        for bomber in &mut bombers {
            bomber.write_all(&bomb).unwrap();
        }
        for mut bomber in bombers {
            let mut close = Vec::new();
            bomber.read_to_end(&mut close).unwrap();
            assert!(close.starts_with(&[0x88]), "{close:x?}");
            assert_eq!(close[2..4], 1009_u16.to_be_bytes());
        }
        program.memory("VmHWM")
    };
    let before = program.memory("VmRSS");
    let first = explode();
    // Each of them as it came, and one message of the largest size.
    let grown = first.saturating_sub(before);
    assert!(grown < CONNECTIONS * 200_000 + (3 << 20), "{grown} bytes");
    for round in 1..10 {
        explode();
        converse(&mut guests, 2 * round, 2);
    }
    let more = program.memory("VmHWM").saturating_sub(first);
    assert!(more < 1 << 20, "{more} bytes more");
}

/// A connection on which messages may be compressed.
fn bomber(program: &Program) -> TcpStream {
    let offer = "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let mut stream = program.connect();
    open(&mut stream, &REQUEST.replace("\r\n\r\n", offer));
    stream
}
