//! What is said: each message has a number, by which it is known again.

use std::io::Write as _;

/// Messages but for their numbers.
pub(crate) struct Talk {
    kind: Kind,
    /// What stands before and behind the number, at the end of the payload, both
    /// ways.
    before: Vec<u8>,
    behind: Vec<u8>,
}

enum Kind {
    Plain,
    Chat,
}

impl Talk {
    /// Text of so many bytes that comes back as it is.
    pub(crate) fn plain(size: usize) -> Self {
        Talk {
            kind: Kind::Plain,
            before: Vec::new(),
            behind: vec![b'.'; size - DIGITS],
        }
    }

    /// A message of the chat with so long a text.
    pub(crate) fn chat(text_size: usize) -> Self {
        let text = ".".repeat(text_size);
        Talk {
            kind: Kind::Chat,
            before: format!(r#","text":"{text}","cid":""#).into(),
            behind: b"\"}".to_vec(),
        }
    }

    /// The payload of a message to a room with this number.
    pub(crate) fn write(&self, room: usize, number: u32, payload: &mut Vec<u8>) {
        payload.clear();
        if let Kind::Chat = self.kind {
            let _ = write!(payload, r#"{{"type":"message","room":"room-{room}""#);
        }
        payload.extend(&self.before);
        let digits = (0..DIGITS).rev().map(|place| number >> (4 * place) & 15);
        payload.extend(digits.map(|digit| b"0123456789abcdef"[digit as usize]));
        payload.extend(&self.behind);
    }

    /// The number of a message that came back; `None` for what else a chat says.
    ///
    /// # Panics
    /// For what nobody has sent.
    pub(crate) fn read(&self, payload: &[u8]) -> Option<u32> {
        let number = self.number(payload);
        let is_message = match self.kind {
            Kind::Plain => true,
            Kind::Chat => !payload.starts_with(br#"{"type":"presence""#),
        };
        assert!(
            number.is_some() == is_message,
            "nobody has sent {}",
            payload.escape_ascii()
        );
        number
    }

    fn number(&self, payload: &[u8]) -> Option<u32> {
        let payload = payload.strip_suffix(&*self.behind)?;
        let (rest, digits) = payload.split_last_chunk::<DIGITS>()?;
        let head = rest.strip_suffix(&*self.before)?;
        let is_whole = match self.kind {
            Kind::Plain => head.is_empty(),
            Kind::Chat => head.starts_with(br#"{"type":"message""#),
        };
        let mut digits = is_whole.then_some(digits)?.iter();
        digits.try_fold(0, |number, &digit| {
            let digit = char::from(digit).to_digit(16)?;
            Some(number << 4 | digit)
        })
    }
}

/// Of a number.
const DIGITS: usize = 8;
