//! What one connection still has to receive.

use super::outbox::Outbox;
use super::topics::Encoding;

/// One connection's private frames and subscriptions. Owns no memory while
/// there are none.
#[derive(Debug, Default)]
pub struct Subscriber {
    pub(super) outbox: Option<Box<Outbox>>,
    pub(super) subscriptions: Subscriptions,
    pub(super) encoding: Encoding,
    /// Nothing is sent behind the last private frame.
    pub(super) ending: bool,
}

/// Where a subscriber's membership is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscription {
    pub(super) topic: u32,
    pub(super) member: u32,
}

/// Those of one subscriber. Most have one at the most, which owns no memory.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "one pointer in every connection")]
pub(super) enum Subscriptions {
    #[default]
    None,
    One(Subscription),
    Several(Box<Vec<Subscription>>),
}

impl Subscriptions {
    pub(super) fn as_slice(&self) -> &[Subscription] {
        match self {
            Subscriptions::None => &[],
            Subscriptions::One(one) => core::slice::from_ref(one),
            Subscriptions::Several(several) => several,
        }
    }

    pub(super) fn push(&mut self, subscription: Subscription) {
        match self {
            Subscriptions::None => *self = Subscriptions::One(subscription),
            Subscriptions::One(one) => {
                *self = Subscriptions::Several(Box::new(vec![*one, subscription]));
            }
            Subscriptions::Several(several) => several.push(subscription),
        }
    }

    /// Takes the one at `place` out; the last one comes in its place.
    pub(super) fn swap_remove(&mut self, place: usize) -> Subscription {
        match self {
            Subscriptions::Several(several) if several.len() > 1 => several.swap_remove(place),
            _ => {
                let only = self.as_slice()[place];
                *self = Subscriptions::None;
                only
            }
        }
    }
}

impl Subscriber {
    /// Chooses in which encoding it gets what is published. Subscriptions that
    /// it has already would be lost: to be called before the first.
    pub fn set_encoding(&mut self, encoding: Encoding) {
        debug_assert!(self.subscriptions().is_empty());
        self.encoding = encoding;
    }

    /// How many bytes of private frames wait.
    #[must_use]
    pub fn private_bytes(&self) -> usize {
        self.outbox.as_ref().map_or(0, |outbox| outbox.len())
    }

    /// Whether all it can have to get is on one tape, so that whoever walks
    /// that topic may write to it.
    #[must_use]
    pub fn follows_one_tape(&self) -> bool {
        self.outbox.is_none() && self.subscriptions().len() == 1 && !self.ending
    }

    /// Lets the last private frame be the last thing that is sent.
    pub fn end(&mut self) {
        self.ending = true;
    }

    /// Whether [`end`](Subscriber::end) was called.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending
    }

    /// Puts the rest of a torn frame before everything else.
    pub fn push_torn(&mut self, rest: (&[u8], &[u8])) {
        if rest.0.len() + rest.1.len() > 0 {
            self.outbox.get_or_insert_default().push_torn(rest);
        }
    }

    pub(super) fn subscriptions(&self) -> &[Subscription] {
        self.subscriptions.as_slice()
    }

    pub(super) fn find(&self, topic: u32) -> Option<usize> {
        self.subscriptions().iter().position(|s| s.topic == topic)
    }
}
