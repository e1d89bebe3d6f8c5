//! Whom a backend must be, and who we are to it.

mod roots;
mod sessions;
#[cfg(test)]
mod tests;
mod verifier;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};

use self::roots::parsable;
pub(crate) use self::roots::store;
use self::sessions::Sessions;
use self::verifier::Verifier;
pub use self::verifier::{PinMismatch, SelfSigned, is_pin_mismatch, is_self_signed_peer};
use crate::Identity;
use crate::crypto::provider;

/// What backends are asked for (ALPN), so that those which also speak HTTP/2 do not.
const PROTOCOL: &[u8] = b"http/1.1";

/// SHA-256 of a SubjectPublicKeyInfo (RFC 7469, section 2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pin(pub [u8; 32]);

/// Which CAs are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Those of the system as they were when they were read; none where nothing is verified.
    System(Arc<[CertificateDer<'static>]>),
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

/// How a pool's backends are spoken to over TLS; two are equal if their parts are.
pub struct Client {
    parts: ClientParts,
    config: ClientConfig,
    verifier: Verifier,
}

/// A client, and the name that one backend has to prove. Sessions to resume are its own: backends of one name need not
/// know each other's tickets. The certificate is verified again at least once a day, and once it has expired.
pub struct Dial {
    client: Arc<Client>,
    name: ServerName<'static>,
    sessions: Mutex<Sessions>,
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

impl Roots {
    /// Reads those of the system.
    ///
    /// # Errors
    /// [`ClientError::NoSystemRoots`] if none can be read.
    pub fn system() -> Result<Roots, ClientError> {
        roots::system().map(Roots::System)
    }
}

impl Client {
    /// A client without any session.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn new(parts: ClientParts) -> Result<Arc<Client>, ClientError> {
        let verifier = Verifier::new(&parts.roots, parts.verify, &parts.pins)?;
        let builder = ClientConfig::builder_with_provider(provider().clone())
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| ClientError::BadCa(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier.clone()));
        let mut config = match &parts.identity {
            Some(identity) => {
                let key = SingleCertAndKey::from(identity.certified_key().clone());
                builder.with_client_cert_resolver(Arc::new(key))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![PROTOCOL.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Arc::new(Client { parts, config, verifier }))
    }

    /// What it is made of.
    pub fn parts(&self) -> &ClientParts {
        &self.parts
    }

    fn sessions(&self) -> Sessions {
        Sessions::new(&self.config, &self.verifier)
    }
}

impl Dial {
    /// Without any session yet. `name` is verified, and sent as SNI if it is a DNS name.
    pub fn new(client: Arc<Client>, name: ServerName<'static>) -> Dial {
        let sessions = Mutex::new(client.sessions());
        Dial { client, name, sessions }
    }

    /// How the backend is spoken to.
    pub fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// Whom it has to be.
    pub fn name(&self) -> &ServerName<'static> {
        &self.name
    }

    /// As rustls wants it for a handshake that begins now.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        // Nothing can go wrong between two states of it.
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if !sessions.are_good() {
            *sessions = self.client.sessions();
        }
        sessions.config().clone()
    }
}

impl PartialEq for Dial {
    fn eq(&self, other: &Self) -> bool {
        self.client == other.client && self.name == other.name
    }
}

impl Eq for Dial {}

impl fmt::Debug for Dial {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Dial")
            .field("client", &self.client)
            .field("name", &self.name)
            .finish_non_exhaustive()
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
