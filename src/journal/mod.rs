//! Where the chat's entries are kept: journals that implement its
//! [`Journal`](crate::chat::Journal).

pub mod memory;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(test)]
mod testing;
