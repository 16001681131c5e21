//! Who is where: joining, leaving, going away and coming back, and what rooms
//! are told of it.

use core::cmp::Reverse;
use core::time::Duration;
use std::sync::Arc;

use super::Chat;
use super::conversation::busy;
use super::journal::{Job, Journal, Person};
use super::names;
use super::outcomes::Pending;
#[cfg(feature = "site")]
use super::room::Presence;
use super::room::{MAX_ENTRIES, MAX_LISTED, Room, Waiting};
use super::session::{SessionKey, Sessions, Tab};
use super::wire::{Answer, Command, Error, ErrorCode, Place};
use crate::fanout::Topic;
use crate::server::{ConnectionId, Context};

/// Something to do when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Tell a room who came and left.
    Presence { room: usize, topic: Topic },
    /// A member that went away at `since` is no longer one.
    Depart {
        room: usize,
        key: SessionKey,
        since: Duration,
    },
    /// The name of a session that went at `since` is free.
    Release { key: SessionKey, since: Duration },
    /// See whether the token of a connection has expired.
    #[cfg(feature = "site")]
    Expire { key: SessionKey, id: ConnectionId },
}

impl<J: Journal> Chat<J> {
    pub(super) fn join(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        key: SessionKey,
        command: &Command<'_>,
    ) -> Result<(), Error> {
        let name = names::room(command.room()?).ok_or(ErrorCode::BadRoom)?;
        let after = command.after_place()?;
        let place = self.rooms_by_name.get(name.as_str()).copied();
        let rooms = self.tab(key, id).map_or(&[][..], |tab| &tab.rooms);
        let is_in = place.is_some_and(|place| rooms.contains(&place));
        if !is_in && rooms.len() >= MAX_ROOMS_PER_CONNECTION {
            return Err(ErrorCode::TooManyRooms.into());
        }
        let place = match place {
            Some(place) => place,
            None => self.load(name)?,
        };
        let cid = command.cid();
        let Some(waiting) = self.rooms.get_mut(place).and_then(|r| r.waiting.as_mut()) else {
            self.enter(cx, place, id, key, after.as_ref(), cid);
            return Ok(());
        };
        waiting.push(Waiting {
            id,
            after,
            cid: cid.map(str::to_owned),
        });
        cx.hold(id);
        Ok(())
    }

    /// Makes a room and has it loaded.
    pub(super) fn load(&mut self, name: String) -> Result<usize, Error> {
        let max_rooms = self.settings.max_rooms;
        if max_rooms > 0 && self.rooms.len() >= max_rooms {
            let text = "This server has as many rooms as it may have: join one of them.";
            return Err(Error::new(ErrorCode::TooManyRooms, text));
        }
        let name: Arc<str> = name.into();
        let job = Job::Load {
            room: Arc::clone(&name),
            limit: MAX_ENTRIES,
        };
        self.journal.submit(job).map_err(|_| busy())?;
        self.next_topic += 1;
        let room = Room::new(Arc::clone(&name), Topic(self.next_topic));
        let place = self.rooms.insert(room);
        self.rooms_by_name.insert(name, place);
        self.pending.push_back(Pending::Load { room: place });
        Ok(place)
    }

    /// Has everybody leave a room.
    #[cfg(feature = "site")]
    pub(super) fn close_room(&mut self, cx: &mut Context<'_>, room: &str) -> Result<(), Error> {
        let Some(place) = self.place(room)? else {
            return Ok(());
        };
        let Some(room) = self.rooms.get_mut(place) else {
            return Ok(());
        };
        let left = Answer::Left {
            room: &room.name,
            text: Some("This room was closed."),
            cid: None,
        };
        let left = left.to_json();
        for (key, _) in core::mem::take(&mut room.members) {
            let Some(session) = self.sessions.get_mut(key) else {
                continue;
            };
            for tab in &mut session.tabs {
                if let Some(index) = tab.rooms.iter().position(|&room| room == place) {
                    tab.rooms.swap_remove(index);
                    cx.unsubscribe(tab.id, room.topic);
                    cx.send(tab.id, &left);
                }
            }
        }
        room.presence = Presence::default();
        self.unload_if_unused(place);
        Ok(())
    }

    /// Lets a connection into a room that is loaded.
    pub(super) fn enter(
        &mut self,
        cx: &mut Context<'_>,
        place: usize,
        id: ConnectionId,
        key: SessionKey,
        after: Option<&Place>,
        cid: Option<&str>,
    ) {
        let (Some(room), Some(session)) = (self.rooms.get_mut(place), self.sessions.get_mut(key))
        else {
            return;
        };
        let person = Arc::clone(&session.person);
        let Some(tab) = session.tab(id) else { return };
        let is_member = room.members.contains_key(&key);
        let member = room.members.entry(key).or_default();
        member.away_since = None;
        if !tab.rooms.contains(&place) {
            tab.rooms.push(place);
            member.tabs += 1;
        }
        if room.presence.has_news() {
            room.presence.list_given();
        }
        let is_news = member.learn(&person);
        if !is_member {
            room.presence.arrive(Person::clone(&person));
        } else if is_news {
            room.presence.rename(Person::clone(&person));
        }
        cx.subscribe(id, room.topic);
        let members = listed(room, &self.sessions);
        let given = room.newest.since(after);
        let joined = Answer::Joined {
            room: &room.name,
            epoch: &room.newest.epoch,
            seq: room.newest.seq,
            count: room.members.len(),
            members,
            recovered: given.recovered,
            more: given.more,
            cid,
        };
        let joined = joined.with_entries(room.newest.entries(given.above));
        cx.send(id, &joined);
        if room.presence.has_news() {
            self.presence_changed(cx, place);
        }
    }

    pub(super) fn leave(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        key: SessionKey,
        command: &Command<'_>,
    ) -> Result<(), Error> {
        let cid = command.cid();
        let place = self.joined_room(id, key, command.room()?)?;
        if let Some(tab) = self.tab(key, id) {
            tab.rooms.retain(|&room| room != place);
        }
        if let Some(room) = self.rooms.get_mut(place) {
            cx.unsubscribe(id, room.topic);
            let name = &*room.name;
            let left = Answer::Left {
                room: name,
                text: None,
                cid,
            };
            cx.send(id, &left.to_json());
            let member = room.members.get_mut(&key);
            if let Some(member) = member {
                member.tabs -= 1;
                if member.tabs == 0 {
                    self.depart(cx, place, key);
                }
            }
        }
        Ok(())
    }

    pub(super) fn tab(&mut self, key: SessionKey, id: ConnectionId) -> Option<&mut Tab> {
        self.sessions.get_mut(key)?.tab(id)
    }

    /// A connection has ended. Whoever comes back within the grace has never
    /// been away.
    pub(super) fn go(&mut self, cx: &mut Context<'_>, id: ConnectionId, key: SessionKey) {
        let since = cx.now();
        let Some((tab, is_last)) = self.sessions.detach(key, id, since) else {
            return;
        };
        for place in tab.rooms {
            let room = self.rooms.get_mut(place);
            if let Some(member) = room.and_then(|room| room.members.get_mut(&key)) {
                member.tabs -= 1;
                if member.tabs == 0 {
                    member.away_since = Some(since);
                    let room = place;
                    let depart = Due::Depart { room, key, since };
                    self.agenda.push(Reverse((since + GRACE, depart)));
                }
            }
        }
        if is_last {
            let release = Due::Release { key, since };
            self.agenda.push(Reverse((since + GRACE, release)));
        }
        self.set_alarm(cx);
    }

    /// Tells the rooms somebody is in of their new name.
    pub(super) fn tell_name(&mut self, cx: &mut Context<'_>, key: SessionKey) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        let person = Arc::clone(&session.person);
        let tabs = session.tabs.iter();
        let rooms: Vec<usize> = tabs.flat_map(|tab| tab.rooms.iter().copied()).collect();
        for place in rooms {
            if let Some(room) = self.rooms.get_mut(place)
                && let Some(member) = room.members.get_mut(&key)
                && member.learn(&person)
            {
                room.presence.rename(Person::clone(&person));
                self.presence_changed(cx, place);
            }
        }
    }

    /// The place of a room that is in use.
    fn place(&self, name: &str) -> Result<Option<usize>, Error> {
        if let Some(&place) = self.rooms_by_name.get(name) {
            return Ok(Some(place));
        }
        let name = names::room(name).ok_or(ErrorCode::BadRoom)?;
        Ok(self.rooms_by_name.get(name.as_str()).copied())
    }

    /// The place of a room that a connection has joined.
    pub(super) fn joined_room(
        &mut self,
        id: ConnectionId,
        key: SessionKey,
        name: &str,
    ) -> Result<usize, Error> {
        let place = self.place(name)?;
        let tab = self.tab(key, id);
        let joined = place.filter(|place| tab.is_some_and(|tab| tab.rooms.contains(place)));
        joined.ok_or_else(|| ErrorCode::NotJoined.into())
    }

    /// The members of a room, some of them if there are many, and how many.
    pub(super) fn members(&self, place: usize) -> (Vec<Person>, usize) {
        let Some(room) = self.rooms.get(place) else {
            return (Vec::new(), 0);
        };
        (listed(room, &self.sessions), room.members.len())
    }

    pub(super) fn do_what_is_due(&mut self, cx: &mut Context<'_>) {
        let now = cx.now();
        while let Some(&Reverse((at, due))) = self.agenda.peek()
            && at <= now
        {
            self.agenda.pop();
            match due {
                Due::Presence { room, topic } => {
                    if self.rooms.get(room).is_some_and(|room| room.topic == topic) {
                        self.tell_presence(cx, room);
                    }
                }
                Due::Depart { room, key, since } => {
                    let member = self.rooms.get(room).and_then(|r| r.members.get(&key));
                    if member.is_some_and(|member| member.away_since == Some(since)) {
                        self.depart(cx, room, key);
                    }
                }
                Due::Release { key, since } => self.sessions.release_name(key, since),
                #[cfg(feature = "site")]
                Due::Expire { key, id } => self.expire(cx, key, id),
            }
        }
        self.set_alarm(cx);
    }

    /// Somebody is a member no longer.
    fn depart(&mut self, cx: &mut Context<'_>, place: usize, key: SessionKey) {
        let Some(room) = self.rooms.get_mut(place) else {
            return;
        };
        let member = room.members.remove(&key);
        if let (Some(member), Some(session)) = (member, self.sessions.get(key)) {
            room.presence.leave(member.person(session));
        }
        if room.members.is_empty() {
            self.unload_if_unused(place);
        } else {
            self.presence_changed(cx, place);
        }
    }

    fn presence_changed(&mut self, cx: &mut Context<'_>, place: usize) {
        let now = cx.now();
        let Some(room) = self.rooms.get_mut(place) else {
            return;
        };
        match room.presence.changed(now) {
            Some(at) if at <= now => self.tell_presence(cx, place),
            Some(at) => {
                let (room, topic) = (place, room.topic);
                let presence = Due::Presence { room, topic };
                self.agenda.push(Reverse((at, presence)));
                self.set_alarm(cx);
            }
            None => {}
        }
    }

    fn tell_presence(&mut self, cx: &mut Context<'_>, place: usize) {
        let Some(room) = self.rooms.get(place) else {
            return;
        };
        let needs_members = room.presence.needs_members(room.members.len());
        let members = needs_members.then(|| self.members(place).0);
        if let Some(room) = self.rooms.get_mut(place) {
            let (count, members) = (room.members.len(), members.as_deref());
            let presence = room.presence.tell(&room.name, count, members, cx.now());
            cx.publish(room.topic, &presence);
        }
    }

    pub(super) fn set_alarm(&self, cx: &mut Context<'_>) {
        if let Some(&Reverse((at, _))) = self.agenda.peek() {
            cx.tick_at(at);
        }
    }

    pub(super) fn unload_if_unused(&mut self, place: usize) {
        if self.rooms.get(place).is_some_and(Room::is_unused) {
            let room = self.rooms.remove(place);
            self.rooms_by_name.remove(&room.name);
            self.journal.unload(&room.name);
        }
    }
}

/// The members of a room as it knows them, some of them if there are many.
fn listed(room: &Room, sessions: &Sessions) -> Vec<Person> {
    let members = room.members.iter().take(MAX_LISTED);
    members
        .filter_map(|(&key, member)| Some(member.person(sessions.get(key)?)))
        .collect()
}

/// How long somebody stays a member, and keeps the name, without a connection.
const GRACE: Duration = Duration::from_secs(5);

/// How many rooms one connection may be in.
const MAX_ROOMS_PER_CONNECTION: usize = 64;
