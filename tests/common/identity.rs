//! Certificates, and clients that know whom they trust.
#![allow(unreachable_pub)]

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use crate::common::{DEADLINE, Program, command};

pub type Socket = StreamOwned<ClientConnection, TcpStream>;

/// A certificate for localhost, its key, and files with them.
pub struct Identity {
    pub folder: PathBuf,
    pub trusted: CertificateDer<'static>,
}

impl Identity {
    pub fn new() -> Self {
        let name = format!(
            "veche-tls-{}-{:?}",
            std::process::id(),
            thread::current().id()
        );
        let count = fs::read_dir(std::env::temp_dir()).unwrap().count();
        let folder = std::env::temp_dir().join(format!("{name}-{count}"));
        fs::create_dir(&folder).unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let identity = Identity {
            folder,
            trusted: cert.der().clone(),
        };
        fs::write(identity.certificate(), cert.pem()).unwrap();
        fs::write(identity.key(), signing_key.serialize_pem()).unwrap();
        identity
    }

    pub fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }

    pub fn start(&self, arguments: &[&str]) -> Program {
        let mut command = command();
        command.args(["--listen", "127.0.0.1:0", "--tls-cert"]);
        command
            .arg(self.certificate())
            .arg("--tls-key")
            .arg(self.key());
        Program::start_command(command.args(arguments))
    }

    pub fn config(
        &self,
        version: &'static SupportedProtocolVersion,
        alpn: &[u8],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.trusted.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(&[version]).unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        Arc::new(config)
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub fn connect(config: &Arc<ClientConfig>, address: SocketAddr) -> Socket {
    over(
        config,
        TcpStream::connect_timeout(&address, DEADLINE).unwrap(),
    )
}

pub fn over(config: &Arc<ClientConfig>, stream: TcpStream) -> Socket {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(
        ClientConnection::new(Arc::clone(config), name).unwrap(),
        stream,
    )
}
