//! The wire format `veche.v1`: what clients send and what they get.
//!
//! Upgrade at `/ws` or `/` with the subprotocol `veche.v1`, which is also
//! assumed where none is offered. Text frames, one JSON object each, with a
//! `type`. Unknown fields are ignored; an unknown type is answered with
//! `error unknown_type`; whatever is wrong with a frame, the connection lives
//! on. Times are Unix milliseconds, UTC. `text` is plain text, never HTML; one
//! that begins with `/me ` is shown as an action (XEP-0245).
//!
//! A field has the same kind in every command, `after` apart, which is a place
//! in `join` and a number in `history`.
//!
//! Any command may carry a `cid`, 1 to 64 of `A–Z a–z 0–9 _ -`; its reply or
//! error returns it. For `message` and `direct` it is required and must be
//! new: sending the same thing again under the same `cid` changes nothing.
//!
//! | client sends | server answers |
//! |---|---|
//! | `hello {name, session?, token?}` | `welcome {session, id, name, server, limits, ping_seconds, commands}`. `session` is the secret to come back with, `id` is public. Where the name is taken: `error name_taken` with a free `suggestion` |
//! | `join {room, after?: {epoch, seq}}` | `joined {room, epoch, seq, count, members, recovered, more, entries}`. With `after`, `recovered` tells whether nothing is missing between it and `entries`; `more`, whether there is anything older than `entries` |
//! | `message {room, cid, text}` | to the room, the sender included: `message {room, seq, time, from: {id, name}, text, cid}`. One's own `cid` coming back is the acknowledgement. Not a member: `error not_joined` |
//! | `direct {to, cid, text}` | to every connection of both sides, not stored: `direct {time, from, to: {id, name}, text, cid}`. Nobody connected: `error not_present` |
//! | `typing {room}` | to the room, not stored: `typing {room, from}` |
//! | `history {room, before \| after, limit?}` | `history {room, entries, more}`: at most 100 entries and 64 KiB, ascending, nearest to the number given. `more` is about the direction asked for |
//! | `rename {name}` | `renamed {name}`; to rooms through `presence` |
//! | `leave {room}` | `left {room}`; to the room through `presence` |
//! | `command {line, room?}` | `notice {text}`, or what the command does; `welcome` lists them |
//! | `ping {n}` | `pong {n}`: a browser cannot see the protocol's own pings |
//!
//! Unasked for, at most once a second and room:
//! `presence {room, count, arrived?, left?, renamed?}`, each a list of
//! `{id, name}`; above 100 members only `count`, and when they are 100 again or
//! fewer, `members` names them all.
//!
//! Everything else is `error {code, text, cid?, retry_ms?, suggestion?}`: a
//! stable [`ErrorCode`] and a sentence for people. Where `retry_ms` is given,
//! sending the same again after that time is right.
//!
//! The server closes with 4008 a connection that takes what it is sent too
//! slowly, 1012 with the reason `retry_ms=N` to restart, and 1001 to stop. Codes
//! 4000–4499 mean *come back*, 4500–4999 *do not*.

use core::fmt;
use std::borrow::Cow;

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::journal::{Entry, Person};

/// A command: its type, and the fields that any type has.
#[derive(Debug, Deserialize)]
pub(super) struct Command<'a> {
    #[serde(borrow)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(borrow)]
    cid: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) room: Option<Cow<'a, str>>,
    #[serde(borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(borrow)]
    to: Option<Cow<'a, str>>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) session: Option<Cow<'a, str>>,
    #[serde(borrow)]
    line: Option<Cow<'a, str>>,
    n: Option<u64>,
    pub(super) before: Option<u64>,
    pub(super) after: Option<After>,
    pub(super) limit: Option<u64>,
}

impl<'a> Command<'a> {
    /// Reads a command.
    ///
    /// # Errors
    /// `bad_json` where it is none, `bad_request` where a field is of the wrong
    /// kind or the type is missing.
    pub(super) fn parse(text: &'a str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| {
            let (code, what) = if error.is_data() {
                (ErrorCode::BadRequest, "This command is not right: ")
            } else {
                (ErrorCode::BadJson, "This is not JSON: ")
            };
            Error::new(code, format!("{what}{error}."))
        })
    }

    pub(super) fn cid(&self) -> Option<&str> {
        self.cid.as_deref()
    }

    /// The `cid`, where one is required.
    pub(super) fn required_cid(&self) -> Result<&str, Error> {
        required("cid", self.cid.as_deref())
    }

    pub(super) fn room(&self) -> Result<&str, Error> {
        required("room", self.room.as_deref())
    }

    pub(super) fn text(&self) -> Result<&str, Error> {
        required("text", self.text.as_deref())
    }

    pub(super) fn to(&self) -> Result<&str, Error> {
        required("to", self.to.as_deref())
    }

    pub(super) fn name(&self) -> Result<&str, Error> {
        required("name", self.name.as_deref())
    }

    pub(super) fn line(&self) -> Result<&str, Error> {
        required("line", self.line.as_deref())
    }

    pub(super) fn n(&self) -> Result<u64, Error> {
        required("n", self.n)
    }
}

fn required<T>(name: &str, field: Option<T>) -> Result<T, Error> {
    field.ok_or_else(|| {
        let text = format!("The field {name} is missing.");
        Error::new(ErrorCode::BadRequest, text)
    })
}

/// What a client has already: of a room, or of its history.
#[derive(Clone, Debug)]
pub(super) enum After {
    Place { epoch: String, seq: u64 },
    Seq(u64),
}

impl<'de> Deserialize<'de> for After {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AfterVisitor;

        impl<'de> Visitor<'de> for AfterVisitor {
            type Value = After;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a seq, or an epoch and a seq")
            }

            fn visit_u64<E>(self, seq: u64) -> Result<After, E> {
                Ok(After::Seq(seq))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<After, A::Error> {
                let (mut epoch, mut seq) = (None, None);
                while let Some(field) = map.next_key::<Cow<'de, str>>()? {
                    match &*field {
                        "epoch" => epoch = Some(map.next_value()?),
                        "seq" => seq = Some(map.next_value()?),
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                let epoch = epoch.ok_or_else(|| A::Error::missing_field("epoch"))?;
                let seq = seq.ok_or_else(|| A::Error::missing_field("seq"))?;
                Ok(After::Place { epoch, seq })
            }
        }

        deserializer.deserialize_any(AfterVisitor)
    }
}

/// Whether JSON nests deeper than anything here has reason to: looked at before
/// it is parsed.
pub(super) fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

/// How deep JSON may nest; the deepest command needs 2.
const MAX_DEPTH: usize = 16;

/// Whether something may be a `cid`.
pub(super) fn is_cid(cid: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&cid.len()) && cid.bytes().all(is_allowed)
}

/// What a server says.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Answer<'a> {
    Welcome {
        session: &'a str,
        id: &'a str,
        name: &'a str,
        server: &'a str,
        limits: &'a Limits,
        ping_seconds: u32,
        commands: &'a [CommandHelp],
        #[serde(skip_serializing_if = "Option::is_none")]
        cid: Option<&'a str>,
    },
    /// Its `entries` are added by [`Answer::with_entries`].
    Joined {
        room: &'a str,
        epoch: &'a str,
        seq: u64,
        count: usize,
        members: Vec<Person>,
        recovered: bool,
        more: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cid: Option<&'a str>,
    },
    Message {
        room: &'a str,
        seq: u64,
        time: u64,
        from: &'a Person,
        text: &'a str,
        cid: &'a str,
    },
    Direct {
        time: u64,
        from: &'a Person,
        to: &'a Person,
        text: &'a str,
        cid: &'a str,
    },
    Typing {
        room: &'a str,
        from: &'a Person,
    },
    /// Its `entries` are added by [`Answer::with_entries`].
    History {
        room: &'a str,
        more: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cid: Option<&'a str>,
    },
    Presence {
        room: &'a str,
        count: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        members: Option<&'a [Person]>,
        #[serde(skip_serializing_if = "<[Person]>::is_empty")]
        arrived: &'a [Person],
        #[serde(skip_serializing_if = "<[Person]>::is_empty")]
        left: &'a [Person],
        #[serde(skip_serializing_if = "<[Person]>::is_empty")]
        renamed: &'a [Person],
    },
    Renamed {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cid: Option<&'a str>,
    },
    Left {
        room: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cid: Option<&'a str>,
    },
    Notice {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cid: Option<&'a str>,
    },
    Pong {
        n: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        cid: Option<&'a str>,
    },
    Error {
        code: ErrorCode,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cid: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_ms: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        suggestion: Option<&'a str>,
    },
}

impl Answer<'_> {
    pub(super) fn to_json(&self) -> String {
        // Strings, numbers and lists of them: there is nothing that can fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The answer with its entries, which are JSON already.
    pub(super) fn with_entries<'e>(&self, entries: impl Iterator<Item = &'e str>) -> String {
        let mut json = self.to_json();
        json.pop();
        json.push_str(",\"entries\":[");
        for (place, entry) in entries.enumerate() {
            if place > 0 {
                json.push(',');
            }
            json.push_str(entry);
        }
        json.push_str("]}");
        json
    }
}

/// An entry as it is broadcast, and given in `joined` and `history` later.
pub(super) fn entry_json(entry: &Entry) -> String {
    let draft = &entry.draft;
    let answer = Answer::Message {
        room: &draft.room,
        seq: entry.seq,
        time: draft.time,
        from: &draft.from,
        text: &draft.text,
        cid: &draft.cid,
    };
    answer.to_json()
}

/// What `welcome` tells of the limits.
#[derive(Debug, Serialize)]
pub(super) struct Limits {
    pub(super) text_bytes: usize,
    pub(super) name_chars: usize,
    pub(super) room_chars: usize,
    /// Commands at once, and steadily; 0 for no limit.
    pub(super) burst: u32,
    pub(super) per_second: u32,
}

/// What `welcome` tells of a command.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct CommandHelp {
    pub(super) name: &'static str,
    pub(super) usage: &'static str,
    pub(super) help: &'static str,
}

/// Why a command was not followed.
#[derive(Debug)]
pub(super) struct Error {
    pub(super) code: ErrorCode,
    pub(super) text: Cow<'static, str>,
    pub(super) retry_ms: Option<u64>,
    pub(super) suggestion: Option<String>,
}

impl Error {
    pub(super) fn new(code: ErrorCode, text: impl Into<Cow<'static, str>>) -> Self {
        Error {
            code,
            text: text.into(),
            retry_ms: None,
            suggestion: None,
        }
    }

    pub(super) fn to_json(&self, cid: Option<&str>) -> String {
        let answer = Answer::Error {
            code: self.code,
            text: &self.text,
            cid,
            retry_ms: self.retry_ms,
            suggestion: self.suggestion.as_deref(),
        };
        answer.to_json()
    }
}

impl From<ErrorCode> for Error {
    fn from(code: ErrorCode) -> Self {
        Error::new(code, code.sentence())
    }
}

/// Why a command was not followed. On the wire in snake case: `name_taken`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The frame is not JSON, or nests too deep.
    BadJson,
    /// A field is missing or not what it has to be; the text names it.
    BadRequest,
    /// There is no such type of command.
    UnknownType,
    /// Binary frames are not taken.
    Unsupported,
    /// `hello` has to come first.
    HelloFirst,
    /// `hello` was answered already; `rename` changes the name.
    AlreadyWelcome,
    /// The name cannot be one.
    BadName,
    /// Somebody else has the name; `suggestion` is free.
    NameTaken,
    /// The name of the room cannot be one.
    BadRoom,
    /// One connection cannot be in more rooms, or the server cannot keep more.
    TooManyRooms,
    /// To be done there the room has to be joined.
    NotJoined,
    /// Nobody with this id, or this name, is connected.
    NotPresent,
    /// The text is longer than `limits.text_bytes`.
    TooLarge,
    /// Too many commands; again after `retry_ms`.
    RateLimited,
    /// The journal is behind; again after `retry_ms`.
    Busy,
    /// The journal could not keep or find it.
    Storage,
}

impl ErrorCode {
    /// What it means, for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            ErrorCode::BadJson => "This is not JSON.",
            ErrorCode::BadRequest => "This command is not right.",
            ErrorCode::UnknownType => "There is no such type of command.",
            ErrorCode::Unsupported => "Binary messages are not taken here: send text.",
            ErrorCode::HelloFirst => "Say hello first.",
            ErrorCode::AlreadyWelcome => "You said hello already; rename changes the name.",
            ErrorCode::BadName => "A name has 1 to 32 characters, none of them invisible.",
            ErrorCode::NameTaken => "Somebody else has this name.",
            ErrorCode::BadRoom => {
                "The name of a room has 1 to 64 letters, digits, hyphens and underscores."
            }
            ErrorCode::TooManyRooms => "These are too many rooms: leave one first.",
            ErrorCode::NotJoined => "Join this room first.",
            ErrorCode::NotPresent => "Nobody of that name is here now.",
            ErrorCode::TooLarge => "This text is too long.",
            ErrorCode::RateLimited => "Too fast: wait a moment.",
            ErrorCode::Busy => "The server is behind with storing: wait a moment.",
            ErrorCode::Storage => "This could not be stored or found.",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_strings() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(!is_too_deep(&nested(16)) && is_too_deep(&nested(17)));
        assert!(is_too_deep(&"{\"a\":".repeat(1000)));
        assert!(!is_too_deep(&format!(
            "{{\"text\":\"{}\"}}",
            "[".repeat(100)
        )));
        assert!(!is_too_deep(&format!(
            "{{\"text\":\"\\\"{}\"}}",
            "{".repeat(100)
        )));
        assert!(is_too_deep(&format!(
            "{{\"text\":\"\\\\\",\"x\":{}",
            "[".repeat(100)
        )));
    }

    #[test]
    fn cid_is_short_and_harmless() {
        for cid in ["a", "A-z_9", &"x".repeat(64)] {
            assert!(is_cid(cid), "{cid}");
        }
        for cid in ["", "a b", "ж", "a\"", &"x".repeat(65)] {
            assert!(!is_cid(cid), "{cid}");
        }
    }

    #[test]
    fn error_tells_what_is_missing() {
        let error = Command::parse("{}").expect_err("no type");
        assert_eq!(error.code, ErrorCode::BadRequest);
        assert!(error.text.contains("`type`"), "{}", error.text);
        let command = Command::parse("{\"type\":\"rename\"}").expect("whole");
        let error = command.name().expect_err("no name");
        assert_eq!(error.code, ErrorCode::BadRequest);
        assert_eq!(error.text, "The field name is missing.");
        let error = Command::parse("{\"type\":").expect_err("cut");
        assert_eq!(error.code, ErrorCode::BadJson);
    }

    #[test]
    fn entries_are_spliced_into_an_answer() {
        let answer = Answer::History {
            room: "r",
            more: false,
            cid: None,
        };
        let json = answer.with_entries(["{\"seq\":1}", "{\"seq\":2}"].into_iter());
        assert_eq!(
            json,
            r#"{"type":"history","room":"r","more":false,"entries":[{"seq":1},{"seq":2}]}"#
        );
    }
}
