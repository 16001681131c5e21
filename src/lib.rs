//! Veche: a WebSocket chat server in one small binary, and the
//! single-threaded WebSocket server library under it.
pub mod fanout;
