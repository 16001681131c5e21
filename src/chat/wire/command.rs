//! What clients send.

use core::fmt;
use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Error, ErrorCode};

/// A command: its type, and the fields that any type has. Only those that its
/// type asks for are looked at. Its texts are those of the frame, where that has no
/// escapes in them.
#[derive(Debug)]
pub(in crate::chat) struct Command<'a>(Box<Fields<'a>>);

impl<'a> Command<'a> {
    /// Reads a command.
    ///
    /// # Errors
    /// `bad_json` where it is not JSON, `bad_request` where it is no object.
    pub(in crate::chat) fn parse(text: &'a str) -> Result<Self, Error> {
        match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => Ok(Command(fields)),
            Ok(_) => Err(bad_request("A command is a JSON object.")),
            Err(error) => {
                let text = format!("This is not JSON: {error}.");
                Err(Error::new(ErrorCode::BadJson, text))
            }
        }
    }

    pub(in crate::chat) fn text_of(&self, name: &str) -> Result<Option<&str>, Error> {
        match self.0.get(name) {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            _ => Err(wrong(name, "a string")),
        }
    }

    fn number_of(&self, name: &str) -> Result<Option<u64>, Error> {
        match self.0.get(name) {
            Value::Null => Ok(None),
            Value::Number(number) => Ok(Some(*number)),
            _ => Err(wrong(name, "a whole number")),
        }
    }

    fn required_text(&self, name: &str) -> Result<&str, Error> {
        required(name, self.text_of(name)?)
    }

    pub(in crate::chat) fn kind(&self) -> Result<&str, Error> {
        self.required_text("type")
    }

    /// What the answer has to bear.
    pub(in crate::chat) fn cid(&self) -> Option<&str> {
        self.text_of("cid").ok().flatten()
    }

    /// The `cid`, where one is required.
    pub(in crate::chat) fn required_cid(&self) -> Result<&str, Error> {
        self.required_text("cid")
    }

    pub(in crate::chat) fn check_cid(&self) -> Result<(), Error> {
        match self.text_of("cid")? {
            Some(cid) if !is_cid(cid) => {
                Err(bad_request("A cid is 1 to 64 of A-Z, a-z, 0-9, _ and -."))
            }
            _ => Ok(()),
        }
    }

    pub(in crate::chat) fn room(&self) -> Result<&str, Error> {
        self.required_text("room")
    }

    pub(in crate::chat) fn text(&self) -> Result<&str, Error> {
        self.required_text("text")
    }

    /// What is said with a file, if anything.
    pub(in crate::chat) fn caption(&self) -> Result<&str, Error> {
        Ok(self.text_of("text")?.unwrap_or_default())
    }

    /// What the sender calls a file.
    pub(in crate::chat) fn file_name(&self) -> Result<&str, Error> {
        Ok(self.text_of("name")?.unwrap_or_default())
    }

    pub(in crate::chat) fn to(&self) -> Result<&str, Error> {
        self.required_text("to")
    }

    pub(in crate::chat) fn name(&self) -> Result<&str, Error> {
        self.required_text("name")
    }

    pub(in crate::chat) fn session(&self) -> Result<Option<&str>, Error> {
        self.text_of("session")
    }

    #[cfg(feature = "site")]
    pub(in crate::chat) fn token(&self) -> Result<Option<&str>, Error> {
        self.text_of("token")
    }

    pub(in crate::chat) fn line(&self) -> Result<&str, Error> {
        self.required_text("line")
    }

    pub(in crate::chat) fn n(&self) -> Result<u64, Error> {
        required("n", self.number_of("n")?)
    }

    pub(in crate::chat) fn seq(&self) -> Result<u64, Error> {
        required("seq", self.number_of("seq")?)
    }

    pub(in crate::chat) fn before(&self) -> Result<Option<u64>, Error> {
        self.number_of("before")
    }

    pub(in crate::chat) fn after(&self) -> Result<Option<u64>, Error> {
        self.number_of("after")
    }

    pub(in crate::chat) fn after_place(&self) -> Result<Option<Place>, Error> {
        let fields = match self.0.get("after") {
            Value::Null => return Ok(None),
            Value::Object(fields) => Some((fields.get("epoch"), fields.get("seq"))),
            _ => None,
        };
        match fields {
            // No room has such an epoch; it may have to wait for one.
            Some((Value::Text(epoch), _)) if epoch.len() > MAX_EPOCH_BYTES => Ok(None),
            Some((Value::Text(epoch), &Value::Number(seq))) => Ok(Some(Place {
                epoch: epoch.clone().into_owned(),
                seq,
            })),
            _ => Err(wrong("after", "an object with epoch and seq")),
        }
    }

    pub(in crate::chat) fn limit(&self) -> Result<Option<u64>, Error> {
        self.number_of("limit")
    }
}

/// The JSON of a binary frame, and the bytes behind it.
pub(in crate::chat) fn split_file(frame: &[u8]) -> Result<(&str, &[u8]), Error> {
    let bad = || Error::from(ErrorCode::BadFile);
    let (length, rest) = frame.split_first_chunk().ok_or_else(bad)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (json, bytes) = rest.split_at_checked(length).ok_or_else(bad)?;
    let json = core::str::from_utf8(json).map_err(|_| ErrorCode::BadJson)?;
    Ok((json, bytes))
}

/// What a client has of a room already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::chat) struct Place {
    pub(in crate::chat) epoch: String,
    pub(in crate::chat) seq: u64,
}

/// A JSON value, as much of it as any command needs.
#[derive(Debug)]
enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    Number(u64),
    Object(Box<Fields<'a>>),
    /// Nothing that any field has to be.
    Other,
}

/// The fields of an object that mean anything in any command.
#[derive(Debug)]
struct Fields<'a>([Value<'a>; NAMES.len()]);

const NAMES: [&str; 15] = [
    "token", "type", "cid", "room", "text", "to", "name", "session", "line", "n", "before",
    "after", "limit", "epoch", "seq",
];

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> &Value<'a> {
        place_of(name).map_or(&Value::Null, |place| &self.0[place])
    }
}

fn place_of(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Value::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    /// Of several fields of one name the last counts.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = Box::new(Fields([const { Value::Null }; NAMES.len()]));
        while let Some((Name(name), value)) = map.next_entry()? {
            if let Some(place) = place_of(&name) {
                fields.0[place] = value;
            }
        }
        Ok(Value::Object(fields))
    }
}

/// The name of a field.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn required<T>(name: &str, field: Option<T>) -> Result<T, Error> {
    field.ok_or_else(|| bad_request(&format!("The field {name} is missing.")))
}

fn wrong(name: &str, kind: &str) -> Error {
    bad_request(&format!("The field {name} has to be {kind}."))
}

fn bad_request(text: &str) -> Error {
    Error::new(ErrorCode::BadRequest, text.to_owned())
}

/// Whether JSON nests deeper than anything here has reason to: looked at before
/// it is parsed.
pub(in crate::chat) fn is_too_deep(text: &str) -> bool {
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

/// Longer than any epoch is.
const MAX_EPOCH_BYTES: usize = 64;

/// Whether something may be a `cid`.
pub(in crate::chat) fn is_cid(cid: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&cid.len()) && cid.bytes().all(is_allowed)
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
    fn file_is_split_behind_its_json() {
        let frame = [&[0, 2], &b"{}bytes"[..]].concat();
        assert_eq!(split_file(&frame).expect("a file"), ("{}", &b"bytes"[..]));
        assert_eq!(split_file(&frame[..4]).expect("a file"), ("{}", &b""[..]));
        for length in 0..4 {
            let error = split_file(&frame[..length]).expect_err("too short");
            assert_eq!(error.code(), ErrorCode::BadFile);
        }
        let error = split_file(&[0, 1, 0xff]).expect_err("no text");
        assert_eq!(error.code(), ErrorCode::BadJson);
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
    fn error_tells_what_is_missing_or_of_the_wrong_kind() {
        let told = |json: &str, field: fn(&Command) -> Result<(), Error>| {
            let command = Command::parse(json).expect("an object");
            let error = field(&command).expect_err("an error");
            assert_eq!(error.code(), ErrorCode::BadRequest);
            error.text().to_owned()
        };
        let kind = |command: &Command| command.kind().map(drop);
        let name = |command: &Command| command.name().map(drop);
        let n = |command: &Command| command.n().map(drop);
        let place = |command: &Command| command.after_place().map(drop);
        assert_eq!(told("{}", kind), "The field type is missing.");
        assert_eq!(told(r#"{"name":null}"#, name), "The field name is missing.");
        assert_eq!(
            told(r#"{"name":[1,{}]}"#, name),
            "The field name has to be a string."
        );
        for wrong in ["-1", "1.5", "\"1\"", "true", "[]", "18446744073709551616"] {
            assert_eq!(
                told(&format!("{{\"n\":{wrong}}}"), n),
                "The field n has to be a whole number."
            );
        }
        for wrong in ["1", "{}", r#"{"epoch":1,"seq":1}"#, r#"{"epoch":"x"}"#] {
            assert_eq!(
                told(&format!("{{\"after\":{wrong}}}"), place),
                "The field after has to be an object with epoch and seq."
            );
        }
    }

    #[test]
    fn fields_that_are_not_asked_for_may_be_anything() {
        let command = r#"{"type":"ping","n":7,"room":{"a":[null]},"limit":"x","more":0}"#;
        let command = Command::parse(command).expect("an object");
        assert_eq!(command.kind().expect("a type"), "ping");
        assert_eq!(command.n().expect("a number"), 7);
    }

    #[test]
    fn escapes_are_read_in_names_and_in_texts() {
        let command = r#"{"t\u0079pe":"mess\u0061ge","text":"a\n\ud83d\ude00","cid":"a"}"#;
        let command = Command::parse(command).expect("an object");
        assert_eq!(command.kind().expect("a type"), "message");
        assert_eq!(command.text().expect("a text"), "a\n😀");
        let command = r#"{"after":{"epoch":"\u0061b","seq":7}}"#;
        let command = Command::parse(command).expect("an object");
        let place = command.after_place().expect("a place").expect("a place");
        assert_eq!((&*place.epoch, place.seq), ("ab", 7));
    }

    #[test]
    fn last_of_several_fields_of_one_name_counts() {
        let command = r#"{"text":"first","type":"ping","text":"last","type":null}"#;
        let command = Command::parse(command).expect("an object");
        assert_eq!(command.text().expect("a text"), "last");
        assert!(command.kind().is_err());
    }

    #[test]
    fn only_an_object_is_a_command() {
        for (text, code) in [
            ("{\"type\":", ErrorCode::BadJson),
            ("hello", ErrorCode::BadJson),
            ("", ErrorCode::BadJson),
            ("{} {}", ErrorCode::BadJson),
            ("[\"ping\"]", ErrorCode::BadRequest),
            ("5", ErrorCode::BadRequest),
            ("null", ErrorCode::BadRequest),
        ] {
            let error = Command::parse(text).expect_err("no command");
            assert_eq!(error.code(), code, "{text}");
        }
        assert!(Command::parse(" \r\n{} ").is_ok());
    }
}
