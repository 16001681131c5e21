//! Frames become messages (RFC 6455 §5.4) and control events (§5.5).

use self::unfinished::{Unfinished, check};
use super::close::Close;
use super::deflate::Inflater;
use super::error::ProtocolError;
use super::frame::{FrameHeader, Opcode};
use super::mask::unmask;
use super::utf8;

mod unfinished;

/// A whole message, assembled and unmasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// Text: valid UTF-8.
    Text(&'a str),
    /// Bytes.
    Binary(&'a [u8]),
}

impl<'a> Message<'a> {
    /// The opcode of the frame that carries it.
    #[must_use]
    pub fn opcode(self) -> Opcode {
        match self {
            Message::Text(_) => Opcode::Text,
            Message::Binary(_) => Opcode::Binary,
        }
    }

    /// What is carried, whatever its kind.
    #[must_use]
    pub fn payload(self) -> &'a [u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Message::Text(text)
    }
}

impl<'a> From<&'a String> for Message<'a> {
    fn from(text: &'a String) -> Self {
        Message::Text(text)
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Message::Binary(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Message::Binary(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for Message<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Message::Binary(bytes)
    }
}

/// What a client's bytes amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole message.
    Message(Message<'a>),
    /// A Ping; a Pong with the same payload answers it (§5.5.2).
    Ping(&'a [u8]),
    /// A Pong, asked for or not (§5.5.3).
    Pong(&'a [u8]),
    /// A Close: nothing that follows it counts (§5.5.1).
    Close(Close<'a>),
}

impl<'a> Event<'a> {
    /// What a whole unfragmented frame amounts to.
    fn from_frame(opcode: Opcode, payload: &'a [u8]) -> Result<Self, ProtocolError> {
        match opcode {
            Opcode::Text => Ok(Event::Message(Message::Text(utf8::validate(payload)?))),
            Opcode::Binary => Ok(Event::Message(Message::Binary(payload))),
            Opcode::Ping => Ok(Event::Ping(payload)),
            Opcode::Pong => Ok(Event::Pong(payload)),
            Opcode::Close => Ok(Event::Close(Close::parse(payload)?)),
            Opcode::Continuation => Err(ProtocolError::UnexpectedContinuation),
        }
    }
}

/// Turns a client's bytes into events.
///
/// It owns memory only while a frame or a message is unfinished: an idle
/// connection costs it one pointer. A frame that is whole in the input is
/// unmasked where it lies and handed out without a copy.
#[derive(Debug, Default)]
pub struct Receiver {
    unfinished: Option<Box<Unfinished>>,
}

impl Receiver {
    /// Takes bytes from the beginning of `input`: returns how many, and the
    /// event they complete. Call it again with the rest until it returns
    /// `None`, which means that all of `input` has been taken.
    ///
    /// `max_message_bytes` bounds a message, assembled; 0 for no bound. A
    /// longer one is an error as soon as a header declares it. Memory grows
    /// only with the bytes that come, never with those that are declared.
    ///
    /// `inflater` is there where compression was agreed upon.
    ///
    /// # Errors
    ///
    /// Whatever breaks the protocol. After an error, as after
    /// [`Event::Close`], the caller stops calling: the rest means nothing.
    pub fn receive<'a>(
        &'a mut self,
        input: &'a mut [u8],
        max_message_bytes: usize,
        inflater: Option<&'a mut Inflater>,
    ) -> Result<(usize, Option<Event<'a>>), ProtocolError> {
        self.drop_delivered();
        if self.unfinished.is_none() {
            if input.is_empty() {
                return Ok((0, None));
            }
            // The usual case: one message, one frame, here as a whole.
            if let Some((header, header_bytes)) = FrameHeader::decode(input, inflater.is_some())? {
                let payload_bytes = check(&header, None, max_message_bytes)?;
                if header.fin && payload_bytes <= input.len() - header_bytes {
                    let (_, rest) = input.split_at_mut(header_bytes);
                    let (payload, _) = rest.split_at_mut(payload_bytes);
                    unmask(payload, header.masking_key, 0);
                    let payload = match inflater {
                        Some(inflater) if header.is_deflated => {
                            inflater.inflate(payload, max_message_bytes)?
                        }
                        _ => payload,
                    };
                    let event = Event::from_frame(header.opcode, payload)?;
                    return Ok((header_bytes + payload_bytes, Some(event)));
                }
            }
        }
        let unfinished = self.unfinished.get_or_insert_default();
        let taken = unfinished.take(input, max_message_bytes, inflater.is_some())?;
        Ok((taken, unfinished.event(max_message_bytes, inflater)?))
    }

    /// Whether no message or frame is unfinished, so that its peer owes
    /// nothing.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.unfinished.as_ref().is_none_or(|it| it.is_idle())
    }

    /// Drops what the last call handed out, as the next one would: with the whole
    /// box, unless it was a control frame inside a message.
    pub fn drop_delivered(&mut self) {
        if self.is_idle() {
            self.unfinished = None;
        } else if let Some(unfinished) = &mut self.unfinished {
            unfinished.drop_delivered();
        }
    }
}

#[cfg(test)]
mod tests;
