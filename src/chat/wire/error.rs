//! Why a command was not followed.

use core::fmt;
use std::borrow::Cow;

use serde::Serialize;

use super::answer::Answer;

/// Why a command was not followed. In a box: it is passed on much more often
/// than it is made.
#[derive(Clone, Debug)]
pub(in crate::chat) struct Error(Box<Details>);

#[derive(Clone, Debug)]
struct Details {
    code: ErrorCode,
    text: Cow<'static, str>,
    retry_ms: Option<u64>,
    suggestion: Option<String>,
}

impl Error {
    pub(in crate::chat) fn new(code: ErrorCode, text: impl Into<Cow<'static, str>>) -> Self {
        Error(Box::new(Details {
            code,
            text: text.into(),
            retry_ms: None,
            suggestion: None,
        }))
    }

    /// Sending the same again after that time is right.
    pub(in crate::chat) fn retry_ms(mut self, millis: u64) -> Self {
        self.0.retry_ms = Some(millis);
        self
    }

    /// A name that is free.
    pub(in crate::chat) fn suggest(mut self, name: Option<String>) -> Self {
        self.0.suggestion = name;
        self
    }

    pub(in crate::chat) fn code(&self) -> ErrorCode {
        self.0.code
    }

    #[cfg(test)]
    pub(in crate::chat) fn text(&self) -> &str {
        &self.0.text
    }

    /// When the same may be sent again.
    #[cfg(feature = "site")]
    pub(in crate::chat) fn retry_after(&self) -> Option<u64> {
        self.0.retry_ms
    }

    pub(in crate::chat) fn to_json(&self, cid: Option<&str>) -> String {
        let answer = Answer::Error {
            code: self.0.code,
            text: &self.0.text,
            cid,
            retry_ms: self.0.retry_ms,
            suggestion: self.0.suggestion.as_deref(),
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
    /// Files are not taken; over HTTP, such a body is not.
    Unsupported,
    /// A binary frame is no file, or a file is empty or came as text.
    BadFile,
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
    /// The text is longer than `limits.text_bytes`, or the file than
    /// `limits.file_bytes`.
    TooLarge,
    /// Too many commands; again after `retry_ms`.
    RateLimited,
    /// Too much in files for one day; again after `retry_ms`.
    Quota,
    /// There is no such file, or no longer.
    Gone,
    /// The Idempotency-Key was another message's. Over HTTP only.
    KeyUsed,
    /// There is no such message, member or room. Over HTTP only.
    NotFound,
    /// The journal is behind, or too many want files; again after `retry_ms`.
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
            ErrorCode::Unsupported => "Files are not taken here.",
            ErrorCode::BadFile => "This is no file.",
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
            ErrorCode::Quota => "These are too many files for one day.",
            ErrorCode::Gone => "This file is kept no longer.",
            ErrorCode::KeyUsed => "This key has named another message.",
            ErrorCode::NotFound => "Nothing is here.",
            ErrorCode::Busy => "The server is busy: wait a moment.",
            ErrorCode::Storage => "This could not be stored or found.",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence())
    }
}
