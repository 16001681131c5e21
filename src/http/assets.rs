//! The files of a page, and the answer to a request for one.

use core::fmt;
use core::str;
use std::borrow::Cow;

use sha1::{Digest as _, Sha1};

use super::refusal::Refusal;
use super::request::Request;
use super::response::{Connection, Response, Status};

/// Where the files of a page come from: the program itself, or a folder.
pub trait Assets {
    /// The file at this path. The path is decoded and relative, such as
    /// `index.html` or `styles/chat.css`; it never leaves its folder: it has
    /// no empty part, none that begins with a dot, no backslash and no
    /// control character.
    fn find(&self, path: &str) -> Option<Asset<'_>>;
}

/// One file of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset<'a> {
    /// The media type, with its charset where it is text.
    pub media_type: &'static str,
    /// The content.
    pub body: Cow<'a, [u8]>,
    /// What changes when the content does.
    pub etag: ETag,
    /// See [`Response::connect_sources`]; `'self'` unless set.
    pub connect_sources: &'static str,
}

impl<'a> Asset<'a> {
    /// A file with this content; its path tells its media type.
    #[must_use]
    pub fn new(path: &str, body: impl Into<Cow<'a, [u8]>>) -> Self {
        let body = body.into();
        Asset {
            media_type: media_type(path),
            etag: ETag::of(&body),
            body,
            connect_sources: "'self'",
        }
    }
}

/// Answers a request for a page (RFC 9110 §9.3.1, §9.3.2, §13.1.2). A folder
/// asked for without the slash at its end is one address away, so that what its
/// page names relatively is found (§15.4.9).
///
/// # Errors
///
/// 405 for a method other than GET and HEAD. A path with nothing at it is no
/// refusal: the connection goes on after a 404.
pub fn respond<'a>(request: &Request<'_>, assets: &'a dyn Assets) -> Result<Response<'a>, Refusal> {
    let body_is_sent = match request.method {
        "GET" => true,
        "HEAD" => false,
        _ => return Err(Refusal::method_not_allowed()),
    };
    let path = asset_path(request.path);
    let asset = path.as_deref().and_then(|path| assets.find(path));
    let folder = || assets.find(&format!("{}/{INDEX}", path.as_deref()?));
    let mut response = match asset {
        Some(asset) => {
            let etag = asset.etag;
            let status = if is_current(request, etag) {
                Status::NotModified
            } else {
                Status::Ok
            };
            let mut response = Response::new(status, asset.media_type, asset.body);
            response.connect_sources = asset.connect_sources;
            response.header("ETag", etag.to_string());
            response
        }
        None if folder().is_some() => {
            let text = "The page is at this address with a slash behind it.";
            let mut response = Response::text(Status::PermanentRedirect, text);
            // Relative, since a proxy may have taken a part from the path. The
            // dot keeps a colon in it from being read as that of a scheme.
            let name = request.path.rsplit('/').next().unwrap_or_default();
            response.header("Location", format!("./{name}/"));
            response
        }
        None => Response::text(Status::NotFound, "Nothing is here. The page is at /."),
    };
    response.body_is_sent = body_is_sent;
    if !request.keep_alive() {
        response.connection = Connection::Close;
    }
    Ok(response)
}

/// Files that are part of the program.
#[derive(Clone, Debug)]
pub struct Embedded {
    files: Vec<(&'static str, Asset<'static>)>,
}

impl Embedded {
    /// Files by their paths, such as `("index.html", include_bytes!(…))`.
    #[must_use]
    pub fn new(files: &[(&'static str, &'static [u8])]) -> Self {
        let asset = |&(path, body): &(&'static str, &'static [u8])| (path, Asset::new(path, body));
        Embedded {
            files: files.iter().map(asset).collect(),
        }
    }
}

impl Assets for Embedded {
    fn find(&self, path: &str) -> Option<Asset<'_>> {
        let (_, asset) = self.files.iter().find(|(name, _)| *name == path)?;
        Some(asset.clone())
    }
}

/// An entity tag: the same for the same content (RFC 9110 §8.8.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETag([u8; 20]);

impl ETag {
    /// The tag of this content.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        ETag(Sha1::digest(body).into())
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("\"")
    }
}

/// The media type that the extension of a path tells; bytes where it tells
/// none that a page needs.
#[must_use]
pub fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "svg" => "image/svg+xml; charset=utf-8",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "webmanifest" => "application/manifest+json; charset=utf-8",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// The path of a file: decoded and relative, with `index.html` for a folder.
/// `None` where it could lead anywhere else.
fn asset_path(path: &str) -> Option<String> {
    let decoded = percent_decode(path.strip_prefix('/')?)?;
    let path = match decoded.as_str() {
        "" => INDEX.to_owned(),
        folder if folder.ends_with('/') => decoded + INDEX,
        _ => decoded,
    };
    let is_plain = |part: &str| !part.is_empty() && !part.starts_with('.');
    let is_safe = |character: char| !character.is_control() && character != '\\';
    (path.split('/').all(is_plain) && path.chars().all(is_safe)).then_some(path)
}

/// Decodes once (RFC 3986 §2.1). An encoded slash is none that separates, so
/// it is refused rather than decoded.
fn percent_decode(encoded: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let (&[high, low], after) = rest.split_first_chunk()?;
        rest = after;
        let byte = hex_digit(high)? << 4 | hex_digit(low)?;
        if byte == b'/' {
            return None;
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Whether the client says that it has this very content (RFC 9110 §13.1.2).
/// The comparison is weak: a `W/` before the tag changes nothing.
fn is_current(request: &Request<'_>, etag: ETag) -> bool {
    let etag = etag.to_string();
    request
        .tokens("if-none-match")
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes())
}

const INDEX: &str = "index.html";

#[cfg(test)]
mod tests;
