//! What is said: messages, direct messages, history, and how they come back
//! from the journal.

use core::time::Duration;
use std::sync::Arc;

use log::error;

use super::budgets::Paid;
use super::journal::{Draft, Entry, File, FileBytes, Job, Journal, Outcome, Page, Person};
use super::room::{MAX_ENTRIES, MAX_ENTRIES_BYTES, Newest};
use super::session::{Direct, SessionKey};
use super::wire::{self, Answer, Command, Error, ErrorCode};
use super::{Chat, millis};
use crate::server::{ConnectionId, Context};

/// What was asked of the journal.
#[derive(Debug)]
pub(super) enum Pending {
    Entry {
        room: usize,
        id: ConnectionId,
        draft: Arc<Draft>,
        /// For what is new.
        paid: Option<Paid>,
    },
    /// An entry that was said before, or has to wait so long.
    Repeat {
        room: usize,
        id: ConnectionId,
        cid: String,
        wait: Duration,
    },
    Load {
        room: usize,
    },
    History {
        room: Arc<str>,
        page: Page,
        id: ConnectionId,
        cid: Option<String>,
    },
    Fetch {
        place: (Arc<str>, u64),
    },
}

impl<J: Journal> Chat<J> {
    pub(super) fn message(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        key: SessionKey,
        command: &Command<'_>,
    ) -> Result<(), Error> {
        let (room, text) = (command.room()?, command.text()?);
        self.say(cx, id, key, room, text, command.required_cid()?)
    }

    pub(super) fn say(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        key: SessionKey,
        room: &str,
        text: &str,
        cid: &str,
    ) -> Result<(), Error> {
        let place = self.joined_room(id, key, room)?;
        self.check_text(text)?;
        self.append(cx, id, key, place, text, cid, None)
    }

    /// Gives an entry to the journal.
    #[expect(clippy::too_many_arguments, reason = "an entry has so many parts")]
    pub(super) fn append(
        &mut self,
        cx: &Context<'_>,
        id: ConnectionId,
        key: SessionKey,
        place: usize,
        text: &str,
        cid: &str,
        file: Option<(File, FileBytes, Paid)>,
    ) -> Result<(), Error> {
        let (file, bytes, paid) = match file {
            Some((file, bytes, paid)) => (Some(Box::new(file)), Some(bytes), Some(paid)),
            None => (None, None, None),
        };
        let (Some(room), Some(session)) = (self.rooms.get_mut(place), self.sessions.get(key))
        else {
            return Err(ErrorCode::NotJoined.into());
        };
        let draft = Arc::new(Draft {
            room: Arc::clone(&room.name),
            from: Arc::clone(&session.person),
            time: millis(cx.unix_time()),
            text: text.to_owned(),
            cid: cid.to_owned(),
            file,
        });
        let job = Job::Append {
            draft: Arc::clone(&draft),
            secret: Arc::clone(&session.secret),
            bytes,
        };
        if self.journal.submit(job).is_err() {
            self.pay_back(paid, cx.now());
            return Err(busy());
        }
        room.pending += 1;
        self.pending.push_back(Pending::Entry {
            room: place,
            id,
            draft,
            paid,
        });
        Ok(())
    }

    pub(super) fn direct(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        key: SessionKey,
        command: &Command<'_>,
    ) -> Result<(), Error> {
        let to = self.sessions.with_id(command.to()?);
        let (text, cid) = (command.text()?, command.required_cid()?);
        self.send_direct(cx, id, key, to, text, cid)
    }

    pub(super) fn send_direct(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        key: SessionKey,
        to: Option<SessionKey>,
        text: &str,
        cid: &str,
    ) -> Result<(), Error> {
        self.check_text(text)?;
        let Some(sender) = self.sessions.get(key) else {
            return Ok(());
        };
        let from = &sender.person;
        if let Some(Direct { time, to, .. }) = sender.direct(cid) {
            // It has arrived; only the answer has not.
            let time = *time;
            let answer = Answer::Direct {
                time,
                from,
                to,
                text,
                cid,
            };
            cx.send(id, &answer.to_json());
            return Ok(());
        }
        let recipient = to.and_then(|to| self.sessions.get(to));
        let recipient = recipient.filter(|session| !session.tabs.is_empty());
        let recipient = recipient.ok_or(ErrorCode::NotPresent)?;
        let time = millis(cx.unix_time());
        let answer = Answer::Direct {
            time,
            from,
            to: &recipient.person,
            text,
            cid,
        };
        let json = answer.to_json();
        // Somebody may write to themselves.
        let own_tabs = sender.tabs.iter().filter(|_| to != Some(key));
        for tab in recipient.tabs.iter().chain(own_tabs) {
            cx.send(tab.id, &json);
        }
        let to = Arc::clone(&recipient.person);
        if let Some(sender) = self.sessions.get_mut(key) {
            let cid = cid.to_owned();
            sender.remember_direct(Direct { cid, time, to });
        }
        Ok(())
    }

    pub(super) fn typing(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        key: SessionKey,
        command: &Command<'_>,
    ) -> Result<(), Error> {
        let place = self.joined_room(id, key, command.room()?)?;
        if let (Some(room), Some(session)) = (self.rooms.get(place), self.sessions.get(key)) {
            let (name, from) = (&*room.name, &session.person);
            cx.publish(room.topic, &Answer::Typing { room: name, from }.to_json());
        }
        Ok(())
    }

    pub(super) fn history(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        key: SessionKey,
        command: &Command<'_>,
    ) -> Result<(), Error> {
        let place = self.joined_room(id, key, command.room()?)?;
        let page = match (command.before()?, command.after()?) {
            (Some(seq), None) => Page::Before(seq),
            (None, Some(seq)) => Page::After(seq),
            _ => {
                let text = "History goes either before or after a seq.";
                return Err(Error::new(ErrorCode::BadRequest, text));
            }
        };
        let Some(room) = self.rooms.get(place) else {
            return Err(ErrorCode::NotJoined.into());
        };
        let room = Arc::clone(&room.name);
        let limit = command
            .limit()?
            .and_then(|limit| usize::try_from(limit).ok());
        let limit = limit.unwrap_or(MAX_ENTRIES).clamp(1, MAX_ENTRIES);
        let job = Job::History {
            room: Arc::clone(&room),
            page,
            limit,
        };
        self.journal.submit(job).map_err(|_| busy())?;
        self.pending.push_back(Pending::History {
            room,
            page,
            id,
            cid: command.cid().map(str::to_owned),
        });
        cx.hold(id);
        Ok(())
    }

    /// Goes on with what the journal has done, as far as a turn may: what is
    /// published has to be written before there is more of it.
    pub(super) fn take_outcomes(&mut self, cx: &mut Context<'_>) {
        loop {
            if self.published_bytes >= MAX_PUBLISHED_BYTES {
                cx.tick_at(cx.now());
                return;
            }
            let Some(outcome) = self.journal.outcome() else {
                return;
            };
            let Some(pending) = self.pending.pop_front() else {
                error!("the journal answered what nobody asked");
                return;
            };
            match pending {
                Pending::Entry {
                    room,
                    id,
                    draft,
                    paid,
                } => {
                    if !matches!(outcome, Outcome::Appended(_)) {
                        self.pay_back(paid, cx.now());
                    }
                    let otherwise = || ErrorCode::Storage.into();
                    self.entry_done(cx, room, id, &draft.cid, outcome, otherwise);
                }
                Pending::Repeat {
                    room,
                    id,
                    cid,
                    wait,
                } => {
                    let otherwise = || Error::from(ErrorCode::Quota).retry_ms(millis(wait).max(1));
                    self.entry_done(cx, room, id, &cid, outcome, otherwise);
                }
                Pending::Load { room } => self.loaded(cx, room, outcome),
                Pending::History {
                    room,
                    page,
                    id,
                    cid,
                } => {
                    cx.release(id);
                    history_done(cx, &room, page, id, cid.as_deref(), outcome);
                }
                Pending::Fetch { place } => self.fetched(cx, &place, outcome),
            }
        }
    }

    fn entry_done(
        &mut self,
        cx: &mut Context<'_>,
        place: usize,
        id: ConnectionId,
        cid: &str,
        outcome: Outcome,
        otherwise: impl FnOnce() -> Error,
    ) {
        let tab = self.session_of(id).and_then(|key| self.tab(key, id));
        let has_left = tab.is_some_and(|tab| !tab.rooms.contains(&place));
        let Some(room) = self.rooms.get_mut(place) else {
            return;
        };
        room.pending -= 1;
        match outcome {
            Outcome::Appended(entry) => {
                let json = wire::entry_json(&entry);
                cx.publish(room.topic, &json);
                self.published_bytes += json.len();
                if has_left {
                    cx.send(id, &json);
                }
                room.newest.push(entry.seq, json);
            }
            Outcome::Repeated(entry) => cx.send(id, &wire::entry_json(&entry)),
            _ => cx.send(id, &otherwise().to_json(Some(cid))),
        }
        self.unload_if_unused(place);
    }

    fn loaded(&mut self, cx: &mut Context<'_>, place: usize, outcome: Outcome) {
        let Some(room) = self.rooms.get_mut(place) else {
            return;
        };
        let waiting = room.waiting.take().unwrap_or_default();
        let Outcome::Loaded {
            epoch,
            seq,
            entries,
            more,
        } = outcome
        else {
            for joining in waiting {
                cx.release(joining.id);
                let error = Error::from(ErrorCode::Storage);
                cx.send(joining.id, &error.to_json(joining.cid.as_deref()));
            }
            self.unload_if_unused(place);
            return;
        };
        room.newest = Newest::new(epoch, more);
        for entry in &entries {
            room.newest.push(entry.seq, wire::entry_json(entry));
        }
        room.newest.seq = seq;
        for joining in waiting {
            cx.release(joining.id);
            // It may have gone meanwhile, and another one may have its place.
            if let Some(key) = self.session_of(joining.id) {
                let (after, cid) = (joining.after.as_ref(), joining.cid.as_deref());
                self.enter(cx, place, joining.id, key, after, cid);
            }
        }
        self.unload_if_unused(place);
    }

    pub(super) fn check_text(&self, text: &str) -> Result<(), Error> {
        if text.trim().is_empty() {
            return Err(Error::new(ErrorCode::BadRequest, "The text is empty."));
        }
        let max = self.settings.max_text_bytes;
        if max > 0 && text.len() > max {
            let text = format!("This text is too long: at most {max} bytes of UTF-8.");
            return Err(Error::new(ErrorCode::TooLarge, text));
        }
        Ok(())
    }
}

fn history_done(
    cx: &mut Context<'_>,
    room: &str,
    page: Page,
    id: ConnectionId,
    cid: Option<&str>,
    outcome: Outcome,
) {
    let Outcome::History { entries, mut more } = outcome else {
        return cx.send(id, &Error::from(ErrorCode::Storage).to_json(cid));
    };
    let mut bytes = 0;
    let mut fits = |json: &String| {
        bytes += json.len();
        bytes <= MAX_ENTRIES_BYTES || bytes == json.len()
    };
    let count = entries.len();
    // Those nearest to the number asked for come first into what fits.
    let encoded = |entry: &Entry| wire::entry_json(entry);
    let given: Vec<String> = match page {
        Page::After(_) => entries.iter().map(encoded).take_while(&mut fits).collect(),
        Page::Before(_) => {
            let nearest = entries.iter().rev().map(encoded).take_while(&mut fits);
            let mut given: Vec<String> = nearest.collect();
            given.reverse();
            given
        }
    };
    more |= given.len() < count;
    let answer = Answer::History { room, more, cid };
    cx.send(id, &answer.with_entries(given.iter().map(String::as_str)));
}

pub(super) fn busy() -> Error {
    Error::from(ErrorCode::Busy).retry_ms(millis(BUSY_RETRY))
}

/// What the journal's outcomes may publish between two ticks, of which a turn
/// has one: a part of what a room's tape holds by default, so that no batch makes
/// those lag who read fast.
const MAX_PUBLISHED_BYTES: usize = 64 << 10;

/// What a batch of a slow disk takes.
const BUSY_RETRY: Duration = Duration::from_millis(500);

/// Whom a list of people names, for those who read it.
pub(super) fn names_of(people: &[Person]) -> String {
    let names: Vec<&str> = people.iter().map(|person| &*person.name).collect();
    names.join(", ")
}
