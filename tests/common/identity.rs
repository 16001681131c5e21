//! Certificates, and clients that know whom they trust.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, SignatureAlgorithm};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

/// A certificate for localhost and the names of the recipes, its key, and files with them.
#[derive(Debug)]
pub struct Identity {
    pub folder: PathBuf,
    pub trusted: CertificateDer<'static>,
}

impl Identity {
    /// One that browsers know, too.
    pub fn new() -> Self {
        Self::with(&PKCS_ECDSA_P256_SHA256)
    }

    /// One whose signatures are all of the same length.
    pub fn of_constant_length() -> Self {
        Self::with(&PKCS_ED25519)
    }

    fn with(algorithm: &'static SignatureAlgorithm) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("veche-tls-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        let names = ["localhost", "127.0.0.1", "chat.example", "site.example"];
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate = CertificateParams::new(names.map(str::to_owned)).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let identity = Identity {
            folder,
            trusted: certificate.der().clone(),
        };
        fs::write(identity.certificate(), certificate.pem()).unwrap();
        fs::write(identity.key(), key.serialize_pem()).unwrap();
        identity
    }

    pub fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    pub fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }

    pub fn config(
        &self,
        version: &'static SupportedProtocolVersion,
        alpn: &[u8],
    ) -> Arc<ClientConfig> {
        config(&self.trusted, version, alpn)
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What a client needs that trusts this certificate.
pub fn config(
    trusted: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
    alpn: &[u8],
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_protocol_versions(&[version]).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    Arc::new(config)
}
