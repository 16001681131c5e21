//! The settings of a chat.

use core::fmt;

/// The limits of a chat; 0 means none.
#[derive(Clone)]
pub struct Settings {
    /// The longest text in bytes of UTF-8. Default: 8 KiB, two pages.
    pub max_text_bytes: usize,
    /// The largest file in bytes; 0 means that none are taken. It has to fit into
    /// a message, and into what may wait for one connection, with
    /// [`MAX_FILE_HEADER_BYTES`](super::MAX_FILE_HEADER_BYTES) before it. Default: 1,000,000, a photograph.
    pub max_file_bytes: usize,
    /// How many bytes in files a session may send in a day, all at once if it
    /// likes; ten times that from one address. Default: 50 MiB.
    pub file_quota_bytes: usize,
    /// How many commands a session may give a second, and six times as many at
    /// once; ten times that for one address. Default: 5, faster than people
    /// type.
    pub rate_per_second: u32,
    /// How many rooms may be in use at once. Default: 10,000.
    pub max_rooms: usize,
    /// How many sessions are remembered that are not connected, so that they
    /// can come back as who they were. Default: 50,000, some 20 MB.
    pub max_sessions: usize,
    /// How often a page asks whether its line still works, in seconds.
    /// Default: 20, before a middlebox forgets it.
    pub ping_seconds: u32,
    /// What a site has to show that asks for something over HTTP, see
    /// [`site`](super::site); without it nobody can. Default: `None`.
    #[cfg(feature = "site")]
    pub api_token: Option<String>,
    /// With what a site signs the tokens of its members, see [`wire`](super::wire):
    /// at least 32 bytes. Without it there are none. Default: `None`.
    #[cfg(feature = "site")]
    pub jwt_secret: Option<Vec<u8>>,
    /// Whether only those may come who have such a token. Default: false.
    #[cfg(feature = "site")]
    pub require_token: bool,
    /// What the server calls itself. Default: `veche` and its version.
    pub server: String,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            max_text_bytes: 8 << 10,
            max_file_bytes: 1_000_000,
            file_quota_bytes: 50 << 20,
            rate_per_second: 5,
            max_rooms: 10_000,
            max_sessions: 50_000,
            ping_seconds: 20,
            #[cfg(feature = "site")]
            api_token: None,
            #[cfg(feature = "site")]
            jwt_secret: None,
            #[cfg(feature = "site")]
            require_token: false,
            server: concat!("veche ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Without what is secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}
