//! How many connections each address has.

use core::net::{IpAddr, Ipv6Addr};
use std::collections::HashMap;

use crate::http::forwarded::Network;

/// The addresses that have connections, in any phase.
#[derive(Debug)]
pub(super) struct Addresses {
    /// How many connections each has, by [`network`].
    counts: HashMap<IpAddr, u32>,
    /// How many each may have; 0 for any number.
    max: usize,
    proxies: Vec<Network>,
}

impl Addresses {
    pub(super) fn new(max: usize, proxies: Vec<Network>) -> Self {
        Addresses {
            counts: HashMap::new(),
            max,
            proxies,
        }
    }

    /// Counts another connection of an address; whether that is one too many.
    pub(super) fn add(&mut self, address: IpAddr) -> bool {
        *self.counts.entry(network(address)).or_default() += 1;
        self.max > 0 && self.connections_of(address) > self.max
    }

    pub(super) fn remove(&mut self, address: IpAddr) {
        let network = network(address);
        if let Some(count) = self.counts.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&network);
            }
        }
    }

    /// Whether an address has so many connections that another one is not even
    /// to be told so.
    pub(super) fn is_overrun(&self, address: IpAddr) -> bool {
        self.max > 0 && self.connections_of(address) >= self.max.saturating_mul(2)
    }

    /// Whether a proxy stands there that tells whom a connection comes from.
    pub(super) fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|network| network.contains(address))
    }

    /// How many addresses there are.
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Those of proxies and of the loopback, where one may stand, have none.
    fn connections_of(&self, address: IpAddr) -> usize {
        if self.is_proxy(address) || address.to_canonical().is_loopback() {
            return 0;
        }
        let count = self.counts.get(&network(address));
        count.copied().unwrap_or(0) as usize
    }
}

/// What one customer has of addresses: an IPv4 address, or the /64 of an IPv6
/// address, within which anybody may take any number.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}
