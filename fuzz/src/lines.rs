//! Programs for the targets: one step a line, so that seeds can be read and
//! written by hand. Every line means something, whatever is in it.

/// One line: who, what, and the rest.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    pub who: usize,
    pub what: u8,
    pub rest: &'a [u8],
}

/// At most so many steps are taken, so that a run stays short.
const MAX_STEPS: usize = 200;

/// The steps of a program. `who` is the first byte of a line, a digit among
/// `people`; `what` the second, one of `known` or taken for one of them.
pub fn steps<'a>(
    program: &'a [u8],
    people: usize,
    known: &'static [u8],
) -> impl Iterator<Item = Step<'a>> {
    let lines = program.split(|&byte| byte == b'\n').take(MAX_STEPS);
    lines.filter_map(move |line| {
        let (&[who, what], rest) = line.split_first_chunk()?;
        let is_known = known.contains(&what);
        Some(Step {
            who: usize::from(who.wrapping_sub(b'0')) % people,
            what: if is_known {
                what
            } else {
                known[usize::from(what) % known.len()]
            },
            rest,
        })
    })
}

impl Step<'_> {
    /// The decimal number that the rest begins with, at most `max`.
    pub fn number(&self, max: usize) -> usize {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit());
        let number = digits.fold(0_usize, |number, digit| {
            number
                .saturating_mul(10)
                .saturating_add(usize::from(digit - b'0'))
        });
        number.min(max)
    }

    /// What stands behind the first blank.
    pub fn after_blank(&self) -> &[u8] {
        let blank = self.rest.iter().position(|&byte| byte == b' ');
        blank.map_or(&[], |blank| &self.rest[blank + 1..])
    }
}
