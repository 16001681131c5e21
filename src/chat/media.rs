//! What kind of file some bytes are.

/// What a file is, told from its first bytes alone: whatever its name or its
/// sender say, nothing but a picture is ever shown as one. Text that a browser
/// would run, such as SVG or HTML, is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
    /// AVIF.
    Avif,
    /// Anything else.
    Other,
}

impl Media {
    /// The kind of a file.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let at = |place: usize, magic: &[u8]| {
            bytes
                .get(place..)
                .is_some_and(|rest| rest.starts_with(magic))
        };
        if at(0, b"\x89PNG\r\n\x1a\n") {
            Media::Png
        } else if at(0, b"\xff\xd8\xff") {
            Media::Jpeg
        } else if at(0, b"GIF87a") || at(0, b"GIF89a") {
            Media::Gif
        } else if at(0, b"RIFF") && at(8, b"WEBP") {
            Media::Webp
        } else if at(4, b"ftypavif") || at(4, b"ftypavis") {
            // The first box names the brand: a still, or a sequence.
            Media::Avif
        } else {
            Media::Other
        }
    }

    /// Its media type (RFC 6838).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Media::Png => "image/png",
            Media::Jpeg => "image/jpeg",
            Media::Gif => "image/gif",
            Media::Webp => "image/webp",
            Media::Avif => "image/avif",
            Media::Other => "application/octet-stream",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let mut known = PICTURES.into_iter();
        known
            .find(|media| media.name() == name)
            .unwrap_or(Media::Other)
    }
}

impl serde::Serialize for Media {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

const PICTURES: [Media; 5] = [
    Media::Png,
    Media::Jpeg,
    Media::Gif,
    Media::Webp,
    Media::Avif,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_told_from_their_first_bytes() {
        for (bytes, name) in [
            (&b"\x89PNG\r\n\x1a\n\0\0"[..], "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF87a", "image/gif"),
            (b"GIF89a;", "image/gif"),
            (b"RIFF\x1a\0\0\0WEBPVP8 ", "image/webp"),
            (b"\0\0\0\x20ftypavif\0", "image/avif"),
            (b"\0\0\0\x20ftypavis", "image/avif"),
        ] {
            let media = Media::of(bytes);
            assert_eq!(media.name(), name);
            assert_eq!(Media::named(name), media);
            assert_eq!(Media::of(&bytes[1..]), Media::Other, "{name}");
        }
    }

    #[test]
    fn all_else_is_no_picture() {
        for bytes in [
            &b""[..],
            b"\x89PN",
            b"GIF88a",
            b"RIFF\0\0\0\0WAVE",
            b"\0\0\0\x20ftypmp42",
            b"<svg xmlns='http://www.w3.org/2000/svg'>",
            b"<!doctype html>",
            b"BM\0\0",
            b"%PDF-1.7",
        ] {
            assert_eq!(Media::of(bytes), Media::Other, "{}", bytes.escape_ascii());
        }
        let other = Media::Other.name();
        assert_eq!(other, "application/octet-stream");
        for name in [other, "image/svg+xml", "text/html", ""] {
            assert_eq!(Media::named(name), Media::Other);
        }
    }
}
