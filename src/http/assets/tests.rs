use super::*;
use crate::http::request::Limits;

const PAGE: &[u8] = b"<!doctype html>";

/// Compresses well.
const LONG: &[u8] = &[b'a'; 1000];

fn page() -> Embedded {
    Embedded::new(&[
        ("index.html", PAGE),
        ("styles/chat.css", b"a {}"),
        ("help/index.html", b"help"),
        ("help/more/index.html", b"more"),
        ("a b.txt", b"blank"),
        ("long.txt", LONG),
        (".secret", b"secret"),
    ])
}

/// What is answered, whole.
fn answer(request_line: &str, headers: &str) -> String {
    let head = format!("{request_line}\r\nHost: localhost\r\n{headers}\r\n");
    let (request, _) = Request::parse(head.as_bytes(), &Limits::default())
        .expect("a well-formed request")
        .expect("a whole head");
    let page = page();
    let mut out = Vec::new();
    match respond(&request, &page) {
        Ok(response) => response.write(&mut out, None),
        Err(refusal) => refusal.response().write(&mut out, None),
    }
    String::from_utf8(out).expect("text")
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).expect("a status line")
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head").1
}

fn get(path: &str) -> String {
    answer(&format!("GET {path} HTTP/1.1"), "")
}

#[test]
fn page_is_served_with_its_type_its_tag_and_its_policy() {
    let answer = get("/");
    assert_eq!(status(&answer), "200");
    assert_eq!(body(&answer).as_bytes(), PAGE);
    // printf '<!doctype html>' | sha1sum
    for line in [
        "Content-Type: text/html; charset=utf-8",
        "Content-Length: 15",
        "ETag: \"02df1d43ea4ba59a4d4c32e8362a253e125cc742\"",
        "X-Content-Type-Options: nosniff",
        "Referrer-Policy: no-referrer",
        "Cache-Control: no-cache",
    ] {
        assert!(answer.contains(&format!("\r\n{line}\r\n")), "{line}");
    }
    assert!(answer.contains("\r\nContent-Security-Policy: default-src 'none';"));
}

#[test]
fn files_are_found_by_their_decoded_path() {
    assert_eq!(body(&get("/index.html?v=1")).as_bytes(), PAGE);
    assert_eq!(body(&get("/styles/chat.css")), "a {}");
    assert_eq!(body(&get("/%73tyles/chat%2ecss")), "a {}");
    assert_eq!(body(&get("/a%20b.txt")), "blank");
    assert_eq!(body(&get("/help/")), "help");
}

#[test]
fn paths_that_could_lead_elsewhere_find_nothing() {
    for path in [
        "/absent",
        "//help",
        "/.secret",
        "/../index.html",
        "/styles/../index.html",
        "/styles/%2e%2e/index.html",
        "/styles/%2E./index.html",
        "/./index.html",
        "//index.html",
        "/styles//chat.css",
        "/styles%2fchat.css",
        "/styles%2Fchat.css",
        "/styles%5cchat.css",
        "/styles\\chat.css",
        "/index.html%00",
        "/index.html%0a",
        "/index.html%7f",
        "/index.html%",
        "/index.html%2",
        "/index.html%zz",
        "/%ff",
        "/%c0%ae%c0%ae/index.html",
        "/%252e%252e/index.html",
    ] {
        let answer = get(path);
        assert_eq!(status(&answer), "404", "{path}");
        assert!(!answer.contains("Connection: close"), "{path}");
    }
}

#[test]
fn asset_paths_are_relative_and_plain() {
    assert_eq!(asset_path("/").as_deref(), Some("index.html"));
    assert_eq!(asset_path("/a/b.js").as_deref(), Some("a/b.js"));
    assert_eq!(asset_path("/%D1%87").as_deref(), Some("ч"));
    // Decoded once: what remains is a file with a strange name.
    assert_eq!(asset_path("/%252e%252e").as_deref(), Some("%2e%2e"));
    for path in [
        "",
        "a",
        "//",
        "/..",
        "/a/..",
        "/a/.b",
        "/%2e",
        "/a%5c..%5cb",
        "/%2f",
    ] {
        assert_eq!(asset_path(path), None, "{path}");
    }
}

#[test]
fn folder_without_its_slash_is_one_address_away() {
    for (path, location) in [
        ("/help", "./help/"),
        ("/%68elp?x", "./%68elp/"),
        ("/help/more", "./more/"),
    ] {
        let answer = get(path);
        assert_eq!(status(&answer), "308", "{path}");
        let header = format!("\r\nLocation: {location}\r\n");
        assert!(answer.contains(&header), "{path}");
    }
    assert_eq!(status(&get("/styles")), "404");
}

#[test]
fn head_is_answered_like_get_without_the_body() {
    let head = answer("HEAD / HTTP/1.1", "");
    let get = get("/");
    assert_eq!(head, get[..get.len() - PAGE.len()]);
    let absent = answer("HEAD /absent HTTP/1.1", "");
    assert_eq!((status(&absent), body(&absent)), ("404", ""));
}

#[test]
fn other_methods_are_refused_with_405() {
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "get"] {
        let answer = answer(&format!("{method} / HTTP/1.1"), "");
        assert_eq!(status(&answer), "405", "{method}");
        assert!(answer.contains("\r\nAllow: GET, HEAD\r\n"));
        assert!(answer.contains("\r\nConnection: close\r\n"));
    }
}

#[test]
fn current_copy_is_not_sent_again() {
    let etag = ETag::of(PAGE);
    for tags in [
        format!("{etag}"),
        format!("W/{etag}"),
        format!("\"other\", W/\"x\" ,{etag}"),
        "*".to_owned(),
    ] {
        let answer = answer("GET / HTTP/1.1", &format!("If-None-Match: {tags}\r\n"));
        assert_eq!((status(&answer), body(&answer)), ("304", ""), "{tags}");
        assert!(answer.contains(&format!("\r\nETag: {etag}\r\n")));
        assert!(answer.contains("\r\nCache-Control: no-cache\r\n"));
    }
    for tags in ["\"other\"", "W/\"other\"", ""] {
        let answer = answer("GET / HTTP/1.1", &format!("If-None-Match: {tags}\r\n"));
        assert_eq!(status(&answer), "200", "{tags}");
    }
    let absent = answer("GET /absent HTTP/1.1", "If-None-Match: *\r\n");
    assert_eq!(status(&absent), "404");
}

#[cfg(feature = "deflate")]
mod compressed {
    use super::*;

    /// The head and how long the body is: compressed, it is no text.
    fn get(headers: &str, method: &str) -> (String, usize) {
        let head = format!("{method} /long.txt HTTP/1.1\r\nHost: veche\r\n{headers}\r\n");
        let (request, _) = Request::parse(head.as_bytes(), &Limits::default())
            .expect("a well-formed request")
            .expect("a whole head");
        let page = page();
        let response = respond(&request, &page).expect("an answer");
        let mut out = Vec::new();
        response.write(&mut out, None);
        let end = out.windows(4).position(|end| end == b"\r\n\r\n");
        let end = end.expect("the end of the head") + 4;
        let head = String::from_utf8(out[..end].to_vec()).expect("text");
        (head, out.len() - end)
    }

    fn etag(head: &str) -> &str {
        let (_, rest) = head.split_once("\r\nETag: ").expect("a tag");
        rest.split_once('\r').expect("its end").0
    }

    const GZIP: &str = "Accept-Encoding: gzip\r\n";

    #[test]
    fn each_coding_has_its_tag_and_its_length() {
        let (plain, plain_bytes) = get("", "GET");
        let (packed, packed_bytes) = get(GZIP, "GET");
        assert_eq!(plain_bytes, LONG.len());
        assert!(packed_bytes < 50);
        assert!(packed.contains("\r\nContent-Encoding: gzip\r\n"));
        assert!(packed.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"));
        assert!(packed.contains(&format!("\r\nContent-Length: {packed_bytes}\r\n")));
        assert!(!plain.contains("\r\nContent-Encoding:"));
        assert_ne!(etag(&plain), etag(&packed));
        for head in [plain, packed] {
            assert!(head.contains("\r\nVary: Accept-Encoding\r\n"));
        }
    }

    #[test]
    fn head_tells_of_the_compressed_body_and_sends_none() {
        let (head, bytes) = get(GZIP, "HEAD");
        assert_eq!((head, bytes), (get(GZIP, "GET").0, 0));
    }

    #[test]
    fn copy_is_current_in_its_own_coding_only() {
        let (plain, packed) = (get("", "GET").0, get(GZIP, "GET").0);
        for (accept, own, other) in [("", &plain, &packed), (GZIP, &packed, &plain)] {
            let asked = |head| get(&format!("{accept}If-None-Match: {}\r\n", etag(head)), "GET").0;
            let current = asked(own);
            assert_eq!(status(&current), "304");
            assert_eq!(etag(&current), etag(own));
            assert!(current.contains("\r\nVary: Accept-Encoding\r\n"));
            assert!(!current.contains("\r\nContent-Encoding:"));
            assert_eq!(status(&asked(other)), "200");
        }
    }

    #[test]
    fn what_does_not_get_smaller_stays_as_it_is() {
        let answer = answer("GET /styles/chat.css HTTP/1.1", GZIP);
        assert_eq!(body(&answer), "a {}");
        assert!(!answer.contains("\r\nContent-Encoding:"));
    }

    #[test]
    fn file_is_compressed_once() {
        let page = page();
        let place = || page.find_gzip("long.txt").expect("it").body.as_ptr();
        assert_eq!(place(), place());
    }
}

#[cfg(not(feature = "deflate"))]
#[test]
fn everything_is_sent_as_it_is() {
    let answer = answer("GET /long.txt HTTP/1.1", "Accept-Encoding: gzip\r\n");
    assert_eq!(body(&answer).as_bytes(), LONG);
    assert!(!answer.contains("\r\nContent-Encoding:"));
}

#[test]
fn connection_closes_when_the_client_asks() {
    assert!(!get("/").contains("\r\nConnection:"));
    let closing = answer("GET / HTTP/1.1", "Connection: close\r\n");
    assert!(closing.contains("\r\nConnection: close\r\n"));
    assert_eq!(status(&closing), "200");
}

#[test]
fn every_file_of_a_page_has_its_media_type() {
    for (path, expected) in [
        ("index.html", "text/html; charset=utf-8"),
        ("a/b.css", "text/css; charset=utf-8"),
        ("a.min.js", "text/javascript; charset=utf-8"),
        ("robots.txt", "text/plain; charset=utf-8"),
        ("icon.svg", "image/svg+xml; charset=utf-8"),
        ("icon.png", "image/png"),
        ("favicon.ico", "image/x-icon"),
        (
            "veche.webmanifest",
            "application/manifest+json; charset=utf-8",
        ),
        ("font.woff2", "font/woff2"),
        ("html", "application/octet-stream"),
        ("a.exe", "application/octet-stream"),
    ] {
        assert_eq!(media_type(path), expected, "{path}");
    }
}
