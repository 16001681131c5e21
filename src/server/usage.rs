//! How much a server holds, to see that it keeps its bounds.

use super::core::Core;
use crate::fanout::FanoutUsage;

/// How much a server holds at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Connections in any phase.
    pub connections: usize,
    /// Addresses that connections are counted of.
    pub addresses: usize,
    /// Deadlines that are looked at some time.
    pub deadlines: usize,
    /// Topics that somebody is subscribed to.
    pub topics: usize,
    /// Bytes on the tape that holds most.
    pub longest_tape_bytes: usize,
    /// Bytes of private frames that wait for the connection for which most do.
    pub longest_outbox_bytes: usize,
    /// Bytes kept for the next message that is compressed, and the next that is
    /// decompressed.
    pub codec_bytes: usize,
}

impl<T, C, H> Core<T, C, H> {
    /// How much it holds now. Looks at every connection.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let connections = self.hub.connections.iter();
        let private = connections.map(|(_, c)| c.subscriber.private_bytes());
        let FanoutUsage {
            topics,
            longest_tape_bytes,
        } = self.hub.fanout.usage();
        Usage {
            connections: self.hub.connections.len(),
            addresses: self.hub.addresses.len(),
            deadlines: self.hub.timers.len(),
            topics,
            longest_tape_bytes,
            longest_outbox_bytes: private.max().unwrap_or(0),
            codec_bytes: self.inflater.kept_bytes() + self.hub.deflater.kept_bytes(),
        }
    }
}
