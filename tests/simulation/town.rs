//! The server with its journal and its clients, and all that may happen to
//! them.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;
use veche::chat::Chat;
use veche::server::Core;

use super::client::{Identity, Parsed, Phase, Request, Tab, To};
use super::ends::End;
use super::ledger::Ledger;
use super::line::{Line, ServerEnd};
use super::plan::{Plan, SIDE_ROOMS};
use super::scene::Scene;
use super::tls::Tls;
use super::view::Standing;

/// Everything there is.
pub struct Town {
    pub scene: Scene,
    pub ledger: Ledger,
    pub core: Core<End<ServerEnd>, Scene, Chat<Ledger>>,
    pub lines: Vec<(usize, Rc<RefCell<Line>>)>,
    pub tabs: Vec<Tab>,
    pub plan: Plan,
    pub next_line: usize,
    /// Whether connections are accepted.
    pub is_open: bool,
    /// Turns in a row that were due at once and did nothing.
    pub idle_turns: usize,
    /// What the lines carry, if they do.
    pub tls: Option<Tls>,
}

impl Town {
    pub fn new(scene: Scene, is_tls: bool) -> Self {
        let plan = Plan::new(&scene);
        scene.tell(format_args!("{plan:?}"));
        if plan.tabs > 40 {
            scene.set_write_cost(Duration::from_micros(40));
        }
        let ledger = Ledger::new(&scene, plan.keep_messages, plan.rooms.len() + 1);
        let secrets = scene.clone();
        let random = move |bytes: &mut [u8]| {
            bytes.fill_with(|| secrets.next().to_be_bytes()[0]);
        };
        let chat = Chat::new(plan.settings(), ledger.clone(), random);
        let core = Core::new(plan.config(), scene.clone(), chat);
        let people: Vec<Rc<RefCell<Identity>>> = (0..plan.people)
            .map(|number| {
                // Some have the same name in mind.
                let name = if scene.chance(20) {
                    "Ann".into()
                } else {
                    format!("Guest {number}")
                };
                Rc::new(RefCell::new(Identity {
                    name,
                    ..Identity::default()
                }))
            })
            .collect();
        let parsed = Parsed::default();
        let mut tabs = Vec::new();
        for number in 0..plan.tabs {
            let person = number % plan.people;
            let label = format!("p{person}t{number}");
            let mut tab = Tab::new(label, &people[person], &scene, &ledger, &parsed);
            tab.may_be_forgotten = plan.max_sessions < 100;
            tab.wordy = plan.wordy;
            for room in &plan.rooms {
                if scene.chance(70) || plan.rooms.len() == 1 {
                    tab.wanted.insert((*room).to_owned());
                }
            }
            tabs.push(tab);
        }
        Town {
            scene,
            ledger,
            core,
            lines: Vec::new(),
            tabs,
            plan,
            next_line: 0,
            is_open: true,
            idle_turns: 0,
            tls: is_tls.then(Tls::new),
        }
    }

    /// Lives through all of it.
    pub fn live(mut self) {
        for step in 0..self.plan.steps {
            self.scene.tell(format_args!("--- step {step}"));
            self.step();
        }
        self.heal();
        self.settle();
        self.outlive_ghosts();
        self.compare_members();
        self.probe();
        self.end();
    }

    fn step(&mut self) {
        let scene = self.scene.clone();
        let tab = scene.below(self.tabs.len());
        match scene.below(100) {
            0..25 => self.act(tab),
            25..40 => self.connect_or_work(tab),
            40..55 => self.carry(),
            55..70 => {
                let bytes = scene.pick(&[1, 30, 500, usize::MAX]);
                if !self.tabs[tab].is_stalled {
                    self.tabs[tab].read(bytes);
                }
            }
            70..78 => self.journal(),
            78..84 => self.pass(scene.pick(&[1, 30, 300, 1_500])),
            84 => self.pass(scene.pick(&[3_000, 6_000, 15_000, 45_000])),
            85..90 => self.pump(),
            _ if scene.chance(self.plan.trouble * 2) => self.trouble(tab),
            _ => {}
        }
        if scene.chance(70) {
            self.turn();
        }
    }

    /// Something that a person does.
    fn act(&mut self, tab: usize) {
        let scene = self.scene.clone();
        let room = match scene.below(6) {
            0 => scene.pick(&SIDE_ROOMS),
            _ => scene.pick(&self.plan.rooms),
        };
        let other = scene.below(self.tabs.len());
        let other = self.tabs[other].me.clone();
        let (long, kilobytes) = (self.plan.long_texts, self.plan.kilobyte_texts);
        let tab = &mut self.tabs[tab];
        if !tab.is_welcome() || tab.is_stalled {
            return;
        }
        let is_in = tab.is_in(room);
        match scene.below(20) {
            0..8 if tab.wanted.contains(room) => {
                for _ in 0..1 + scene.below(3) {
                    let letters = match () {
                        () if scene.chance(long) => 10_000,
                        () if scene.chance(kilobytes) => 400 + scene.below(1_000),
                        () => scene.below(60),
                    };
                    tab.say(To::Room(room.to_owned()), letters);
                }
            }
            8 | 9 if !other.is_empty() => tab.say(To::Person(other), scene.below(60)),
            10 => {
                tab.wanted.insert(room.to_owned());
            }
            11 => {
                tab.wanted.remove(room);
            }
            12 if is_in => tab.ask(json!({"type": "typing", "room": room}), Request::Typing),
            13 if is_in => {
                let epoch = tab.view(room).epoch.clone().unwrap();
                let seq = 1 + scene.next() % (tab.view(room).top + 2);
                // Beyond the newest is before nothing that is known.
                if seq <= tab.view(room).top {
                    let limit = 1 + scene.below(20);
                    let command =
                        json!({"type": "history", "room": room, "before": seq, "limit": limit});
                    let room = room.to_owned();
                    tab.ask(command, Request::Before { room, epoch, seq });
                }
            }
            14 => {
                let name = format!("Name {}", scene.below(4));
                tab.ask(
                    json!({"type": "rename", "name": name}),
                    Request::Rename { name },
                );
            }
            15 => tab.ask(json!({"type": "ping", "n": 7}), Request::Other),
            16 if is_in => {
                let command = json!({"type": "command", "room": room, "line": "/who"});
                tab.ask(command, Request::Other);
            }
            17 if is_in => tab.join(room),
            // In and out again, at once.
            18 if !tab.wanted.contains(room) && tab.view(room).standing == Standing::Out => {
                tab.join(room);
                tab.leave(room);
            }
            19 if is_in => {
                tab.leave(room);
                tab.ask(json!({"type": "typing", "room": room}), Request::Typing);
                tab.work();
            }
            _ => {}
        }
        tab.work();
    }

    fn connect_or_work(&mut self, tab: usize) {
        let now = self.scene.now();
        let it = &mut self.tabs[tab];
        if it.link.is_some() {
            it.work();
        } else if it.not_before <= now && self.is_open {
            self.connect(tab);
        }
    }

    fn connect(&mut self, tab: usize) {
        self.next_line += 1;
        let mut line = Line::new(self.next_line, self.tls.is_some(), &self.scene);
        line.chops = self.plan.chops;
        if self.scene.chance(50) {
            line.capacity = self.plan.capacity;
        }
        let line = Rc::new(RefCell::new(line));
        let address = [127, 0, 0, 1 + u8::try_from(tab % self.plan.people).unwrap()];
        let address = if self.scene.chance(50) {
            address
        } else {
            [10, 0, 0, address[3]]
        };
        let end = ServerEnd(Rc::clone(&line));
        let (end, speaker) = match &self.tls {
            Some(tls) => tls.connect(end, &self.scene),
            None => (End::Plain(end), None),
        };
        let place = self
            .core
            .accept(end, IpAddr::from(address))
            .expect("fewer than any address may have");
        let it = &mut self.tabs[tab];
        let number = self.next_line;
        self.scene
            .tell(format_args!("{} gets line {number} at {place}", it.label));
        self.lines.push((place, Rc::clone(&line)));
        it.connect(line, speaker);
    }

    fn carry(&mut self) {
        if !self.lines.is_empty() {
            let line = self.scene.below(self.lines.len());
            let bytes = self.scene.pick(&[1, 7, 100, usize::MAX]);
            self.lines[line].1.borrow_mut().carry(bytes);
        }
    }

    fn journal(&mut self) {
        let count = self.scene.pick(&[1, 2, 5, usize::MAX]);
        self.ledger.commit(count);
        if self.scene.chance(80) {
            self.core.wake();
        }
        if self.scene.chance(self.plan.trouble) {
            let max_jobs = self.scene.pick(&[0, 2, usize::MAX]);
            let fails = self.scene.pick(&[0, 30]);
            self.scene.tell(format_args!(
                "the journal takes {max_jobs}, fails {fails} %"
            ));
            self.ledger.set_trouble(max_jobs, fails);
        }
    }

    fn trouble(&mut self, tab: usize) {
        let scene = self.scene.clone();
        let kind = scene.below(8);
        if kind == 0 {
            return scene.set_unix_skew(Duration::from_secs(scene.next() % 10_000));
        }
        let tab = &mut self.tabs[tab];
        let Some(link) = &tab.link else { return };
        let line = Rc::clone(&link.line);
        scene.tell(format_args!("trouble {kind} for {}", tab.label));
        match kind {
            1 => tab.is_stalled = true,
            2 => tab.is_stalled = false,
            3 => {
                line.borrow_mut().reset();
                tab.lose();
            }
            // It vanishes: the server hears nothing of it.
            4 => {
                line.borrow_mut().capacity = scene.pick(&[0, 1_000, usize::MAX]);
                tab.lose();
            }
            5 => {
                tab.end();
                line.borrow_mut().client_done = true;
            }
            6 if link.phase != Phase::Upgrading && !link.is_closing => tab.close(),
            7 => line.borrow_mut().capacity = 1 + scene.below(600),
            _ => {}
        }
    }

    /// Time goes on, from one deadline to the next; or at once, as after a
    /// sleep.
    pub fn pass(&mut self, millis: u64) {
        let mut left = Duration::from_millis(millis);
        let is_sleep = self.scene.chance(10);
        while let Some(wait) = self
            .core
            .timeout()
            .filter(|wait| *wait <= left && !is_sleep)
        {
            self.scene.let_pass(wait);
            left -= wait;
            if self.scene.chance(30) {
                self.pump();
            }
            self.turn();
        }
        self.scene.let_pass(left);
    }

    /// One turn of the loop.
    pub fn turn(&mut self) {
        for (place, line) in &self.lines {
            let event = line.borrow_mut().take_event();
            if let Some((readable, writable, is_closed)) = event {
                self.core.event(*place, readable, writable, is_closed);
            }
        }
        let before = (self.scene.moves(), self.core.connections());
        let more = self.idle_turns == 0 && self.scene.chance(3);
        self.core.turn(more);
        self.lines.retain(|(_, line)| !line.borrow().gone);
        let is_idle = self.core.timeout() == Some(Duration::ZERO)
            && before == (self.scene.moves(), self.core.connections());
        self.idle_turns = if is_idle { self.idle_turns + 1 } else { 0 };
        assert!(self.idle_turns <= 3, "the loop spins");
        self.check_bounds();
    }

    fn check_bounds(&mut self) {
        let usage = self.core.usage();
        // A frame is never refused for its size: the largest are a long text,
        // and what `joined` and `history` give.
        let frame = if self.plan.long_texts > 0 {
            100_000
        } else {
            72_000
        };
        let tape = self.plan.tape_bytes.max(frame);
        assert!(usage.longest_tape_bytes <= tape, "{usage:?}");
        // Who leaves a room is given the rest of its tape.
        let outbox = self.plan.outbox_bytes + frame + tape;
        assert!(usage.longest_outbox_bytes <= outbox, "{usage:?}");
        let rooms = self.core.handler().usage().rooms;
        let max_rooms = self.plan.rooms.len() + 2;
        assert!(rooms <= max_rooms, "{rooms} rooms");
        // Who is being closed may be the last subscriber of rooms that were.
        let topics = 2 * rooms + self.lines.len() * max_rooms;
        assert!(usage.topics <= topics, "{usage:?}");
        assert!(usage.connections == self.lines.len(), "{usage:?}");
    }

    /// All that can happen without time going on.
    pub fn pump(&mut self) {
        for _ in 0..1_000_000 {
            let before = self.scene.moves();
            for tab in 0..self.tabs.len() {
                self.connect_or_work(tab);
            }
            for (_, line) in &self.lines {
                line.borrow_mut().carry(usize::MAX);
            }
            self.turn();
            self.ledger.commit(usize::MAX);
            if self.ledger.has_outcomes() {
                self.core.wake();
            }
            self.turn();
            for tab in self.tabs.iter_mut().filter(|tab| !tab.is_stalled) {
                tab.read(usize::MAX);
            }
            if before == self.scene.moves() && self.core.timeout() != Some(Duration::ZERO) {
                return;
            }
        }
        panic!("it never comes to rest");
    }
}
