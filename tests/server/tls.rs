//! What is different where the connections carry TLS.

use tungstenite::Message as Frame;
use veche::Config;

use crate::world::World;
use crate::{HOME, Puppet, log, seconds};

fn world() -> World<Puppet> {
    let mut world = World::new(Config::default(), Puppet::default());
    world.is_tls = true;
    world
}

#[test]
fn tiny_records_are_taken_in_turns_and_what_is_left_is_read_without_another_event() {
    let mut world = world();
    let mut client = world.connect(HOME);
    // More on the line than is taken at once.
    client.write(&[0x82, 0xfe, 0x4e, 0x20, 0, 0, 0, 0]);
    for _ in 0..20_000 {
        client.write(b"x");
    }
    let before = client.reads();
    world.turn();
    let reads = client.reads() - before;
    assert!(reads <= 64, "{reads} reads of 4 KiB in a turn");
    world.run();
    assert_eq!(client.messages(), [Frame::binary([b'x'; 20_000].to_vec())]);
}

#[test]
fn what_is_encrypted_ahead_of_a_reader_has_a_bound() {
    let mut world = world();
    let mut client = world.connect(HOME);
    client.set_capacity(Some(0));
    client.send("x".repeat(1_000_000));
    world.run();
    let waiting = world.core.usage().longest_outbox_bytes;
    assert!(waiting > 900_000, "{waiting} bytes wait");
}

#[test]
fn end_that_does_not_fit_is_told_when_there_is_room() {
    let mut world = world();
    let mut client = world.connect(HOME);
    // A Close in its record, and some of what follows.
    client.set_capacity(Some(30));
    client.write(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8]);
    world.run();
    assert_eq!(client.read(), [0x88, 2, 0x03, 0xe8]);
    assert!(!client.is_shut() && !client.has_heard_the_end());
    world.run();
    client.read();
    assert!(client.is_shut() && client.has_heard_the_end());
    client.finish();
    world.run();
    assert!(client.is_gone());
}

#[test]
fn reader_that_takes_what_was_encrypted_before_is_not_too_slow() {
    let mut world = world();
    let mut client = world.connect(HOME);
    log(&mut world);
    client.set_capacity(Some(0));
    client.send("much");
    for _ in 0..7 {
        world.advance(seconds(20));
        client.set_capacity(Some(100));
        world.run();
        client.read();
        client.write(&[0x8a, 0x80, 0, 0, 0, 0]);
    }
    assert_eq!(log(&mut world), [""; 0]);
    // It is when it takes nothing again.
    for _ in 0..2 {
        world.advance(seconds(20));
        client.write(&[0x8a, 0x80, 0, 0, 0, 0]);
    }
    assert_eq!(log(&mut world)[0], "lagged 0.1 0");
}

#[test]
fn end_of_somebody_who_says_so_is_said_to_them_too() {
    let mut world = world();
    let mut client = world.connect(HOME);
    client.finish();
    world.run();
    client.read();
    assert!(client.is_gone() && client.has_heard_the_end());
}
