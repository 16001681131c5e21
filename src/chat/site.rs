//! What a site does over HTTP with a token: it says something, reads, and keeps
//! order. The rules, limits and errors are those of the [wire format](super::wire);
//! answers are its JSON.
//!
//! Every request has the header `Authorization: Bearer TOKEN`, with the token of
//! [`Settings::api_token`](super::Settings::api_token); 401 without.
//!
//! | request | answer |
//! |---|---|
//! | `POST /api/rooms/ROOM/messages` | 201 with the entry, `message {room, seq, …}`. The body is a form or JSON with `text` and perhaps `name`, who says it (`site` unless given), or the bare text. The header `Idempotency-Key` is its `cid`, one for all rooms: sent again, nothing changes, and the answer is 200 |
//! | `GET /api/rooms/ROOM/messages` | 200 `history {room, entries, more}`: the newest, or with `?before=SEQ` or `?after=SEQ` those nearest to that; `&limit=N` |
//! | `DELETE /api/rooms/ROOM/messages/SEQ` | 200 with what is left, `removed {room, seq, …}`; its text and its file are gone, here and for everybody in the room; the database may hold them until it uses their place anew |
//! | `GET /api/rooms` | 200 `rooms {rooms: [{room, count}], more}`: those that somebody is in, by name, a thousand at most; those behind a name with `?after=ROOM` |
//! | `GET /api/rooms/ROOM` | 200 `room {room, count, members}` |
//! | `DELETE /api/rooms/ROOM` | 204: everybody in there has to leave; what was said is kept, and whoever joins opens it anew |
//! | `DELETE /api/members/ID` | 204: every connection of this member is closed with 4503 |
//!
//! An error is `error {code, text, retry_ms?}` with 400, 404, 409 (`name_taken`;
//! `key_used`: the key has named another message), 413 (`too_large`), 415
//! (`unsupported`), 429 (`rate_limited`) or 503 (`busy`, `storage`, `too_many_rooms`), and
//! `Retry-After` in seconds where the same may be sent again. What is no more than
//! HTTP is a line of text: 401, 405, 408, 411, and 413 before the body has come. A site
//! may do ten times as much as a person in a second.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::conversation::{Author, busy, neither_before_nor_after};
use super::journal::{Job, Journal, Outcome, Page, Person};
use super::limits::Budget;
use super::outcomes::{Asker, Pending};
use super::wire::{self, Answer, Error, ErrorCode, Listed};
use super::{Chat, millis, names};
use crate::http::refusal::Refusal;
use crate::http::request::Request;
use crate::http::response::{Response, Status};
use crate::server::{ConnectionId, Context};
use crate::websocket::close::CloseCode;

mod request;

use self::request::{Subject, parameter, said};

/// The site that the chat stands beside.
#[derive(Debug)]
pub(super) struct Site {
    /// A hash of the token: comparing it takes no longer the more of it is right.
    token: [u8; 32],
    budget: Budget,
}

impl Site {
    pub(super) fn new(token: &str) -> Self {
        Site {
            token: Sha256::digest(token).into(),
            budget: Budget::default(),
        }
    }

    fn admits(&self, request: &Request<'_>) -> bool {
        let mut given = request.header_values("authorization");
        let (Some(given), None) = (given.next(), given.next()) else {
            return false;
        };
        let Some((scheme, token)) = given.split_at_checked(BEARER.len()) else {
            return false;
        };
        let token: [u8; 32] = Sha256::digest(token).into();
        scheme.eq_ignore_ascii_case(BEARER) && token == self.token
    }
}

impl<J: Journal> Chat<J> {
    /// How large the body of a request may be, where it is the site's.
    pub(super) fn takes_of_site(&self, request: &Request<'_>) -> Result<Option<usize>, Refusal> {
        let Some(site) = self
            .site
            .as_ref()
            .filter(|_| request.path.starts_with(PREFIX))
        else {
            return Ok(None);
        };
        if !site.admits(request) {
            let text = "The header Authorization has to be Bearer and the token.";
            return Err(Refusal::new(Status::Unauthorized, text));
        }
        if request.method != "POST" {
            return Ok(Some(0));
        }
        // JSON may take six bytes for one.
        let text_bytes = match self.settings.max_text_bytes {
            0 => MAX_BODY_BYTES,
            most => most.saturating_mul(6),
        };
        Ok(Some(
            text_bytes.saturating_add(FIELDS_BYTES).min(MAX_BODY_BYTES),
        ))
    }

    /// Does what a site asks for; `None` where the journal has to do it first.
    pub(super) fn request_of_site(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        request: &Request<'_>,
        body: &[u8],
    ) -> Option<Response<'static>> {
        let done = self.do_for_site(cx, id, request, body);
        done.unwrap_or_else(|error| {
            let rate = self.address_rate;
            if error.code() == ErrorCode::Busy
                && let Some(site) = &mut self.site
            {
                rate.give_back(&mut site.budget);
            }
            Some(refusal(&error))
        })
    }

    fn do_for_site(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        request: &Request<'_>,
        body: &[u8],
    ) -> Result<Option<Response<'static>>, Error> {
        let (rate, now) = (self.address_rate, cx.now());
        if let Some(site) = &mut self.site {
            let taken = rate.take(&mut site.budget, now);
            taken.map_err(|wait| {
                Error::from(ErrorCode::RateLimited).retry_ms(millis(wait).max(1))
            })?;
        }
        let subject = Subject::of(request.path).ok_or(ErrorCode::NotFound)?;
        match (&subject, request.method) {
            (Subject::Rooms, "GET" | "HEAD") => Ok(Some(self.rooms_for_site(request))),
            (Subject::Room(room), "GET" | "HEAD") => self.room_for_site(room).map(Some),
            (Subject::Room(room), "DELETE") => {
                self.close_room(cx, room).map(|()| Some(no_content()))
            }
            (Subject::Messages(room), "GET" | "HEAD") => {
                self.read_for_site(id, room, request).map(|()| None)
            }
            (Subject::Messages(room), "POST") => self
                .say_for_site(cx, id, room, request, body)
                .map(|()| None),
            (Subject::Message(room, seq), "DELETE") => self.remove(id, room, *seq).map(|()| None),
            (Subject::Member(member), "DELETE") => self.kick(cx, member).map(Some),
            _ => {
                let methods = subject.methods();
                let text = format!("This is answered to {methods} alone.");
                let mut response = Response::text(Status::MethodNotAllowed, &text);
                response.header("Allow", methods);
                Ok(Some(response))
            }
        }
    }

    fn say_for_site(
        &mut self,
        cx: &mut Context<'_>,
        id: ConnectionId,
        room: &str,
        request: &Request<'_>,
        body: &[u8],
    ) -> Result<(), Error> {
        let body = core::str::from_utf8(body)
            .map_err(|_| Error::new(ErrorCode::BadRequest, "The body is not UTF-8."))?;
        let (text, name) = said(request, body)?;
        self.check_text(&text)?;
        let name = names::person(name.as_deref().unwrap_or(NAME)).ok_or(ErrorCode::BadName)?;
        if self.sessions.with_name(name).is_some() {
            return Err(ErrorCode::NameTaken.into());
        }
        let mut keys = request.header_values("idempotency-key");
        let cid = match (keys.next(), keys.next()) {
            (None, _) => self.cid_or_new(None),
            // Quotes make it a string of a structured header (RFC 9651 §3.3.3).
            (Some(key), None) => String::from_utf8_lossy(key).trim_matches('"').to_owned(),
            (Some(_), Some(_)) => String::new(),
        };
        if !wire::is_cid(&cid) {
            let text = "An Idempotency-Key comes once and is 1 to 64 of A-Z, a-z, 0-9, _ and -.";
            return Err(Error::new(ErrorCode::BadRequest, text));
        }
        let place = self.place_or_load(room)?;
        let author = Author {
            person: Arc::new(Person {
                id: ID.to_owned(),
                name: name.to_owned(),
                role: None,
            }),
            secret: None,
        };
        self.append(cx, Asker::Site(id), author, place, &text, &cid, None)
    }

    fn read_for_site(
        &mut self,
        id: ConnectionId,
        room: &str,
        request: &Request<'_>,
    ) -> Result<(), Error> {
        let number = |name| {
            let value = parameter(request, name);
            let number = value.map(|value| value.parse::<u64>());
            number.transpose().map_err(|_| {
                let text = format!("The parameter {name} has to be a whole number.");
                Error::new(ErrorCode::BadRequest, text)
            })
        };
        let page = match (number("before")?, number("after")?) {
            (Some(_), Some(_)) => return Err(neither_before_nor_after()),
            (None, Some(seq)) => Page::After(seq),
            (before, None) => Page::Before(before.unwrap_or(u64::MAX)),
        };
        let limit = number("limit")?;
        let place = self.place_or_load(room)?;
        self.read(Asker::Site(id), place, page, limit, None)
    }

    fn remove(&mut self, id: ConnectionId, room: &str, seq: u64) -> Result<(), Error> {
        let place = self.place_or_load(room)?;
        let room = self.rooms.get(place).ok_or(ErrorCode::NotFound)?;
        let room = Arc::clone(&room.name);
        let job = Job::Remove {
            room: Arc::clone(&room),
            seq,
        };
        self.journal.submit(job).map_err(|_| busy())?;
        self.pending.push_back(Pending::Remove { room, id });
        Ok(())
    }

    /// An entry is removed: everybody in the room is told.
    pub(super) fn removed(
        &mut self,
        cx: &mut Context<'_>,
        room: &str,
        id: ConnectionId,
        outcome: Outcome,
    ) {
        let entry = match outcome {
            Outcome::Removed(Some(entry)) => entry,
            Outcome::Removed(None) => return cx.respond(id, refusal(&ErrorCode::NotFound.into())),
            _ => return cx.respond(id, refusal(&ErrorCode::Storage.into())),
        };
        let left = wire::entry_json(&entry);
        cx.respond(id, json(Status::Ok, &left));
        let place = self.rooms_by_name.get(room).copied();
        if let Some(room) = place.and_then(|place| self.rooms.get_mut(place)) {
            cx.publish(room.topic, &left);
            self.published_bytes += left.len();
            room.newest.replace(entry.seq, left);
        }
    }

    fn rooms_for_site(&self, request: &Request<'_>) -> Response<'static> {
        let after = parameter(request, "after").unwrap_or_default();
        let is_later = |name: &str| after.is_empty() || name > &*after;
        let rooms = self
            .rooms
            .iter()
            .filter(|(_, room)| !room.members.is_empty());
        let rooms = rooms.map(|(_, room)| Listed {
            room: &room.name,
            count: room.members.len(),
        });
        let mut rooms: Vec<Listed> = rooms.filter(|listed| is_later(listed.room)).collect();
        rooms.sort_unstable();
        let more = rooms.len() > MAX_ROOMS;
        rooms.truncate(MAX_ROOMS);
        let rooms = &rooms[..];
        json(Status::Ok, &Answer::Rooms { rooms, more }.to_json())
    }

    fn room_for_site(&self, room: &str) -> Result<Response<'static>, Error> {
        let name = names::room(room).ok_or(ErrorCode::BadRoom)?;
        let place = self.rooms_by_name.get(name.as_str());
        let (members, count) = place.map_or_else(Default::default, |&place| self.members(place));
        let room = Answer::Room {
            room: &name,
            count,
            members,
        };
        Ok(json(Status::Ok, &room.to_json()))
    }

    fn kick(&mut self, cx: &mut Context<'_>, member: &str) -> Result<Response<'static>, Error> {
        let key = self.sessions.with_id(member);
        let session = key.and_then(|key| self.sessions.get(key));
        let session = session.filter(|session| !session.tabs.is_empty());
        for tab in &session.ok_or(ErrorCode::NotFound)?.tabs {
            cx.close(tab.id, KICKED, "you were sent out");
        }
        Ok(no_content())
    }

    /// The place of a room, which is loaded where it is not in use.
    fn place_or_load(&mut self, room: &str) -> Result<usize, Error> {
        let name = names::room(room).ok_or(ErrorCode::BadRoom)?;
        match self.rooms_by_name.get(name.as_str()) {
            Some(&place) => Ok(place),
            None => self.load(name),
        }
    }
}

pub(super) fn json(status: Status, json: &str) -> Response<'static> {
    Response::new(status, JSON, json.as_bytes().to_vec())
}

fn no_content() -> Response<'static> {
    Response::new(Status::NoContent, JSON, &[][..])
}

pub(super) fn refusal(error: &Error) -> Response<'static> {
    let mut response = json(status(error.code()), &error.to_json(None));
    if let Some(millis) = error.retry_after() {
        response.header("Retry-After", millis.div_ceil(1000).to_string());
    }
    response
}

fn status(code: ErrorCode) -> Status {
    match code {
        ErrorCode::NotFound | ErrorCode::Gone | ErrorCode::NotPresent => Status::NotFound,
        ErrorCode::NameTaken | ErrorCode::KeyUsed => Status::Conflict,
        ErrorCode::Unsupported => Status::UnsupportedMediaType,
        ErrorCode::TooLarge => Status::ContentTooLarge,
        ErrorCode::RateLimited | ErrorCode::Quota => Status::TooManyRequests,
        ErrorCode::Busy | ErrorCode::Storage | ErrorCode::TooManyRooms => {
            Status::ServiceUnavailable
        }
        _ => Status::BadRequest,
    }
}

const PREFIX: &str = "/api/";
const BEARER: &[u8] = b"Bearer ";
const JSON: &str = "application/json";

/// The site as people see it. Nobody else has an id as short as that.
const ID: &str = "site";
pub(super) const NAME: &str = "site";

/// Do not come back.
const KICKED: CloseCode = CloseCode::new(4503);

/// Rooms that are listed at once.
const MAX_ROOMS: usize = 1000;

/// What a body has beside its text.
const FIELDS_BYTES: usize = 4 << 10;

/// The largest body where texts may have any length.
const MAX_BODY_BYTES: usize = 1 << 20;
