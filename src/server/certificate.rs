//! The certificate that a server speaks TLS with, and its key.

use core::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::{error, info};
use mio::net::TcpStream;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{InconsistentKeys, ServerConfig, ServerConnection};

use super::stream::{Greeter, Stream};
use super::tls::TlsStream;

/// What a server needs to speak TLS 1.2 and 1.3 (RFC 5246, RFC 8446).
///
/// Peers that come back resume their session with a ticket (RFC 5077,
/// RFC 8446 §2.2), so that no memory is spent on those who do not.
#[derive(Clone, Debug)]
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// Reads two PEM files: a certificate with the chain behind it, and its key
    /// (PKCS #8, PKCS #1 or SEC1). [`Handle::reload_tls`](super::Handle::reload_tls)
    /// has them read anew.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn from_files(
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.into(), key.into());
        let config = config(&certificate, &key)?;
        Ok(Tls {
            certificate,
            key,
            config,
        })
    }

    /// A connection that speaks TLS with what was read last.
    pub(super) fn session(&self) -> io::Result<ServerConnection> {
        ServerConnection::new(Arc::clone(&self.config)).map_err(io::Error::other)
    }
}

impl Stream for TlsStream<TcpStream> {
    fn socket(&mut self) -> &mut TcpStream {
        self.transport()
    }
}

impl Greeter for Tls {
    type Stream = TlsStream<TcpStream>;

    fn greet(&self, socket: TcpStream) -> io::Result<Self::Stream> {
        TlsStream::new(socket, self)
    }

    fn reload(&mut self) {
        match config(&self.certificate, &self.key) {
            Ok(config) => {
                self.config = config;
                info!("{}: read anew", self.certificate.display());
            }
            Err(error) => error!("{error}; the certificate from before goes on"),
        }
    }
}

fn config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let wrong = |part, path: &Path, why| TlsError {
        part,
        path: path.to_owned(),
        why,
    };
    let of_certificate = |why| wrong(Part::Certificate, certificate, why);
    let of_key = |why| wrong(Part::Key, key, why);

    let pem = read(certificate).map_err(|error| of_certificate(Why::Io(error)))?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| of_certificate(Why::Pem(error)))?;
    if chain.is_empty() {
        return Err(of_certificate(Why::NoCertificate));
    }
    let pem = read(key).map_err(|error| of_key(Why::Io(error)))?;
    let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|error| {
        of_key(match error {
            pem::Error::NoItemsFound => Why::NoKey,
            error => Why::Pem(error),
        })
    })?;

    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = builder
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_no_client_auth())
        .and_then(|builder| builder.with_single_cert(chain, private));
    let mut config = config.map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => of_key(Why::OtherKey),
        // The key is looked at first.
        rustls::Error::General(_) => of_key(Why::Tls(error)),
        error => of_certificate(Why::Tls(error)),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = Ticketer::new().map_err(|error| of_key(Why::Tls(error)))?;
    Ok(Arc::new(config))
}

/// What is in a file. A pipe would keep everybody waiting.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.is_file() {
        return fs::read(path);
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"))
}

/// A certificate or a key that cannot be used.
#[derive(Debug)]
pub struct TlsError {
    part: Part,
    path: PathBuf,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Certificate,
    Key,
}

#[derive(Debug)]
enum Why {
    Io(io::Error),
    Pem(pem::Error),
    NoCertificate,
    NoKey,
    OtherKey,
    Tls(rustls::Error),
}

impl TlsError {
    /// Whether it is the key's file that is wrong, not the certificate's.
    #[must_use]
    pub fn is_of_key(&self) -> bool {
        self.part == Part::Key
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        match &self.why {
            Why::Io(error) => write!(
                f,
                "cannot be read ({error}); give the path of a PEM file that this user may read"
            ),
            Why::Pem(error) => write!(f, "is no PEM file ({error}); it has lines of base64"),
            Why::NoCertificate => f.write_str(
                "has no certificate (BEGIN CERTIFICATE); give the file with the whole chain, often fullchain.pem",
            ),
            Why::NoKey => f.write_str(
                "has no private key (BEGIN PRIVATE KEY) that is not encrypted; `openssl pkey -in FILE -out NEW` decrypts one",
            ),
            Why::OtherKey => f.write_str(
                "is not the key of this certificate; give the one that was made with it",
            ),
            Why::Tls(error) => write!(f, "cannot be used ({error}); have a new one made"),
        }
    }
}

impl core::error::Error for TlsError {}
