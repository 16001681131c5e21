//! From one to many: frames are encoded once and read by every subscriber from
//! the same memory.
//!
//! A [`Fanout`] owns the topics. A topic is a [`Tape`] of encoded frames and
//! its members' positions on it; a [`Subscriber`] holds what belongs to one
//! connection alone: its [`Outbox`] of private frames and the list of its
//! subscriptions. Nothing here knows what a frame is, or a socket: bytes go in,
//! and come out in order through a `write` closure that may take any part of
//! what it is offered. A topic has one tape for each [`Encoding`] that somebody
//! reads: a frame is made in it once.
//!
//! **Order.** One stamp numbers all published frames. A private frame carries
//! the stamp of the newest frame published before it and goes out right after
//! that one. So a reply does not overtake an earlier broadcast, nor a broadcast
//! the reply that announces it, over any number of topics.
//!
//! **Bounds.** A tape keeps a bounded number of bytes. A subscriber whose
//! position fell off its tail has *lagged*: what it missed is counted and
//! skipped. The outbox's bound is checked before a frame is added, so one frame
//! of any size always fits.

mod flush;
mod outbox;
mod pacing;
mod subscriber;
mod tape;
mod topics;

pub use flush::Flushed;
pub use outbox::Outbox;
pub use pacing::Pacing;
pub use subscriber::Subscriber;
pub use tape::{Position, Stamp, Tape};
pub use topics::{Encoding, Fanout, FanoutUsage, Member, Topic, TopicIndex};
