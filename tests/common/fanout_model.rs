//! What the fan-out has to do, as a model: every subscriber has a list of the
//! frames it should get, and what is written to it is taken off that list.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::time::Duration;

use veche::fanout::{Encoding, Fanout, Flushed, Subscriber, Topic};

pub const TAPE_BYTES: usize = 600;
pub const OUTBOX_BYTES: usize = 400;
pub const SUBSCRIBERS: usize = 4;
pub const TOPICS: u64 = 3;

#[derive(Clone, Debug)]
pub enum Step {
    Subscribe(usize, u64),
    Unsubscribe(usize, u64),
    Publish(u64, usize),
    Send(usize, usize),
    /// Flush one subscriber whose socket takes that many bytes.
    Flush(usize, usize),
    /// Flush the topics that are due; each socket takes that many bytes.
    FlushTopics(usize),
    End(usize),
    Release(usize),
}

/// A frame the model expects a subscriber to get.
#[derive(Debug)]
struct Expected {
    topic: Option<u64>,
    bytes: Vec<u8>,
}

#[derive(Debug, Default)]
struct Peer {
    subscriber: Subscriber,
    encoding: Encoding,
    topics: Vec<u64>,
    expected: VecDeque<Expected>,
    /// How much of the first expected frame has arrived.
    arrived: usize,
    /// Its last private frame is queued.
    is_ending: bool,
}

/// What stands for a frame in an encoding.
fn encoded(bytes: &[u8], encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Plain => bytes.to_vec(),
        // Shorter, as compressed frames are.
        Encoding::Deflated => bytes[..bytes.len() - 1].iter().map(|byte| !byte).collect(),
    }
}

const ENCODINGS: [Encoding; 2] = [Encoding::Plain, Encoding::Deflated];

impl Peer {
    /// Half of them take compressed frames.
    fn new(place: usize) -> Peer {
        let mut peer = Peer {
            encoding: ENCODINGS[place % 2],
            ..Peer::default()
        };
        peer.subscriber.set_encoding(peer.encoding);
        peer
    }

    /// Takes the written bytes off what was expected, in order.
    fn receive(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let frame = self.expected.front().expect("more arrived than was sent");
            assert_eq!(byte, frame.bytes[self.arrived], "out of order or torn");
            self.arrived += 1;
            if self.arrived == frame.bytes.len() {
                self.arrived = 0;
                self.expected.pop_front();
            }
        }
    }

    /// What of a topic was not begun to be written.
    fn unread(&self, topic: u64) -> impl Iterator<Item = &Expected> {
        let begun = usize::from(self.arrived > 0);
        let rest = self.expected.iter().skip(begun);
        rest.filter(move |frame| frame.topic == Some(topic))
    }

    fn skip(&mut self, missed: u64) {
        let lags = |t: &u64| self.unread(*t).map(|f| f.bytes.len()).sum::<usize>() > TAPE_BYTES;
        let newest_only = |t: &u64| self.unread(*t).count() == 1;
        let must = self.topics.iter().any(|t| lags(t) && !newest_only(t));
        let skipped: u64 = self
            .topics
            .iter()
            .map(|t| self.unread(*t).count() as u64)
            .sum();
        assert_eq!(missed > 0, must, "lagging is falling off a tape");
        if missed > 0 {
            assert_eq!(missed, skipped);
            self.cut();
        }
    }

    /// What is left is the beginning of what was expected, so that nothing is
    /// missing before it, and the last frame of one that ends.
    fn cut(&mut self) {
        let mut kept = self.subscriber.private_bytes();
        let last = self.expected.iter().rposition(|f| f.topic.is_none());
        let last = last.filter(|&place| self.is_ending && (place > 0 || self.arrived == 0));
        let last = last.and_then(|place| self.expected.remove(place));
        kept -= last.as_ref().map_or(0, |frame| frame.bytes.len());
        let mut count = 0;
        while kept > 0 {
            let arrived = if count == 0 { self.arrived } else { 0 };
            let left = self.expected[count].bytes.len() - arrived;
            kept = kept.checked_sub(left).expect("frames are kept whole");
            count += 1;
        }
        self.expected.truncate(count);
        self.expected.extend(last);
    }

    /// Everything has arrived, or everything up to the last private frame.
    fn assert_complete(&self) {
        let complete = if self.is_ending {
            self.arrived == 0 && self.expected.iter().all(|f| f.topic.is_some())
        } else {
            self.expected.is_empty()
        };
        assert!(complete, "never arrived: {:?}", self.expected);
    }

    /// Exactly what is this subscriber's alone waits in its outbox.
    fn assert_private_bytes(&self) {
        let unread = self.expected.iter().enumerate().map(|(place, frame)| {
            let arrived = if place == 0 { self.arrived } else { 0 };
            let is_private = frame.topic.is_none() || arrived > 0;
            if is_private {
                frame.bytes.len() - arrived
            } else {
                0
            }
        });
        assert_eq!(self.subscriber.private_bytes(), unread.sum::<usize>());
    }

    fn flush(&mut self, fanout: &mut Fanout, takes: usize) {
        let missed = fanout.skip_if_lagging(&mut self.subscriber);
        self.skip(missed);
        let mut got = Vec::new();
        let write = |slices: &[IoSlice<'_>]| short_write(slices, takes, &mut got);
        let flushed = fanout.flush(&mut self.subscriber, 1 << 20, write).unwrap();
        self.receive(&got);
        match flushed {
            Flushed::All => self.assert_complete(),
            Flushed::Blocked => assert_eq!(got.len(), takes),
            Flushed::Budget => panic!("the budget is larger than everything"),
        }
    }
}

/// A socket that takes `takes` bytes in all and then no more.
pub fn short_write(slices: &[IoSlice<'_>], takes: usize, got: &mut Vec<u8>) -> io::Result<usize> {
    assert!(slices.iter().all(|slice| !slice.is_empty()));
    let before = got.len();
    let all = slices.iter().flat_map(|slice| slice.iter());
    got.extend(all.take(takes - before));
    match got.len() - before {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        written => Ok(written),
    }
}

/// Takes the steps and panics where something is lost, doubled, torn or out of
/// order.
pub fn run(steps: Vec<Step>) {
    let mut fanout = Fanout::new(TAPE_BYTES, OUTBOX_BYTES);
    let mut peers: Vec<Peer> = (0..SUBSCRIBERS).map(Peer::new).collect();
    let mut stamp = 0_u8;
    let mut frame = |bytes: usize| -> Vec<u8> {
        stamp = stamp.wrapping_add(1);
        (0..bytes)
            .map(|i| stamp ^ u8::try_from(i % 251).unwrap())
            .collect()
    };
    for step in steps {
        match step {
            Step::Subscribe(s, topic) if !peers[s].is_ending => {
                let key = u32::try_from(s).unwrap();
                fanout.subscribe(Topic(topic), key, &mut peers[s].subscriber);
                if !peers[s].topics.contains(&topic) {
                    peers[s].topics.push(topic);
                }
            }
            Step::Unsubscribe(s, topic) if !peers[s].is_ending => {
                let peer = &mut peers[s];
                let missed = fanout.unsubscribe(Topic(topic), &mut peer.subscriber);
                if peer.topics.contains(&topic) {
                    peer.skip(missed);
                }
                peer.topics.retain(|&t| t != topic);
                for frame in peer.expected.iter_mut().filter(|f| f.topic == Some(topic)) {
                    frame.topic = None;
                }
            }
            Step::Publish(topic, bytes) => {
                let bytes = frame(bytes);
                for encoding in ENCODINGS {
                    let bytes = encoded(&bytes, encoding);
                    let of_topic = |p: &&mut Peer| p.topics.contains(&topic);
                    let readers = peers.iter_mut().filter(of_topic);
                    let mut is_read = false;
                    for peer in readers.filter(|peer| peer.encoding == encoding) {
                        is_read = true;
                        let (topic, bytes) = (Some(topic), bytes.clone());
                        peer.expected.push_back(Expected { topic, bytes });
                    }
                    assert_eq!(fanout.is_read(Topic(topic), encoding), is_read);
                    fanout.publish(Topic(topic), encoding, &bytes[..4], &bytes[4..]);
                }
            }
            Step::Send(s, bytes) if !peers[s].is_ending => {
                let (peer, bytes) = (&mut peers[s], frame(bytes));
                let over = peer.subscriber.private_bytes() > OUTBOX_BYTES;
                let sent = fanout.send(&mut peer.subscriber, &bytes[..2], &bytes[2..]);
                assert_eq!(sent, !over, "one frame fits until the bound is passed");
                if sent {
                    peer.expected.push_back(Expected { topic: None, bytes });
                }
            }
            Step::Flush(s, takes) => peers[s].flush(&mut fanout, takes),
            Step::FlushTopics(takes) => flush_topics(&mut fanout, &mut peers, takes),
            Step::End(s) if !peers[s].is_ending => {
                let (peer, bytes) = (&mut peers[s], frame(6));
                fanout.send_last(&mut peer.subscriber, &bytes, &[]);
                peer.expected.push_back(Expected { topic: None, bytes });
                peer.is_ending = true;
            }
            Step::Release(s) => {
                fanout.release(&mut peers[s].subscriber);
                peers[s] = Peer::new(s);
            }
            Step::Subscribe(..) | Step::Unsubscribe(..) | Step::Send(..) | Step::End(_) => {}
        }
        peers.iter().for_each(Peer::assert_private_bytes);
    }
    for peer in &mut peers {
        peer.flush(&mut fanout, usize::MAX);
    }
}

/// What the server does at the end of a turn: who follows one tape only is
/// written to from it, everybody else is flushed.
fn flush_topics(fanout: &mut Fanout, peers: &mut [Peer], takes: usize) {
    let mut due = Vec::new();
    assert_eq!(fanout.take_due(Duration::ZERO, &mut due), None);
    for topic in due {
        let mut others = Vec::new();
        fanout.walk(topic, |tape, member| {
            let peer = &mut peers[member.key as usize];
            if !peer.subscriber.follows_one_tape() || tape.lag(member.position) > 0 {
                others.push(member.key as usize);
                return;
            }
            let (front, back) = tape.slices(member.position, tape.end());
            let mut got = Vec::new();
            let slices = [IoSlice::new(front), IoSlice::new(back)];
            let used: Vec<_> = slices.into_iter().filter(|s| !s.is_empty()).collect();
            if short_write(&used, takes, &mut got).is_ok() {
                let (position, rest) = tape.advance(member.position, got.len());
                peer.subscriber.push_torn(rest);
                member.position = position;
                peer.receive(&got);
            }
        });
        for key in others {
            peers[key].flush(fanout, takes);
        }
        fanout.settle(topic);
    }
}
