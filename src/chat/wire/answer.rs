//! What a server says.

use serde::Serialize;

use super::ErrorCode;
use crate::chat::journal::{Entry, File, Person};
use crate::chat::media::Media;

/// What a server says.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(in crate::chat) enum Answer<'a> {
    Welcome {
        /// None for the member of a site, who comes back by a token.
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<&'a str>,
        #[serde(flatten)]
        person: &'a Person,
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
    /// An entry, or what comes before the bytes that were asked for.
    File {
        room: &'a str,
        seq: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<&'a Person>,
        name: &'a str,
        media: Media,
        size: u64,
        #[serde(skip_serializing_if = "str::is_empty")]
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cid: Option<&'a str>,
    },
    /// What is left of an entry.
    Removed {
        room: &'a str,
        seq: u64,
        time: u64,
        from: &'a Person,
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
    /// To a site: rooms that somebody is in.
    #[cfg(feature = "site")]
    Rooms {
        rooms: &'a [Listed<'a>],
        more: bool,
    },
    /// To a site: who is in a room.
    #[cfg(feature = "site")]
    Room {
        room: &'a str,
        count: usize,
        members: Vec<Person>,
    },
    Renamed {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cid: Option<&'a str>,
    },
    Left {
        room: &'a str,
        /// Why, where nobody asked for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
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
    pub(in crate::chat) fn to_json(&self) -> String {
        // Strings, numbers and lists of them: there is nothing that can fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The answer with its entries, which are JSON already.
    pub(in crate::chat) fn with_entries<'e>(
        &self,
        entries: impl Iterator<Item = &'e str>,
    ) -> String {
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
pub(in crate::chat) fn entry_json(entry: &Entry) -> String {
    let draft = &entry.draft;
    if let Some(file) = &draft.file {
        let answer = Answer::File {
            room: &draft.room,
            seq: entry.seq,
            time: Some(draft.time),
            from: Some(&draft.from),
            name: &file.name,
            media: file.media,
            size: file.size,
            text: &draft.text,
            cid: Some(&draft.cid),
        };
        return answer.to_json();
    }
    if draft.is_removed() {
        let answer = Answer::Removed {
            room: &draft.room,
            seq: entry.seq,
            time: draft.time,
            from: &draft.from,
            cid: &draft.cid,
        };
        return answer.to_json();
    }
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

/// The binary frame that answers `fetch`.
pub(in crate::chat) fn file_frame(
    room: &str,
    seq: u64,
    file: &File,
    bytes: &[u8],
    cid: Option<&str>,
) -> Vec<u8> {
    let answer = Answer::File {
        room,
        seq,
        time: None,
        from: None,
        name: &file.name,
        media: file.media,
        size: file.size,
        text: "",
        cid,
    };
    let json = answer.to_json();
    let length = u16::try_from(json.len()).unwrap_or_default();
    [&length.to_be_bytes(), json.as_bytes(), bytes].concat()
}

/// What `welcome` tells of the limits.
#[derive(Debug, Serialize)]
pub(in crate::chat) struct Limits {
    pub(in crate::chat) text_bytes: usize,
    /// 0 where no files are taken.
    pub(in crate::chat) file_bytes: usize,
    pub(in crate::chat) name_chars: usize,
    pub(in crate::chat) room_chars: usize,
    /// Commands at once, and steadily; 0 for no limit.
    pub(in crate::chat) burst: u32,
    pub(in crate::chat) per_second: u32,
}

/// A room, and how many are in it.
#[cfg(feature = "site")]
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(in crate::chat) struct Listed<'a> {
    pub(in crate::chat) room: &'a str,
    pub(in crate::chat) count: usize,
}

/// What `welcome` tells of a command.
#[derive(Clone, Copy, Debug, Serialize)]
pub(in crate::chat) struct CommandHelp {
    pub(in crate::chat) name: &'static str,
    pub(in crate::chat) usage: &'static str,
    pub(in crate::chat) help: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

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
