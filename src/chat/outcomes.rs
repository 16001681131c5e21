//! What was asked of the journal, and how it comes back from there.

use core::time::Duration;
use std::sync::Arc;

use log::error;

use super::budgets::Paid;
use super::journal::{Draft, Entry, Journal, Outcome, Page};
use super::room::{MAX_ENTRIES_BYTES, Newest};
use super::wire::{self, Answer, Error, ErrorCode};
use super::{Chat, millis};
use crate::http::response::Status;
use crate::server::{ConnectionId, Context};

/// What was asked of the journal.
#[derive(Debug)]
pub(super) enum Pending {
    Entry {
        room: usize,
        asker: Asker,
        draft: Arc<Draft>,
        /// For what is new.
        paid: Option<Paid>,
    },
    /// An entry that was said before, or has to wait so long.
    Repeat {
        room: usize,
        asker: Asker,
        cid: String,
        wait: Duration,
    },
    Load {
        room: usize,
    },
    History {
        room: Arc<str>,
        page: Page,
        asker: Asker,
        cid: Option<String>,
    },
    #[cfg(feature = "site")]
    Remove {
        room: Arc<str>,
        id: ConnectionId,
    },
    Fetch {
        place: (Arc<str>, u64),
    },
}

/// Who asked for something.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asker {
    /// A person, over WebSocket.
    Person(ConnectionId),
    /// A site, over HTTP.
    #[cfg(feature = "site")]
    Site(ConnectionId),
}

impl Asker {
    /// What became of an entry, and the error where it was not kept. The key of a
    /// site may have named something else; a page's `cid` is random.
    fn check(self, draft: &Draft, outcome: Outcome) -> (Outcome, ErrorCode) {
        #[cfg(feature = "site")]
        if let (Asker::Site(_), Outcome::Repeated(Entry { draft: kept, .. })) = (self, &outcome)
            && (kept.room != draft.room || kept.text != draft.text && !kept.is_removed())
        {
            return (Outcome::Unknown, ErrorCode::KeyUsed);
        }
        #[cfg(not(feature = "site"))]
        let _ = draft;
        (outcome, ErrorCode::Storage)
    }

    /// What a person asks for next is looked at.
    fn release(self, cx: &mut Context<'_>) {
        match self {
            Asker::Person(id) => cx.release(id),
            #[cfg(feature = "site")]
            Asker::Site(_) => {}
        }
    }

    /// Answers with JSON; over HTTP with this status.
    fn tell(self, cx: &mut Context<'_>, status: Status, json: &str) {
        match self {
            Asker::Person(id) => cx.send(id, json),
            #[cfg(feature = "site")]
            Asker::Site(id) => cx.respond(id, super::site::json(status, json)),
        }
        #[cfg(not(feature = "site"))]
        let _ = status;
    }

    fn refuse(self, cx: &mut Context<'_>, error: &Error, cid: Option<&str>) {
        match self {
            Asker::Person(id) => cx.send(id, &error.to_json(cid)),
            #[cfg(feature = "site")]
            Asker::Site(id) => cx.respond(id, super::site::refusal(error)),
        }
    }
}

impl<J: Journal> Chat<J> {
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
                    asker,
                    draft,
                    paid,
                } => {
                    if !matches!(outcome, Outcome::Appended(_)) {
                        self.pay_back(paid, cx.now());
                    }
                    let (outcome, code) = asker.check(&draft, outcome);
                    let otherwise = || code.into();
                    self.entry_done(cx, room, asker, &draft.cid, outcome, otherwise);
                }
                Pending::Repeat {
                    room,
                    asker,
                    cid,
                    wait,
                } => {
                    let otherwise = || Error::from(ErrorCode::Quota).retry_ms(millis(wait).max(1));
                    self.entry_done(cx, room, asker, &cid, outcome, otherwise);
                }
                Pending::Load { room } => self.loaded(cx, room, outcome),
                Pending::History {
                    room,
                    page,
                    asker,
                    cid,
                } => history_done(cx, &room, page, asker, cid.as_deref(), outcome),
                #[cfg(feature = "site")]
                Pending::Remove { room, id } => self.removed(cx, &room, id, outcome),
                Pending::Fetch { place } => self.fetched(cx, &place, outcome),
            }
        }
    }

    fn entry_done(
        &mut self,
        cx: &mut Context<'_>,
        place: usize,
        asker: Asker,
        cid: &str,
        outcome: Outcome,
        otherwise: impl FnOnce() -> Error,
    ) {
        let hears_it = match asker {
            Asker::Person(id) => {
                let tab = self.session_of(id).and_then(|key| self.tab(key, id));
                tab.is_none_or(|tab| tab.rooms.contains(&place))
            }
            #[cfg(feature = "site")]
            Asker::Site(_) => false,
        };
        let Some(room) = self.rooms.get_mut(place) else {
            return;
        };
        room.pending -= 1;
        match outcome {
            Outcome::Appended(entry) => {
                let json = wire::entry_json(&entry);
                cx.publish(room.topic, &json);
                self.published_bytes += json.len();
                if !hears_it {
                    asker.tell(cx, Status::Created, &json);
                }
                room.newest.push(entry.seq, json);
            }
            Outcome::Repeated(entry) => asker.tell(cx, Status::Ok, &wire::entry_json(&entry)),
            _ => asker.refuse(cx, &otherwise(), Some(cid)),
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
}

fn history_done(
    cx: &mut Context<'_>,
    room: &str,
    page: Page,
    asker: Asker,
    cid: Option<&str>,
    outcome: Outcome,
) {
    asker.release(cx);
    let Outcome::History { entries, mut more } = outcome else {
        return asker.refuse(cx, &ErrorCode::Storage.into(), cid);
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
    let json = answer.with_entries(given.iter().map(String::as_str));
    asker.tell(cx, Status::Ok, &json);
}

/// What the journal's outcomes may publish between two ticks, of which a turn
/// has one: a part of what a room's tape holds by default, so that no batch makes
/// those lag who read fast.
const MAX_PUBLISHED_BYTES: usize = 64 << 10;
