//! The server with its journal and its clients, and all that may happen to
//! them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;
use veche::chat::{Chat, SUBPROTOCOL, Settings};
use veche::server::Core;
use veche::{Close, CloseCode, Config};

use super::client::{Identity, Parsed, Phase, Request, Tab, To};
use super::ledger::Ledger;
use super::line::{Line, ServerEnd};
use super::scene::Scene;
use super::view::Standing;

/// Everything there is.
pub struct Town {
    scene: Scene,
    ledger: Ledger,
    core: Core<ServerEnd, Scene, Chat<Ledger>>,
    lines: Vec<(usize, Rc<RefCell<Line>>)>,
    tabs: Vec<Tab>,
    plan: Plan,
    next_line: usize,
    /// Whether connections are accepted.
    is_open: bool,
    /// Turns in a row that were due at once and did nothing.
    idle_turns: usize,
}

/// What kind of world a seed makes.
#[derive(Debug)]
struct Plan {
    people: usize,
    tabs: usize,
    rooms: Vec<&'static str>,
    steps: usize,
    tape_bytes: usize,
    outbox_bytes: usize,
    keep_messages: usize,
    max_sessions: usize,
    max_connections: usize,
    max_per_address: usize,
    rate_per_second: u32,
    is_fast_to_doubt: bool,
    /// How often in a hundred something goes wrong.
    trouble: usize,
    chops: usize,
    capacity: usize,
    long_texts: usize,
}

const MAIN_ROOMS: [&str; 3] = ["lobby", "kitchen", "площадь"];
const SIDE_ROOMS: [&str; 3] = ["attic", "cellar", "yard"];

impl Plan {
    fn new(scene: &Scene) -> Self {
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
            tape_bytes: scene.pick(&[300, 600, 1_200, 4_000, 256 << 10]),
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
        }
    }

    fn config(&self) -> Config {
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

    fn settings(&self) -> Settings {
        Settings {
            max_text_bytes: 64 << 10,
            rate_per_second: self.rate_per_second,
            max_rooms: self.rooms.len() + 2,
            max_sessions: self.max_sessions,
            ..Settings::default()
        }
    }
}

impl Town {
    pub fn new(scene: Scene) -> Self {
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
        let long_texts = self.plan.long_texts;
        let tab = &mut self.tabs[tab];
        if !tab.is_welcome() || tab.is_stalled {
            return;
        }
        let is_in = tab.is_in(room);
        match scene.below(20) {
            0..8 if tab.wanted.contains(room) => {
                for _ in 0..1 + scene.below(3) {
                    let is_long = scene.chance(long_texts);
                    let padding = if is_long { 10_000 } else { scene.below(60) };
                    tab.say(To::Room(room.to_owned()), padding);
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
        let mut line = Line::new(self.next_line, &self.scene);
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
        let place = self
            .core
            .accept(ServerEnd(Rc::clone(&line)), address.into());
        let it = &mut self.tabs[tab];
        let number = self.next_line;
        self.scene
            .tell(format_args!("{} gets line {number} at {place}", it.label));
        self.lines.push((place, Rc::clone(&line)));
        it.connect(line);
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
            5 => line.borrow_mut().client_done = true,
            6 if link.phase != Phase::Upgrading && !link.is_closing => tab.close(),
            7 => line.borrow_mut().capacity = 1 + scene.below(600),
            _ => {}
        }
    }

    /// Time goes on, from one deadline to the next; or at once, as after a
    /// sleep.
    fn pass(&mut self, millis: u64) {
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
    fn turn(&mut self) {
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
        let topics = rooms + self.lines.len() * max_rooms;
        assert!(usage.topics <= topics, "{usage:?}");
        assert!(usage.connections == self.lines.len(), "{usage:?}");
    }

    /// All that can happen without time going on.
    fn pump(&mut self) {
        for _ in 0..10_000 {
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

    /// All troubles end.
    fn heal(&mut self) {
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
    fn settle(&mut self) {
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
    fn outlive_ghosts(&mut self) {
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
    fn compare_members(&mut self) {
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
                    let from = self.ledger.entry(room, &epoch, seq).unwrap().draft.from;
                    if from.id == tab.me {
                        names.insert(from.id, from.name);
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
    fn probe(&mut self) {
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
    fn end(&mut self) {
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
        assert_eq!(usage, veche::server::Usage::default(), "something leaks");
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
