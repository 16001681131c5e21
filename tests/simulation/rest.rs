//! How a simulation ends: all troubles do, everybody gets everything, and
//! nothing is left when all have gone.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use veche::{Close, CloseCode};

use super::client::{Request, Tab, To};
use super::town::Town;
use super::view::Standing;

impl Town {
    /// All troubles end.
    pub fn heal(&mut self) {
        self.scene.tell(format_args!("--- all troubles end"));
        self.ledger.set_trouble(usize::MAX, 0);
        for tab in &mut self.tabs {
            tab.is_stalled = false;
            tab.wanted
                .retain(|room| self.plan.rooms.contains(&room.as_str()));
            if let Some(link) = &tab.link {
                link.line.borrow_mut().capacity = usize::MAX;
            }
        }
        self.plan.capacity = usize::MAX;
    }

    /// Everybody gets all there is, and everything said is acknowledged.
    pub fn settle(&mut self) {
        for _ in 0..2_000 {
            self.pump();
            if self.tabs.iter().all(|tab| self.complaint(tab).is_none()) {
                return;
            }
            self.pass(100);
        }
        let complaints = self.tabs.iter().filter_map(|tab| self.complaint(tab));
        panic!("{}", complaints.collect::<Vec<_>>().join("\n"));
    }

    /// What a client still has to get.
    fn complaint(&self, tab: &Tab) -> Option<String> {
        let complaint = |what: String| Some(format!("{} {what}", tab.label));
        let Some(link) = tab.link.as_ref().filter(|_| tab.is_welcome()) else {
            return complaint("is not connected".into());
        };
        let mut requests = link.requests.values();
        if requests.any(|request| !matches!(request, Request::Typing)) {
            return complaint(format!("waits for {:?}", link.requests));
        }
        if let Some(item) = tab.outbox.first() {
            return complaint(format!("has no answer to {}", item.cid));
        }
        for view in tab.rooms.values() {
            let room = &view.room;
            if (view.standing == Standing::In) != tab.wanted.contains(room) {
                return complaint(format!("is {:?} {room}", view.standing));
            }
            if view.standing == Standing::In {
                let epoch = self.ledger.epoch(room).unwrap();
                let seq = self.ledger.seq(room, &epoch);
                if (view.epoch.as_ref(), view.top) != (Some(&epoch), seq) {
                    return complaint(format!("has {} of {seq} in {room}", view.top));
                }
                if let Some(seq) = view.missing() {
                    return complaint(format!("misses {seq} in {room}"));
                }
            }
        }
        let is_out = tab.wanted.iter().find(|room| !tab.is_in(room));
        is_out.and_then(|room| complaint(format!("is not in {room}")))
    }

    /// Until connections that nobody has are ended, and their graces over.
    pub fn outlive_ghosts(&mut self) {
        for _ in 0..200 {
            if self.core.connections() == self.tabs.len() {
                break;
            }
            self.pass(1_000);
            self.pump();
        }
        assert_eq!(self.core.connections(), self.tabs.len(), "ghosts");
        for _ in 0..7 {
            self.pass(1_000);
            self.pump();
        }
        self.settle();
    }

    /// Everybody says something, by which all learn everybody's name; again
    /// where somebody had to come back meanwhile, maybe under another one.
    pub fn compare_members(&mut self) {
        for _ in 0..20 {
            let line = self.next_line;
            for tab in 0..self.tabs.len() {
                for room in self.tabs[tab].wanted.clone() {
                    self.tabs[tab].say(To::Room(room), 0);
                    self.settle();
                }
            }
            self.outlive_ghosts();
            if self.next_line == line {
                return self.compare_members_now();
            }
        }
        panic!("they never stay");
    }

    fn compare_members_now(&self) {
        let mut names = BTreeMap::new();
        let mut members: BTreeMap<&String, BTreeMap<&String, String>> = BTreeMap::new();
        for tab in &self.tabs {
            for room in &tab.wanted {
                let epoch = self.ledger.epoch(room).unwrap();
                let newest = self.ledger.seq(room, &epoch);
                let oldest = newest.saturating_sub(self.tabs.len() as u64) + 1;
                for seq in oldest..=newest {
                    let entry = self.ledger.entry(room, &epoch, seq).unwrap();
                    let from = &entry.draft.from;
                    if from.id == tab.me {
                        names.insert(from.id.clone(), from.name.clone());
                    }
                }
                let name = names[&tab.me].clone();
                members.entry(room).or_default().insert(&tab.me, name);
            }
        }
        for tab in &self.tabs {
            for room in &tab.wanted {
                let known = tab.rooms[room].members.iter().flatten();
                let known: BTreeMap<&String, String> = known.map(|(i, n)| (i, n.clone())).collect();
                assert_eq!(known, members[room], "{} knows others in {room}", tab.label);
            }
        }
    }

    /// Direct messages still find everybody.
    pub fn probe(&mut self) {
        let to = self.tabs[self.scene.below(self.tabs.len())].me.clone();
        for tab in &mut self.tabs {
            tab.say(To::Person(to.clone()), 0);
        }
        self.settle();
        assert!(self.ledger.is_idle());
        let wait = self.core.timeout();
        assert_ne!(wait, Some(Duration::ZERO), "nothing is to be done");
    }

    /// Everybody goes, one way or another, and nothing is left of them.
    pub fn end(&mut self) {
        self.scene.tell(format_args!("--- the end"));
        if self.scene.chance(20) {
            return self.stop();
        }
        for tab in &mut self.tabs {
            let line = Rc::clone(&tab.link.as_ref().unwrap().line);
            match self.scene.below(3) {
                0 => tab.close(),
                1 => line.borrow_mut().reset(),
                _ => {}
            }
            let mut line = line.borrow_mut();
            line.carry(usize::MAX);
            line.capacity = 0;
        }
        self.tabs.clear();
        for _ in 0..40 {
            self.pass(5_000);
            self.turn();
        }
        let usage = self.core.usage();
        assert!(usage.codec_bytes <= MAX_CODEC_BYTES, "{usage:?}");
        let nothing = veche::server::Usage {
            codec_bytes: usage.codec_bytes,
            ..Default::default()
        };
        assert_eq!(usage, nothing, "something leaks");
        assert_eq!(
            self.core.timeout(),
            None,
            "nothing is to be done ever again"
        );
        let usage = self.core.handler().usage();
        let remembered = usage.sessions;
        assert!(remembered <= self.plan.max_sessions, "{usage:?}");
        let nothing = veche::chat::Usage {
            sessions: remembered,
            ..Default::default()
        };
        assert_eq!(usage, nothing, "something leaks");
    }

    /// The server stops, and tells everybody.
    fn stop(&mut self) {
        let code = CloseCode::new(1012);
        self.core.stop(Close {
            code,
            reason: "retry_ms=1000",
        });
        self.is_open = false;
        self.pump();
        assert!(
            self.tabs.iter().all(|tab| tab.link.is_none()),
            "all have gone"
        );
        assert!(self.core.is_stopped());
    }
}

/// What both codecs keep for the next message: 64 KiB each.
const MAX_CODEC_BYTES: usize = 2 * 64 * 1024;
