//! What may be assembled of a compressed message.

use super::*;

const MAX_BYTES: usize = 1_000;

/// What can be compressed no further becomes a little longer.
const MAX_DEFLATED_BYTES: usize = MAX_BYTES + 62 + 16;

/// The frame of a compressed message that begins, or ends too.
fn deflated_frame(fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut frame = client_frame(fin, Opcode::Binary, payload);
    frame[0] |= 0x40;
    frame
}

/// Receives byte by byte: the first message, or which byte is refused and why.
fn received(stream: &[u8]) -> Result<Option<Owned>, (usize, ProtocolError)> {
    let (mut receiver, mut inflater) = (Receiver::default(), Inflater::default());
    for (place, &byte) in stream.iter().enumerate() {
        match receiver.receive(&mut [byte], MAX_BYTES, Some(&mut inflater)) {
            Ok((_, None)) => {}
            Ok((_, Some(event))) => return Ok(Some(event.into())),
            Err(error) => return Err((place, error)),
        }
    }
    Ok(None)
}

/// A stored block (RFC 1951 §3.2.4).
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("short");
    let mut block = vec![0];
    block.extend(length.to_le_bytes());
    block.extend((!length).to_le_bytes());
    block.extend(bytes);
    block
}

#[test]
fn compressed_message_may_be_longer_than_what_it_means() {
    let meaning = [7; MAX_BYTES];
    let mut payload: Vec<u8> = meaning.chunks(122).flat_map(stored).collect();
    payload.push(0);
    assert!(payload.len() > MAX_BYTES + 40);
    let (front, back) = payload.split_at(500);
    let fragments = [
        deflated_frame(false, front),
        client_frame(true, Opcode::Continuation, back),
    ];
    for stream in [deflated_frame(true, &payload), fragments.concat()] {
        assert!(received(&stream) == Ok(Some(Owned::Binary(meaning.into()))));
    }
}

#[test]
fn compressed_message_over_the_limit_fails_as_soon_as_its_header_is_known() {
    const HEADER_BYTES: usize = 8;
    let header = |bytes| deflated_frame(true, &vec![0; bytes])[..HEADER_BYTES].to_vec();
    assert_eq!(received(&header(MAX_DEFLATED_BYTES)), Ok(None));
    assert_eq!(
        received(&header(MAX_DEFLATED_BYTES + 1)),
        Err((HEADER_BYTES - 1, ProtocolError::MessageTooBig))
    );
}

#[test]
fn blocks_that_mean_nothing_fail_at_the_limit_while_they_still_arrive() {
    const HEADER_BYTES: usize = 6;
    let idle = stored(b"").repeat(20);
    let mut stream = deflated_frame(false, &idle);
    let frame_bytes = stream.len();
    stream.extend(client_frame(false, Opcode::Continuation, &idle).repeat(1_000));
    // Ten frames fit, and of the next its header is enough.
    assert_eq!(
        received(&stream),
        Err((
            10 * frame_bytes + HEADER_BYTES - 1,
            ProtocolError::MessageTooBig
        ))
    );
}
