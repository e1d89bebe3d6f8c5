//! A certificate chain with its private key: parsed and checked before anybody sees it.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

/// A certificate chain with the key that proves it; two are equal if their chains are.
pub struct Identity {
    key: Arc<CertifiedKey>,
    facts: Facts,
}

/// What the leaf of a chain says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// DNS names that it is for, in lower case, in its order; `*.example.com` among them. From subjectAltName alone.
    pub names: Vec<Box<str>>,
    /// IP addresses that it is for.
    pub addresses: Vec<IpAddr>,
    /// First moment of its validity.
    pub not_before: SystemTime,
    /// Last moment of the validity of the leaf.
    pub not_after: SystemTime,
    /// Subject, by RFC 4514.
    pub subject: String,
    /// Issuer, by RFC 4514.
    pub issuer: String,
    /// SHA-256 of its DER.
    pub fingerprint: [u8; 32],
    /// The kind of its key.
    pub key: KeyKind,
    /// Whether it signed itself.
    pub is_self_signed: bool,
}

/// The kind of a certificate's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// ECDSA on a NIST curve.
    Ecdsa,
    /// Ed25519.
    Ed25519,
    /// RSA.
    Rsa,
}

/// Why a certificate or key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// The certificate's file is no PEM, or broken within.
    #[error("the certificate is not valid PEM: {0}")]
    BadPem(String),
    /// The key's file is no PEM, or broken within.
    #[error("the key is not valid PEM: {0}")]
    BadKeyPem(String),
    /// There is no certificate in the file.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// There is no private key in the file.
    #[error("there is no private key in it")]
    NoKey,
    /// The private key is protected by a password.
    #[error("the private key is encrypted")]
    EncryptedKey,
    /// The certificate is no X.509 certificate that can be used.
    #[error("the certificate cannot be parsed: {0}")]
    BadCertificate(String),
    /// The key is of a kind that TLS here does not know.
    #[error("the private key cannot be used: {0}")]
    BadKey(String),
    /// The key is another one's.
    #[error("the key does not belong to the certificate")]
    Mismatch,
}

impl Identity {
    /// Reads a chain, leaf first, and its key, both PEM; they may be the same bytes.
    ///
    /// # Errors
    /// See [`IdentityError`]; [`is_of_key`](IdentityError::is_of_key) tells which of the two is to blame.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Arc<Identity>, IdentityError> {
        let _ = (certificate, key);
        Err(IdentityError::NoCertificate)
    }

    /// What the leaf says.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The chain, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.key.cert
    }

    /// Whether the certificate is for this host: a DNS name or an IP address, without a port, in any case of letters.
    pub fn covers(&self, host: &str) -> bool {
        let _ = host;
        false
    }

    /// As rustls wants it.
    pub(crate) fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }
}

impl IdentityError {
    /// Whether the key's file is to blame, not the certificate's.
    pub fn is_of_key(&self) -> bool {
        matches!(
            self,
            IdentityError::BadKeyPem(_)
                | IdentityError::NoKey
                | IdentityError::EncryptedKey
                | IdentityError::BadKey(_)
                | IdentityError::Mismatch
        )
    }
}

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert
    }
}

impl Eq for Identity {}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Identity").field(&self.facts.subject).finish()
    }
}
