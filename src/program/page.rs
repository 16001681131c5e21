//! The page that is part of the program.

use crate::http::assets::Embedded;

/// Files of `www/` and their content.
macro_rules! files {
    ($($path:literal,)*) => {
        &[$(($path, include_bytes!(concat!("../../www/", $path)))),*]
    };
}

/// All of `www/`.
const FILES: &[(&str, &[u8])] = files![
    "bell.svg",
    "css/base.css",
    "css/composer.css",
    "css/log.css",
    "css/shell.css",
    "css/tokens.css",
    "css/welcome.css",
    "index.html",
    "js/languages/en.js",
    "js/languages/ru.js",
    "js/main.js",
    "js/models/backoff.js",
    "js/models/chat.js",
    "js/models/colour.js",
    "js/models/connection.js",
    "js/models/history.js",
    "js/models/layout.js",
    "js/models/markup.js",
    "js/models/outbox.js",
    "js/models/requests.js",
    "js/models/room.js",
    "js/models/store.js",
    "js/models/timeline.js",
    "js/strings.js",
    "js/views/composer.js",
    "js/views/connection.js",
    "js/views/dom.js",
    "js/views/log.js",
    "js/views/name.js",
    "js/views/people.js",
    "js/views/row.js",
    "js/views/scroll.js",
    "js/views/sidebar.js",
    "js/views/viewport.js",
];

/// The page.
pub(super) fn embedded() -> Embedded {
    Embedded::new(FILES)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_of_the_page_is_part_of_the_program() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("www");
        let mut folders = vec![root.clone()];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&root).unwrap();
                    found.push(name.to_str().unwrap().to_owned());
                }
            }
        }
        found.sort();
        let embedded: Vec<_> = FILES.iter().map(|(path, _)| *path).collect();
        assert_eq!(embedded, found);
    }
}
