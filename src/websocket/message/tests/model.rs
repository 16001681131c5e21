//! Random messages, fragments, control frames and cuts, against what was sent.

use proptest::prelude::*;

use super::*;

/// A message, how it is fragmented, and the control frames around it.
#[derive(Clone, Debug)]
struct Sent {
    message: Owned,
    fragments: Vec<prop::sample::Index>,
    controls: Vec<(prop::sample::Index, Owned)>,
}

fn sent() -> impl Strategy<Value = Sent> {
    let message = prop_oneof![
        "\\PC{0,100}".prop_map(Owned::Text),
        prop::collection::vec(any::<u8>(), 0..400).prop_map(Owned::Binary),
    ];
    let control =
        (prop::collection::vec(any::<u8>(), 0..=125), any::<bool>()).prop_map(|(payload, ping)| {
            if ping {
                Owned::Ping(payload)
            } else {
                Owned::Pong(payload)
            }
        });
    let fragments = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let controls = prop::collection::vec((any::<prop::sample::Index>(), control), 0..3);
    (message, fragments, controls).prop_map(|(message, fragments, controls)| Sent {
        message,
        fragments,
        controls,
    })
}

/// Encodes what is sent, and tells in which order it must be received.
fn encode(sent: &Sent, wire: &mut Vec<u8>, expected: &mut Vec<Owned>) {
    let (opcode, payload) = match &sent.message {
        Owned::Text(text) => (Opcode::Text, text.as_bytes()),
        Owned::Binary(bytes) => (Opcode::Binary, bytes.as_slice()),
        other => unreachable!("{other:?} is no message"),
    };
    let mut ends: Vec<usize> = sent
        .fragments
        .iter()
        .map(|at| at.index(payload.len() + 1))
        .collect();
    ends.push(payload.len());
    ends.sort_unstable();
    let mut begin = 0;
    for (i, &end) in ends.iter().enumerate() {
        let opcode = if i == 0 { opcode } else { Opcode::Continuation };
        for (_, control) in sent
            .controls
            .iter()
            .filter(|(at, _)| at.index(ends.len()) == i)
        {
            wire.extend(match control {
                Owned::Ping(payload) => client_frame(true, Opcode::Ping, payload),
                Owned::Pong(payload) => client_frame(true, Opcode::Pong, payload),
                other => unreachable!("{other:?} is no control frame"),
            });
            expected.push(control.clone());
        }
        wire.extend(client_frame(
            i == ends.len() - 1,
            opcode,
            &payload[begin..end],
        ));
        begin = end;
    }
    expected.push(sent.message.clone());
}

proptest! {
    #[test]
    fn whatever_is_sent_is_received_in_order_however_it_is_cut(
        sent in prop::collection::vec(sent(), 0..6),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let (mut wire, mut expected) = (Vec::new(), Vec::new());
        for sent in &sent {
            encode(sent, &mut wire, &mut expected);
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|at| at.index(wire.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(wire.len());
        let mut begin = 0;
        let segments: Vec<&[u8]> = cuts
            .iter()
            .map(|&end| {
                let segment = &wire[begin..end];
                begin = end;
                segment
            })
            .collect();
        let mut receiver = Receiver::default();
        let (received, result) = receive(&mut receiver, &segments, 0);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(received, expected);
        prop_assert!(receiver.is_idle() && receiver.unfinished.is_none());
    }

    /// What a server makes of noise does not depend on how it is cut.
    #[test]
    fn noise_is_received_alike_however_it_is_cut(
        mut noise in prop::collection::vec(any::<u8>(), 0..60),
        masked in any::<bool>(),
        limit in 0_usize..40,
    ) {
        // Without a mask nearly all noise ends at its second byte.
        if let (true, [first, second, ..]) = (masked, noise.as_mut_slice()) {
            *first &= 0x8f;
            *second = 0x80 | *second & 0x0f;
        }
        let _ = receive_every_way(&noise, limit);
    }
}
