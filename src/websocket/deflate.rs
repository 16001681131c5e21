//! Compressed messages: permessage-deflate (RFC 7692), without the feature
//! `deflate` always declined.
//!
//! Neither side keeps a window from one message to the next: both
//! `no_context_takeover` parameters are part of every agreement. So no
//! connection owns a compressor, a message to many is compressed once, and a
//! compressed message is as good as any other frame in a log of frames.

mod offer;

#[cfg(feature = "deflate")]
mod codec;
#[cfg(not(feature = "deflate"))]
#[path = "deflate/absent.rs"]
mod codec;

pub use codec::{Deflater, Inflater};
pub use offer::{Agreement, MAX_WINDOW_BITS, negotiate};

#[cfg(all(test, feature = "deflate"))]
mod tests;
