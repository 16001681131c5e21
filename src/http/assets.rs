//! The files of a page, and the answer to a request for one.

use core::fmt;
use core::str;
use std::borrow::Cow;
use std::cell::OnceCell;

use sha1::{Digest as _, Sha1};

use super::encoding::{gzip, takes_gzip};
use super::refusal::Refusal;
use super::request::Request;
use super::response::{Connection, Response, Status};
use super::target::percent_decode;

/// Where the files of a page come from: the program itself, or a folder.
pub trait Assets {
    /// The file at this path. The path is decoded and relative, such as
    /// `index.html` or `styles/chat.css`; it never leaves its folder: it has
    /// no empty part, none that begins with a dot, no backslash and no
    /// control character.
    fn find(&self, path: &str) -> Option<Asset<'_>>;

    /// The same file as gzip, where there is one and that makes it smaller.
    /// Unless implemented: none.
    fn find_gzip(&self, path: &str) -> Option<Asset<'_>> {
        let _ = path;
        None
    }
}

/// One file of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asset<'a> {
    /// The media type, with its charset where it is text.
    pub media_type: &'static str,
    /// The content.
    pub body: Cow<'a, [u8]>,
    /// What changes when the content does, and is another for each coding
    /// (RFC 9110 §8.8.3.3).
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

    /// The same file, without a copy of its content.
    fn borrowed(&self) -> Asset<'_> {
        Asset {
            body: Cow::Borrowed(&self.body),
            ..*self
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
    let compressed = path
        .as_deref()
        .filter(|_| takes_gzip(request))
        .and_then(|path| assets.find_gzip(path));
    let is_compressed = compressed.is_some();
    let asset = compressed.or_else(|| assets.find(path.as_deref()?));
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
            response.header("Vary", "Accept-Encoding");
            if is_compressed && status == Status::Ok {
                response.header("Content-Encoding", "gzip");
            }
            response
        }
        None if folder().is_some() => into_folder(request.path),
        None => Response::text(Status::NotFound, "Nothing is here. The page is at /."),
    };
    response.body_is_sent = body_is_sent;
    if !request.keep_alive() {
        response.connection = Connection::Close;
    }
    Ok(response)
}

/// Leads to a folder that was asked for without the slash at its end.
pub(crate) fn into_folder(path: &str) -> Response<'static> {
    let text = "The page is at this address with a slash behind it.";
    let mut response = Response::text(Status::PermanentRedirect, text);
    // Relative, since a proxy may have taken a part from the path. The dot keeps
    // a colon in it from being read as that of a scheme.
    let name = path.rsplit('/').next().unwrap_or_default();
    response.header("Location", format!("./{name}/"));
    response
}

/// Files that are part of the program. Each is compressed once, when it is asked
/// for so first: nobody waits for all of them.
#[derive(Clone, Debug)]
pub struct Embedded {
    files: Vec<File>,
}

#[derive(Clone, Debug)]
struct File {
    path: &'static str,
    asset: Asset<'static>,
    compressed: OnceCell<Option<Asset<'static>>>,
}

impl Embedded {
    /// Files by their paths, such as `("index.html", include_bytes!(…))`.
    #[must_use]
    pub fn new(files: &[(&'static str, &'static [u8])]) -> Self {
        let file = |&(path, body): &(&'static str, &'static [u8])| File {
            path,
            asset: Asset::new(path, body),
            compressed: OnceCell::new(),
        };
        Embedded {
            files: files.iter().map(file).collect(),
        }
    }

    fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl Assets for Embedded {
    fn find(&self, path: &str) -> Option<Asset<'_>> {
        Some(self.file(path)?.asset.borrowed())
    }

    fn find_gzip(&self, path: &str) -> Option<Asset<'_>> {
        let File {
            asset, compressed, ..
        } = self.file(path)?;
        let compress = || Some(Asset::new(path, gzip(&asset.body)?));
        Some(compressed.get_or_init(compress).as_ref()?.borrowed())
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
