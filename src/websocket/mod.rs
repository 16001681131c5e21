//! The server side of the WebSocket protocol (RFC 6455) and its compression
//! (RFC 7692), without I/O.
//!
//! Bytes go in, events and bytes come out; nothing here knows a socket, a
//! clock or a source of randomness.
//!
//! | module | what it is for |
//! |---|---|
//! | [`handshake`] | the opening handshake: a request head becomes a 101 or a refusal (§4.2) |
//! | [`frame`] | frame headers, read and written (§5.2) |
//! | [`mask`] | unmasking in place (§5.3) |
//! | [`utf8`] | text validated as it arrives (§8.1) |
//! | [`message`] | frames become messages and control events (§5.4, §5.5) |
//! | [`deflate`] | compressed messages: what is agreed upon, both ways (RFC 7692) |
//! | [`close`] | close codes and Close payloads (§5.5.1, §7.4) |
//! | [`error`] | how a peer can break the protocol, and the close code for each way |

pub mod close;
pub mod deflate;
pub mod error;
pub mod frame;
pub mod handshake;
pub mod mask;
pub mod message;
pub mod utf8;

#[cfg(test)]
pub(crate) mod testing;
