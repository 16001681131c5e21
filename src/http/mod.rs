//! HTTP/1.1, as much as a WebSocket server needs, without I/O: request heads
//! come in, pages and refusals go out.
//!
//! | module | what it is for |
//! |---|---|
//! | [`request`] | the head of a request, parsed within limits (RFC 9112 §3, §5) |
//! | [`response`] | a response, written into a buffer (RFC 9112 §4) |
//! | [`refusal`] | why a request is refused: a status, a sentence, and the end of the connection |
//! | [`origin`] | which pages may connect (RFC 6454, RFC 6455 §10.2) |
//! | [`forwarded`] | who stands behind a proxy |
//! | [`date`] | the header Date (RFC 9110 §5.6.7) |
//! | [`encoding`] | content codings: who takes gzip, and gzip itself (RFC 9110 §12.5.3) |
//! | [`assets`] | the files of a page, and the answer to a request for one |
//!
//! Deliberately absent: request bodies, chunked coding, ranges.

pub mod assets;
pub mod date;
pub mod encoding;
pub mod forwarded;
pub mod origin;
pub mod refusal;
pub mod request;
pub mod response;
pub(crate) mod target;
