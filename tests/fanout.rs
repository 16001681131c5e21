//! The fan-out against a model under random short writes: whatever is
//! published, sent, subscribed and torn in between, every subscriber gets
//! exactly the frames it should, whole and in the order they were handed in.
#![allow(clippy::unwrap_used)]

#[path = "common/fanout_model.rs"]
mod model;

use std::io::{self, IoSlice};

use model::{OUTBOX_BYTES, SUBSCRIBERS, Step, TAPE_BYTES, TOPICS, run, short_write};
use proptest::prelude::*;
use veche::fanout::{Encoding, Fanout, Flushed, Subscriber, Topic};

fn step() -> impl Strategy<Value = Step> {
    let subscriber = 0..SUBSCRIBERS;
    let topic = 0..TOPICS;
    let frame = prop_oneof![4 => 6_usize..60, 1 => 200_usize..900];
    let takes = prop_oneof![1 => Just(0), 4 => 1_usize..200, 2 => Just(usize::MAX)];
    prop_oneof![
        3 => (subscriber.clone(), topic.clone()).prop_map(|(s, t)| Step::Subscribe(s, t)),
        1 => (subscriber.clone(), topic.clone()).prop_map(|(s, t)| Step::Unsubscribe(s, t)),
        8 => (topic, frame.clone()).prop_map(|(t, n)| Step::Publish(t, n)),
        4 => (subscriber.clone(), frame).prop_map(|(s, n)| Step::Send(s, n)),
        6 => (subscriber.clone(), takes.clone()).prop_map(|(s, n)| Step::Flush(s, n)),
        4 => takes.prop_map(Step::FlushTopics),
        1 => subscriber.clone().prop_map(Step::End),
        1 => subscriber.prop_map(Step::Release),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_subscriber_gets_its_frames_whole_and_in_order(steps in prop::collection::vec(step(), 1..120)) {
        run(steps);
    }
}

#[test]
fn reply_does_not_overtake_an_earlier_broadcast_nor_a_broadcast_the_reply() {
    let mut fanout = Fanout::new(TAPE_BYTES, OUTBOX_BYTES);
    let mut one = Subscriber::default();
    fanout.subscribe(Topic(7), 0, &mut one);
    fanout.publish(Topic(7), Encoding::Plain, b"[before]", b"");
    assert!(fanout.send(&mut one, b"[reply]", b""));
    fanout.publish(Topic(7), Encoding::Plain, b"[after]", b"");
    let mut got = Vec::new();
    let write = |slices: &[IoSlice<'_>]| short_write(slices, usize::MAX, &mut got);
    assert_eq!(
        fanout.flush(&mut one, 1 << 20, write).unwrap(),
        Flushed::All
    );
    assert_eq!(got, b"[before][reply][after]");
}

#[test]
fn subscriber_that_lags_is_told_so_when_it_leaves_and_gets_nothing_of_it() {
    let mut fanout = Fanout::new(TAPE_BYTES, OUTBOX_BYTES);
    let mut one = Subscriber::default();
    fanout.subscribe(Topic(7), 0, &mut one);
    for _ in 0..3 {
        fanout.publish(Topic(7), Encoding::Plain, &[b'x'; 400], b"");
    }
    assert!(fanout.send(&mut one, b"[reply]", b""));
    assert_eq!(fanout.unsubscribe(Topic(7), &mut one), 3);
    assert_eq!(one.private_bytes(), 0);
}

#[test]
fn stopping_on_the_budget_is_told_apart_from_a_blocked_peer() {
    let mut fanout = Fanout::new(TAPE_BYTES, OUTBOX_BYTES);
    let mut one = Subscriber::default();
    for _ in 0..20 {
        let _ = fanout.send(&mut one, b"0123456789", b"");
    }
    let mut one_byte = |_: &[IoSlice<'_>]| Ok(1);
    assert_eq!(
        fanout.flush(&mut one, 50, &mut one_byte).unwrap(),
        Flushed::Blocked
    );
    let mut all = |slices: &[IoSlice<'_>]| Ok(slices.iter().map(|s| s.len()).sum());
    fanout.subscribe(Topic(1), 0, &mut one);
    fanout.publish(Topic(1), Encoding::Plain, b"x", b"");
    assert_eq!(
        fanout.flush(&mut one, 0, &mut all).unwrap(),
        Flushed::Budget
    );
    assert_eq!(fanout.flush(&mut one, 1, &mut all).unwrap(), Flushed::All);
}

#[test]
fn closed_peer_is_an_error_and_not_a_loop() {
    let mut fanout = Fanout::new(TAPE_BYTES, OUTBOX_BYTES);
    let mut one = Subscriber::default();
    assert!(fanout.send(&mut one, b"x", b""));
    let error = fanout.flush(&mut one, 50, |_| Ok(0)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WriteZero);
}
