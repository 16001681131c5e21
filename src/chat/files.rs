//! Files: how they come in, and how they are given out.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use super::conversation::busy;
use super::journal::{File, FileBytes, Job, Journal, Outcome};
use super::media::Media;
use super::outcomes::{Asker, Pending};
use super::session::SessionKey;
use super::wire::{self, Command, Error, ErrorCode};
use super::{Chat, names};
use crate::server::{ConnectionId, Context};

/// Who waits for which files, and what of the answers is on its way.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    /// In the order in which they asked. Each holds its connection, so nobody is
    /// in here twice.
    waiting: VecDeque<Fetch>,
    /// Files that are being read, or are at hand for all who wait for them.
    files: Vec<Wanted>,
    /// Whose answers were not written when that was looked at last.
    claims: Vec<Claim>,
}

/// Which file: that of an entry in a room.
type Place = (Arc<str>, u64);

#[derive(Debug)]
struct Fetch {
    id: ConnectionId,
    place: Place,
    cid: Option<String>,
    /// How long it may take.
    until: Duration,
}

#[derive(Debug)]
struct Wanted {
    place: Place,
    /// What the journal says, or that there is nothing.
    found: Option<Result<(File, FileBytes), ErrorCode>>,
}

/// A part of what answers may take until they are written.
#[derive(Debug)]
struct Claim {
    id: ConnectionId,
    until: Duration,
    /// How much was not written when that became less, and when it did.
    unsent: usize,
    moved: Duration,
}

impl Claim {
    /// Whether it still counts; what is not written takes as much of the memory
    /// without it, but others do not wait for that any more.
    fn holds(&mut self, unsent: usize, now: Duration) -> bool {
        if unsent < self.unsent {
            self.unsent = unsent;
            self.moved = now;
        }
        unsent > 0 && now < self.until && now < self.moved + MAX_STANDSTILL
    }
}

impl Fetches {
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.files.len()
    }
}

impl<J: Journal> Chat<J> {
    /// Takes a file in. `bytes` is `None` where it came as text.
    pub(super) fn file(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        key: SessionKey,
        command: &Command<'_>,
        bytes: Option<&[u8]>,
    ) -> Result<(), Error> {
        let bytes = bytes.ok_or_else(|| {
            let text = "A file is sent as a binary message.";
            Error::new(ErrorCode::BadFile, text)
        })?;
        let (room, cid) = (command.room()?, command.required_cid()?);
        let (name, text) = (names::file(command.file_name()?), command.caption()?);
        let place = self.joined_room(id, key, room)?;
        let text = match text.trim() {
            "" => "",
            _ => self.check_text(text).map(|()| text)?,
        };
        let most = self.limits.file_bytes;
        if most == 0 {
            return Err(ErrorCode::Unsupported.into());
        }
        if bytes.is_empty() {
            return Err(Error::new(ErrorCode::BadFile, "This file is empty."));
        }
        if bytes.len() > most {
            let text = format!("This file is too large: at most {most} bytes.");
            return Err(Error::new(ErrorCode::TooLarge, text));
        }
        let file = File {
            name,
            media: Media::of(bytes),
            size: bytes.len() as u64,
        };
        match self.pay(cx, id, key, bytes.len()) {
            Ok(paid) => {
                let file = Some((file, bytes.into(), paid));
                let author = self.author(key)?;
                self.append(cx, Asker::Person(id), author, place, text, cid, file)
            }
            Err(wait) => self.repeat(id, key, place, cid, wait),
        }
    }

    /// Answers a file that there is no quota for, if it is kept already.
    fn repeat(
        &mut self,
        id: ConnectionId,
        key: SessionKey,
        place: usize,
        cid: &str,
        wait: Duration,
    ) -> Result<(), Error> {
        let (Some(room), Some(session)) = (self.rooms.get_mut(place), self.sessions.get(key))
        else {
            return Err(ErrorCode::NotJoined.into());
        };
        let job = Job::Find {
            person: session.person.id.clone(),
            cid: cid.to_owned(),
        };
        self.journal.submit(job).map_err(|_| busy())?;
        room.pending += 1;
        self.pending.push_back(Pending::Repeat {
            room: place,
            asker: Asker::Person(id),
            cid: cid.to_owned(),
            wait,
        });
        Ok(())
    }

    pub(super) fn fetch(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        key: SessionKey,
        command: &Command<'_>,
    ) -> Result<(), Error> {
        let place = self.joined_room(id, key, command.room()?)?;
        let Some(room) = self.rooms.get(place) else {
            return Err(ErrorCode::NotJoined.into());
        };
        self.fetches.waiting.push_back(Fetch {
            id,
            place: (Arc::clone(&room.name), command.seq()?),
            cid: command.cid().map(str::to_owned),
            until: cx.now() + FETCH_PATIENCE,
        });
        cx.hold(id);
        // A crowd that asks in one turn is looked through once, not once for each.
        if self.fetches.waiting.len() > MAX_FILES {
            cx.tick_at(cx.now());
        } else {
            self.answer_fetches(cx);
        }
        Ok(())
    }

    /// The journal has read a file, or has not.
    pub(super) fn fetched(&mut self, cx: &mut Context<'_>, place: &Place, outcome: Outcome) {
        let mut files = self.fetches.files.iter_mut();
        if let Some(file) = files.find(|file| file.place == *place) {
            file.found = Some(match outcome {
                Outcome::Fetched(found) => found.ok_or(ErrorCode::Gone),
                _ => Err(ErrorCode::Storage),
            });
        }
        self.answer_fetches(cx);
    }

    /// Gives files to those who wait for them, as far as that is not too much at
    /// once, and has more of them read.
    pub(super) fn answer_fetches(&mut self, cx: &mut Context<'_>) {
        let now = cx.now();
        let Fetches {
            waiting,
            files,
            claims,
        } = &mut self.fetches;
        claims.retain_mut(|claim| claim.holds(cx.unsent_bytes(claim.id), now));
        let mut unsent: usize = claims.iter().map(|claim| claim.unsent).sum();
        let mut given = 0;
        waiting.retain(|fetch| {
            let Fetch { id, ref place, .. } = *fetch;
            let cid = fetch.cid.as_deref();
            let file = files.iter().find(|file| file.place == *place);
            match file.and_then(|file| file.found.as_ref()) {
                Some(Err(code)) => cx.send(id, &Error::from(*code).to_json(cid)),
                // Whoever has not taken what was there before would only have to
                // be dropped for it.
                Some(Ok((file, bytes)))
                    if unsent < MAX_UNSENT_BYTES
                        && given < MAX_GIVEN_BYTES
                        && cx.unsent_bytes(id) == 0 =>
                {
                    let frame = wire::file_frame(&place.0, place.1, file, bytes, cid);
                    cx.send(id, &frame);
                    unsent += frame.len();
                    given += frame.len();
                    claims.push(Claim {
                        id,
                        until: now + CLAIM_TIME,
                        unsent: frame.len(),
                        moved: now,
                    });
                }
                _ if fetch.until <= now => cx.send(id, &busy().to_json(cid)),
                _ => return true,
            }
            cx.release(id);
            false
        });
        files.retain(|file| {
            let mut waiting = waiting.iter();
            file.found.is_none() || waiting.any(|fetch| fetch.place == file.place)
        });
        for Fetch { place, .. } in &*waiting {
            if files.len() >= MAX_FILES {
                break;
            }
            if files.iter().any(|file| file.place == *place) {
                continue;
            }
            let job = Job::Fetch {
                room: Arc::clone(&place.0),
                seq: place.1,
                limit: self.settings.max_file_bytes,
            };
            if self.journal.submit(job).is_err() {
                break;
            }
            files.push(Wanted {
                place: place.clone(),
                found: None,
            });
            let place = place.clone();
            self.pending.push_back(Pending::Fetch { place });
        }
        if !waiting.is_empty() {
            let is_more = given >= MAX_GIVEN_BYTES;
            cx.tick_at(if is_more { now } else { now + FETCH_PAUSE });
        }
    }
}

/// How many files are read or at hand at once.
const MAX_FILES: usize = 4;

/// How many bytes of files may be on their way to those who take them as they
/// should.
const MAX_UNSENT_BYTES: usize = 16 << 20;

/// How many of them are given out in one turn, so that it stays short.
const MAX_GIVEN_BYTES: usize = 2 << 20;

/// How long somebody may take for a file at the cost of others, and how long
/// take nothing of it.
const CLAIM_TIME: Duration = Duration::from_secs(3);
const MAX_STANDSTILL: Duration = Duration::from_millis(500);

/// How long somebody waits for a file; then they may ask again.
const FETCH_PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked what was written, while somebody waits.
const FETCH_PAUSE: Duration = Duration::from_millis(20);
