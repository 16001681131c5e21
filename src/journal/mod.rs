//! Where entries are kept: implementations of [`chat::Journal`](crate::chat::Journal).

pub mod memory;
