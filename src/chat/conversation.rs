//! What is said: messages, direct messages, and what is asked of history.

use core::time::Duration;
use std::sync::Arc;

use super::budgets::Paid;
use super::journal::{Draft, File, FileBytes, Job, Journal, Page, Person, SecretHash};
use super::outcomes::{Asker, Pending};
use super::room::MAX_ENTRIES;
use super::session::{Direct, SessionKey};
use super::wire::{Answer, Command, Error, ErrorCode};
use super::{Chat, millis};
use crate::server::{ConnectionId, Context};

/// Whose an entry is.
pub(super) struct Author {
    pub(super) person: Arc<Person>,
    /// The secret of their session.
    pub(super) secret: Option<SecretHash>,
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
        let author = self.author(key)?;
        self.append(cx, Asker::Person(id), author, place, text, cid, None)
    }

    pub(super) fn author(&self, key: SessionKey) -> Result<Author, Error> {
        let session = self.sessions.get(key).ok_or(ErrorCode::NotJoined)?;
        let mut person = Arc::clone(&session.person);
        if person.role.is_some() {
            Arc::make_mut(&mut person).role = None;
        }
        Ok(Author {
            person,
            secret: Some(Arc::clone(&session.secret)),
        })
    }

    /// Gives an entry to the journal.
    #[expect(clippy::too_many_arguments, reason = "an entry has so many parts")]
    pub(super) fn append(
        &mut self,
        cx: &Context<'_>,
        asker: Asker,
        author: Author,
        place: usize,
        text: &str,
        cid: &str,
        file: Option<(File, FileBytes, Paid)>,
    ) -> Result<(), Error> {
        let (file, bytes, paid) = match file {
            Some((file, bytes, paid)) => (Some(Box::new(file)), Some(bytes), Some(paid)),
            None => (None, None, None),
        };
        let Some(room) = self.rooms.get_mut(place) else {
            return Err(ErrorCode::NotJoined.into());
        };
        let draft = Arc::new(Draft {
            room: Arc::clone(&room.name),
            from: author.person,
            time: millis(cx.unix_time()),
            text: text.to_owned(),
            cid: cid.to_owned(),
            file,
        });
        let job = Job::Append {
            draft: Arc::clone(&draft),
            secret: author.secret,
            bytes,
        };
        if self.journal.submit(job).is_err() {
            self.pay_back(paid, cx.now());
            return Err(busy());
        }
        room.pending += 1;
        self.pending.push_back(Pending::Entry {
            room: place,
            asker,
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
            _ => return Err(neither_before_nor_after()),
        };
        let (limit, cid) = (command.limit()?, command.cid().map(str::to_owned));
        self.read(Asker::Person(id), place, page, limit, cid)?;
        cx.hold(id);
        Ok(())
    }

    /// Asks the journal for a part of a room's history.
    pub(super) fn read(
        &mut self,
        asker: Asker,
        place: usize,
        page: Page,
        limit: Option<u64>,
        cid: Option<String>,
    ) -> Result<(), Error> {
        let Some(room) = self.rooms.get(place) else {
            return Err(ErrorCode::NotJoined.into());
        };
        let room = Arc::clone(&room.name);
        let limit = limit.and_then(|limit| usize::try_from(limit).ok());
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
            asker,
            cid,
        });
        Ok(())
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

pub(super) fn neither_before_nor_after() -> Error {
    let text = "History goes either before or after a seq.";
    Error::new(ErrorCode::BadRequest, text)
}

pub(super) fn busy() -> Error {
    Error::from(ErrorCode::Busy).retry_ms(millis(BUSY_RETRY))
}

/// What a batch of a slow disk takes.
const BUSY_RETRY: Duration = Duration::from_millis(500);

/// Whom a list of people names, for those who read it.
pub(super) fn names_of(people: &[Person]) -> String {
    let names: Vec<&str> = people.iter().map(|person| &*person.name).collect();
    names.join(", ")
}
