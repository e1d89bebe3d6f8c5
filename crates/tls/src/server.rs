//! What a listener presents, and whom it believes.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;

use crate::Identity;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAuth {
    /// Whose certificates; DER.
    pub ca: Vec<CertificateDer<'static>>,
    /// Revocation lists, DER; a certificate whose CA has none here is not refused for that.
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
        let _ = parts;
        Err(ServerError::Other(String::new()))
    }

    /// The same server, whose clients can resume sessions of `before`; unchanged if whom they believe differs, for a ticket
    /// vouches for its client.
    pub fn inherit(self: Arc<Self>, before: &Server) -> Arc<Server> {
        let _ = before;
        self
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
