//! Veche: a WebSocket chat server in one small binary, and the
//! single-threaded WebSocket server library under it.
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

pub use server::{Config, ConnectionId, Context, Handler, Opening, Server, Topic};
pub use websocket::close::{Close, CloseCode};
pub use websocket::message::Message;
