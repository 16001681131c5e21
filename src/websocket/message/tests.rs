use super::unfinished::Assembly;
use super::*;
use crate::websocket::close::CloseCode;
use crate::websocket::testing::client_frame;

#[cfg(feature = "deflate")]
mod deflated;
mod model;

/// An event that outlives the input.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
}

impl From<Event<'_>> for Owned {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Message(Message::Text(text)) => Owned::Text(text.to_owned()),
            Event::Message(Message::Binary(bytes)) => Owned::Binary(bytes.to_owned()),
            Event::Ping(payload) => Owned::Ping(payload.to_owned()),
            Event::Pong(payload) => Owned::Pong(payload.to_owned()),
            Event::Close(close) => Owned::Close(close.code.value(), close.reason.to_owned()),
        }
    }
}

type Outcome = (Vec<Owned>, Result<(), ProtocolError>);

/// Feeds the segments as a server does, to the first error or Close.
fn receive(receiver: &mut Receiver, segments: &[&[u8]], max_message_bytes: usize) -> Outcome {
    let mut events = Vec::new();
    for segment in segments {
        let mut input = segment.to_vec();
        let mut taken = 0;
        loop {
            match receiver.receive(&mut input[taken..], max_message_bytes, None) {
                Ok((bytes, Some(event))) => {
                    taken += bytes;
                    let is_close = matches!(event, Event::Close(_));
                    events.push(event.into());
                    if is_close {
                        return (events, Ok(()));
                    }
                }
                Ok((bytes, None)) => {
                    assert_eq!(taken + bytes, input.len(), "None means all was taken");
                    break;
                }
                Err(error) => return (events, Err(error)),
            }
        }
    }
    (events, Ok(()))
}

/// Receives whole, byte by byte, and cut in two everywhere; all agree.
fn receive_every_way(input: &[u8], max_message_bytes: usize) -> Outcome {
    let whole = receive(&mut Receiver::default(), &[input], max_message_bytes);
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    let dripped = receive(&mut Receiver::default(), &bytes, max_message_bytes);
    assert_eq!(dripped, whole, "byte by byte");
    for cut in 0..=input.len() {
        let (head, tail) = input.split_at(cut);
        let torn = receive(&mut Receiver::default(), &[head, tail], max_message_bytes);
        assert_eq!(torn, whole, "cut at {cut}");
    }
    whole
}

fn events(input: &[u8]) -> Vec<Owned> {
    let (events, result) = receive_every_way(input, 0);
    assert_eq!(result, Ok(()));
    events
}

fn error(input: &[u8]) -> ProtocolError {
    receive_every_way(input, 0).1.expect_err("a protocol error")
}

/// How many bytes are taken before the error, byte by byte.
fn bytes_before_error(input: &[u8], max_message_bytes: usize) -> Option<usize> {
    let mut receiver = Receiver::default();
    input.chunks(1).position(|byte| {
        let (_, result) = receive(&mut receiver, &[byte], max_message_bytes);
        result.is_err()
    })
}

#[test]
fn an_idle_receiver_is_one_pointer() {
    assert_eq!(size_of::<Receiver>(), size_of::<usize>());
}

#[test]
fn samples_of_rfc_6455_section_5_7_are_received() {
    let masked_hello = [
        0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(events(&masked_hello), [Owned::Text("Hello".into())]);
    let masked_pong = [
        0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58,
    ];
    assert_eq!(events(&masked_pong), [Owned::Pong(b"Hello".into())]);
}

#[test]
fn messages_of_every_length_class_are_received() {
    for length in [0, 1, 125, 126, 127, 128, 300] {
        let text = "x".repeat(length);
        let frame = client_frame(true, Opcode::Text, text.as_bytes());
        assert_eq!(events(&frame), [Owned::Text(text)]);
        let bytes = vec![0xfe; length];
        let frame = client_frame(true, Opcode::Binary, &bytes);
        assert_eq!(events(&frame), [Owned::Binary(bytes)]);
    }
    for length in [65_535, 65_536, 1 << 20] {
        let bytes = vec![0xfe; length];
        let frame = client_frame(true, Opcode::Binary, &bytes);
        for segment in [frame.len(), 65_536, 1000] {
            let segments: Vec<&[u8]> = frame.chunks(segment).collect();
            let (events, result) = receive(&mut Receiver::default(), &segments, length);
            assert_eq!((events.len(), result), (1, Ok(())));
            assert_eq!(events, [Owned::Binary(bytes.clone())]);
        }
    }
}

#[test]
fn whole_frame_is_handed_out_where_it_lies() {
    let mut receiver = Receiver::default();
    let mut input = client_frame(true, Opcode::Binary, b"payload");
    let payload_at = input[6..].as_ptr();
    let Ok((13, Some(Event::Message(Message::Binary(payload))))) =
        receiver.receive(&mut input, 0, None)
    else {
        panic!("a whole message");
    };
    assert_eq!((payload, payload.as_ptr()), (&b"payload"[..], payload_at));
    assert!(receiver.unfinished.is_none());
}

/// Feeds one segment that breaks nothing.
fn feed(receiver: &mut Receiver, segment: &[u8]) {
    assert_eq!(receive(receiver, &[segment], 0).1, Ok(()));
}

#[test]
fn receiver_owns_memory_only_while_something_is_unfinished() {
    let frame = client_frame(true, Opcode::Text, b"text");
    let ping = client_frame(true, Opcode::Ping, b"ping");
    for input in [&frame, &ping] {
        for cut in 1..input.len() {
            let mut receiver = Receiver::default();
            let (head, tail) = input.split_at(cut);
            feed(&mut receiver, head);
            assert!(
                !receiver.is_idle() && receiver.unfinished.is_some(),
                "{cut}"
            );
            feed(&mut receiver, tail);
            assert!(receiver.is_idle() && receiver.unfinished.is_none(), "{cut}");
        }
    }
    // Between two fragments, and after a Ping there, the message is unfinished.
    let mut receiver = Receiver::default();
    feed(&mut receiver, &client_frame(false, Opcode::Text, b"te"));
    assert!(!receiver.is_idle());
    feed(&mut receiver, &ping);
    assert!(!receiver.is_idle());
    feed(
        &mut receiver,
        &client_frame(true, Opcode::Continuation, b"xt"),
    );
    assert!(receiver.is_idle() && receiver.unfinished.is_none());
}

#[test]
fn receiver_is_idle_as_soon_as_a_torn_message_is_handed_out() {
    let frame = client_frame(true, Opcode::Text, b"text");
    let (head, tail) = frame.split_at(8);
    let (mut head, mut tail) = (head.to_vec(), tail.to_vec());
    let mut receiver = Receiver::default();
    assert_eq!(receiver.receive(&mut head, 0, None), Ok((8, None)));
    assert!(matches!(
        receiver.receive(&mut tail, 0, None),
        Ok((2, Some(_)))
    ));
    assert!(receiver.is_idle());
}

#[test]
fn memory_grows_with_what_comes_not_with_what_is_declared() {
    let mut receiver = Receiver::default();
    let header = [
        0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0,
    ];
    let (_, result) = receive(&mut receiver, &[&header, b"four"], 0);
    assert_eq!(result, Ok(()));
    let assembled = receiver
        .unfinished
        .and_then(|unfinished| unfinished.message);
    assert!(matches!(assembled, Some(Assembly::Binary(bytes)) if bytes.capacity() < 1000));
}

#[test]
fn fragments_are_assembled_with_control_frames_in_between() {
    let input = [
        client_frame(false, Opcode::Text, "Здр".as_bytes()),
        client_frame(true, Opcode::Ping, b"1"),
        // Cut inside a character, and an empty fragment.
        client_frame(false, Opcode::Continuation, b"\xd0"),
        client_frame(true, Opcode::Pong, b""),
        client_frame(false, Opcode::Continuation, b""),
        client_frame(true, Opcode::Continuation, b"\xb0"),
        client_frame(true, Opcode::Binary, b"next"),
    ]
    .concat();
    assert_eq!(
        events(&input),
        [
            Owned::Ping(b"1".into()),
            Owned::Pong(b"".into()),
            Owned::Text("Здра".into()),
            Owned::Binary(b"next".into()),
        ]
    );
}

#[test]
fn close_between_fragments_is_received() {
    let input = [
        client_frame(false, Opcode::Text, b"never"),
        client_frame(true, Opcode::Close, b"\x03\xe9bye"),
        client_frame(true, Opcode::Continuation, b"finished"),
    ]
    .concat();
    assert_eq!(events(&input), [Owned::Close(1001, "bye".into())]);
}

#[test]
fn close_payloads_are_received_or_fail_the_connection() {
    let close = |payload: &[u8]| client_frame(true, Opcode::Close, payload);
    assert_eq!(events(&close(b"")), [Owned::Close(1005, String::new())]);
    assert_eq!(
        events(&close(&[0x03, 0xe8])),
        [Owned::Close(1000, String::new())]
    );
    assert_eq!(error(&close(&[0x03])), ProtocolError::TornCloseCode);
    assert_eq!(
        error(&close(&[0x03, 0xed])),
        ProtocolError::InvalidCloseCode(1005)
    );
    assert_eq!(
        error(&close(&[0x03, 0xe8, 0xff])),
        ProtocolError::InvalidUtf8
    );
}

#[test]
fn server_rejects_continuation_without_a_message() {
    for fin in [false, true] {
        let lone = client_frame(fin, Opcode::Continuation, b"x");
        assert_eq!(error(&lone), ProtocolError::UnexpectedContinuation);
        let after_message = [client_frame(true, Opcode::Text, b"x"), lone].concat();
        assert_eq!(error(&after_message), ProtocolError::UnexpectedContinuation);
    }
}

#[test]
fn server_rejects_new_message_inside_an_unfinished_one() {
    for opcode in [Opcode::Text, Opcode::Binary] {
        let input = [
            client_frame(false, Opcode::Text, b"un"),
            client_frame(true, opcode, b"finished"),
        ]
        .concat();
        assert_eq!(error(&input), ProtocolError::InterruptedMessage);
    }
}

#[test]
fn server_rejects_broken_headers_also_inside_a_message() {
    let vectors: [(&[u8], ProtocolError); 6] = [
        (&[0xc1, 0x80], ProtocolError::ReservedBits),
        (&[0x83, 0x80], ProtocolError::ReservedOpcode(3)),
        (&[0x81, 0x00], ProtocolError::UnmaskedFrame),
        (&[0x09, 0x80], ProtocolError::FragmentedControlFrame),
        (&[0x89, 0xfe], ProtocolError::OversizedControlFrame),
        (&[0x82, 0xfe, 0, 1], ProtocolError::NonMinimalLength),
    ];
    for (header, expected) in vectors {
        assert_eq!(error(header), expected);
        let fragment = client_frame(false, Opcode::Text, b"x");
        assert_eq!(error(&[&fragment, header].concat()), expected);
    }
}

#[test]
fn events_before_an_error_are_received() {
    let input = [client_frame(true, Opcode::Text, b"first"), vec![0x83, 0x80]].concat();
    let (events, result) = receive_every_way(&input, 0);
    assert_eq!(events, [Owned::Text("first".into())]);
    assert_eq!(result, Err(ProtocolError::ReservedOpcode(3)));
}

#[test]
fn text_fails_at_the_first_bad_byte_of_an_unfinished_frame() {
    let frame = client_frame(true, Opcode::Text, b"\xce\xba\xed\xa0\x80edited");
    assert_eq!(error(&frame), ProtocolError::InvalidUtf8);
    assert_eq!(bytes_before_error(&frame, 0), Some(6 + 3));

    let fragments = [
        client_frame(false, Opcode::Text, b"\xce\xba\xed"),
        client_frame(false, Opcode::Continuation, b"\xa0\x80edited"),
    ]
    .concat();
    assert_eq!(error(&fragments), ProtocolError::InvalidUtf8);
    assert_eq!(bytes_before_error(&fragments, 0), Some(9 + 6));
}

#[test]
fn text_that_ends_inside_a_character_fails() {
    let frame = client_frame(true, Opcode::Text, b"ok \xd0");
    assert_eq!(error(&frame), ProtocolError::InvalidUtf8);
    let fragments = [
        client_frame(false, Opcode::Text, b"ok \xd0"),
        client_frame(true, Opcode::Continuation, b""),
    ]
    .concat();
    assert_eq!(error(&fragments), ProtocolError::InvalidUtf8);
}

#[test]
fn binary_is_not_validated() {
    let frame = client_frame(true, Opcode::Binary, b"\xff\xfe");
    assert_eq!(events(&frame), [Owned::Binary(b"\xff\xfe".into())]);
}

#[test]
fn message_over_the_limit_fails_as_soon_as_its_header_is_known() {
    let fits = client_frame(true, Opcode::Text, b"12345678");
    let (events, result) = receive_every_way(&fits, 8);
    assert_eq!(
        (events, result),
        (vec![Owned::Text("12345678".into())], Ok(()))
    );

    let exceeds = client_frame(true, Opcode::Text, b"123456789");
    let (_, result) = receive_every_way(&exceeds, 8);
    assert_eq!(result, Err(ProtocolError::MessageTooBig));
    assert_eq!(bytes_before_error(&exceeds, 8), Some(5));

    let fragments = [
        client_frame(false, Opcode::Text, b"1234\xd0"),
        client_frame(true, Opcode::Continuation, b"\xb0789"),
    ]
    .concat();
    let (_, result) = receive_every_way(&fragments, 8);
    assert_eq!(result, Err(ProtocolError::MessageTooBig));
    assert_eq!(bytes_before_error(&fragments, 8), Some(11 + 5));
}

#[test]
fn control_frames_do_not_count_towards_the_limit() {
    let input = [
        client_frame(false, Opcode::Text, b"1234"),
        client_frame(true, Opcode::Ping, &[b'p'; 125]),
        client_frame(true, Opcode::Continuation, b"5678"),
    ]
    .concat();
    let (events, result) = receive_every_way(&input, 8);
    assert_eq!(result, Ok(()));
    assert_eq!(
        events,
        [
            Owned::Ping([b'p'; 125].into()),
            Owned::Text("12345678".into())
        ]
    );
}

#[test]
fn conversions_keep_text_and_bytes_apart() {
    assert_eq!(Message::from("a"), Message::Text("a"));
    assert_eq!(Message::from(&String::from("a")), Message::Text("a"));
    assert_eq!(Message::from(b"a"), Message::Binary(b"a"));
    assert_eq!(Message::from(&b"a"[..]), Message::Binary(b"a"));
    assert_eq!(Message::from(&vec![b'a']), Message::Binary(b"a"));
    assert_eq!(Message::from("a").opcode(), Opcode::Text);
    assert_eq!(Message::from(b"a").payload(), b"a");
}

#[test]
fn every_error_has_its_close_code() {
    assert_eq!(
        ProtocolError::InvalidUtf8.close_code(),
        CloseCode::INVALID_PAYLOAD
    );
    assert_eq!(
        ProtocolError::MessageTooBig.close_code(),
        CloseCode::MESSAGE_TOO_BIG
    );
    for error in [
        ProtocolError::ReservedBits,
        ProtocolError::ReservedOpcode(3),
        ProtocolError::UnmaskedFrame,
        ProtocolError::FragmentedControlFrame,
        ProtocolError::OversizedControlFrame,
        ProtocolError::NonMinimalLength,
        ProtocolError::LengthOverflow,
        ProtocolError::UnexpectedContinuation,
        ProtocolError::InterruptedMessage,
        ProtocolError::TornCloseCode,
        ProtocolError::InvalidCloseCode(1004),
    ] {
        assert_eq!(error.close_code(), CloseCode::PROTOCOL_ERROR, "{error}");
    }
}
