//! What a listener presents, and whom it believes.

mod clients;
mod resolver;
mod tickets;

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};
use rustls::{Error, ServerConfig};

use self::resolver::Resolver;
use crate::Identity;
use crate::crypto::provider;

/// Which versions and ciphers are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Policy {
    /// TLS 1.3 alone.
    Modern,
    /// TLS 1.3, and 1.2 with ECDHE and AEAD ciphers.
    #[default]
    Intermediate,
}

/// Whose certificate a client gets that asks for a name which none is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum UnknownName {
    /// The default one.
    #[default]
    Default,
    /// Nobody's: the handshake ends with the alert `unrecognized_name`.
    Refuse,
}

/// Whether clients have to show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// No certificate, no connection.
    Required,
    /// One that is shown has to be good.
    Optional,
}

/// Which client certificates are believed.
///
/// There are no session tickets beside it: a client that resumes is not looked at again, and gets a new ticket each time,
/// so that a certificate would outlive its end and its revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// Whose certificates; DER.
    pub ca: Vec<CertificateDer<'static>>,
    /// Revocation lists, DER, for every certificate of a chain. A certificate whose CA has none here is not refused for
    /// that; a list that should have been renewed counts nevertheless, for what is revoked stays so, and all others would be
    /// locked out.
    pub crls: Vec<Vec<u8>>,
    /// Whether one has to be shown.
    pub certificates: ClientCertificates,
}

/// What a [`Server`] is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerParts {
    /// At least one.
    pub identities: Vec<Arc<Identity>>,
    /// Whose certificate those get who name nobody: a place in `identities`.
    pub default: usize,
    /// Versions and ciphers.
    pub policy: Policy,
    /// For names that no certificate is for.
    pub unknown_name: UnknownName,
    /// Client certificates; `None`: none is asked for.
    pub client: Option<ClientAuth>,
    /// Protocols that are offered (ALPN), best first.
    pub protocols: Vec<Vec<u8>>,
}

/// The TLS of a listener; two are equal if their parts are. Session tickets are its own.
pub struct Server {
    parts: ServerParts,
    config: Arc<ServerConfig>,
}

/// Why there is no such server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// The CAs for client certificates cannot be used.
    #[error("the CA certificates for clients cannot be used: {0}")]
    BadCa(String),
    /// A revocation list cannot be used.
    #[error("the revocation list cannot be used: {0}")]
    BadCrl(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Server {
    /// A server with new ticket keys.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub fn new(parts: ServerParts) -> Result<Arc<Server>, ServerError> {
        let resolver = Resolver::new(&parts)?;
        let versions: &[_] = match parts.policy {
            Policy::Modern => &[&TLS13],
            Policy::Intermediate => &[&TLS13, &TLS12],
        };
        let builder = ServerConfig::builder_with_provider(provider().clone())
            .with_protocol_versions(versions)
            .map_err(other)?;
        let builder = match &parts.client {
            Some(client) => builder.with_client_cert_verifier(clients::verifier(client)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols.clone_from(&parts.protocols);
        // OpenSSL's clients ask for AES-256 first, whose SHA-384 makes a handshake a fifth to a third dearer than AES-128's
        // SHA-256. rustls cannot make an exception for those that want ChaCha20 for lack of AES in hardware.
        config.ignore_client_order = true;
        tickets::set_up(&mut config, parts.client.is_some()).map_err(other)?;
        Ok(Arc::new(Server { parts, config: Arc::new(config) }))
    }

    /// The same server, whose clients can resume sessions of `before`; unchanged if one of the two asks for client certificates
    /// and the other does not, or believes others: a session that began without a certificate is none with one.
    pub fn inherit(self: Arc<Self>, before: &Server) -> Arc<Server> {
        if self.parts.client != before.parts.client {
            return self;
        }
        let mut config = ServerConfig::clone(&self.config);
        config.ticketer = before.config.ticketer.clone();
        Arc::new(Server { parts: self.parts.clone(), config: Arc::new(config) })
    }

    /// What it is made of.
    pub fn parts(&self) -> &ServerParts {
        &self.parts
    }

    /// As rustls wants it.
    pub(crate) fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }
}

fn other(error: Error) -> ServerError {
    ServerError::Other(error.to_string())
}

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for Server {}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Server").field(&self.parts).finish()
    }
}
