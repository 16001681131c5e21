use super::error::nearest;
use super::*;

fn parse(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Options, String> {
    let arguments = arguments.iter().map(OsString::from);
    let variable = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    };
    match Request::parse(arguments, variable) {
        Ok(Request::Serve(options)) => Ok(*options),
        Ok(other) => panic!("not to serve but {other:?}"),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn every_option_takes_the_default_that_help_shows() {
    let mut defaults = Options::default();
    for entry in entries() {
        let default = entry.field.show(&mut defaults);
        assert_eq!(entry.default, default, "{}", entry.name);
        if !default.is_empty() {
            let mut options = parse(&[&entry.flag(), &default], &[]).expect(entry.name);
            assert_eq!(entry.field.show(&mut options), default, "{}", entry.name);
        }
    }
}

#[test]
fn every_option_has_a_place_of_its_own() {
    for entry in entries() {
        let value = match entry.value_name {
            "ADDRESS" => "127.0.0.9:9,unix:/run/veche.sock",
            "PATH" => "/chat",
            "LEVEL" => "trace",
            "FORMAT" => "json",
            "HOW" => "normal",
            "ORIGINS" => "https://a.example,http://b.example",
            "NETWORKS" => "10.0.0.0/8,::1/128",
            _ => "54321",
        };
        let typed = match entry.field.is_switch() {
            true => entry.flag(),
            false => format!("--{}={value}", entry.name),
        };
        let mut options = parse(&[&typed], &[]).expect(entry.name);
        let mut defaults = Options::default();
        for other in entries() {
            let is_changed = other.field.show(&mut options) != other.field.show(&mut defaults);
            assert_eq!(is_changed, other.name == entry.name, "{}", other.name);
        }
    }
}

#[test]
fn every_limit_takes_zero() {
    for entry in entries() {
        if matches!(
            entry.value_name,
            "N" | "BYTES" | "DAYS" | "SECONDS" | "PER_SECOND"
        ) {
            let mut options = parse(&[&entry.flag(), "0"], &[]).expect(entry.name);
            assert_eq!(entry.field.show(&mut options), "0", "{}", entry.name);
        }
    }
}

#[test]
fn a_flag_beats_the_environment_and_the_last_flag_the_first() {
    let environment = [("VECHE_MAX_ROOMS", "1"), ("VECHE_MAX_HEADERS", "2")];
    let options = parse(&["--max-rooms", "3", "--max-rooms=4"], &environment).expect("options");
    assert_eq!(options.chat.max_rooms, 4);
    assert_eq!(options.server.max_headers, 2);
}

#[test]
fn lists_have_commas_between() {
    let arguments = ["--origin", "https://a.example, *"];
    assert!(parse(&arguments, &[]).is_err());
    let environment = [
        ("VECHE_ORIGIN", "*"),
        ("VECHE_TRUSTED_PROXY", "::1, 10.0.0.0/8"),
    ];
    let options = parse(&[], &environment).expect("options");
    assert_eq!(options.server.origins, Origins::Any);
    assert_eq!(options.server.trusted_proxies.len(), 2);
    // A flag that is given again adds to the list.
    let arguments = ["--listen", "80", "--listen=81,82"];
    let options = parse(&arguments, &[("VECHE_LISTEN", "83")]).expect("options");
    let listen: Vec<String> = options.listen.iter().map(Listen::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:80", "127.0.0.1:81", "127.0.0.1:82"]);
}

#[test]
fn a_variable_that_is_empty_counts_as_none() {
    let options = parse(&[], &[("VECHE_LISTEN", ""), ("VECHE_WWW", "")]).expect("options");
    assert_eq!(options.listen, [Listen::default()]);
    assert_eq!(options.www, None);
}

#[test]
fn a_value_that_is_not_taken_is_told_with_the_name_it_came_by() {
    for (arguments, environment, told) in [
        (
            &["--max-rooms", "many"][..],
            &[][..],
            "--max-rooms takes a whole number, 0 for no limit, not \"many\"",
        ),
        (
            &[],
            &[("VECHE_TAPE_BYTES", "1G\n")],
            "VECHE_TAPE_BYTES takes a whole number of bytes, such as 8192, 8K, 1M or 1G, \
             0 for no limit, not \"1G\\n\"",
        ),
        (
            &["--time-limit=-1"],
            &[],
            "--time-limit takes a whole number of seconds, 0 for no limit, not \"-1\"",
        ),
    ] {
        assert_eq!(parse(arguments, environment).expect_err("an error"), told);
    }
}

#[test]
fn a_misspelt_option_is_told_with_the_nearest() {
    for (typed, meant) in [
        ("lisen", Some("listen")),
        ("max-room", Some("max-rooms")),
        ("max_rooms", Some("max-rooms")),
        ("halp", Some("help")),
        ("keep-mesages", Some("keep-messages")),
        #[cfg(feature = "config")]
        ("print-confg", Some("print-config")),
        #[cfg(feature = "config")]
        ("conf", Some("config")),
        ("daemonize", None),
        ("", None),
    ] {
        assert_eq!(nearest(typed), meant, "{typed}");
    }
}

#[test]
fn what_belongs_to_no_option_is_refused() {
    for arguments in [&["7777"][..], &["-x"], &["--", "--help"]] {
        assert!(parse(arguments, &[]).is_err(), "{arguments:?}");
    }
}

#[cfg(feature = "sqlite")]
#[test]
fn a_switch_with_a_value_is_refused() {
    let told = parse(&["--new-epoch=0", "--max-rooms=many"], &[]).expect_err("a value");
    assert_eq!(told, "unexpected argument for option '--new-epoch': \"0\"");
}

#[test]
fn an_option_without_its_value_is_told_what_it_takes() {
    let told = parse(&["--www", "x", "--log"], &[]).expect_err("no level");
    assert_eq!(
        told,
        "--log lacks its value: off, error, warn, info, debug or trace"
    );
}

#[test]
fn help_fits_eighty_columns_and_has_every_option() {
    let help = help();
    for line in help.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert_eq!(line, line.trim_end());
    }
    for entry in entries() {
        assert!(help.contains(&format!("  {} {}", entry.flag(), entry.value_name)));
    }
}
