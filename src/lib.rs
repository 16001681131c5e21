//! Veche: a WebSocket chat server in one small binary, and under it this
//! library: a single-threaded WebSocket server on mio.
//!
//! ```no_run
//! use veche::{ConnectionId, Context, Message, Server};
//!
//! let server = Server::bind("127.0.0.1:7777")?;
//! server.run(|cx: &mut Context, id: ConnectionId, message: Message| {
//!     cx.send(id, message);
//! })?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A closure looks at messages only; a [`Handler`] hears of openings, closes and
//! slow readers as well, and may answer HTTP requests. It answers through its [`Context`]: [`send`] to one,
//! a loop over `send` to several, [`publish`] on a [`Topic`] to all of its
//! subscribers.
//!
//! [`send`]: Context::send
//! [`publish`]: Context::publish
//!
//! # Layers
//!
//! Imports point down only.
//!
//! | module | what it is for |
//! |---|---|
//! | `program` | options, log, start-up lines; puts the parts together |
//! | `journal` | where entries are kept: implementations of the chat's `Journal` |
//! | `chat` | rooms, people, the wire format; is a [`Handler`] |
//! | [`server`] | connections and their phases, the loop, deadlines, bounds |
//! | [`fanout`] | one encoded frame for all: tapes, outboxes, their order, pacing |
//! | [`websocket`] | RFC 6455 and 7692: handshake, frames, messages, compression, close codes |
//! | [`http`] | request heads, responses, origins, the files of a page |
//!
//! In `server` only `poll`, `door`, `listen`, `stream`, `certificate` and `signals`,
//! beside it the journals and `program` know sockets, threads, files or a clock.
//! Everything else is given bytes and the time, and so is tested without a network:
//! [`server::Core`] is the whole server over any [`server::Transport`] and
//! [`server::Clock`].
//!
//! # One frame's way
//!
//! 1. [`Server`] waits for events, tells the core which connections are ready,
//!    and calls [`server::Core::turn`].
//! 2. Every ready connection is read into one buffer shared by all. What is
//!    whole in it is unmasked where it lies; only what is unfinished is kept, so
//!    an idle connection owns no buffer.
//! 3. The handler acts. Everything it does is only queued: private frames in the
//!    connection's outbox, published ones on the topic's tapes: encoded once,
//!    and compressed at most once, where anybody takes that.
//! 4. At the end of the turn each connection gets all it has to get with one
//!    write. Ended connections are removed last, so that no name is used again
//!    within a turn.
//!
//! # Invariants
//!
//! - A write offers frames in the order in which they were sent and published,
//!   over any number of topics. A frame that was begun is always finished.
//! - [`Handler::close`] is called exactly once for each [`Handler::open`].
//! - While a connection has more to receive than its bound, it is not read: its
//!   own requests wait. A reader that is too slow for its topics, or takes
//!   nothing at all, is told to [`Handler::lagged`]; it costs the others nothing.
//! - Bytes behind a request head are looked at only when the 101 is queued, and
//!   never behind a refusal.
//! - Nobody is found silent or slow in a turn in which bytes of theirs wait to be
//!   read or they have become ready to take more: a process that was stopped and
//!   continued loses nobody who was alive.
//! - A handler whose answer is made elsewhere [holds](Context::hold) the
//!   connection meanwhile: what it asks for next waits, and costs nothing.
//! - In the chat, nobody sees what the journal does not have. A server that stops
//!   waits for the journal first.
//!
//! # Deliberately absent
//!
//! An async runtime, worker threads (but for the one that waits for the disk of
//! the chat's journal), a client, HTTP beyond what a page, an upgrade and small
//! requests to the handler need, HTTP/2, `unsafe` code.

#[cfg(feature = "chat")]
pub mod chat;
pub mod fanout;
pub mod http;
#[cfg(feature = "chat")]
pub mod journal;
#[cfg(feature = "chat")]
pub mod program;
pub mod server;
pub mod websocket;

#[cfg(feature = "tls")]
pub use server::Tls;
pub use server::{Config, ConnectionId, Context, Handler, Opening, Server, Topic};
pub use websocket::close::{Close, CloseCode};
pub use websocket::message::Message;
