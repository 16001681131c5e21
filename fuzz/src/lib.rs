//! What is fuzzed. Each module but the helpers is a target: `run` takes any
//! bytes, does with the library what they say, and panics where the library
//! does not behave.
//!
//! `tests/fuzz` runs the targets with new inputs; the ordinary test
//! `tests/seeds.rs` runs them with those in `seeds/`.
#![allow(unreachable_pub, clippy::unwrap_used)]

#[cfg(feature = "chat")]
pub mod chat_input;
pub mod connection;
#[cfg(feature = "deflate")]
pub mod deflate;
pub mod frame_stream;
pub mod outbox;
pub mod request_head;

mod lines;
mod rfc6455;
mod rfc7692;
mod server_stream;

#[path = "../../tests/common/ends.rs"]
mod ends;
#[path = "../../tests/common/fanout_model.rs"]
mod fanout_model;
#[path = "../../tests/common/world.rs"]
mod world;
