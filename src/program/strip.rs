//! The files of the page without comments, indentation and many line ends, made by
//! the compiler: a fifth of the page is for those who read it in the repository.

/// How long a file is without them.
pub(super) const fn stripped_bytes(source: &[u8]) -> usize {
    let mut lines = Lines::new(source);
    let mut bytes = 0;
    while let Some((from, to)) = lines.next() {
        bytes += to - from;
    }
    bytes
}

/// The file without them.
pub(super) const fn strip<const BYTES: usize>(source: &[u8]) -> [u8; BYTES] {
    let mut stripped = [0; BYTES];
    let mut lines = Lines::new(source);
    let mut place = 0;
    while let Some((mut from, to)) = lines.next() {
        while from < to {
            stripped[place] = source[from];
            place += 1;
            from += 1;
        }
    }
    stripped
}

/// The lines of a file that are not only for its readers, without the blanks
/// they begin with. A comment counts if it has its lines for itself.
struct Lines<'a> {
    source: &'a [u8],
    place: usize,
}

impl<'a> Lines<'a> {
    const fn new(source: &'a [u8]) -> Self {
        Lines { source, place: 0 }
    }

    /// Where the next line begins, and where it ends, with its line end if that
    /// means anything.
    const fn next(&mut self) -> Option<(usize, usize)> {
        while self.place < self.source.len() {
            let mut from = self.skip_blanks();
            if self.begins_with(from, b"/*") {
                self.place = self.end_of_comment(from, b"*/");
                from = self.skip_blanks();
            } else if self.begins_with(from, b"<!--") {
                self.place = self.end_of_comment(from, b"-->");
                from = self.skip_blanks();
            }
            let to = self.end_of_line();
            self.place = to;
            let is_comment = self.begins_with(from, b"//");
            let is_empty = self.begins_with(from, b"\n");
            if from < to && !is_comment && !is_empty {
                return Some((from, to - self.goes_on(from, to) as usize));
            }
        }
        None
    }

    /// Whether a line of a script or style sheet means the same without its line
    /// end: no statement ends so, and no comment would swallow the next line.
    const fn goes_on(&self, from: usize, to: usize) -> bool {
        let is_markup = self.begins_with(0, b"<");
        if is_markup || to - from < 2 || self.source[to - 1] != b'\n' {
            return false;
        }
        let mut place = from;
        while place < to {
            if self.begins_with(place, b"//") {
                return false;
            }
            place += 1;
        }
        matches!(self.source[to - 2], b'{' | b'(' | b'[' | b',' | b';')
    }

    const fn skip_blanks(&self) -> usize {
        let mut place = self.place;
        while place < self.source.len() && self.source[place] == b' ' {
            place += 1;
        }
        place
    }

    const fn begins_with(&self, place: usize, text: &[u8]) -> bool {
        let mut count = 0;
        while count < text.len() {
            if place + count >= self.source.len() || self.source[place + count] != text[count] {
                return false;
            }
            count += 1;
        }
        true
    }

    const fn end_of_comment(&self, from: usize, end: &[u8]) -> usize {
        let mut place = from + 2;
        while place < self.source.len() {
            if self.begins_with(place, end) {
                return place + end.len();
            }
            place += 1;
        }
        place
    }

    const fn end_of_line(&self) -> usize {
        let mut place = self.place;
        while place < self.source.len() {
            place += 1;
            if self.source[place - 1] == b'\n' {
                break;
            }
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(source: &str) -> String {
        let mut lines = Lines::new(source.as_bytes());
        core::iter::from_fn(|| lines.next())
            .map(|(from, to)| &source[from..to])
            .collect()
    }

    #[test]
    fn comments_that_have_their_lines_for_themselves_go() {
        let source =
            "// why\n/** What\n * it is.\n */\nlet x = 1; // stays\n\n  /* a */\n  y('//');\n";
        assert_eq!(stripped(source), "let x = 1; // stays\ny('//');\n");
    }

    #[test]
    fn what_stands_behind_a_comment_stays() {
        assert_eq!(stripped("/* a */ x()\n/* b\n */ y();"), "x()\ny();");
        assert_eq!(stripped("<!-- a --> <p>\n<!-- b\n-->\n</p>"), "<p>\n</p>");
    }

    #[test]
    fn file_without_comments_is_the_same_but_for_its_indentation() {
        assert_eq!(stripped("a\n  b\n}"), "a\nb\n}");
        assert_eq!(stripped(""), "");
        assert_eq!(stripped("/* never ends"), "");
    }

    #[test]
    fn line_ends_stay_where_something_depends_on_them() {
        let source = "f(\n  a,\n  b\n);\nif (x) {\n  y()\n}\nz = 1; // why,\nend;";
        let shorter = "f(a,b\n);if (x) {y()\n}\nz = 1; // why,\nend;";
        assert_eq!(stripped(source), shorter);
        let markup = "<p>one,\n  two;\n</p>";
        assert_eq!(stripped(markup), "<p>one,\ntwo;\n</p>");
    }

    #[test]
    fn stripped_file_is_as_long_as_was_counted() {
        const SOURCE: &[u8] = b"  a\n// b\nc";
        assert_eq!(strip::<{ stripped_bytes(SOURCE) }>(SOURCE), *b"a\nc");
    }
}
