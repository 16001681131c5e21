//! The wire format `veche.v1`: what clients send and what they get.
//!
//! Upgrade at `/ws` or `/` with the subprotocol `veche.v1`, which is also
//! assumed where none is offered. Text frames, one JSON object each, with a
//! `type`. Unknown fields are ignored; an unknown type is answered with
//! `error unknown_type`; whatever is wrong with a frame, the connection lives
//! on. Times are Unix milliseconds, UTC. `text` is plain text, never HTML; one
//! that begins with `/me ` is shown as an action (XEP-0245).
//!
//! The one frame that is binary, both ways, is a file: the length of a JSON object
//! as 16 bits in network byte order, that object, and the bytes, as many as
//! `size` says. `limits.file_bytes` of `welcome` is how many they may be, 0 where
//! no files are taken. The server gives `name` as it is safe to show and to save
//! (no folders, nothing invisible) and tells `media` from the bytes alone:
//! `image/png`, `image/jpeg`, `image/gif`, `image/webp`, `image/avif`, or
//! `application/octet-stream` for all else. `text` is what is said with it. How
//! much may be sent a day is limited: `error quota`. Files may be gone before the
//! messages about them. What follows a `fetch` waits for its answer;
//! where too many want files at once, that is `error busy` after some seconds.
//!
//! Any command may carry a `cid`, 1 to 64 of `A–Z a–z 0–9 _ -`; its reply or
//! error returns it. For `message`, `file` and `direct` it is required and must be
//! new: sending the same thing again under the same `cid` changes nothing.
//!
//! | client sends | server answers |
//! |---|---|
//! | `hello {name, session?}` | `welcome {session, id, name, server, limits, ping_seconds, commands}`. `session` is the secret to come back with, `id` is public. Where the name is taken: `error name_taken` with a free `suggestion` |
//! | `hello {token, name?}`, where a site names its members | `welcome {id, name, role?, …}`, without `session`: the token is what to come back with, see below |
//! | `join {room, after?: {epoch, seq}}` | `joined {room, epoch, seq, count, members, recovered, more, entries}`. With `after`, `recovered` tells whether nothing is missing between it and `entries`; `more`, whether there is anything older than `entries` |
//! | `message {room, cid, text}` | to the room, the sender included: `message {room, seq, time, from: {id, name}, text, cid}`. One's own `cid` coming back is the acknowledgement. Not a member: `error not_joined` |
//! | a binary frame with `file {room, cid, name, text?}`, see above | to the room, the sender included, as text: `file {room, seq, time, from, name, media, size, text?, cid}` |
//! | `fetch {room, seq}` | a binary frame with `file {room, seq, name, media, size}`. Where there is no such file, or no longer: `error gone` |
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
//! A message that was removed is told to the room as `removed {room, seq, time, from,
//! cid}`, and stands so in `entries`; in those of `joined` whatever `after` says, as long
//! as it is among the newest, since it may have been removed meanwhile. Who has to leave a room gets `left {room, text}`
//! without having asked.
//!
//! A `token` is a JSON Web Token (RFC 7519) signed with HS256 and the secret that the
//! site shares with the server. Its `sub` says who it is, the same person with each
//! token; its `name` is the name, cut to what may be one, and another one where it is
//! taken; without a `name` that of `hello` counts. Its `role`, if any, is shown to
//! others as `{id, name, role}`, though not with what was said. Members cannot
//! `rename`. When `exp` has come the connection is closed with 4500, as one is whose
//! token is not right or missing where it is required.
//!
//! Everything else is `error {code, text, cid?, retry_ms?, suggestion?}`: a
//! stable [`ErrorCode`] and a sentence for people. Where `retry_ms` is given,
//! sending the same again after that time is right.
//!
//! The server closes with 4008 a connection that takes what it is sent too
//! slowly, 1012 with the reason `retry_ms=N` to restart, 1001 to stop, 4500 where a
//! token is missing, wrong or has expired, and 4503 who was sent out. Codes 4000–4499
//! mean *come back*, 4500–4999 *do not*.

mod answer;
mod command;
mod error;

#[cfg(feature = "site")]
pub(super) use answer::Listed;
pub(super) use answer::{Answer, CommandHelp, Limits, entry_json, file_frame};
#[cfg(feature = "site")]
pub(super) use command::is_cid;
pub(super) use command::{Command, Place, is_too_deep, split_file};
pub(super) use error::Error;
pub use error::ErrorCode;
