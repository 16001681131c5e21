//! What kind of world a seed makes.

use std::time::Duration;

use veche::Config;
use veche::chat::{SUBPROTOCOL, Settings};

use super::scene::Scene;

/// What kind of world a seed makes.
#[derive(Debug)]
pub struct Plan {
    pub people: usize,
    pub tabs: usize,
    pub rooms: Vec<&'static str>,
    pub steps: usize,
    pub tape_bytes: usize,
    pub outbox_bytes: usize,
    pub keep_messages: usize,
    pub max_sessions: usize,
    pub max_connections: usize,
    pub max_per_address: usize,
    pub rate_per_second: u32,
    pub is_fast_to_doubt: bool,
    /// How often in a hundred something goes wrong.
    pub trouble: usize,
    pub chops: usize,
    pub capacity: usize,
    /// How often in a hundred a text has tens of kilobytes.
    pub long_texts: usize,
    /// How often one has a few, as what is compressed has.
    pub kilobyte_texts: usize,
    /// How often in a hundred a command that may be compressed says much for
    /// nothing.
    pub wordy: usize,
}

const MAIN_ROOMS: [&str; 3] = ["lobby", "kitchen", "площадь"];
pub const SIDE_ROOMS: [&str; 3] = ["attic", "cellar", "yard"];

impl Plan {
    pub fn new(scene: &Scene) -> Self {
        let is_crowd = scene.chance(1);
        let people = if is_crowd { 3 } else { 2 + scene.below(3) };
        let tabs = if is_crowd {
            45
        } else {
            people + scene.below(4)
        };
        let one_in =
            |n: usize, rare: usize, usual: usize| if scene.below(n) == 0 { rare } else { usual };
        let count = 1 + scene.below(MAIN_ROOMS.len());
        Plan {
            people: if is_crowd { tabs } else { people },
            tabs,
            rooms: MAIN_ROOMS[..if is_crowd { 1 } else { count }].to_vec(),
            steps: if is_crowd { 60 } else { 60 + scene.below(100) },
            tape_bytes: scene.pick(&[300, 600, 1_200, 4_000, 12_000, 256 << 10]),
            outbox_bytes: scene.pick(&[300, 1_000, 4_000, 20_000, 1 << 20]),
            keep_messages: scene.pick(&[0, 0, 5, 30]),
            max_sessions: one_in(4, 1, 10_000),
            max_connections: one_in(8, tabs, 0),
            max_per_address: one_in(8, 3, 256),
            rate_per_second: scene.pick(&[0, 0, 2, 5]),
            is_fast_to_doubt: scene.chance(50),
            trouble: scene.pick(&[0, 3, 10, 25]),
            chops: scene.pick(&[0, 20, 70]),
            capacity: scene.pick(&[50, 400, 3_000, usize::MAX]),
            long_texts: one_in(6, 20, 0),
            kilobyte_texts: scene.pick(&[0, 0, 10, 40]),
            wordy: one_in(120, 40, 0),
        }
    }

    pub fn config(&self) -> Config {
        let mut config = Config {
            subprotocols: vec![SUBPROTOCOL],
            tape_bytes: self.tape_bytes,
            outbox_bytes: self.outbox_bytes,
            max_connections: self.max_connections,
            max_connections_per_address: self.max_per_address,
            ..Config::default()
        };
        if self.is_fast_to_doubt {
            config.ping_interval = Duration::from_secs(4);
            config.ping_timeout = Duration::from_secs(2);
            config.stall_timeout = Duration::from_secs(5);
            config.handshake_timeout = Duration::from_secs(3);
            config.message_timeout = Duration::from_secs(8);
            config.close_timeout = Duration::from_secs(2);
        }
        config
    }

    pub fn settings(&self) -> Settings {
        Settings {
            max_text_bytes: 64 << 10,
            rate_per_second: self.rate_per_second,
            max_rooms: self.rooms.len() + 2,
            max_sessions: self.max_sessions,
            ..Settings::default()
        }
    }
}
