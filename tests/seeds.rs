//! Every seed of the fuzzer, as an ordinary test: what was found once stays
//! found.
#![allow(clippy::unwrap_used)]

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::panic;
use std::path::Path;

/// Runs a target with each of its seeds, and names the one that fails.
fn replay(target: &str, run: impl Fn(&[u8]) + panic::RefUnwindSafe) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let mut count = 0;
    for seed in std::fs::read_dir(&seeds).unwrap() {
        let path = seed.unwrap().path();
        let data = std::fs::read(&path).unwrap();
        let passed = panic::catch_unwind(|| run(&data));
        assert!(passed.is_ok(), "the seed {} fails", path.display());
        count += 1;
    }
    assert!(count >= 20, "{} has only {count} seeds", seeds.display());
}

#[test]
fn request_heads() {
    replay("request_head", fuzz::request_head::run);
}

#[test]
fn frame_streams() {
    replay("frame_stream", fuzz::frame_stream::run);
}

#[cfg(feature = "deflate")]
#[test]
fn compressed_messages() {
    replay("deflate", fuzz::deflate::run);
}

#[test]
fn connections() {
    replay("connection", fuzz::connection::run);
}

#[test]
fn outboxes() {
    replay("outbox", fuzz::outbox::run);
}

#[cfg(feature = "chat")]
#[test]
fn chat_inputs() {
    replay("chat_input", fuzz::chat_input::run);
}
