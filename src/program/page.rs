//! The page: part of the program, or read from a folder. Without the feature
//! `page` the program has none of its own, and says so.

use core::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use log::warn;

#[cfg(feature = "page")]
use super::strip::{strip, stripped_bytes};
use crate::http::assets::{Asset, Assets, Embedded};

/// The page from this folder, or what is part of the program.
///
/// # Errors
/// Where there is no such folder.
pub fn assets(folder: Option<&Path>) -> Result<Box<dyn Assets>, FolderError> {
    Ok(Box::new(Page(match folder {
        Some(path) => Box::new(Folder::open(path)?),
        None => Box::new(Embedded::new(FILES)),
    })))
}

/// The page with its policies: the console is there to look at other servers
/// too, anything else connects to its own and nowhere else.
struct Page(Box<dyn Assets>);

impl Assets for Page {
    fn find(&self, path: &str) -> Option<Asset<'_>> {
        Some(with_policy(path, self.0.find(path)?))
    }

    fn find_gzip(&self, path: &str) -> Option<Asset<'_>> {
        Some(with_policy(path, self.0.find_gzip(path)?))
    }
}

fn with_policy<'a>(path: &str, mut asset: Asset<'a>) -> Asset<'a> {
    if path == CONSOLE {
        asset.connect_sources = "'self' ws: wss:";
    }
    asset
}

const CONSOLE: &str = "console/index.html";

/// Names the files of `www/` that are part of the program, without what only
/// their readers need. A test tells which are missing.
#[cfg(feature = "page")]
macro_rules! embed {
    ($($path:literal,)*) => {
        &[$(($path, {
            const SOURCE: &[u8] =
                include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/www/", $path));
            const STRIPPED: [u8; stripped_bytes(SOURCE)] = strip(SOURCE);
            STRIPPED.as_slice()
        })),*]
    };
}

#[cfg(feature = "page")]
#[rustfmt::skip]
const FILES: &[(&str, &[u8])] = embed![
    "bell.svg",
    "console/bytes.js",
    "console/codes.js",
    "console/console.css",
    "console/index.html",
    "console/languages/en.js",
    "console/languages/ru.js",
    "console/log.js",
    "console/main.js",
    "css/page.css",
    "index.html",
    "js/languages/en.js",
    "js/languages/ru.js",
    "js/main.js",
    "js/models/chat.js",
    "js/models/connection.js",
    "js/models/history.js",
    "js/models/outbox.js",
    "js/models/qr.js",
    "js/models/room.js",
    "js/models/store.js",
    "js/models/text.js",
    "js/models/timeline.js",
    "js/strings.js",
    "js/theme.js",
    "js/views/composer.js",
    "js/views/connection.js",
    "js/views/dialogs.js",
    "js/views/dom.js",
    "js/views/files.js",
    "js/views/log.js",
    "js/views/panels.js",
];

#[cfg(not(feature = "page"))]
const FILES: &[(&str, &[u8])] = &[("index.html", NO_PAGE)];

#[cfg(not(feature = "page"))]
const NO_PAGE: &[u8] = b"<!doctype html>
<title>Veche</title>
<p>The chat runs, but this program was built without its page.
<p>Start it with --www DIR, where DIR is the folder www of the sources, or build it with
--features page. Other clients connect to the WebSocket at /ws.
";

/// A folder of files, read anew for each request, so that whoever changes the
/// page only has to load it again.
///
/// It is read on the server's thread: for work on the page, not for a crowd.
#[derive(Debug)]
pub struct Folder {
    /// Absolute and without symbolic links, to tell what lies in it.
    root: PathBuf,
}

impl Folder {
    /// The folder at this path.
    ///
    /// # Errors
    /// Where there is none, or it may not be read.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let failed = |source| FolderError {
            path: path.to_owned(),
            source,
        };
        // The dot is found in a folder only, not in a file.
        let root = fs::canonicalize(path.join(".")).map_err(failed)?;
        Ok(Folder { root })
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, Refused> {
        let file = fs::canonicalize(self.root.join(path))?;
        if !file.starts_with(&self.root) {
            return Err(Refused::Outside);
        }
        // Asked before it is opened, which waits where it is a pipe.
        let metadata = fs::metadata(&file)?;
        if metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        if !metadata.is_file() {
            return Err(Refused::NoFile);
        }
        let mut body = Vec::new();
        let most = MAX_FILE_BYTES + 1;
        let bytes = File::open(&file)?.take(most).read_to_end(&mut body)?;
        if bytes as u64 == most {
            return Err(Refused::TooLarge);
        }
        Ok(body)
    }
}

impl Assets for Folder {
    fn find(&self, path: &str) -> Option<Asset<'_>> {
        match self.read(path) {
            Ok(body) => Some(Asset::new(path, body)),
            Err(refused) => {
                if !refused.is_absent() {
                    warn!("--www does not serve {path}: {refused}");
                }
                None
            }
        }
    }
}

/// Why a file of the folder is not served.
#[derive(Debug)]
enum Refused {
    Outside,
    NoFile,
    TooLarge,
    Io(io::Error),
}

impl Refused {
    fn is_absent(&self) -> bool {
        matches!(self, Refused::Io(error) if matches!(
            error.kind(),
            io::ErrorKind::NotFound
                | io::ErrorKind::NotADirectory
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::InvalidFilename
        ))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Outside => f.write_str("a symbolic link leads out of the folder"),
            Refused::NoFile => f.write_str("it is not a file"),
            Refused::TooLarge => write!(f, "it has more than {MAX_FILE_BYTES} bytes"),
            Refused::Io(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Refused::Io(error)
    }
}

/// A folder that is not to be had.
#[derive(Debug)]
pub struct FolderError {
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        write!(
            f,
            "--www {path:?}: {}; name the folder with index.html, or leave --www out for the page in the program",
            self.source
        )
    }
}

impl core::error::Error for FolderError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// More than any file of a page, and little enough to be read in one go.
const MAX_FILE_BYTES: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "page")]
    #[test]
    fn every_file_of_the_page_is_part_of_the_program_and_no_other() {
        let www = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/www"));
        let mut found = Vec::new();
        let mut folders = vec![www.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder of the page") {
                let path = entry.expect("an entry of it").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let path = path.strip_prefix(www).expect("a path within www");
                    found.push(path.to_string_lossy().into_owned());
                }
            }
        }
        let mut embedded: Vec<_> = FILES.iter().map(|&(path, _)| path).collect();
        found.sort();
        embedded.sort_unstable();
        assert_eq!(found, embedded);
    }

    #[cfg(feature = "page")]
    #[test]
    fn console_alone_may_connect_to_other_servers() {
        let page = assets(None).expect("the page");
        let sources = |path| page.find(path).expect(path).connect_sources;
        assert_eq!(sources("index.html"), "'self'");
        assert_eq!(sources("console/index.html"), "'self' ws: wss:");
    }

    #[cfg(not(feature = "page"))]
    #[test]
    fn program_without_its_page_says_how_to_get_one() {
        let page = assets(None).expect("what is in its place");
        let asset = page.find("index.html").expect("a text");
        let text = String::from_utf8_lossy(&asset.body);
        assert!(text.contains("--www DIR") && text.contains("--features page"));
        assert_eq!(page.find("js/main.js"), None);
    }

    #[test]
    fn every_file_of_the_page_has_a_media_type() {
        for (path, body) in FILES {
            let media_type = Asset::new(path, *body).media_type;
            assert_ne!(media_type, "application/octet-stream", "{path}");
        }
    }
}
