use super::*;

fn parse(text: impl AsRef<[u8]>) -> Result<ConfigFile, String> {
    ConfigFile::parse(Path::new("veche.toml"), text.as_ref()).map_err(|error| error.to_string())
}

/// The value that a file has for an option, as it would be typed.
fn value(text: &str, name: &str) -> Option<String> {
    let file = parse(text).expect(text);
    let entry = entries().find(|entry| entry.name == name).expect(name);
    let (_, value) = file.value(entry)?;
    Some(value.into_string().expect("UTF-8"))
}

#[test]
fn values_are_taken_as_they_would_be_typed() {
    for (text, name, typed) in [
        ("max-rooms = 500", "max-rooms", "500"),
        ("max-rooms = \"500\"", "max-rooms", "500"),
        ("max-rooms = 0x1_F4", "max-rooms", "500"),
        ("tape-bytes = 8192", "tape-bytes", "8192"),
        ("tape-bytes = '8K'", "tape-bytes", "8K"),
        ("listen = \"127.0.0.1:8080\"", "listen", "127.0.0.1:8080"),
        ("listen = 8080", "listen", "8080"),
        ("listen = ['[::1]:80']", "listen", "[::1]:80"),
        ("\"origin\" = \"*\"", "origin", "*"),
        (
            "origin = [\n'https://a.example', # one\n'https://b.example',\n]",
            "origin",
            "https://a.example,https://b.example",
        ),
        (
            "trusted-proxy = ['::1', '10.0.0.0/8']",
            "trusted-proxy",
            "::1,10.0.0.0/8",
        ),
        ("www = 'a\"b'", "www", "a\"b"),
    ] {
        assert_eq!(value(text, name).as_deref(), Some(typed), "{text}");
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn switches_are_true_or_false() {
    for (text, is_on) in [("true", true), ("false", false), ("1", true), ("0", false)] {
        let text = format!("new-epoch = {text}");
        let entry = entries().find(|entry| entry.field.is_switch());
        let typed = value(&text, "new-epoch").expect("a value");
        let mut options = Options::default();
        let set = entry
            .expect("a switch")
            .field
            .set(&mut options, typed.as_ref());
        assert!(set.is_ok() && options.new_epoch == is_on, "{text}");
    }
}

#[test]
fn what_is_empty_counts_as_none() {
    for text in [
        "",
        "\u{feff}",
        "\n# nothing\n",
        "www = ''\norigin = []\nlisten = ''",
    ] {
        assert!(parse(text).expect(text).values.is_empty(), "{text:?}");
    }
}

#[test]
fn a_byte_order_mark_and_any_end_of_a_line_are_fine() {
    let file = parse("\u{feff}max-rooms = 1\r\n\r\nlog = 'warn'\n").expect("a file");
    let lines: Vec<_> = file
        .values
        .iter()
        .map(|(name, _, line)| (*name, *line))
        .collect();
    assert_eq!(lines, [("max-rooms", 1), ("log", 3)]);
}

#[test]
fn whatever_is_wrong_is_one_line() {
    const FORM: &str = "veche --print-config shows how it is written, text in quotes";
    const NUMBER: &str = "max-rooms takes a whole number, 0 for no limit";
    for (text, told) in [
        (
            "\n\nmax-room = 5",
            "3: there is no option \"max-room\"; did you mean max-rooms?".to_owned(),
        ),
        (
            "daemonize = true",
            "1: there is no option \"daemonize\"; veche --print-config tells which there are"
                .to_owned(),
        ),
        // The first in the file, not in the alphabet.
        (
            "m = 1\nz = 1\na = 1",
            "1: there is no option \"m\"; veche --print-config tells which there are".to_owned(),
        ),
        // It names the file and is not in it.
        (
            "config = 'b.toml'",
            "1: there is no option \"config\"; veche --print-config tells which there are"
                .to_owned(),
        ),
        (
            "[chat]\nmax-rooms = 5",
            "1: \"chat\" is a table; options stand in none, as veche --print-config has them"
                .to_owned(),
        ),
        (
            "[max-rooms]",
            "1: \"max-rooms\" is a table; options stand in none, as veche --print-config has them"
                .to_owned(),
        ),
        ("max-rooms = 'many'", format!("1: {NUMBER}, not \"many\"")),
        ("max-rooms = -1", format!("1: {NUMBER}, not \"-1\"")),
        ("max-rooms = 1.5", format!("1: {NUMBER}, not \"1.5\"")),
        ("max-rooms = true", format!("1: {NUMBER}, not \"true\"")),
        ("max-rooms = [\n1]", format!("1: {NUMBER}, not \"[\\n1]\"")),
        (
            "log = 'info'\nmax-rooms = 99999999999999999999999999999999999999999",
            format!("2: {NUMBER}, not \"99999999999999999999999999999999999999999\""),
        ),
        (
            "www = true",
            "1: www takes the path of a folder, not \"true\"".to_owned(),
        ),
        (
            "origin = [5]",
            "1: origin takes origins such as https://chat.example, with commas between, or *, \
             not \"[5]\""
                .to_owned(),
        ),
        ("a = 1\nb = 2\n\na = 3", format!("4: duplicate key; {FORM}")),
        (
            "log = debug",
            format!("1: string values must be quoted, expected literal string; {FORM}"),
        ),
        (
            "\nlog = 'x",
            format!("2: invalid literal string, expected `'`; {FORM}"),
        ),
        (
            "max-rooms",
            format!("1: key with no value, expected `=`; {FORM}"),
        ),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error, format!("veche.toml:{told}"), "{text:?}");
    }
    let error = parse(b"log = 'info'\n# \xff").expect_err("Latin-1");
    assert_eq!(error, format!("veche.toml:2: this is not UTF-8; {FORM}"));
}

#[test]
fn no_bytes_are_too_strange() {
    let deep = "a = ".to_owned() + &"[".repeat(100_000);
    for text in [
        deep.as_str(),
        "\0",
        "a.b.c.d = 1",
        "[[",
        "\r",
        "\"\\u{d800}\" = 1",
        "= 1",
    ] {
        let error = parse(text).expect_err("no configuration");
        assert!(
            error.starts_with("veche.toml:1: ") && !error.contains('\n'),
            "{error}"
        );
    }
}
