//! What each command costs, and who pays for it.

use core::net::IpAddr;
use core::time::Duration;

use super::journal::Journal;
use super::limits::Budget;
use super::session::SessionKey;
use super::wire::{Error, ErrorCode};
use super::{Chat, Client, millis};
use crate::server::{ConnectionId, Context, network};

/// What is left to an address.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    commands: Budget,
    /// In bytes.
    files: Budget,
}

/// What was paid for a file, in bytes, by a session and from an address.
#[derive(Debug)]
pub(super) struct Paid {
    bytes: u32,
    key: SessionKey,
    address: Option<IpAddr>,
}

impl<J: Journal> Chat<J> {
    /// Every command has the same price: one of the session's budget and one of
    /// the address's, unless a proxy stands there.
    pub(super) fn take_budget(
        &mut self,
        cx: &Context<'_>,
        id: ConnectionId,
        key: Option<SessionKey>,
    ) -> Result<(), Error> {
        let now = cx.now();
        let (rate, address_rate) = (self.rate, self.address_rate);
        let mut taken = match self.own_budget(id, key) {
            Some(budget) => rate.take(budget, now),
            None => Ok(()),
        };
        if taken.is_ok()
            && let Some(budgets) = self.address_budgets(cx.address(id), now)
        {
            taken = address_rate.take(&mut budgets.commands, now);
            if taken.is_err()
                && let Some(budget) = self.own_budget(id, key)
            {
                rate.give_back(budget);
            }
        }
        taken.map_err(|wait| Error::from(ErrorCode::RateLimited).retry_ms(millis(wait).max(1)))
    }

    fn own_budget(&mut self, id: ConnectionId, key: Option<SessionKey>) -> Option<&mut Budget> {
        match key {
            Some(key) => self
                .sessions
                .get_mut(key)
                .map(|session| &mut session.budget),
            None => match self.clients.get_mut(id.index()) {
                Some(Client::Stranger(budget)) => Some(budget),
                _ => None,
            },
        }
    }

    pub(super) fn give_back_budget(&mut self, cx: &Context<'_>, id: ConnectionId, key: SessionKey) {
        let (rate, address_rate) = (self.rate, self.address_rate);
        if let Some(budget) = self.own_budget(id, Some(key)) {
            rate.give_back(budget);
        }
        if let Some(budgets) = self.address_budgets(cx.address(id), cx.now()) {
            address_rate.give_back(&mut budgets.commands);
        }
    }

    /// The price of a file: its bytes, of the session's quota and of the address's,
    /// unless a proxy stands there.
    ///
    /// # Errors
    /// How long until there is so much.
    pub(super) fn pay(
        &mut self,
        cx: &Context<'_>,
        id: ConnectionId,
        key: SessionKey,
        bytes: usize,
    ) -> Result<Paid, Duration> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let (quota, address_quota, now) = (self.quota, self.address_quota, cx.now());
        let address = cx.address(id);
        if let Some(session) = self.sessions.get_mut(key) {
            quota.take_many(&mut session.files, bytes, now)?;
        }
        let taken = match self.address_budgets(address, now) {
            Some(budgets) => address_quota.take_many(&mut budgets.files, bytes, now),
            None => Ok(()),
        };
        if taken.is_err()
            && let Some(session) = self.sessions.get_mut(key)
        {
            quota.give_back_many(&mut session.files, bytes);
        }
        taken.map(|()| Paid {
            bytes,
            key,
            address,
        })
    }

    /// Gives back what was paid for nothing new.
    pub(super) fn pay_back(&mut self, paid: Option<Paid>, now: Duration) {
        let Some(Paid {
            bytes,
            key,
            address,
        }) = paid
        else {
            return;
        };
        let (quota, address_quota) = (self.quota, self.address_quota);
        if let Some(session) = self.sessions.get_mut(key) {
            quota.give_back_many(&mut session.files, bytes);
        }
        if let Some(budgets) = self.address_budgets(address, now) {
            address_quota.give_back_many(&mut budgets.files, bytes);
        }
    }

    /// What is left to an address, unless a proxy stands there.
    fn address_budgets(&mut self, address: Option<IpAddr>, now: Duration) -> Option<&mut Budgets> {
        let address = address?;
        if address.to_canonical().is_loopback() {
            return None;
        }
        if self.addresses.len() >= self.max_addresses {
            // A budget that is whole is as good as none.
            self.addresses
                .retain(|_, left| !(left.commands.is_whole(now) && left.files.is_whole(now)));
            self.max_addresses = MIN_MAX_ADDRESSES.max(2 * self.addresses.len());
        }
        Some(self.addresses.entry(network(address)).or_default())
    }
}

/// Budgets of addresses are looked through when there are so many, and then
/// when there are twice as many as were left.
const MIN_MAX_ADDRESSES: usize = 1024;
