//! What may be the name of a person, of a room or of a file.

/// The longest name of a person, in characters.
pub(super) const MAX_NAME_CHARS: usize = 32;

/// The longest name of a room, in characters.
pub(super) const MAX_ROOM_CHARS: usize = 64;

/// The longest name of a file, in characters, and the longest ending that is
/// kept where it has to be cut.
const MAX_FILE_NAME_CHARS: usize = 128;
const MAX_ENDING_CHARS: usize = 16;

/// The name somebody asked for, without blanks around it; `None` where it
/// cannot be one.
///
/// Characters that cannot be seen, or that change the direction of what
/// follows, would let two names look the same.
pub(super) fn person(name: &str) -> Option<&str> {
    let name = name.trim();
    let length = name.chars().count();
    let fits = (1..=MAX_NAME_CHARS).contains(&length);
    // Two blanks are shown as one.
    let is_clear = !name.chars().any(is_treacherous) && !name.contains("  ");
    (fits && is_clear).then_some(name)
}

/// The name of a site's member, as much of it as can be one.
#[cfg(feature = "site")]
pub(super) fn of_member(name: &str) -> Option<String> {
    let blank = |c: char| if c.is_whitespace() { ' ' } else { c };
    let clear = name.chars().map(blank).filter(|&c| !is_treacherous(c));
    let clear: String = clear.collect();
    let name = clear.split_whitespace().collect::<Vec<_>>().join(" ");
    let name: String = name.chars().take(MAX_NAME_CHARS).collect();
    person(&name).map(str::to_owned)
}

/// A name that is nobody else's: it ends with an id.
#[cfg(feature = "site")]
pub(super) fn with_id(name: &str, id: &str) -> String {
    let room = MAX_NAME_CHARS.saturating_sub(1 + id.len());
    let name: String = name.chars().take(room).collect();
    format!("{}-{id}", name.trim_end())
}

/// By what names are compared: those that differ in case alone are the same,
/// letter by letter, wherever in a word they stand.
pub(super) fn key(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}

/// The name of a room as it is known: lower-cased. `None` where it cannot be
/// one.
pub(super) fn room(name: &str) -> Option<String> {
    let name = key(name);
    let length = name.chars().count();
    let is_allowed = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_') || is_mark(c);
    let fits = (1..=MAX_ROOM_CHARS).contains(&length);
    (fits && name.chars().all(is_allowed) && !name.starts_with(is_mark)).then_some(name)
}

/// The name of a file, made of what its sender calls it: without folders, and
/// without what cannot be seen or deceives about its ending. Where it is too long
/// it loses its middle and keeps its ending.
pub(super) fn file(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let blank = |c: char| if c.is_whitespace() { ' ' } else { c };
    let clear = name.chars().map(blank).filter(|&c| !is_treacherous(c));
    let clear: String = clear.collect();
    let name = clear.trim();
    if name.trim_matches('.').is_empty() {
        return "file".to_owned();
    }
    let length = name.chars().count();
    if length <= MAX_FILE_NAME_CHARS {
        return name.to_owned();
    }
    let ending = name.rfind('.').map_or("", |place| &name[place..]);
    let ending_length = ending.chars().count();
    if ending_length > MAX_ENDING_CHARS {
        return name.chars().take(MAX_FILE_NAME_CHARS).collect();
    }
    let stem = name.chars().take(MAX_FILE_NAME_CHARS - ending_length);
    stem.collect::<String>() + ending
}

/// Another name for somebody whose name is taken: the same with a number, the
/// first that is free, or one above the count of names.
///
/// `None` where all that is tried is taken: somebody took pains for that, and
/// is not to be served by trying on.
pub(super) fn suggest(name: &str, count: usize, is_taken: impl Fn(&str) -> bool) -> Option<String> {
    let numbered = |number: usize| {
        let suffix = format!("-{number}");
        let kept = MAX_NAME_CHARS - suffix.len();
        name.chars().take(kept).collect::<String>() + &suffix
    };
    (2..100)
        .chain(count + 1..count + 10)
        .map(numbered)
        .find(|name| !is_taken(name))
}

/// Control, bidi, zero-width and unusual blank characters.
fn is_treacherous(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Vowel signs and accents that stand after a letter: the common blocks of
/// combining marks, without which many scripts cannot be written.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{34e}' | '\u{350}'..='\u{36f}' | '\u{93c}' | '\u{94d}' | '\u{9bc}'
        | '\u{9cd}' | '\u{e47}'..='\u{e4e}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_any_script_are_taken_and_trimmed() {
        for name in [
            "Ann",
            "Анна Б.",
            "阿明",
            "أحمد",
            "O'Neil",
            "x",
            "👋 hi",
            "नमस्ते",
        ] {
            assert_eq!(person(&format!("  {name} ")), Some(name));
        }
        assert_eq!(person(&"ж".repeat(32)), Some("ж".repeat(32).as_str()));
    }

    #[test]
    fn names_that_could_deceive_are_refused() {
        let refused = [
            "",
            "   ",
            "a\nb",
            "a\tb",
            "a\u{0}b",
            "a  b",
            "a\u{202e}b",
            "a\u{2066}b",
            "a\u{200b}b",
            "a\u{200d}b",
            "a\u{feff}b",
            "\u{3164}",
            "a\u{a0}b",
            "a\u{2028}b",
            "a\u{e0041}b",
            "\u{85}x\u{85}y",
        ];
        for name in refused {
            assert_eq!(person(name), None, "{name:?}");
        }
        assert_eq!(person(&"ж".repeat(33)), None);
    }

    #[test]
    fn rooms_are_lower_cased_letters_and_digits_of_any_script() {
        assert_eq!(room("Lobby").as_deref(), Some("lobby"));
        assert_eq!(room("Площадь_2-я").as_deref(), Some("площадь_2-я"));
        assert_eq!(room("सभा").as_deref(), Some("सभा"));
        for name in [
            "",
            "a b",
            "a/b",
            "../x",
            "a#b",
            "a\u{200b}",
            "\u{301}a",
            "👋",
        ] {
            assert_eq!(room(name), None, "{name:?}");
        }
        assert!(room(&"a".repeat(64)).is_some() && room(&"a".repeat(65)).is_none());
    }

    #[test]
    fn file_has_a_name_that_is_short_and_deceives_nobody() {
        for (given, name) in [
            ("cat.png", "cat.png"),
            ("  Отчёт за май.pdf ", "Отчёт за май.pdf"),
            ("/etc/passwd", "passwd"),
            ("C:\\Users\\ann\\cat.png", "cat.png"),
            ("../..", "file"),
            ("", "file"),
            (" \u{200b} ", "file"),
            ("folder/", "file"),
            ("cod\u{202e}gnp.exe", "codgnp.exe"),
            ("a\u{0}b\n\u{feff}c", "ab c"),
            ("10.15.00\u{202f}PM.png", "10.15.00 PM.png"),
        ] {
            assert_eq!(file(given), name, "{given:?}");
        }
        let cut = file(&("ж".repeat(200) + ".tar.gz"));
        assert_eq!(cut, "ж".repeat(125) + ".gz");
        assert_eq!(file(&"x".repeat(128)), "x".repeat(128));
        assert_eq!(file(&"x".repeat(129)), "x".repeat(128));
        let no_ending = "x.".to_owned() + &"y".repeat(200);
        assert_eq!(file(&no_ending).chars().count(), 128);
    }

    #[test]
    fn names_that_differ_in_case_alone_are_the_same() {
        for (one, other) in [("Ann", "aNN"), ("Ёж", "ёЖ"), ("ΟΔΟΣ", "οδοσ")] {
            assert_eq!(key(one), key(other));
        }
    }

    #[test]
    fn suggestion_is_free_and_fits() {
        let free = |name: &str, count, taken: fn(&str) -> bool| suggest(name, count, taken);
        let suggested = free("Ann", 2, |name| name == "Ann-2");
        assert_eq!(suggested.as_deref(), Some("Ann-3"));
        let long = free(&"ж".repeat(32), 1, |_| false);
        assert_eq!(long, Some("ж".repeat(30) + "-2"));
        let crowded = free("Ann", 4_000, |name| name.len() < "Ann-1000".len());
        assert_eq!(crowded.as_deref(), Some("Ann-4001"));
        assert_eq!(free("Ann", 4_000, |_| true), None);
    }
}
