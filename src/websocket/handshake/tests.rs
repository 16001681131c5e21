use super::*;
use crate::http::request::Limits;

const SAMPLE_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const SAMPLE_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The opening handshake of RFC 6455 §1.3, with its headers replaced, removed
/// (by an empty value) or added.
fn head(request_line: &str, changes: &[(&str, &str)]) -> String {
    let mut headers = vec![
        ("Host", "server.example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", SAMPLE_KEY),
        ("Origin", "http://example.com"),
        ("Sec-WebSocket-Version", "13"),
    ];
    headers.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    headers.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("{request_line}\r\n{lines}\r\n")
}

/// What the server answers, whole.
fn answer_to(head: &str, subprotocols: &[&str]) -> String {
    let (request, _) = Request::parse(head.as_bytes(), &Limits::default())
        .expect("a well-formed request")
        .expect("a whole head");
    assert!(is_upgrade(&request));
    let mut out = Vec::new();
    match upgrade(&request, subprotocols) {
        Ok(upgrade) => upgrade.write(&mut out),
        Err(refusal) => refusal.response().write(&mut out, None),
    }
    String::from_utf8(out).expect("ASCII")
}

fn answer(changes: &[(&str, &str)]) -> String {
    answer_to(&head("GET /chat HTTP/1.1", changes), &["superchat", "chat"])
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).expect("a status line")
}

fn has_line(answer: &str, line: &str) -> bool {
    answer.split("\r\n").any(|found| found == line)
}

#[test]
fn sample_of_rfc_6455_section_1_3_is_accepted() {
    assert_eq!(
        answer(&[("Sec-WebSocket-Protocol", "chat, superchat")]),
        format!(
            "HTTP/1.1 101 Switching Protocols\r\n\
             Upgrade: websocket\r\n\
             Connection: Upgrade\r\n\
             Sec-WebSocket-Accept: {SAMPLE_ACCEPT}\r\n\
             Sec-WebSocket-Protocol: chat\r\n\r\n"
        )
    );
}

#[test]
fn absolute_target_with_non_canonical_key_is_accepted_with_the_key_as_sent() {
    // The last character before the padding has bits that belong to no byte.
    let key = "dGhlIHNhbXBsZSBub25jZR==";
    assert!(STANDARD.decode(key).is_err(), "the key is not canonical");
    let head = head(
        "GET ws://127.0.0.1:7777/ HTTP/1.1",
        &[("Sec-WebSocket-Key", key)],
    );
    let answer = answer_to(&head, &[]);
    assert_eq!(status(&answer), "101");
    // printf 'dGhlIHNhbXBsZSBub25jZR==258EAFA5-…' | openssl sha1 -binary | base64
    assert!(has_line(
        &answer,
        "Sec-WebSocket-Accept: Zgw8jYXtqX5qJr7MJ1Q/MqzeSRI="
    ));
}

#[test]
fn key_of_9_bytes_is_refused() {
    assert_eq!(
        status(&answer(&[("Sec-WebSocket-Key", "MTIzNDU2Nzg5")])),
        "400"
    );
}

#[test]
fn unsupported_subprotocol_socket_is_accepted_without_a_subprotocol() {
    let answer = answer(&[("Sec-WebSocket-Protocol", "socket")]);
    assert_eq!(status(&answer), "101");
    assert!(!answer.contains("Sec-WebSocket-Protocol"));
}

#[test]
fn keys_that_are_not_16_bytes_in_base64_are_refused() {
    for key in [
        "AQIDBAUGBwgJCgsMDQ4P",         // 15 bytes
        "AQIDBAUGBwgJCgsMDQ4PEBE=",     // 17 bytes
        "AQIDBAUGBwgJCgsMDQ4PEBES",     // 18 bytes
        "AQIDBAUGBwgJCgsMDQ4PEA",       // no padding
        "AQIDBAUGBwgJCgsMDQ4PE===",     // too much padding
        "AQIDBAUGBwgJCgsM_Q4PEA==",     // not of this alphabet
        "AQIDBAUGBwgJ CgsMDQ4PEA==",    // a blank
        "AQIDBAUGBwgJCgsMDQ4PEBESExQ=", // 20 bytes
    ] {
        assert_eq!(
            status(&answer(&[("Sec-WebSocket-Key", key)])),
            "400",
            "{key}"
        );
    }
}

#[test]
fn key_must_come_exactly_once() {
    assert_eq!(status(&answer(&[("Sec-WebSocket-Key", "")])), "400");
    let twice = [
        ("Sec-WebSocket-Key", SAMPLE_KEY),
        ("Sec-WebSocket-Key", SAMPLE_KEY),
    ];
    assert_eq!(status(&answer(&twice)), "400");
}

#[test]
fn method_other_than_get_is_refused_with_405() {
    let answer = answer_to(&head("POST /chat HTTP/1.1", &[]), &[]);
    assert_eq!(status(&answer), "405");
    assert!(has_line(&answer, "Allow: GET, HEAD"));
    let head = head("get /chat HTTP/1.1", &[]);
    assert_eq!(status(&answer_to(&head, &[])), "405");
}

#[test]
fn http_1_0_is_refused_with_the_remedy() {
    let answer = answer_to(&head("GET /chat HTTP/1.0", &[]), &[]);
    assert_eq!(status(&answer), "400");
    assert!(answer.contains("proxy_http_version 1.1"));
}

#[test]
fn upgrade_dropped_by_a_proxy_is_refused_with_the_remedy() {
    let answer = answer(&[("Upgrade", ""), ("Connection", "close")]);
    assert_eq!(status(&answer), "400");
    assert!(answer.contains("proxy_set_header Upgrade $http_upgrade"));
}

#[test]
fn upgrade_and_connection_are_lists_in_any_case_and_over_several_lines() {
    for (upgrade, connection) in [
        (vec!["WebSocket"], vec!["keep-alive, Upgrade"]),
        (vec!["h2c, WEBSOCKET"], vec!["UPGRADE , keep-alive"]),
        (vec!["h2c", "websocket"], vec!["keep-alive", ",upgrade"]),
    ] {
        let upgrade = upgrade.into_iter().map(|value| ("Upgrade", value));
        let connection = connection.into_iter().map(|value| ("Connection", value));
        let changes: Vec<_> = upgrade.chain(connection).collect();
        assert_eq!(status(&answer(&changes)), "101", "{changes:?}");
    }
}

#[test]
fn connection_without_the_token_upgrade_is_refused() {
    for connection in ["", "keep-alive", "Upgraded", "close, not upgrade"] {
        let answer = answer(&[("Connection", connection)]);
        assert_eq!(status(&answer), "400", "{connection}");
    }
}

#[test]
fn versions_other_than_13_are_refused_with_426_and_the_version() {
    for version in ["", "8", "0", "130", "013", "13, 8", "thirteen"] {
        let answer = answer(&[("Sec-WebSocket-Version", version)]);
        assert_eq!(status(&answer), "426", "{version}");
        assert!(has_line(&answer, "Sec-WebSocket-Version: 13"));
        assert!(has_line(&answer, "Upgrade: websocket"));
        assert!(has_line(&answer, "Connection: Upgrade, close"));
    }
    let twice = [
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Version", "13"),
    ];
    assert_eq!(status(&answer(&twice)), "426");
}

#[test]
fn origin_must_not_come_twice() {
    assert_eq!(status(&answer(&[("Origin", "")])), "101");
    let twice = [
        ("Origin", "http://a.example"),
        ("Origin", "http://b.example"),
    ];
    assert_eq!(status(&answer(&twice)), "400");
}

#[test]
fn subprotocol_is_chosen_in_the_order_of_the_client() {
    for (offered, chosen) in [
        (vec!["chat, superchat"], "chat"),
        (vec!["superchat, chat"], "superchat"),
        (vec!["unknown", "superchat", "chat"], "superchat"),
        (vec!["unknown,,chat"], "chat"),
    ] {
        let changes: Vec<_> = offered
            .into_iter()
            .map(|value| ("Sec-WebSocket-Protocol", value))
            .collect();
        let line = format!("Sec-WebSocket-Protocol: {chosen}");
        assert!(has_line(&answer(&changes), &line), "{changes:?}");
    }
}

#[test]
fn subprotocols_are_compared_with_their_case() {
    let answer = answer(&[("Sec-WebSocket-Protocol", "Chat")]);
    assert_eq!(status(&answer), "101");
    assert!(!answer.contains("Sec-WebSocket-Protocol"));
}

#[test]
fn subprotocols_that_are_no_tokens_or_come_twice_are_refused() {
    for offered in [
        "chat room",
        "chat/1",
        "\"chat\"",
        "chat, chat",
        "чат",
        "a, b, a",
    ] {
        let answer = answer(&[("Sec-WebSocket-Protocol", offered)]);
        assert_eq!(status(&answer), "400", "{offered}");
    }
    let twice = [
        ("Sec-WebSocket-Protocol", "chat"),
        ("Sec-WebSocket-Protocol", "chat"),
    ];
    assert_eq!(status(&answer(&twice)), "400");
}

#[test]
fn unknown_extensions_are_declined_by_silence() {
    let answer = answer(&[("Sec-WebSocket-Extensions", "x-unknown, y; a=b")]);
    assert_eq!(status(&answer), "101");
    assert!(!answer.contains("Sec-WebSocket-Extensions"));
}

#[test]
fn compression_is_agreed_to_in_one_header() {
    let offer = "permessage-deflate; client_max_window_bits, permessage-deflate";
    let answer = answer(&[("Sec-WebSocket-Extensions", offer)]);
    assert_eq!(status(&answer), "101");
    let lines = answer
        .lines()
        .filter(|line| line.starts_with("Sec-WebSocket-Extensions:"));
    assert_eq!(lines.count(), usize::from(cfg!(feature = "deflate")));
    assert!(answer.ends_with("\r\n\r\n"));
}

#[test]
fn chosen_subprotocol_is_told_to_the_server() {
    let head = head("GET / HTTP/1.1", &[("Sec-WebSocket-Protocol", "veche.v1")]);
    let (request, _) = Request::parse(head.as_bytes(), &Limits::default())
        .expect("well-formed")
        .expect("whole");
    let upgrade = upgrade(&request, &["veche.v1"]).expect("accepted");
    assert_eq!(upgrade.subprotocol(), Some("veche.v1"));
}

#[test]
fn request_for_a_page_is_no_upgrade() {
    for upgrade in [
        "",
        "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n",
    ] {
        let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n");
        let (request, _) = Request::parse(head.as_bytes(), &Limits::default())
            .expect("well-formed")
            .expect("whole");
        assert!(!is_upgrade(&request));
    }
}

#[test]
fn resource_that_only_speaks_websocket_says_so() {
    let mut out = Vec::new();
    upgrade_required().response().write(&mut out, None);
    let answer = String::from_utf8(out).expect("ASCII");
    assert_eq!(status(&answer), "426");
    assert!(has_line(&answer, "Upgrade: websocket"));
}
