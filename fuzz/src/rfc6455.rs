//! A second, straight reading of RFC 6455: what a client's bytes mean, from the
//! whole of them at once. It shares nothing with the library but the names of
//! the errors.

use veche::websocket::error::ProtocolError;

use super::rfc7692::meaning;

/// What a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Text(Vec<u8>),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// 1005 where it had no code.
    Close(u16, Vec<u8>),
}

/// How the bytes end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Between two messages.
    Idle,
    /// Inside a frame or a message.
    Unfinished,
    /// With a Close.
    Closed,
    Failed(ProtocolError),
}

/// Reads a stream of masked frames; `max` bounds a message, 0 is no bound.
/// `has_deflate`: messages may be compressed (RFC 7692).
pub fn read(stream: &[u8], max: usize, has_deflate: bool) -> (Vec<Said>, Ending) {
    let mut said = Vec::new();
    let mut message: Option<Message> = None;
    let mut rest = stream;
    let ending = loop {
        if rest.is_empty() && message.is_none() {
            break Ending::Idle;
        }
        match read_frame(&mut rest, &mut message, max, has_deflate) {
            Ok(Some(close @ Said::Close(..))) => {
                said.push(close);
                break Ending::Closed;
            }
            Ok(Some(event)) => said.push(event),
            Ok(None) if rest.is_empty() => {
                let is_idle = message.is_none();
                break if is_idle {
                    Ending::Idle
                } else {
                    Ending::Unfinished
                };
            }
            Ok(None) => {}
            Err(Stop::Torn) => break Ending::Unfinished,
            Err(Stop::Fault(fault)) => break Ending::Failed(fault),
        }
    };
    (said, ending)
}

/// The fragments of a message so far.
struct Message {
    is_text: bool,
    is_deflated: bool,
    bytes: Vec<u8>,
}

enum Stop {
    /// The stream ends inside the frame.
    Torn,
    Fault(ProtocolError),
}

/// Reads one frame off the stream: what it completes, if anything.
fn read_frame(
    rest: &mut &[u8],
    message: &mut Option<Message>,
    max: usize,
    has_deflate: bool,
) -> Result<Option<Said>, Stop> {
    use ProtocolError as Fault;
    let fault = |fault| Err(Stop::Fault(fault));

    // §5.2, bit by bit.
    let first = byte(rest)?;
    let is_deflated = has_deflate && first & 0x40 != 0;
    if first & 0x30 != 0 || first & 0x40 != 0 && !is_deflated {
        return fault(Fault::ReservedBits);
    }
    let (fin, opcode) = (first >= 0x80, first % 16);
    if matches!(opcode, 3..=7 | 11..=15) {
        return fault(Fault::ReservedOpcode(opcode));
    }
    // RFC 7692 §6: the first frame of a message alone.
    if is_deflated && !matches!(opcode, 1 | 2) {
        return fault(Fault::ReservedBits);
    }
    let is_control = opcode >= 8;
    if is_control && !fin {
        return fault(Fault::FragmentedControlFrame);
    }
    let second = byte(rest)?;
    if second < 0x80 {
        return fault(Fault::UnmaskedFrame);
    }
    if is_control && second - 0x80 > 125 {
        return fault(Fault::OversizedControlFrame);
    }
    let (more, least) = match second - 0x80 {
        126 => (2, 126),
        127 => (8, 1 << 16),
        _ => (0, 0),
    };
    let mut length = if more == 0 {
        u64::from(second - 0x80)
    } else {
        0
    };
    for _ in 0..more {
        length = length << 8 | u64::from(byte(rest)?);
    }
    if length < least {
        return fault(Fault::NonMinimalLength);
    }
    if length >= 1 << 63 {
        return fault(Fault::LengthOverflow);
    }
    let key = [byte(rest)?, byte(rest)?, byte(rest)?, byte(rest)?];

    // §5.4: what may follow what.
    match (opcode, &message) {
        (0, None) => return fault(Fault::UnexpectedContinuation),
        (1 | 2, Some(_)) => return fault(Fault::InterruptedMessage),
        _ => {}
    }
    let assembled = message.as_ref().map_or(0, |m| m.bytes.len() as u64);
    let is_deflated = is_deflated || message.as_ref().is_some_and(|m| m.is_deflated);
    let most = match is_deflated {
        // What cannot be compressed becomes longer.
        true => max + max / 16 + 16,
        false => max,
    };
    if !is_control && max > 0 && assembled.saturating_add(length) > most as u64 {
        return fault(Fault::MessageTooBig);
    }

    let here = usize::try_from(length).map_or(rest.len(), |length| length.min(rest.len()));
    let (payload, after) = rest.split_at(here);
    *rest = after;
    let is_torn = (here as u64) < length;
    let unmasked = payload.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k);
    let payload: Vec<u8> = unmasked.collect();

    if is_control {
        return match (is_torn, opcode) {
            (true, _) => Err(Stop::Torn),
            (_, 8) => close(payload).map(Some).map_err(Stop::Fault),
            (_, 9) => Ok(Some(Said::Ping(payload))),
            _ => Ok(Some(Said::Pong(payload))),
        };
    }
    let assembled = message.get_or_insert(Message {
        is_text: opcode == 1,
        is_deflated,
        bytes: Vec::new(),
    });
    assembled.bytes.extend(payload);
    let is_whole = fin && !is_torn;
    if is_whole && is_deflated {
        match meaning(&assembled.bytes) {
            Some(bytes) if max > 0 && bytes.len() > max => return fault(Fault::MessageTooBig),
            Some(bytes) => assembled.bytes = bytes,
            None => return fault(Fault::InvalidDeflate),
        }
    }
    // §8.1: text is valid as a whole, and told to be invalid as early as it is.
    if assembled.is_text && (is_whole || !is_deflated) {
        let utf8 = utf8(&assembled.bytes);
        if utf8 == Utf8::Invalid || is_whole && utf8 == Utf8::Torn {
            return fault(Fault::InvalidUtf8);
        }
    }
    if is_torn {
        return Err(Stop::Torn);
    }
    let whole = message.take_if(|_| fin);
    Ok(whole.map(|message| match message.is_text {
        true => Said::Text(message.bytes),
        false => Said::Binary(message.bytes),
    }))
}

/// §5.5.1, §7.4.
fn close(payload: Vec<u8>) -> Result<Said, ProtocolError> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return match payload.len() {
            0 => Ok(Said::Close(1005, payload)),
            _ => Err(ProtocolError::TornCloseCode),
        };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(ProtocolError::InvalidCloseCode(code));
    }
    match utf8(reason) {
        Utf8::Valid => Ok(Said::Close(code, reason.to_vec())),
        _ => Err(ProtocolError::InvalidUtf8),
    }
}

/// What some bytes are as UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Utf8 {
    Valid,
    /// A beginning of something valid.
    Torn,
    Invalid,
}

/// The grammar of RFC 3629 §4.
pub fn utf8(bytes: &[u8]) -> Utf8 {
    let mut rest = bytes.iter();
    while let Some(&lead) = rest.next() {
        let (tails, second) = match lead {
            0x00..=0x7f => continue,
            0xc2..=0xdf => (1, 0x80..=0xbf),
            0xe0 => (2, 0xa0..=0xbf),
            0xed => (2, 0x80..=0x9f),
            0xe1..=0xef => (2, 0x80..=0xbf),
            0xf0 => (3, 0x90..=0xbf),
            0xf1..=0xf3 => (3, 0x80..=0xbf),
            0xf4 => (3, 0x80..=0x8f),
            _ => return Utf8::Invalid,
        };
        for place in 0..tails {
            let allowed = if place == 0 {
                second.clone()
            } else {
                0x80..=0xbf
            };
            match rest.next() {
                None => return Utf8::Torn,
                Some(tail) if !allowed.contains(tail) => return Utf8::Invalid,
                Some(_) => {}
            }
        }
    }
    Utf8::Valid
}

/// A client's frame. `first` is its first byte; the length is as short as it can
/// be.
pub fn client_frame(first: u8, key: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..=125), _) => frame.push(0x80 | length),
        (_, Ok(length)) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k));
    frame
}

fn byte(rest: &mut &[u8]) -> Result<u8, Stop> {
    let (&first, after) = rest.split_first().ok_or(Stop::Torn)?;
    *rest = after;
    Ok(first)
}
