//! What the server allocates: nothing, for as long as messages are like those
//! before.
#![allow(clippy::unwrap_used)]

#[path = "common/ends.rs"]
mod ends;
#[path = "common/world.rs"]
mod world;

use allocation_counter::measure;
use veche::{Config, ConnectionId, Context, Handler, Message, Opening, Topic};
use world::{Client, World};

const ALL: Topic = Topic(0);

/// Answers binary messages, and passes text on to everybody.
struct Both;

impl Handler for Both {
    fn open(&mut self, cx: &mut Context<'_>, id: ConnectionId, _: &Opening<'_>) {
        cx.subscribe(id, ALL);
    }

    fn message(&mut self, cx: &mut Context<'_>, id: ConnectionId, message: Message<'_>) {
        match message {
            Message::Binary(_) => cx.send(id, message),
            Message::Text(_) => cx.publish(ALL, message),
        }
    }
}

/// A hundred clients, and how often the server allocates when ten of them send
/// four such messages each, after they have done so some times already.
fn allocations(message: &tungstenite::Message) -> u64 {
    let mut world = World::new(Config::default(), Both);
    let mut clients: Vec<Client> = (0..100).map(|_| world.connect("127.0.0.1")).collect();
    let mut rounds = (0..20).map(|_| {
        for client in &mut clients[..10] {
            (0..4).for_each(|_| client.send(message.clone()));
        }
        let info = measure(|| world.run());
        let received: usize = clients
            .iter_mut()
            .map(|client| client.messages().len())
            .sum();
        assert_eq!(received, if message.is_text() { 4_000 } else { 40 });
        info.count_total
    });
    rounds.nth(19).unwrap()
}

#[test]
fn what_is_allocated_is_seen() {
    assert!(measure(|| drop(core::hint::black_box(vec![1]))).count_total > 0);
}

#[test]
fn echo_allocates_nothing() {
    for size in [20, 1_024, 16_384] {
        assert_eq!(allocations(&vec![7; size].into()), 0, "{size} bytes");
    }
}

#[test]
fn fan_out_allocates_nothing() {
    for size in [64, 512] {
        assert_eq!(allocations(&"x".repeat(size).into()), 0, "{size} bytes");
    }
}

#[test]
fn message_in_parts_leaves_nothing_behind() {
    let mut world = World::new(Config::default(), Both);
    let mut client = world.connect("127.0.0.1");
    // How many bytes are allocated and not freed when frames have been answered.
    let mut kept = |frames: &[(u8, usize)]| {
        measure(|| {
            for &(first, size) in frames {
                client.write(&[first, 0x80 | 127]);
                client.write(&u64::try_from(size).unwrap().to_be_bytes());
                client.write(&vec![0; 4 + size]);
                world.run();
            }
            assert_eq!(client.read().len(), 200_010);
        })
        .bytes_current
    };
    kept(&[(0x82, 200_000)]);
    assert_eq!(kept(&[(0x82, 200_000)]), 0);
    assert_eq!(kept(&[(0x02, 100_000), (0x80, 100_000)]), 0);
}
