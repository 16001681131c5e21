//! Unmasking (RFC 6455 §5.3).

/// Unmasks `payload` in place; masking is its own inverse.
///
/// `offset` is how many bytes of the frame's payload came before `payload`, so
/// that a frame may be unmasked piece by piece as it arrives.
pub fn unmask(payload: &mut [u8], masking_key: [u8; 4], offset: usize) {
    let mut key = masking_key;
    key.rotate_left(offset % 4);
    let [a, b, c, d] = key;
    let wide_key = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);

    // Whole words in a loop without branches: the compiler turns it into
    // vector instructions, and it is no byte-wise crawl without optimisation.
    let (words, rest) = payload.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide_key).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn unmasks_the_sample_of_rfc_6455_section_5_7() {
        let mut payload = [0x7f, 0x9f, 0x4d, 0x51, 0x58];
        unmask(&mut payload, [0x37, 0xfa, 0x21, 0x3d], 0);
        assert_eq!(&payload, b"Hello");
    }

    proptest! {
        #[test]
        fn every_byte_is_masked_with_its_own_byte_of_the_key(
            payload: Vec<u8>,
            key: [u8; 4],
            offset in 0_usize..1000,
        ) {
            let expected: Vec<u8> = payload
                .iter()
                .enumerate()
                .map(|(i, byte)| byte ^ key[(offset + i) % 4])
                .collect();
            let mut unmasked = payload;
            unmask(&mut unmasked, key, offset);
            prop_assert_eq!(unmasked, expected);
        }

        #[test]
        fn a_payload_unmasked_in_pieces_equals_one_unmasked_at_once(
            payload: Vec<u8>,
            key: [u8; 4],
            cut in any::<prop::sample::Index>(),
        ) {
            let mut whole = payload.clone();
            unmask(&mut whole, key, 0);

            let cut = cut.index(payload.len() + 1);
            let mut pieces = payload;
            let (head, tail) = pieces.split_at_mut(cut);
            unmask(head, key, 0);
            unmask(tail, key, cut);
            prop_assert_eq!(pieces, whole);
        }
    }
}
