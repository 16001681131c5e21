//! The ends of a line that carries TLS, or bytes as they are.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::print_stderr)]

#[cfg(feature = "tls")]
#[path = "identity.rs"]
pub mod identity;

use std::io::{self, IoSlice};

use veche::server::Transport;

/// Whether the environment asks for TLS wherever a test may have it: `VECHE_TLS=1`.
pub fn is_over_tls() -> bool {
    cfg!(feature = "tls") && std::env::var_os("VECHE_TLS").is_some()
}

/// Whether a test has to be left out for that: what it is about.
pub fn is_plain_only(what: &str) -> bool {
    if is_over_tls() {
        eprintln!("left out over TLS: {what}");
    }
    is_over_tls()
}

/// The server's end.
#[derive(Debug)]
pub enum End<T: Transport> {
    Plain(T),
    #[cfg(feature = "tls")]
    Tls(veche::server::TlsStream<T>),
}

impl<T: Transport> Transport for End<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            End::Plain(end) => end.read(buffer),
            #[cfg(feature = "tls")]
            End::Tls(end) => end.read(buffer),
        }
    }

    fn has_more(&self) -> bool {
        match self {
            End::Plain(end) => end.has_more(),
            #[cfg(feature = "tls")]
            End::Tls(end) => end.has_more(),
        }
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            End::Plain(end) => end.write(slices),
            #[cfg(feature = "tls")]
            End::Tls(end) => end.write(slices),
        }
    }

    fn writable(&mut self) {
        match self {
            End::Plain(end) => end.writable(),
            #[cfg(feature = "tls")]
            End::Tls(end) => end.writable(),
        }
    }

    fn shutdown(&mut self) -> io::Result<()> {
        match self {
            End::Plain(end) => end.shutdown(),
            #[cfg(feature = "tls")]
            End::Tls(end) => end.shutdown(),
        }
    }
}

#[cfg(feature = "tls")]
#[allow(unused_imports)]
pub use self::over_tls::{Config, Speaker, configs, serve};
#[cfg(not(feature = "tls"))]
#[allow(unused_imports)]
pub use self::plain::{Config, Speaker, configs, serve};

#[cfg(feature = "tls")]
mod over_tls {
    use std::io::{Read, Write};
    use std::sync::{Arc, LazyLock};

    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::version::{TLS12, TLS13};
    use rustls::{ClientConfig, ClientConnection};
    use veche::Tls;
    use veche::server::{TlsStream, Transport};

    use super::End;
    use super::identity::{Identity, config};

    /// The server's end of a line that carries TLS.
    pub fn serve<T: Transport>(transport: T) -> End<T> {
        End::Tls(TlsStream::new(transport, &SERVER.0).unwrap())
    }

    /// What a client needs.
    pub type Config = Arc<ClientConfig>;

    /// That, for TLS 1.2 and 1.3: those who share it resume each other's sessions.
    pub fn configs() -> [Config; 2] {
        [&TLS12, &TLS13].map(|version| config(&SERVER.1, version, b"http/1.1"))
    }

    static SERVER: LazyLock<(Tls, CertificateDer<'static>)> = LazyLock::new(|| {
        let identity = Identity::of_constant_length();
        let tls = Tls::from_files(identity.certificate(), identity.key()).unwrap();
        (tls, identity.trusted.clone())
    });

    /// The client's side of TLS, between what it means and what goes over the line.
    #[derive(Debug)]
    pub struct Speaker {
        session: ClientConnection,
        is_over: bool,
    }

    impl Speaker {
        pub fn new(config: &Config) -> Self {
            let name = ServerName::try_from("localhost").unwrap();
            let mut session = ClientConnection::new(Arc::clone(config), name).unwrap();
            session.set_buffer_limit(None);
            Speaker {
                session,
                is_over: false,
            }
        }

        /// Says something, in one record or more.
        pub fn say(&mut self, bytes: &[u8]) {
            self.session.writer().write_all(bytes).unwrap();
        }

        /// Says that nothing more will follow.
        pub fn end(&mut self) {
            self.session.send_close_notify();
        }

        /// What is to go over the line.
        pub fn sent(&mut self) -> Vec<u8> {
            let mut bytes = Vec::new();
            while self.session.wants_write() {
                self.session.write_tls(&mut bytes).unwrap();
            }
            bytes
        }

        /// What is meant by what came over the line.
        pub fn hear(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, rustls::Error> {
            let mut heard = Vec::new();
            while !bytes.is_empty() {
                assert!(!self.is_over, "something comes behind the end");
                self.session.read_tls(&mut bytes).unwrap();
                self.is_over = self.session.process_new_packets()?.peer_has_closed();
                // Whatever it ends with tells nothing more.
                let _ = self.session.reader().read_to_end(&mut heard);
            }
            Ok(heard)
        }

        pub fn is_handshaking(&self) -> bool {
            self.session.is_handshaking()
        }

        /// Whether the server has said that nothing more will follow.
        pub fn is_over(&self) -> bool {
            self.is_over
        }
    }
}

/// Without the feature nobody speaks TLS, and nothing here is ever called.
#[cfg(not(feature = "tls"))]
mod plain {
    use std::convert::Infallible;

    use super::{End, Transport};

    pub fn serve<T: Transport>(_: T) -> End<T> {
        unreachable!()
    }

    pub struct Config;

    pub fn configs() -> [Config; 2] {
        unreachable!()
    }

    #[derive(Debug)]
    pub struct Speaker;

    impl Speaker {
        pub fn new(_: &Config) -> Self {
            unreachable!()
        }

        pub fn say(&mut self, _: &[u8]) {
            unreachable!()
        }

        pub fn end(&mut self) {
            unreachable!()
        }

        pub fn sent(&mut self) -> Vec<u8> {
            unreachable!()
        }

        pub fn hear(&mut self, _: &[u8]) -> Result<Vec<u8>, Infallible> {
            unreachable!()
        }

        pub fn is_handshaking(&self) -> bool {
            unreachable!()
        }

        pub fn is_over(&self) -> bool {
            unreachable!()
        }
    }
}
