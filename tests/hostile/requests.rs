//! Heads that no browser sends. What each is refused for is tested beside the
//! parser; here is what comes of it with the limits that are set by default.

use veche::Config;
use veche::http::assets::{Asset, Assets, Embedded};

use crate::world::{REQUEST, World};
use crate::{Echo, HOME, frame, log};

/// What is answered to these bytes, with a good request and a message behind
/// them; nothing but one refusal may come.
#[track_caller]
fn refusal_of(head: &[u8], piece: usize) -> String {
    let config = Config {
        assets: Some(Box::new(Embedded::new(&[("index.html", b"page")]))),
        ..Config::default()
    };
    let mut world = World::new(config, Echo::default());
    let mut client = world.accept(HOME);
    for piece in head.chunks(piece) {
        client.write(piece);
        world.run();
    }
    client.write(&[REQUEST.as_bytes(), &frame(0x81, b"hello")].concat());
    world.run();
    let answer = String::from_utf8_lossy(&client.read()).into_owned();
    let shown = String::from_utf8_lossy(&head[..head.len().min(60)]);
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{shown}: {answer}");
    assert!(client.is_shut(), "{shown}");
    assert!(log(&mut world).is_empty(), "{shown}");
    answer.split(' ').nth(1).expect("a status").to_owned()
}

fn get(target: &str, headers: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: veche\r\n{headers}\r\n").into_bytes()
}

#[test]
fn absurd_head_gets_one_refusal_and_nothing_behind_it_is_looked_at() {
    let long = "x".repeat(64 << 10);
    for (head, status) in [
        (get("/", &format!("Cookie: {long}\r\n")), "431"),
        (get("/", &"X: y\r\n".repeat(1_000)), "431"),
        (get(&format!("/{long}"), ""), "414"),
        (long.into_bytes(), "414"),
        (get("/", "Host: veche\r\n"), "400"),
        (get("/", "Host: elsewhere\r\n"), "400"),
        (
            get("/", "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n"),
            "400",
        ),
        (
            get("/", "Content-Length: 1\r\nContent-Length: 2\r\n"),
            "400",
        ),
        (get("/", "Content-Length: 9223372036854775807\r\n"), "413"),
        (get("/", "Transfer-Encoding: chunked\r\n"), "413"),
        (get("/", "X: y\n"), "400"),
        (b"GET / HTTP/1.1\nHost: veche\n\n".to_vec(), "400"),
        (get("/", "X: \0\r\n"), "400"),
        (get("/\0", ""), "400"),
        (get("/\u{7f}", ""), "400"),
        (get("/вече", ""), "400"),
        (get("*", ""), "400"),
        (get("", ""), "400"),
        (get("http://", ""), "400"),
        (get("http://user:word@veche/", ""), "400"),
        (get("file:///etc/passwd", ""), "400"),
        (get("javascript:alert(1)", ""), "400"),
        (b"\r\n".repeat(1_000), "400"),
        (vec![0; 1_000], "400"),
        (vec![0xff; 1_000], "400"),
    ] {
        for piece in [usize::MAX, 1_000] {
            assert_eq!(refusal_of(&head, piece), status);
        }
    }
}

#[test]
fn path_never_leads_upwards_however_it_is_encoded() {
    let config = Config {
        assets: Some(Box::new(Trusting)),
        ..Config::default()
    };
    let mut world = World::new(config, Echo::default());
    for up in [
        "..",
        "%2e%2e",
        "%2E.",
        ".%2e",
        "%252e%252e",
        "%c0%ae%c0%ae",
        "%e0%80%ae%e0%80%ae",
        "%uff0e%uff0e",
        "...",
        "..;",
        "..%00",
        "..%0d%0a",
    ] {
        for slash in ["/", "//", "%2f", "%2F", "%5c", "\\", "%c0%af", "%252f"] {
            let mut client = world.accept(HOME);
            client.write(&get(&format!("/x{slash}{up}{slash}secret"), ""));
            world.run();
            let answer = String::from_utf8_lossy(&client.read()).into_owned();
            let status = answer.split(' ').nth(1);
            assert!(
                matches!(status, Some("400" | "404")),
                "{slash}{up}: {answer}"
            );
        }
    }
}

/// Has whatever lies further up, for who gets so far.
struct Trusting;

impl Assets for Trusting {
    fn find(&self, path: &str) -> Option<Asset<'_>> {
        let mut parts = path.split(['/', '\\']);
        let is_up = parts.any(|part| part.starts_with("..")) || path.contains("//");
        is_up.then(|| Asset::new("secret", b"secret".to_vec()))
    }
}
