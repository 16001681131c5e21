//! What clients send.

use core::fmt;
use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::{Error, ErrorCode};

/// A command: its type, and the fields that any type has.
#[derive(Debug, Deserialize)]
pub(in crate::chat) struct Command {
    pub(in crate::chat) r#type: String,
    cid: Option<String>,
    pub(in crate::chat) room: Option<String>,
    text: Option<String>,
    to: Option<String>,
    name: Option<String>,
    pub(in crate::chat) session: Option<String>,
    line: Option<String>,
    n: Option<u64>,
    pub(in crate::chat) before: Option<u64>,
    pub(in crate::chat) after: Option<After>,
    pub(in crate::chat) limit: Option<u64>,
}

impl Command {
    /// Reads a command.
    ///
    /// # Errors
    /// `bad_json` where it is none, `bad_request` where a field is of the wrong
    /// kind or the type is missing.
    pub(in crate::chat) fn parse(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| {
            let (code, what) = if error.is_data() {
                (ErrorCode::BadRequest, "This command is not right: ")
            } else {
                (ErrorCode::BadJson, "This is not JSON: ")
            };
            // It quotes what was wrong, be it a megabyte.
            let error = error.to_string();
            Error::new(code, format!("{what}{}.", shortened(&error, 160)))
        })
    }

    pub(in crate::chat) fn cid(&self) -> Option<&str> {
        self.cid.as_deref()
    }

    /// The `cid`, where one is required.
    pub(in crate::chat) fn required_cid(&self) -> Result<&str, Error> {
        required("cid", self.cid.as_deref())
    }

    pub(in crate::chat) fn room(&self) -> Result<&str, Error> {
        required("room", self.room.as_deref())
    }

    pub(in crate::chat) fn text(&self) -> Result<&str, Error> {
        required("text", self.text.as_deref())
    }

    pub(in crate::chat) fn to(&self) -> Result<&str, Error> {
        required("to", self.to.as_deref())
    }

    pub(in crate::chat) fn name(&self) -> Result<&str, Error> {
        required("name", self.name.as_deref())
    }

    pub(in crate::chat) fn line(&self) -> Result<&str, Error> {
        required("line", self.line.as_deref())
    }

    pub(in crate::chat) fn n(&self) -> Result<u64, Error> {
        required("n", self.n)
    }
}

fn required<T>(name: &str, field: Option<T>) -> Result<T, Error> {
    field.ok_or_else(|| {
        let text = format!("The field {name} is missing.");
        Error::new(ErrorCode::BadRequest, text)
    })
}

/// A text that may be somebody's, cut to so many characters.
pub(in crate::chat) fn shortened(text: &str, max_chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", text.split_at(end).0).into(),
        None => text.into(),
    }
}

/// What a client has already: of a room, or of its history.
#[derive(Clone, Debug)]
pub(in crate::chat) enum After {
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
    fn error_does_not_repeat_all_of_a_mistake() {
        let command = format!("{{\"type\":\"ping\",\"n\":\"{}\"}}", "ж".repeat(1000));
        let error = Command::parse(&command).expect_err("no number");
        assert_eq!(error.code, ErrorCode::BadRequest);
        assert!(error.text.chars().count() < 200, "{}", error.text);
        assert!(error.text.ends_with("жж…."), "{}", error.text);
    }
}
