//! Parts of a ring of bytes, as slices.

use std::collections::VecDeque;
use std::io::IoSlice;

/// The bytes between two places of a ring, in at most two slices.
pub(super) fn range(ring: &VecDeque<u8>, from: usize, to: usize) -> (&[u8], &[u8]) {
    let (front, back) = ring.as_slices();
    let middle = front.len();
    (
        &front[from.min(middle)..to.min(middle)],
        &back[from.saturating_sub(middle)..to.saturating_sub(middle)],
    )
}

/// Two adjacent parts of one ring as slices for a gathering write; returns how
/// many of them are not empty.
pub(super) fn offer<'a>(parts: (&'a [u8], &'a [u8]), slices: &mut [IoSlice<'a>]) -> usize {
    let mut count = 0;
    for part in [parts.0, parts.1] {
        if let Some(slice) = slices.get_mut(count).filter(|_| !part.is_empty()) {
            *slice = IoSlice::new(part);
            count += 1;
        }
    }
    count
}
