//! The topics of a server and who is subscribed to them.

use core::time::Duration;
use std::collections::HashMap;

use slab::Slab;

use super::outbox::Outbox;
use super::pacing::{Pacing, Worth};
use super::subscriber::{Subscriber, Subscription};
use super::tape::{Position, Stamp, Tape};

/// What connections subscribe to and a handler publishes on: a number of the
/// handler's choosing. A topic exists while somebody is subscribed to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(pub u64);

/// How a subscriber gets the frames of its topics: whoever takes compressed
/// ones has a tape of its own per topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// As they are.
    #[default]
    Plain,
    /// Compressed where that makes them smaller.
    Deflated,
}

/// All topics, and everything subscribers share.
#[derive(Debug)]
pub struct Fanout {
    by_name: HashMap<(Topic, Encoding), u32>,
    topics: Slab<Entry>,
    /// Topics published on since they were last taken as due.
    published: Vec<u32>,
    /// How often it was looked for topics that are due.
    looks: u64,
    /// The stamp of the newest published frame.
    stamp: Stamp,
    /// Outboxes that are empty, for the next connection that needs one.
    #[expect(
        clippy::vec_box,
        reason = "a connection holds the box, and takes it over"
    )]
    spare: Vec<Box<Outbox>>,
    spare_bytes: usize,
    tape_bytes: usize,
    outbox_bytes: usize,
}

#[derive(Debug)]
struct Entry {
    name: (Topic, Encoding),
    tape: Tape,
    members: Slab<Member>,
    published: bool,
    /// Bytes and frames published since it was flushed.
    fresh_bytes: usize,
    fresh_frames: u64,
    not_before: Duration,
    worth: Worth,
    /// Which look at topics that are due flushed it last.
    flushed_in: u64,
    /// What was there when it began to rest; `None` where it does not.
    rests_from: Option<Position>,
}

/// One subscriber of one topic.
#[derive(Debug)]
pub struct Member {
    /// What the subscriber was subscribed as.
    pub key: u32,
    /// What it has got.
    pub position: Position,
}

impl Fanout {
    /// No topics yet. A tape keeps at most `tape_bytes` (and its newest frame);
    /// an outbox takes frames while it holds no more than `outbox_bytes`
    /// (0 = no limit).
    #[must_use]
    pub fn new(tape_bytes: usize, outbox_bytes: usize) -> Self {
        let or_no_limit = |bytes| if bytes == 0 { usize::MAX } else { bytes };
        Fanout {
            by_name: HashMap::new(),
            topics: Slab::new(),
            published: Vec::new(),
            looks: 0,
            stamp: 1,
            spare: Vec::new(),
            spare_bytes: 0,
            tape_bytes: or_no_limit(tape_bytes),
            outbox_bytes: or_no_limit(outbox_bytes),
        }
    }

    /// Gives a subscriber what is published on `topic` from now on; `key` names
    /// it in [`Fanout::walk`]. Twice is once.
    pub fn subscribe(&mut self, topic: Topic, key: u32, subscriber: &mut Subscriber) {
        let name = (topic, subscriber.encoding);
        let index = match self.by_name.get(&name) {
            Some(&index) => index,
            None => self.create(name),
        };
        if subscriber.find(index).is_some() {
            return;
        }
        let entry = &mut self.topics[index as usize];
        let position = entry.tape.end();
        let member = narrow(entry.members.insert(Member { key, position }));
        let topic = index;
        subscriber
            .subscriptions
            .push(Subscription { topic, member });
    }

    /// Ends a subscription; what was published before still arrives. Returns
    /// how many frames do not, since the subscriber lags.
    pub fn unsubscribe(&mut self, topic: Topic, subscriber: &mut Subscriber) -> u64 {
        let name = (topic, subscriber.encoding);
        let index = self.by_name.get(&name).copied();
        let Some(place) = index.and_then(|index| subscriber.find(index)) else {
            return 0;
        };
        let missed = self.skip_if_lagging(subscriber);
        self.keep_unread(subscriber, place);
        self.remove_member(subscriber.subscriptions.swap_remove(place));
        missed
    }

    /// Ends all subscriptions and drops what is still to be sent.
    pub fn release(&mut self, subscriber: &mut Subscriber) {
        let subscriptions = core::mem::take(&mut subscriber.subscriptions);
        for &subscription in subscriptions.as_slice() {
            self.remove_member(subscription);
        }
        subscriber.outbox = None;
    }

    /// Whether anybody gets what is published on `topic` in this encoding.
    #[must_use]
    pub fn is_read(&self, topic: Topic, encoding: Encoding) -> bool {
        self.by_name.contains_key(&(topic, encoding))
    }

    /// Publishes a frame, given as its header and its payload, to those who
    /// take this encoding; returns how many do. Without a subscriber it is for
    /// nobody.
    pub fn publish(
        &mut self,
        topic: Topic,
        encoding: Encoding,
        header: &[u8],
        payload: &[u8],
    ) -> usize {
        let Some(&index) = self.by_name.get(&(topic, encoding)) else {
            return 0;
        };
        self.stamp += 1;
        let entry = &mut self.topics[index as usize];
        entry.tape.append(self.stamp, header, payload);
        entry.fresh_frames += 1;
        entry.fresh_bytes += header.len() + payload.len();
        if !entry.published {
            entry.published = true;
            self.published.push(index);
        }
        entry.members.len()
    }

    /// Queues a private frame, given as its header and its payload. `false`,
    /// and the frame is dropped, where the outbox is over its bound already.
    #[must_use]
    pub fn send(&mut self, to: &mut Subscriber, header: &[u8], payload: &[u8]) -> bool {
        let fits = !self.is_over_bound(to);
        if fits {
            self.send_always(to, header, payload);
        }
        fits
    }

    /// Queues a private frame that may not be dropped, whatever the bound:
    /// there must be few of them.
    pub fn send_always(&mut self, to: &mut Subscriber, header: &[u8], payload: &[u8]) {
        let stamp = self.stamp;
        self.outbox(to).push(stamp, header, payload);
    }

    /// Queues a private frame behind which nothing is sent, whatever the bound.
    pub fn send_last(&mut self, to: &mut Subscriber, header: &[u8], payload: &[u8]) {
        let stamp = self.stamp;
        self.outbox(to).push_last(stamp, header, payload);
        to.end();
    }

    fn outbox<'s>(&mut self, of: &'s mut Subscriber) -> &'s mut Outbox {
        of.outbox.get_or_insert_with(|| {
            let spare = self.spare.pop().unwrap_or_default();
            self.spare_bytes -= spare.capacity();
            spare
        })
    }

    /// Whether a subscriber's outbox is over its bound, so that nothing more
    /// should be asked for on its behalf.
    #[must_use]
    pub fn is_over_bound(&self, subscriber: &Subscriber) -> bool {
        subscriber.private_bytes() > self.outbox_bytes
    }

    /// Moves the topics that were published on and may be flushed at `now` into
    /// `due`; returns when the first of the others may. None rests while that
    /// fills its tape: those who read as fast as they are written to lose nothing.
    pub fn take_due(&mut self, now: Duration, due: &mut Vec<TopicIndex>) -> Option<Duration> {
        let (topics, tape_bytes) = (&mut self.topics, self.tape_bytes);
        let mut next: Option<Duration> = None;
        self.looks += 1;
        let looks = self.looks;
        self.published.retain(|&index| {
            let entry = &mut topics[index as usize];
            if entry.flushed_in + 1 == looks && entry.rests_from.is_some() {
                // What came while it was being flushed was not worth the rest.
                entry.rests_from = Some(entry.tape.end());
            }
            let rests = entry.not_before > now && entry.fresh_bytes < tape_bytes / 2;
            if rests {
                next = Some(next.map_or(entry.not_before, |at| at.min(entry.not_before)));
            } else {
                if let Some(position) = entry.rests_from.take() {
                    let gained = entry.tape.unread(position);
                    entry.worth.record(gained, entry.fresh_frames);
                }
                entry.published = false;
                entry.flushed_in = looks;
                (entry.fresh_bytes, entry.fresh_frames) = (0, 0);
                due.push(TopicIndex(index));
            }
            rests
        });
        next
    }

    /// Shows every member of a topic to `visit`, which may write what lies
    /// between its position and the tape's end and then moves the position.
    pub fn walk(&mut self, topic: TopicIndex, mut visit: impl FnMut(&Tape, &mut Member)) {
        if let Some(entry) = self.topics.get_mut(topic.0 as usize) {
            for (_, member) in &mut entry.members {
                visit(&entry.tape, member);
            }
        }
    }

    /// A topic was flushed at `now` and rests, if that has been worth it.
    pub fn rest(&mut self, topic: TopicIndex, now: Duration, pacing: &Pacing) {
        if let Some(entry) = self.topics.get_mut(topic.0 as usize) {
            let rest = pacing.rest(entry.members.len());
            if !rest.is_zero() && entry.worth.is_given() {
                entry.not_before = now + rest;
                entry.rests_from = Some(entry.tape.end());
            }
        }
    }

    /// Forgets the frames of a topic if every member has them.
    pub fn settle(&mut self, topic: TopicIndex) {
        if let Some(entry) = self.topics.get_mut(topic.0 as usize) {
            let end = entry.tape.end();
            if entry.members.iter().all(|(_, m)| m.position == end) {
                entry.tape.clear();
            }
        }
    }

    /// How many topics there are, and how much the longest tape holds.
    #[must_use]
    pub fn usage(&self) -> FanoutUsage {
        let tapes = self.topics.iter().map(|(_, entry)| entry.tape.len());
        FanoutUsage {
            topics: self.topics.len(),
            longest_tape_bytes: tapes.max().unwrap_or(0),
        }
    }

    pub(super) fn tape(&self, subscription: Subscription) -> (&Tape, Position) {
        let entry = &self.topics[subscription.topic as usize];
        let member = &entry.members[subscription.member as usize];
        (&entry.tape, member.position)
    }

    pub(super) fn set_position(&mut self, subscription: Subscription, position: Position) {
        let entry = &mut self.topics[subscription.topic as usize];
        entry.members[subscription.member as usize].position = position;
    }

    pub(super) fn recycle(&mut self, outbox: Box<Outbox>) {
        let bytes = self.spare_bytes + outbox.capacity();
        if self.spare.len() < MAX_SPARE && bytes <= MAX_SPARE_BYTES {
            self.spare_bytes = bytes;
            self.spare.push(outbox);
        }
    }

    fn create(&mut self, name: (Topic, Encoding)) -> u32 {
        let index = narrow(self.topics.insert(Entry {
            name,
            tape: Tape::new(self.tape_bytes),
            members: Slab::new(),
            published: false,
            fresh_bytes: 0,
            fresh_frames: 0,
            not_before: Duration::ZERO,
            worth: Worth::default(),
            flushed_in: 0,
            rests_from: None,
        }));
        self.by_name.insert(name, index);
        index
    }

    fn remove_member(&mut self, subscription: Subscription) {
        let index = subscription.topic;
        let entry = &mut self.topics[index as usize];
        entry.members.remove(subscription.member as usize);
        if entry.members.is_empty() {
            if entry.published {
                self.published.retain(|&other| other != index);
            }
            self.by_name.remove(&entry.name);
            self.topics.remove(index as usize);
        }
    }
}

/// How much a [`Fanout`] holds for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FanoutUsage {
    /// Topics that somebody is subscribed to.
    pub topics: usize,
    /// Bytes on the tape that holds most.
    pub longest_tape_bytes: usize,
}

/// Where a [`Fanout`] keeps a topic that it named as due.
#[derive(Clone, Copy, Debug)]
pub struct TopicIndex(u32);

/// A slab index: there are fewer connections than descriptors, and fewer
/// topics than subscriptions in 64 GiB.
fn narrow(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 members and topics")
}

/// Enough for every connection that has something to say within one turn.
const MAX_SPARE: usize = 256;

/// And for some that have much to say.
const MAX_SPARE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Topic = Topic(0);

    /// How many of a hundred flushes of a crowd have a rest before them, when so
    /// many frames come while it is flushed and so many while it rests.
    fn rests(during_flush: usize, during_rest: usize) -> usize {
        let mut fanout = Fanout::new(1 << 20, 0);
        for key in 0..1_000 {
            fanout.subscribe(ALL, key, &mut Subscriber::default());
        }
        let mut pacing = Pacing::default();
        pacing.record(1_000, Duration::from_millis(4));
        let (mut now, mut due, mut rests) = (Duration::from_secs(1), Vec::new(), 0);
        let publish = |fanout: &mut Fanout, frames| {
            for _ in 0..frames {
                fanout.publish(ALL, Encoding::Plain, &[1], b"x");
            }
        };
        for _ in 0..100 {
            publish(&mut fanout, during_flush);
            if let Some(until) = fanout.take_due(now, &mut due) {
                publish(&mut fanout, during_rest);
                rests += 1;
                now = until;
                fanout.take_due(now, &mut due);
            }
            for topic in due.drain(..) {
                fanout.rest(topic, now, &pacing);
            }
        }
        rests
    }

    #[test]
    fn crowd_rests_while_that_gathers_frames() {
        assert_eq!(rests(9, 3), 99);
    }

    #[test]
    fn rests_that_gather_nothing_are_left_out() {
        let rests = rests(10, 0);
        assert!(rests < 25, "{rests}");
    }
}
