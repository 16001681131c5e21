//! The page from a folder, for people who change it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::http::assets::{Asset, Assets};

/// Serves the files of a folder, read anew each time.
#[derive(Debug)]
pub(super) struct Folder {
    /// Without links, so that what a path leads to can be compared with it.
    root: PathBuf,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let failure = |what: &str| format!("--www {}: {what}", path.display());
        let root = path.canonicalize();
        let root = root.map_err(|error| failure(&error.to_string()))?;
        if !root.is_dir() {
            return Err(failure("this is not a folder"));
        }
        if !root.join("index.html").is_file() {
            return Err(failure("there is no index.html in it"));
        }
        Ok(Folder { root })
    }
}

impl Assets for Folder {
    fn find(&self, path: &str) -> Option<Asset<'_>> {
        // A link could lead out of the folder.
        let file = self.root.join(path).canonicalize().ok()?;
        let metadata = file.metadata().ok()?;
        let is_inside = file.starts_with(&self.root);
        if !is_inside || !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
            return None;
        }
        Some(Asset::new(path, fs::read(file).ok()?))
    }
}

/// More than any part of a page; it is read as a whole.
const MAX_FILE_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A folder of its own for a test, gone afterwards.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("veche-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("www/sub")).unwrap();
            fs::write(path.join("www/index.html"), "page").unwrap();
            fs::write(path.join("www/sub/a.js"), "code").unwrap();
            fs::write(path.join("secret.txt"), "secret").unwrap();
            Scratch(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_are_read_anew_each_time() {
        let scratch = Scratch::new("anew");
        let folder = Folder::open(&scratch.0.join("www")).unwrap();
        assert_eq!(*folder.find("sub/a.js").unwrap().body, *b"code");
        fs::write(scratch.0.join("www/sub/a.js"), "changed").unwrap();
        assert_eq!(*folder.find("sub/a.js").unwrap().body, *b"changed");
        assert!(folder.find("sub").is_none() && folder.find("nothing").is_none());
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let scratch = Scratch::new("out");
        let www = scratch.0.join("www");
        std::os::unix::fs::symlink("../secret.txt", www.join("link.txt")).unwrap();
        std::os::unix::fs::symlink("..", www.join("up")).unwrap();
        let folder = Folder::open(&www).unwrap();
        let absolute = scratch.0.join("secret.txt");
        for path in [
            "link.txt",
            "up/secret.txt",
            "../secret.txt",
            absolute.to_str().unwrap(),
        ] {
            assert!(folder.find(path).is_none(), "{path}");
        }
    }

    #[test]
    fn folder_without_a_page_is_refused_with_a_reason() {
        let scratch = Scratch::new("refused");
        for (path, reason) in [
            ("nowhere", "No such file"),
            ("secret.txt", "not a folder"),
            ("www/sub", "no index.html"),
        ] {
            let error = Folder::open(&scratch.0.join(path)).unwrap_err();
            assert!(error.contains("--www") && error.contains(reason), "{error}");
        }
    }
}
