//! What a scripted server presents, and whom it believes.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::certificates::{Authority, Certificate};

/// What a server presents, and whom it believes. It speaks TLS 1.2 and 1.3, without an application protocol, and gives
/// tickets.
#[derive(Clone)]
pub struct TlsServer {
    certificate: Certificate,
    versions: Vec<&'static SupportedProtocolVersion>,
    alpn: Vec<Vec<u8>>,
    clients: Option<Arc<RootCertStore>>,
    has_tickets: bool,
}

impl TlsServer {
    /// One with this certificate.
    pub fn new(certificate: &Certificate) -> TlsServer {
        TlsServer {
            certificate: certificate.clone(),
            versions: rustls::ALL_VERSIONS.to_vec(),
            alpn: Vec::new(),
            clients: None,
            has_tickets: true,
        }
    }

    /// Speaks this version alone: `rustls::version::TLS12` or `TLS13`.
    pub fn version(mut self, version: &'static SupportedProtocolVersion) -> TlsServer {
        self.versions = vec![version];
        self
    }

    /// Knows these application protocols (ALPN).
    pub fn alpn(mut self, protocols: &[&str]) -> TlsServer {
        self.alpn = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        self
    }

    /// Wants a certificate that this authority has signed.
    pub fn clients(mut self, authority: &Authority) -> TlsServer {
        self.clients = Some(Arc::new(authority.roots()));
        self
    }

    /// Lets no session go on.
    pub fn without_tickets(mut self) -> TlsServer {
        self.has_tickets = false;
        self
    }

    pub(super) fn config(&self) -> ServerConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(&self.versions).expect("ciphers for the versions");
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(roots) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider).build();
                builder.with_client_cert_verifier(verifier.expect("an authority is there"))
            }
        };
        let one = &self.certificate;
        let config = builder.with_single_cert(one.chain_der(), one.key_der());
        let mut config = config.expect("a certificate of ours fits its key");
        config.alpn_protocols = self.alpn.clone();
        match self.has_tickets {
            true => config.ticketer = aws_lc_rs::Ticketer::new().expect("keys are made"),
            false => config.session_storage = Arc::new(NoServerSessionStorage {}),
        }
        config
    }
}
