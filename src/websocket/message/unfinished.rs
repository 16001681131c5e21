//! What a receiver keeps of a frame or a message that has come in part.

use super::{Event, Message};
use crate::websocket::deflate::Inflater;
use crate::websocket::error::ProtocolError;
use crate::websocket::frame::{FrameHeader, MAX_CLIENT_HEADER_BYTES, Opcode};
use crate::websocket::mask::unmask;
use crate::websocket::utf8::TextAssembly;

/// A message or a frame that has come in part.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    stage: Stage,
    /// The fragments so far.
    pub(super) message: Option<Assembly>,
}

impl Unfinished {
    /// Takes bytes until the input ends or an event is complete.
    pub(super) fn take(
        &mut self,
        input: &mut [u8],
        max_message_bytes: usize,
        may_deflate: bool,
    ) -> Result<usize, ProtocolError> {
        let mut taken = 0;
        loop {
            let (_, rest) = input.split_at_mut(taken);
            match &mut self.stage {
                Stage::Header(torn) => {
                    let (bytes, header) = torn.take(rest, may_deflate)?;
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
                    self.stage = if frame.fin {
                        Stage::MessageDelivered
                    } else {
                        Stage::default()
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

    /// What is complete, if anything is.
    pub(super) fn event<'a>(
        &'a self,
        max_message_bytes: usize,
        inflater: Option<&'a mut Inflater>,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        match (&self.stage, &self.message) {
            (Stage::MessageDelivered, Some(Assembly::Deflated(opcode, payload))) => {
                let inflater = inflater.ok_or(ProtocolError::ReservedBits)?;
                let payload = inflater.inflate(payload, max_message_bytes)?;
                Event::from_frame(*opcode, payload).map(Some)
            }
            (Stage::MessageDelivered, Some(Assembly::Text(text))) => {
                Ok(Some(Event::Message(Message::Text(text.finish()?))))
            }
            (Stage::MessageDelivered, Some(Assembly::Binary(bytes))) => {
                Ok(Some(Event::Message(Message::Binary(bytes))))
            }
            (Stage::ControlDelivered(frame), _) => {
                let (payload, _) = frame.payload.split_at(frame.payload_bytes);
                Event::from_frame(frame.opcode, payload).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether nothing is unfinished but what was handed out.
    pub(super) fn is_idle(&self) -> bool {
        match &self.stage {
            Stage::Header(header) => header.received == 0 && self.message.is_none(),
            Stage::Data(_) | Stage::Control(_) => false,
            Stage::MessageDelivered => true,
            Stage::ControlDelivered(_) => self.message.is_none(),
        }
    }

    /// Goes on after a control frame that was handed out inside a message.
    pub(super) fn drop_delivered(&mut self) {
        if let Stage::ControlDelivered(_) = self.stage {
            self.stage = Stage::default();
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
            Opcode::Text | Opcode::Binary if header.is_deflated => {
                self.message = Some(Assembly::Deflated(header.opcode, Vec::new()));
            }
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
}

/// Whether a frame may come here and fits, given the fragments before it;
/// returns the length of its payload.
pub(super) fn check(
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
    let is_deflated = matches!(message, Some(Assembly::Deflated(..))) || header.is_deflated;
    // Data that cannot be compressed becomes longer, by 5 bytes in 127 with the
    // poorest of compressors.
    let added = if is_deflated {
        max_message_bytes / 16 + 16
    } else {
        0
    };
    let max_payload_bytes = max_message_bytes.saturating_add(added);
    let payload_bytes =
        usize::try_from(header.payload_bytes).map_err(|_| ProtocolError::MessageTooBig)?;
    if !header.opcode.is_control()
        && max_message_bytes > 0
        && payload_bytes > max_payload_bytes.saturating_sub(assembled)
    {
        return Err(ProtocolError::MessageTooBig);
    }
    Ok(payload_bytes)
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

/// The bytes of a header that have come; none between two frames.
#[derive(Debug, Default)]
struct TornHeader {
    bytes: [u8; MAX_CLIENT_HEADER_BYTES],
    received: usize,
}

impl TornHeader {
    /// How many bytes of `input` belong to the header, and the header once it
    /// is whole.
    fn take(
        &mut self,
        input: &[u8],
        may_deflate: bool,
    ) -> Result<(usize, Option<FrameHeader>), ProtocolError> {
        let before = self.received;
        let (_, room) = self.bytes.split_at_mut(before);
        let bytes = room.len().min(input.len());
        room[..bytes].copy_from_slice(&input[..bytes]);
        self.received += bytes;
        Ok(
            match FrameHeader::decode(&self.bytes[..self.received], may_deflate)? {
                // Some of the bytes may belong to the payload.
                Some((header, header_bytes)) => (header_bytes - before, Some(header)),
                None => (bytes, None),
            },
        )
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
pub(super) enum Assembly {
    Text(TextAssembly),
    Binary(Vec<u8>),
    /// Compressed, and what it will be.
    Deflated(Opcode, Vec<u8>),
}

impl Assembly {
    fn push(&mut self, payload: &[u8]) -> Result<(), ProtocolError> {
        match self {
            Assembly::Text(text) => text.push(payload),
            Assembly::Binary(bytes) | Assembly::Deflated(_, bytes) => {
                bytes.extend_from_slice(payload);
                Ok(())
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Assembly::Text(text) => text.len(),
            Assembly::Binary(bytes) | Assembly::Deflated(_, bytes) => bytes.len(),
        }
    }
}

/// The longest payload of a control frame (§5.5).
const MAX_CONTROL_BYTES: usize = 125;
