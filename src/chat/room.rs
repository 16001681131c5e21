//! One room: its members, its newest entries, and who came and went.

use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::journal::Person;
use super::session::{Session, SessionKey};
use super::wire::{Answer, Place};
use crate::fanout::Topic;
use crate::server::ConnectionId;

/// A room with members, or with somebody about to join.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: Arc<str>,
    pub(super) topic: Topic,
    /// Who joins when it is loaded; `None` when it is.
    pub(super) waiting: Option<Vec<Waiting>>,
    /// Entries and pages on their way through the journal.
    pub(super) pending: usize,
    pub(super) newest: Newest,
    /// In an order of their own, so that lists of them are the same each time.
    pub(super) members: BTreeMap<SessionKey, Member>,
    pub(super) presence: Presence,
}

/// Somebody who joins a room that is still being loaded.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: ConnectionId,
    pub(super) after: Option<Place>,
    pub(super) cid: Option<String>,
}

/// A session in a room.
#[derive(Debug, Default)]
pub(super) struct Member {
    /// How many of its connections have joined.
    pub(super) tabs: usize,
    /// Since when there is none: in grace.
    pub(super) away_since: Option<Duration>,
    /// The name that the room knows, and the role.
    pub(super) name: String,
    pub(super) role: Option<String>,
}

impl Member {
    /// Makes what the room knows that of this person; whether that is news.
    pub(super) fn learn(&mut self, person: &Person) -> bool {
        let is_known = self.name == person.name && self.role == person.role;
        if !is_known {
            self.name.clone_from(&person.name);
            self.role.clone_from(&person.role);
        }
        !is_known
    }

    /// Somebody as the room knows them: one in grace may have another name now.
    pub(super) fn person(&self, session: &Session) -> Person {
        Person {
            id: session.person.id.clone(),
            name: self.name.clone(),
            role: self.role.clone(),
        }
    }
}

/// What of a room `joined` gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Given {
    /// The entries above this number.
    pub(super) above: u64,
    pub(super) recovered: bool,
    pub(super) more: bool,
}

impl Room {
    pub(super) fn new(name: Arc<str>, topic: Topic) -> Self {
        Room {
            name,
            topic,
            waiting: Some(Vec::new()),
            pending: 0,
            newest: Newest::default(),
            members: BTreeMap::new(),
            presence: Presence::default(),
        }
    }

    /// Whether nothing would miss it.
    pub(super) fn is_unused(&self) -> bool {
        self.members.is_empty() && self.waiting.is_none() && self.pending == 0
    }
}

/// A room's newest entries, encoded. They advance in the same step as the
/// room's topic, so that `joined` and what follows it fit without a seam.
#[derive(Debug, Default)]
pub(super) struct Newest {
    pub(super) epoch: String,
    /// The number of the newest entry.
    pub(super) seq: u64,
    entries: VecDeque<(u64, Box<str>)>,
    bytes: usize,
    /// Whether there are older ones.
    more: bool,
}

impl Newest {
    pub(super) fn new(epoch: String, more: bool) -> Self {
        Newest {
            epoch,
            more,
            ..Newest::default()
        }
    }

    pub(super) fn push(&mut self, seq: u64, entry: String) {
        self.seq = seq;
        self.bytes += entry.len();
        self.entries.push_back((seq, entry.into_boxed_str()));
        while self.entries.len() > 1
            && (self.entries.len() > MAX_ENTRIES || self.bytes > MAX_ENTRIES_BYTES)
        {
            let dropped = self.entries.pop_front();
            self.bytes -= dropped.map_or(0, |(_, entry)| entry.len());
            self.more = true;
        }
    }

    /// An entry is from now on what is given.
    #[cfg(feature = "site")]
    pub(super) fn replace(&mut self, seq: u64, entry: String) {
        let place = self.entries.binary_search_by_key(&seq, |(seq, _)| *seq);
        if let Some((_, old)) = place.ok().and_then(|place| self.entries.get_mut(place)) {
            self.bytes = self.bytes + entry.len() - old.len();
            *old = entry.into_boxed_str();
        }
    }

    /// What somebody who joins is given: what is missing after what it has, or
    /// all there is.
    pub(super) fn since(&self, after: Option<&Place>) -> Given {
        let oldest = self.entries.front().map_or(self.seq + 1, |(seq, _)| *seq);
        let known = match after {
            Some(Place { epoch, seq }) if *epoch == self.epoch && *seq <= self.seq => {
                Some(*seq).filter(|seq| seq + 1 >= oldest)
            }
            _ => None,
        };
        let above = known.unwrap_or(0);
        Given {
            above,
            recovered: known.is_some(),
            more: self.more || above >= oldest,
        }
    }

    /// The entries above a number, and those below that were removed, perhaps while
    /// somebody was away who has them.
    pub(super) fn entries(&self, above: u64) -> impl Iterator<Item = &str> {
        let is_given = move |seq: u64, entry: &str| seq > above || entry.starts_with(REMOVED);
        let entries = self.entries.iter();
        let given = entries.filter(move |(seq, entry)| is_given(*seq, entry));
        given.map(|(_, entry)| &**entry)
    }
}

/// Who came, left and was renamed since the room was last told.
#[derive(Debug, Default)]
pub(super) struct Presence {
    arrived: Vec<Person>,
    left: Vec<Person>,
    renamed: Vec<Person>,
    /// Somebody may know a part of these news, or not know that they have become
    /// none: who was given the list of members since then, for one.
    is_known: bool,
    /// The room was last told a count only: nobody has a whole list.
    is_crowd: bool,
    /// Something changed, be it only the count.
    is_due: bool,
    last: Option<Duration>,
}

impl Presence {
    /// Somebody is given the list of members as it is now.
    pub(super) fn list_given(&mut self) {
        self.is_known = true;
    }

    pub(super) fn arrive(&mut self, person: Person) {
        take(&mut self.left, &person.id);
        self.arrived.push(person);
    }

    pub(super) fn leave(&mut self, person: Person) {
        // Back within the second, it is still unknown under the new name.
        self.is_known |= take(&mut self.renamed, &person.id).is_some();
        let was_new = take(&mut self.arrived, &person.id).is_some();
        if !was_new || self.is_known {
            self.left.push(person);
        }
    }

    pub(super) fn rename(&mut self, person: Person) {
        let mut news = self.arrived.iter_mut().chain(&mut self.renamed);
        match news.find(|other| other.id == person.id) {
            Some(known) => *known = person,
            None => self.renamed.push(person),
        }
    }

    /// Whether there is anything to tell.
    pub(super) fn has_news(&self) -> bool {
        !(self.arrived.is_empty() && self.left.is_empty() && self.renamed.is_empty())
    }

    /// When to tell the room of a change: now, or a second after the last
    /// time. `None` if that is agreed already.
    pub(super) fn changed(&mut self, now: Duration) -> Option<Duration> {
        if core::mem::replace(&mut self.is_due, true) {
            return None;
        }
        let next = self.last.map_or(now, |last| last + PRESENCE_INTERVAL);
        Some(next.max(now))
    }

    /// Whether the next news have to name all members, since it was too many to
    /// name them and is no longer.
    pub(super) fn needs_members(&self, count: usize) -> bool {
        self.is_crowd && count <= MAX_LISTED
    }

    /// What to tell the room; begins anew.
    pub(super) fn tell(
        &mut self,
        room: &str,
        count: usize,
        members: Option<&[Person]>,
        now: Duration,
    ) -> String {
        let mut arrived = core::mem::take(&mut self.arrived);
        let mut left = core::mem::take(&mut self.left);
        let mut renamed = core::mem::take(&mut self.renamed);
        self.is_known = false;
        self.is_crowd = count > MAX_LISTED;
        if self.is_crowd {
            arrived.clear();
            left.clear();
            renamed.clear();
        }
        self.is_due = false;
        self.last = Some(now);
        let presence = Answer::Presence {
            room,
            count,
            members,
            arrived: &arrived,
            left: &left,
            renamed: &renamed,
        };
        presence.to_json()
    }
}

/// Takes somebody off a list. Places of sessions are used again, their ids are
/// not.
fn take(list: &mut Vec<Person>, id: &str) -> Option<Person> {
    let place = list.iter().position(|person| person.id == id)?;
    Some(list.swap_remove(place))
}

/// What the JSON of an entry begins with that was removed.
const REMOVED: &str = r#"{"type":"removed","#;

/// How many members are named; above, they are only counted.
pub(super) const MAX_LISTED: usize = 100;

/// How many entries `joined` and `history` give.
pub(super) const MAX_ENTRIES: usize = 100;

/// How many bytes of them, unless a single one is larger.
pub(super) const MAX_ENTRIES_BYTES: usize = 64 << 10;

/// A room is told at most this often who came and went.
const PRESENCE_INTERVAL: Duration = Duration::from_secs(1);
