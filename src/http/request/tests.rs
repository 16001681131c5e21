use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits {
    max_head_bytes: 16 * 1024,
    max_headers: 100,
};

/// Parses whole, and checks that a dripped head says the same, no sooner than
/// its last byte and no later than a refusal is due.
fn parse(head: &[u8]) -> Result<Request<'_>, Refusal> {
    let whole = Request::parse(head, &LIMITS);
    for end in 0..head.len() {
        match Request::parse(&head[..end], &LIMITS) {
            Ok(None) => {}
            Ok(Some(_)) => panic!("complete after {end} bytes of {}", head.len()),
            Err(refusal) => {
                let whole = whole.expect_err("refused in part, taken as a whole");
                assert_eq!(refusal.status, whole.status, "after {end} bytes");
                return Err(whole);
            }
        }
    }
    let (request, head_bytes) = whole?.expect("a whole head");
    assert_eq!(head_bytes, head.len());
    Ok(request)
}

fn status_of(head: impl AsRef<[u8]>) -> u16 {
    match parse(head.as_ref()) {
        Ok(_) => 200,
        Err(refusal) => refusal.status.number(),
    }
}

/// A GET with these header lines beside Host.
fn with_headers(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")
}

fn target(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

#[test]
fn head_of_a_browser_is_parsed() {
    let head = b"GET /chat?room=a%20b HTTP/1.1\r\nHost: chat.example:7777\r\n\
        Accept: text/html, */*\r\nX-Empty:\r\n\r\n";
    let request = parse(head).expect("a request");
    assert_eq!(request.method, "GET");
    assert_eq!(request.path, "/chat");
    assert_eq!(request.query, Some("room=a%20b"));
    assert_eq!(request.version, Version::Http11);
    assert_eq!(request.host(), Some("chat.example:7777"));
    assert_eq!(request.header("ACCEPT"), Some("text/html, */*"));
    assert_eq!(request.header("x-empty"), Some(""));
    assert_eq!(request.header("absent"), None);
    assert_eq!(request.headers().count(), 3);
    assert!(request.keep_alive());
}

#[test]
fn bytes_after_the_head_belong_to_what_follows() {
    let head = with_headers("");
    let input = [head.as_bytes(), head.as_bytes(), b"\x81\x80"].concat();
    let (_, head_bytes) = Request::parse(&input, &LIMITS).expect("ok").expect("whole");
    assert_eq!(head_bytes, head.len());
}

#[test]
fn absolute_targets_are_taken_apart() {
    for (form, host, path, query) in [
        ("ws://127.0.0.1:7777/", "127.0.0.1:7777", "/", None),
        ("ws://127.0.0.1:7777", "127.0.0.1:7777", "/", None),
        (
            "WSS://chat.example/ws?a=b",
            "chat.example",
            "/ws",
            Some("a=b"),
        ),
        (
            "http://chat.example?a=/b?",
            "chat.example",
            "/",
            Some("a=/b?"),
        ),
        ("HTTPS://[::1]:443/x/y", "[::1]:443", "/x/y", None),
    ] {
        let head = target(form);
        let request = parse(head.as_bytes()).expect(form);
        // RFC 9112 §3.2.2: the received Host is ignored.
        assert_eq!(request.host(), Some(host), "{form}");
        assert_eq!((request.path, request.query), (path, query), "{form}");
    }
}

#[test]
fn targets_of_other_forms_are_refused() {
    for form in [
        "*",
        "localhost:7777",
        "chat",
        "ftp://localhost/",
        "ws:///path",
        "ws://user@localhost/",
        "ws:/localhost/",
        "/page#fragment",
        "/чат",
        "/a\tb",
        "/a\x7fb",
        "/a\0b",
    ] {
        assert_eq!(status_of(target(form)), 400, "{form:?}");
    }
    assert_eq!(status_of("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"), 400);
}

#[test]
fn host_must_come_exactly_once_in_http_1_1() {
    assert_eq!(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
    assert_eq!(status_of("GET ws://a/ HTTP/1.1\r\n\r\n"), 400);
    assert_eq!(status_of(with_headers("host: localhost\r\n")), 400);
    assert_eq!(status_of("GET / HTTP/1.0\r\n\r\n"), 200);
    assert_eq!(
        status_of("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"),
        400
    );
}

#[test]
fn host_must_be_a_host() {
    for (host, status) in [
        ("localhost", 200),
        ("[2001:db8::1]:7777", 200),
        ("xn--e1afmkfd.example.", 200),
        ("a:", 200),
        ("a:b", 400),
        ("a:1:2", 400),
        ("2001:db8::1", 400),
        ("[::1", 400),
        ("[::1]7777", 400),
        ("[]", 400),
        (":7777", 400),
        ("", 400),
        ("a b", 400),
        ("a/b", 400),
        ("user@a", 400),
        ("a\"b", 400),
        ("чат.example", 400),
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(status_of(head), status, "{host:?}");
    }
}

#[test]
fn lines_end_with_a_carriage_return() {
    for head in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
    ] {
        assert_eq!(status_of(head), 400, "{head:?}");
    }
}

#[test]
fn bodies_are_refused() {
    for (lines, status) in [
        ("Content-Length: 0\r\n", 200),
        ("Content-Length: 000\r\n", 200),
        ("Content-Length: 5\r\n", 413),
        ("Content-Length: 99999999999999999999999\r\n", 413),
        ("Transfer-Encoding: chunked\r\n", 413),
        ("Transfer-Encoding: identity\r\n", 413),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Content-Length: 5\r\nContent-Length: 6\r\n", 400),
        ("Content-Length: 0\r\nContent-Length: 0\r\n", 400),
        ("Content-Length:\r\n", 400),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: +0\r\n", 400),
        ("Content-Length: 0, 0\r\n", 400),
        ("Content-Length: 0x0\r\n", 400),
    ] {
        assert_eq!(status_of(with_headers(lines)), status, "{lines:?}");
    }
    // With a body, a method that is not served is the greater fault.
    assert_eq!(
        status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"),
        405
    );
}

#[test]
fn malformed_heads_are_refused() {
    for head in [
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c: folded\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "GET / NOTHTTP/1\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01",
    ] {
        assert_eq!(status_of(head), 400, "{head:?}");
    }
}

#[test]
fn other_versions_of_http_are_refused_with_505() {
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3"] {
        let head = format!("GET / {version}\r\nHost: a\r\n\r\n");
        assert_eq!(status_of(head), 505, "{version}");
    }
    assert_eq!(status_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
}

#[test]
fn empty_lines_before_the_request_are_skipped_within_bounds() {
    assert_eq!(status_of(format!("\r\n\r\n{}", with_headers(""))), 200);
    assert_eq!(status_of(format!("\n{}", with_headers(""))), 400);
    assert_eq!(status_of("\r\n".repeat(5)), 400);
}

#[test]
fn too_many_headers_are_refused_with_431() {
    assert_eq!(status_of(with_headers(&"X: y\r\n".repeat(99))), 200);
    assert_eq!(status_of(with_headers(&"X: y\r\n".repeat(100))), 431);
    let no_limit = Limits {
        max_headers: 0,
        ..LIMITS
    };
    let head = with_headers(&"X: y\r\n".repeat(200));
    let parsed = Request::parse(head.as_bytes(), &no_limit).expect("no limit");
    assert_eq!(parsed.expect("whole").0.headers().count(), 201);
}

#[test]
fn head_over_the_limit_is_refused_complete_or_not() {
    let limits = Limits {
        max_head_bytes: 64,
        ..LIMITS
    };
    let status = |head: &str| match Request::parse(head.as_bytes(), &limits) {
        Ok(parsed) => u16::from(parsed.is_some()),
        Err(refusal) => refusal.status.number(),
    };
    let filled = |length: usize| {
        let empty = with_headers("X: \r\n");
        with_headers(&format!("X: {}\r\n", "y".repeat(length - empty.len())))
    };
    assert_eq!(status(&filled(64)), 1);
    assert_eq!(status(&filled(65)), 431);
    assert_eq!(status(&filled(100)[..64]), 0);
    assert_eq!(status(&filled(100)[..65]), 431);
    // What follows the head does not count.
    assert_eq!(status(&format!("{}{}", filled(64), "z".repeat(100))), 1);

    let long_target = target(&format!("/{}", "a".repeat(100)));
    assert_eq!(status(&long_target), 414);
    assert_eq!(status(&long_target[..64]), 0);
    assert_eq!(status(&long_target[..65]), 414);

    let no_limit = Limits {
        max_head_bytes: 0,
        ..LIMITS
    };
    let parsed = Request::parse(long_target.as_bytes(), &no_limit);
    assert!(matches!(parsed, Ok(Some(_))));
}

#[test]
fn lists_are_read_over_several_lines_in_any_case() {
    let head = with_headers("X-List: a, B ,\r\nx-list: ,c\"d\r\n");
    let request = parse(head.as_bytes()).expect("a request");
    let tokens: Vec<_> = request.tokens("x-list").collect();
    assert_eq!(tokens, [&b"a"[..], b"B", b"c\"d"]);
    assert!(request.has_token("X-LIST", "b"));
    assert!(!request.has_token("x-list", "c"));
    let values: Vec<_> = request.header_values("x-list").collect();
    assert_eq!(values, [&b"a, B ,"[..], b",c\"d"]);
}

#[test]
fn connection_is_kept_unless_it_is_to_be_closed() {
    for (version, lines, kept) in [
        ("1.1", "", true),
        ("1.1", "Connection: keep-alive\r\n", true),
        ("1.1", "Connection: x, Close\r\n", false),
        ("1.0", "Connection: keep-alive\r\n", false),
    ] {
        let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{lines}\r\n");
        let request = parse(head.as_bytes()).expect("a request");
        assert_eq!(request.keep_alive(), kept, "{version} {lines:?}");
    }
}

#[test]
fn dripped_head_is_parsed_once_per_line() {
    let head = with_headers(&"X: some value\r\n".repeat(99));
    let (mut tried_bytes, mut parses) = (0, 0);
    for end in 1..=head.len() {
        let input = &head.as_bytes()[..end];
        if is_worth_parsing(input, tried_bytes, &LIMITS) {
            parses += 1;
            tried_bytes = end;
            let parsed = Request::parse(input, &LIMITS).expect("no fault");
            assert_eq!(parsed.is_some(), end == head.len());
        }
    }
    // The first byte, and the end of each line.
    assert_eq!(parses, 1 + 1 + 1 + 99 + 1);
    assert_eq!(tried_bytes, head.len());
}

#[test]
fn line_that_never_ends_is_parsed_when_it_is_too_long() {
    let input = [b'a'; 17 * 1024];
    assert!(!is_worth_parsing(
        &input[..LIMITS.max_head_bytes],
        1,
        &LIMITS
    ));
    assert!(is_worth_parsing(
        &input[..=LIMITS.max_head_bytes],
        1,
        &LIMITS
    ));
    let refusal = Request::parse(&input, &LIMITS).expect_err("too long");
    assert_eq!(refusal.status, Status::UriTooLong);
}

proptest! {
    #[test]
    fn noise_never_panics(noise: Vec<u8>) {
        let _ = Request::parse(&noise, &LIMITS);
    }

    #[test]
    fn damaged_head_never_panics_and_what_is_taken_has_a_host(
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let mut head = b"GET ws://a/b?c HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".to_vec();
        let at = at.index(head.len());
        head[at] = byte;
        if let Ok(Some((request, head_bytes))) = Request::parse(&head, &LIMITS) {
            prop_assert!(head_bytes <= head.len());
            prop_assert!(request.path.starts_with('/'));
            prop_assert!(request.host().is_some_and(|host| !host.is_empty()));
        }
    }
}
