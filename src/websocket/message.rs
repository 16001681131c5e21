//! Frames become messages (RFC 6455 §5.4) and control events (§5.5).

use super::close::Close;
use super::error::ProtocolError;
use super::frame::{FrameHeader, MAX_CLIENT_HEADER_BYTES, Opcode};
use super::mask::unmask;
use super::utf8::{self, TextAssembly};

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
    /// # Errors
    ///
    /// Whatever breaks the protocol. After an error, as after
    /// [`Event::Close`], the caller stops calling: the rest means nothing.
    pub fn receive<'a>(
        &'a mut self,
        input: &'a mut [u8],
        max_message_bytes: usize,
    ) -> Result<(usize, Option<Event<'a>>), ProtocolError> {
        self.drop_delivered();
        if self.unfinished.is_none() {
            if input.is_empty() {
                return Ok((0, None));
            }
            // The usual case: one message, one frame, here as a whole.
            if let Some((header, header_bytes)) = FrameHeader::decode(input)? {
                let payload_bytes = check(&header, None, max_message_bytes)?;
                if header.fin && payload_bytes <= input.len() - header_bytes {
                    let (_, rest) = input.split_at_mut(header_bytes);
                    let (payload, _) = rest.split_at_mut(payload_bytes);
                    unmask(payload, header.masking_key, 0);
                    let event = Event::from_frame(header.opcode, payload)?;
                    return Ok((header_bytes + payload_bytes, Some(event)));
                }
            }
        }
        let unfinished = self.unfinished.get_or_insert_default();
        let taken = unfinished.take(input, max_message_bytes)?;
        Ok((taken, unfinished.event()?))
    }

    /// Whether no message or frame is unfinished, so that its peer owes
    /// nothing.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.unfinished.as_ref().is_none_or(|unfinished| {
            let message_open = unfinished.message.is_some();
            match &unfinished.stage {
                Stage::Header(header) => header.received == 0 && !message_open,
                Stage::Data(_) | Stage::Control(_) => false,
                Stage::MessageDelivered => true,
                Stage::ControlDelivered(_) => !message_open,
            }
        })
    }

    /// Drops what the last call handed out, and everything with it when
    /// nothing else is unfinished.
    fn drop_delivered(&mut self) {
        let Some(unfinished) = &mut self.unfinished else {
            return;
        };
        match unfinished.stage {
            Stage::MessageDelivered => unfinished.message = None,
            Stage::ControlDelivered(_) => {}
            Stage::Header(_) | Stage::Data(_) | Stage::Control(_) => return,
        }
        unfinished.stage = Stage::default();
        if unfinished.message.is_none() {
            self.unfinished = None;
        }
    }
}

/// A message or a frame that has come in part.
#[derive(Debug, Default)]
struct Unfinished {
    stage: Stage,
    /// The fragments so far.
    message: Option<Assembly>,
}

/// What the next byte belongs to.
#[derive(Debug)]
enum Stage {
    Header(TornHeader),
    Data(DataFrame),
    Control(ControlFrame),
    /// The message is whole and was handed out; the next call drops it.
    MessageDelivered,
    /// The control frame is whole and was handed out; the next call drops it.
    ControlDelivered(ControlFrame),
}

impl Default for Stage {
    fn default() -> Self {
        Stage::Header(TornHeader::default())
    }
}

impl Unfinished {
    /// Takes bytes until the input ends or an event is complete.
    fn take(&mut self, input: &mut [u8], max_message_bytes: usize) -> Result<usize, ProtocolError> {
        let mut taken = 0;
        loop {
            let (_, rest) = input.split_at_mut(taken);
            match &mut self.stage {
                Stage::Header(torn) => {
                    let (bytes, header) = torn.take(rest)?;
                    taken += bytes;
                    let Some(header) = header else {
                        return Ok(taken);
                    };
                    self.begin_payload(&header, max_message_bytes)?;
                }
                Stage::Data(frame) => {
                    let payload = frame.take(rest);
                    taken += payload.len();
                    if let Some(message) = &mut self.message {
                        message.push(payload)?;
                    }
                    if frame.received < frame.payload_bytes {
                        return Ok(taken);
                    }
                    self.stage = match &self.message {
                        Some(message) if frame.fin => {
                            message.finish()?;
                            Stage::MessageDelivered
                        }
                        _ => Stage::default(),
                    };
                }
                Stage::Control(frame) => {
                    taken += frame.take(rest);
                    if frame.received < frame.payload_bytes {
                        return Ok(taken);
                    }
                    self.stage = Stage::ControlDelivered(*frame);
                }
                Stage::MessageDelivered | Stage::ControlDelivered(_) => return Ok(taken),
            }
        }
    }

    fn begin_payload(
        &mut self,
        header: &FrameHeader,
        max_message_bytes: usize,
    ) -> Result<(), ProtocolError> {
        let payload_bytes = check(header, self.message.as_ref(), max_message_bytes)?;
        if header.opcode.is_control() {
            self.stage = Stage::Control(ControlFrame {
                opcode: header.opcode,
                masking_key: header.masking_key,
                payload: [0; MAX_CONTROL_BYTES],
                payload_bytes,
                received: 0,
            });
            return Ok(());
        }
        match header.opcode {
            Opcode::Text => self.message = Some(Assembly::Text(TextAssembly::default())),
            Opcode::Binary => self.message = Some(Assembly::Binary(Vec::new())),
            _ => {}
        }
        self.stage = Stage::Data(DataFrame {
            fin: header.fin,
            masking_key: header.masking_key,
            payload_bytes,
            received: 0,
        });
        Ok(())
    }

    /// What is complete, if anything is.
    fn event(&self) -> Result<Option<Event<'_>>, ProtocolError> {
        match (&self.stage, &self.message) {
            (Stage::MessageDelivered, Some(message)) => Ok(Some(Event::Message(message.finish()?))),
            (Stage::ControlDelivered(frame), _) => {
                let (payload, _) = frame.payload.split_at(frame.payload_bytes);
                Event::from_frame(frame.opcode, payload).map(Some)
            }
            _ => Ok(None),
        }
    }
}

/// The bytes of a header that have come; none between two frames.
#[derive(Debug, Default)]
struct TornHeader {
    bytes: [u8; MAX_CLIENT_HEADER_BYTES],
    received: usize,
}

impl TornHeader {
    /// How many bytes of `input` belong to the header, and the header once it
    /// is whole.
    fn take(&mut self, input: &[u8]) -> Result<(usize, Option<FrameHeader>), ProtocolError> {
        let before = self.received;
        let (_, room) = self.bytes.split_at_mut(before);
        let bytes = room.len().min(input.len());
        room[..bytes].copy_from_slice(&input[..bytes]);
        self.received += bytes;
        Ok(match FrameHeader::decode(&self.bytes[..self.received])? {
            // Some of the bytes may belong to the payload.
            Some((header, header_bytes)) => (header_bytes - before, Some(header)),
            None => (bytes, None),
        })
    }
}

/// A fragment or an unfragmented message, in part.
#[derive(Debug)]
struct DataFrame {
    fin: bool,
    masking_key: [u8; 4],
    payload_bytes: usize,
    received: usize,
}

impl DataFrame {
    /// The part of the payload at the beginning of `input`, unmasked.
    fn take<'i>(&mut self, input: &'i mut [u8]) -> &'i [u8] {
        let bytes = input.len().min(self.payload_bytes - self.received);
        let (payload, _) = input.split_at_mut(bytes);
        unmask(payload, self.masking_key, self.received);
        self.received += bytes;
        payload
    }
}

/// A control frame, in part.
#[derive(Clone, Copy, Debug)]
struct ControlFrame {
    opcode: Opcode,
    masking_key: [u8; 4],
    payload: [u8; MAX_CONTROL_BYTES],
    payload_bytes: usize,
    received: usize,
}

impl ControlFrame {
    /// Copies and unmasks the part of the payload at the beginning of `input`,
    /// and says how many bytes it has.
    fn take(&mut self, input: &[u8]) -> usize {
        let missing = &mut self.payload[self.received..self.payload_bytes];
        let bytes = missing.len().min(input.len());
        let (part, _) = missing.split_at_mut(bytes);
        part.copy_from_slice(&input[..bytes]);
        unmask(part, self.masking_key, self.received);
        self.received += bytes;
        bytes
    }
}

/// A message in fragments.
#[derive(Debug)]
enum Assembly {
    Text(TextAssembly),
    Binary(Vec<u8>),
}

impl Assembly {
    fn push(&mut self, payload: &[u8]) -> Result<(), ProtocolError> {
        match self {
            Assembly::Text(text) => text.push(payload),
            Assembly::Binary(bytes) => {
                bytes.extend_from_slice(payload);
                Ok(())
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Assembly::Text(text) => text.len(),
            Assembly::Binary(bytes) => bytes.len(),
        }
    }

    fn finish(&self) -> Result<Message<'_>, ProtocolError> {
        match self {
            Assembly::Text(text) => Ok(Message::Text(text.finish()?)),
            Assembly::Binary(bytes) => Ok(Message::Binary(bytes)),
        }
    }
}

/// Whether a frame may come here and fits, given the fragments before it;
/// returns the length of its payload.
fn check(
    header: &FrameHeader,
    message: Option<&Assembly>,
    max_message_bytes: usize,
) -> Result<usize, ProtocolError> {
    let assembled = match (header.opcode, message) {
        (Opcode::Continuation, None) => return Err(ProtocolError::UnexpectedContinuation),
        (Opcode::Text | Opcode::Binary, Some(_)) => return Err(ProtocolError::InterruptedMessage),
        (Opcode::Continuation, Some(message)) => message.len(),
        _ => 0,
    };
    let payload_bytes =
        usize::try_from(header.payload_bytes).map_err(|_| ProtocolError::MessageTooBig)?;
    if !header.opcode.is_control()
        && max_message_bytes > 0
        && payload_bytes > max_message_bytes.saturating_sub(assembled)
    {
        return Err(ProtocolError::MessageTooBig);
    }
    Ok(payload_bytes)
}

/// The longest payload of a control frame (§5.5).
const MAX_CONTROL_BYTES: usize = 125;

#[cfg(test)]
mod tests;
