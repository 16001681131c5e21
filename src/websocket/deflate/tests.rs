use super::*;
use crate::http::request::{Limits, Request};
use crate::websocket::error::ProtocolError;

fn inflated(payload: &[u8], max_bytes: usize) -> Result<Vec<u8>, ProtocolError> {
    let mut inflater = Inflater::default();
    inflater.inflate(payload, max_bytes).map(<[u8]>::to_vec)
}

/// Text with some repetition in it, and bytes without any.
fn prose(bytes: usize) -> Vec<u8> {
    let words = ["veche ", "bell ", "square ", "river ", "word ", "\n"];
    let mut state = 1_u32;
    let mut prose = Vec::new();
    while prose.len() < bytes {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        prose.extend_from_slice(words[state as usize / 7 % words.len()].as_bytes());
    }
    prose.truncate(bytes);
    prose
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..bytes).map(next).collect()
}

#[test]
fn examples_of_the_rfc_are_understood() {
    // §7.2.3.1 to §7.2.3.5
    let examples: [&[u8]; 4] = [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        &[
            0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00,
        ],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        &[
            0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00,
        ],
    ];
    for example in examples {
        assert_eq!(
            inflated(example, 5).as_deref(),
            Ok(&b"Hello"[..]),
            "{example:x?}"
        );
    }
    // §7.2.3.6
    assert_eq!(inflated(&[0x00], 5).as_deref(), Ok(&b""[..]));
    assert_eq!(inflated(&[], 5), Err(ProtocolError::InvalidDeflate));
}

#[test]
fn message_may_end_with_a_last_block_and_nothing_behind_it() {
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(inflated(&last, 0).as_deref(), Ok(&b"Hello"[..]));
}

#[test]
fn what_is_compressed_for_any_window_is_understood_again() {
    let mut deflater = Deflater::default();
    for window_bits in 9..=15 {
        for bytes in [1024, 1025, 4_096, 70_000] {
            let payload = prose(bytes);
            let deflated = deflater.deflate(window_bits, &payload).expect("smaller");
            assert!(deflated.len() < payload.len() / 2 + 64);
            let again = inflated(deflated, payload.len()).expect("DEFLATE");
            assert!(again == payload, "{window_bits} bits, {bytes} bytes");
        }
    }
}

#[test]
fn small_messages_and_those_that_stay_as_long_are_sent_as_they_are() {
    let mut deflater = Deflater::default();
    assert_eq!(deflater.deflate(15, &prose(1023)), None);
    assert!(deflater.deflate(15, &prose(1024)).is_some());
    for bits in [9, 12, 15] {
        for bytes in [1024, 5_000, 65_536, 100_000] {
            assert_eq!(deflater.deflate(bits, &noise(bytes)), None);
            let half = [prose(bytes / 4), noise(bytes)].concat();
            if let Some(deflated) = deflater.deflate(bits, &half) {
                assert_eq!(inflated(deflated, 0), Ok(half));
            }
        }
    }
}

#[test]
fn window_of_8_bits_compresses_nothing() {
    for bits in [0, 7, 8, 16, 255] {
        assert_eq!(Deflater::default().deflate(bits, &prose(5_000)), None);
    }
}

#[test]
fn data_that_means_too_much_is_found_out_while_it_grows() {
    let mut deflater = Deflater::default();
    let bomb = deflater
        .deflate(15, &vec![0; 16 << 20])
        .expect("smaller")
        .to_vec();
    assert!(bomb.len() < 100_000);
    let mut inflater = Inflater::default();
    assert_eq!(
        inflater.inflate(&bomb, 1 << 20),
        Err(ProtocolError::MessageTooBig)
    );
    assert!(inflater.work_bytes() <= 2 << 20, "given up at the bound");
    let exact = deflater
        .deflate(15, &vec![0; 1 << 20])
        .expect("smaller")
        .to_vec();
    assert_eq!(
        inflater.inflate(&exact, 1 << 20).map(<[u8]>::len),
        Ok(1 << 20)
    );
    assert_eq!(
        inflater.inflate(&exact, (1 << 20) - 1),
        Err(ProtocolError::MessageTooBig)
    );
}

#[test]
fn data_that_means_nothing_is_given_up_early() {
    // Last blocks, empty blocks of the fixed codes, and empty stored ones.
    for block in [
        &[3, 0][..],
        &[0x02, 0x08, 0x20, 0x80, 0x00],
        &[0, 0, 0, 0xff, 0xff],
    ] {
        let payload = block.repeat(200_000);
        assert_eq!(
            inflated(&payload, 1 << 20),
            Err(ProtocolError::InvalidDeflate)
        );
    }
    // A few do no harm.
    let few = [[0, 0, 0, 0xff, 0xff].repeat(100), vec![0]].concat();
    assert_eq!(inflated(&few, 1 << 20).as_deref(), Ok(&b""[..]));
}

#[test]
fn data_that_is_not_deflate_or_not_whole_is_refused() {
    let mut deflater = Deflater::default();
    let whole = deflater
        .deflate(15, &prose(9_000))
        .expect("smaller")
        .to_vec();
    let mut inflater = Inflater::default();
    let cuts = (1..whole.len())
        .step_by(7)
        .filter(|&cut| inflater.inflate(&whole[..cut], 0).is_ok());
    assert_eq!(cuts.count(), 0, "a message that is cut is no message");
    for wrong in [
        &[0xff][..],
        &[0x06],
        &[0x00, 0x05, 0x00],
        &[0x04, 0x00, 0xfe, 0xff],
    ] {
        assert_eq!(
            inflated(wrong, 0),
            Err(ProtocolError::InvalidDeflate),
            "{wrong:x?}"
        );
    }
    assert_eq!(
        inflater.inflate(&whole, 0).map(<[u8]>::to_vec),
        Ok(prose(9_000)),
        "what was refused leaves nothing behind"
    );
}

/// What is answered to these header lines.
fn answer(lines: &[&str]) -> Option<String> {
    let mut head = "GET / HTTP/1.1\r\nHost: a\r\n".to_owned();
    for line in lines {
        head += &format!("Sec-WebSocket-Extensions: {line}\r\n");
    }
    head += "\r\n";
    let parsed = Request::parse(head.as_bytes(), &Limits::default()).expect("well-formed");
    let agreement = negotiate(&parsed.expect("whole").0)?;
    let mut answer = Vec::new();
    agreement.write(&mut answer);
    Some(String::from_utf8(answer).expect("ASCII"))
}

const BASIC: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

#[test]
fn legal_offers_are_accepted() {
    for offer in [
        "permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate;client_max_window_bits=10",
        "permessage-deflate ; server_no_context_takeover ; client_no_context_takeover",
        "x-other, permessage-deflate",
        ", ,permessage-deflate,",
        "x-other; a=b; c=\"d, e\", permessage-deflate",
        "permessage-deflate; server_max_window_bits=\"\", permessage-deflate",
        "permessage-deflate; server_max_window_bits=, permessage-deflate",
        "permessage-deflate; =1, permessage-deflate",
        "permessage-deflate;, permessage-deflate",
        "foo bar, permessage-deflate",
        "x-other; a=\"\\\", b\", permessage-deflate",
        "permessage-deflate; unknown, permessage-deflate",
        "x-webkit-deflate-frame, permessage-deflate; client_max_window_bits=\"15\"",
    ] {
        assert_eq!(answer(&[offer]).as_deref(), Some(BASIC), "{offer}");
    }
    assert_eq!(
        answer(&["x-other", "permessage-deflate"]).as_deref(),
        Some(BASIC)
    );
}

#[test]
fn window_that_the_client_asks_for_is_agreed_to() {
    for bits in 8..=15 {
        for offer in [
            format!("permessage-deflate; server_max_window_bits={bits}"),
            format!("permessage-deflate; server_max_window_bits=\"{bits}\""),
            format!(
                "permessage-deflate; server_max_window_bits=16, permessage-deflate; server_max_window_bits={bits}"
            ),
        ] {
            let expected = format!("{BASIC}; server_max_window_bits={bits}");
            assert_eq!(answer(&[&offer]), Some(expected), "{offer}");
        }
    }
}

#[test]
fn illegal_and_unknown_offers_are_declined() {
    for offer in [
        "",
        "x-other",
        "Permessage-Deflate",
        "permessage-deflate2",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_max_window_bits=9; server_max_window_bits=9",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=x",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; unknown",
        "permessage-deflate; =1",
        "permessage-deflate server_no_context_takeover",
        "permessage-deflate; server_max_window_bits=\"9",
        "permessage-deflate; server_max_window_bits=\"\"",
        "\"permessage-deflate\"",
    ] {
        assert_eq!(answer(&[offer]), None, "{offer}");
    }
    assert_eq!(answer(&[]), None);
}
