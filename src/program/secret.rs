//! Files with a secret.

use core::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The secret in a file, without the end of its line.
///
/// # Errors
/// What is wrong with the file that this option names.
pub(super) fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, SecretError> {
    let wrong = |why| SecretError {
        option,
        path: path.to_owned(),
        why,
    };
    let mut secret = read_file(path).map_err(|error| wrong(Why::Io(error)))?;
    if secret.len() as u64 > MAX_BYTES {
        return Err(wrong(Why::TooLong));
    }
    if secret.ends_with(b"\n") {
        secret.pop();
    }
    if secret.ends_with(b"\r") {
        secret.pop();
    }
    if secret.len() < MIN_BYTES {
        return Err(wrong(Why::TooShort));
    }
    Ok(secret)
}

/// What is in a file, as far as that can be a secret. A pipe would be waited for.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
    }
    let mut content = Vec::new();
    let file = File::open(path)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut content)?;
    Ok(content)
}

/// A secret that is not to be had, or is none.
#[derive(Debug)]
pub struct SecretError {
    option: &'static str,
    path: PathBuf,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Io(io::Error),
    TooShort,
    TooLong,
    NotText,
}

impl SecretError {
    /// Bytes that cannot stand in a header.
    pub(super) fn not_text(option: &'static str, path: &Path) -> Self {
        SecretError {
            option,
            path: path.to_owned(),
            why: Why::NotText,
        }
    }
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.option, self.path.display())?;
        match &self.why {
            Why::Io(error) => write!(
                f,
                "cannot be read ({error}); give the path of a file that this user may read"
            ),
            Why::TooShort => write!(
                f,
                "is shorter than {MIN_BYTES} bytes and could be guessed; `openssl rand -hex 32 > FILE` makes one"
            ),
            Why::TooLong => write!(
                f,
                "is longer than {MAX_BYTES} bytes; give a file with the secret and nothing else"
            ),
            Why::NotText => f.write_str(
                "has other characters than letters, digits and signs; `openssl rand -hex 32 > FILE` makes one",
            ),
        }
    }
}

impl core::error::Error for SecretError {}

/// RFC 7518 §3.2: as long as what is made of it.
const MIN_BYTES: usize = 32;

const MAX_BYTES: u64 = 1024;
