//! What a site's request asks for, and what its body says.

use std::borrow::Cow;

use super::{JSON, PREFIX};
use crate::chat::wire::{self, Command, Error, ErrorCode};
use crate::http::request::Request;
use crate::http::target::percent_decode;

/// What a request is about.
pub(super) enum Subject<'a> {
    Rooms,
    Room(Cow<'a, str>),
    Messages(Cow<'a, str>),
    Message(Cow<'a, str>, u64),
    Member(Cow<'a, str>),
}

impl<'a> Subject<'a> {
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix(PREFIX)?.split('/').collect();
        Some(match parts[..] {
            ["rooms"] => Subject::Rooms,
            ["rooms", room] => Subject::Room(percent_decode(room)?.into()),
            ["rooms", room, "messages"] => Subject::Messages(percent_decode(room)?.into()),
            ["rooms", room, "messages", seq] => {
                Subject::Message(percent_decode(room)?.into(), seq.parse().ok()?)
            }
            ["members", id] => Subject::Member(percent_decode(id)?.into()),
            _ => return None,
        })
    }

    /// The methods it knows.
    pub(super) fn methods(&self) -> &'static str {
        match self {
            Subject::Rooms => "GET, HEAD",
            Subject::Room(_) => "GET, HEAD, DELETE",
            Subject::Messages(_) => "GET, HEAD, POST",
            Subject::Message(..) | Subject::Member(_) => "DELETE",
        }
    }
}

/// What a body says, and in whose name.
pub(super) fn said<'a>(
    request: &Request<'_>,
    body: &'a str,
) -> Result<(Cow<'a, str>, Option<Cow<'a, str>>), Error> {
    if request.header_values("content-encoding").next().is_some() {
        let text = "The body has to come as it is, without a Content-Encoding.";
        return Err(Error::new(ErrorCode::Unsupported, text));
    }
    let media_type = request.header("content-type").unwrap_or(FORM);
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(JSON) {
        if wire::is_too_deep(body) {
            return Err(Error::new(ErrorCode::BadJson, "This JSON nests too deep."));
        }
        let command = Command::parse(body)?;
        let name = command.text_of("name")?.map(str::to_owned);
        return Ok((command.text()?.to_owned().into(), name.map(Cow::Owned)));
    }
    let is_bare = media_type.eq_ignore_ascii_case(TEXT);
    if !is_bare && !media_type.eq_ignore_ascii_case(FORM) {
        let text = "The body has to be a form (not multipart), JSON, or plain text.";
        return Err(Error::new(ErrorCode::Unsupported, text));
    }
    let field = |name: &str| {
        let mut fields = form_urlencoded::parse(body.as_bytes());
        fields.find_map(|(field, value)| (field == name).then_some(value))
    };
    match field("text").filter(|_| !is_bare) {
        Some(text) => Ok((text, field("name"))),
        // `curl -d 'some words'` calls that a form, and it may have any signs in it.
        None => Ok((body.trim_end_matches(['\r', '\n']).into(), None)),
    }
}

/// A parameter of a request's query.
pub(super) fn parameter<'a>(request: &Request<'a>, name: &str) -> Option<Cow<'a, str>> {
    let mut fields = form_urlencoded::parse(request.query?.as_bytes());
    fields.find_map(|(field, value)| (field == name).then_some(value))
}

const TEXT: &str = "text/plain";
const FORM: &str = "application/x-www-form-urlencoded";
