//! Whom a backend must be, and who we are to it.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::Identity;

/// SHA-256 of a SubjectPublicKeyInfo (RFC 7469, section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pin(pub [u8; 32]);

/// Which CAs are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Those of the system, read once.
    System,
    /// These alone; DER.
    Given(Vec<CertificateDer<'static>>),
}

/// How a backend's certificate is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Verify {
    /// Chain, name and validity.
    #[default]
    On,
    /// Not at all, but for pins: whoever answers is believed.
    Off,
}

/// What a [`Client`] is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientParts {
    /// Whom it believes.
    pub roots: Roots,
    /// How far.
    pub verify: Verify,
    /// If there are any, a certificate of the chain that is shown has to have one of these keys.
    pub pins: Vec<Pin>,
    /// Who it is, if asked.
    pub identity: Option<Arc<Identity>>,
}

/// How a pool's backends are spoken to over TLS; two are equal if their parts are. Sessions to resume are its own.
pub struct Client {
    parts: ClientParts,
    config: Arc<ClientConfig>,
}

/// A client, and the name that one backend has to prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dial {
    /// How.
    pub client: Arc<Client>,
    /// Verified; sent as SNI if it is a DNS name.
    pub name: ServerName<'static>,
}

/// Why there is no such client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The system has no CA certificates, or they cannot be read.
    #[error("the system's CA certificates cannot be used: {0}")]
    NoSystemRoots(String),
    /// A CA that was given cannot be used.
    #[error("the CA certificates cannot be used: {0}")]
    BadCa(String),
    /// The client certificate cannot be used.
    #[error("the client certificate cannot be used: {0}")]
    BadIdentity(String),
}

impl Client {
    /// A client without any session.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn new(parts: ClientParts) -> Result<Arc<Client>, ClientError> {
        let _ = parts;
        Err(ClientError::NoSystemRoots(String::new()))
    }

    /// What it is made of.
    pub fn parts(&self) -> &ClientParts {
        &self.parts
    }

    /// As rustls wants it.
    pub(crate) fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }
}

impl PartialEq for Client {
    fn eq(&self, other: &Self) -> bool {
        self.parts == other.parts
    }
}

impl Eq for Client {}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Client").field(&self.parts).finish()
    }
}
