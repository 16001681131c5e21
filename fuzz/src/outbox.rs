//! Any order of operations on the fan-out, against its model.
//!
//! A line is a subscriber, an operation and a number: `s` subscribe, `u`
//! unsubscribe (topic); `p` publish (topic, bytes), `m` send (bytes); `f`
//! flush, `F` flush what is due (bytes taken, `*` for all); `e` end, `r`
//! release.

use super::fanout_model::{self, SUBSCRIBERS, Step, TOPICS};
use super::lines::{self, steps};

pub fn run(data: &[u8]) {
    let steps = steps(data, SUBSCRIBERS, b"supmfFer");
    fanout_model::run(steps.map(|line| step(&line)).collect());
}

fn step(line: &lines::Step<'_>) -> Step {
    let topic = line.number(usize::MAX) as u64 % TOPICS;
    match line.what {
        b's' => Step::Subscribe(line.who, topic),
        b'u' => Step::Unsubscribe(line.who, topic),
        b'p' => {
            let rest = line.after_blank();
            Step::Publish(topic, frame_bytes(&lines::Step { rest, ..*line }))
        }
        b'm' => Step::Send(line.who, frame_bytes(line)),
        b'f' => Step::Flush(line.who, takes(line)),
        b'F' => Step::FlushTopics(takes(line)),
        b'e' => Step::End(line.who),
        _ => Step::Release(line.who),
    }
}

/// A frame is at least as long as the longest header that the model gives it,
/// also where it is one byte shorter, compressed.
fn frame_bytes(line: &lines::Step<'_>) -> usize {
    line.number(900).max(5)
}

fn takes(line: &lines::Step<'_>) -> usize {
    match line.rest {
        [b'*', ..] => usize::MAX,
        _ => line.number(2_000),
    }
}
