//! A certificate chain with its private key: parsed and checked before anybody sees it.

mod facts;
mod name;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{CertificateError, Error, InconsistentKeys, OtherError, SignatureAlgorithm};

use crate::crypto::provider;
use crate::pem::{self, PemError, certificates_from_pem};

pub use self::facts::{Facts, IssuerEnd, is_self_signed};
pub(crate) use self::facts::{alternative_names, moment, parse};
pub(crate) use self::name::to_text;

/// A certificate chain with the key that proves it; two are equal if their chains are.
pub struct Identity {
    key: Arc<CertifiedKey>,
    facts: Facts,
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
    #[error("the certificate cannot be used: {0}")]
    BadCertificate(String),
    /// The key is of a kind that TLS here does not know.
    #[error("the private key cannot be used: {0}")]
    BadKey(String),
    /// The key is another one's.
    #[error("the key does not belong to the certificate")]
    Mismatch,
}

impl Identity {
    /// Reads a chain, leaf first, and its key, both PEM; they may be the same bytes. Of several keys the one that fits
    /// is taken.
    ///
    /// # Errors
    /// See [`IdentityError`]; [`is_of_key`](IdentityError::is_of_key) tells which of the two is to blame.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Arc<Identity>, IdentityError> {
        let chain = certificates_from_pem(certificate).map_err(|error| match error {
            PemError::Bad(why) => IdentityError::BadPem(why),
            PemError::Missing(_) => IdentityError::NoCertificate,
        })?;
        for (place, certificate) in chain.iter().enumerate() {
            facts::check(certificate).map_err(|why| {
                let which =
                    if place == 0 { String::new() } else { format!("number {} of the chain: ", place + 1) };
                IdentityError::BadCertificate(which + &why)
            })?;
        }
        let (signer, kind) = choose_key(&chain, key)?;
        let facts = Facts::read(&chain[0], &chain[1..], kind)?;
        Ok(Arc::new(Identity { key: Arc::new(CertifiedKey::new(chain, signer)), facts }))
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
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return self.facts.addresses.contains(&address);
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        let behind = host.split_once('.').filter(|(label, _)| !label.is_empty()).map(|(_, behind)| behind);
        self.facts.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(fixed) => behind.is_some_and(|behind| behind.eq_ignore_ascii_case(fixed)),
            None => name.eq_ignore_ascii_case(host),
        })
    }

    /// As rustls wants it.
    pub(crate) fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }
}

/// The first key that is the leaf's.
fn choose_key(
    chain: &[CertificateDer<'static>],
    bytes: &[u8],
) -> Result<(Arc<dyn SigningKey>, KeyKind), IdentityError> {
    let mut found = pem::keys(bytes).map_err(|error| IdentityError::BadKeyPem(why(error)))?;
    let mut first = None;
    for key in std::mem::take(&mut found.keys) {
        let fit = load(key).and_then(|(key, kind)| fits(&chain[..1], &key).map(|()| (key, kind)));
        match fit {
            Ok(fit) => return Ok(fit),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    Err(match (first, found) {
        (Some(error), _) => error,
        (None, pem::Keys { broken: Some(why), .. }) => IdentityError::BadKeyPem(why),
        (None, pem::Keys { has_encrypted: true, .. }) => IdentityError::EncryptedKey,
        (None, pem::Keys { strange: Some(label), .. }) => {
            IdentityError::BadKey(format!("a {label} is of an unknown kind"))
        }
        (None, _) => IdentityError::NoKey,
    })
}

fn load(key: PrivateKeyDer<'static>) -> Result<(Arc<dyn SigningKey>, KeyKind), IdentityError> {
    let key = provider().key_provider.load_private_key(key).map_err(|_| {
        IdentityError::BadKey(
            "it is no RSA key of 2048 to 8192 bits, no ECDSA key on a NIST curve, no Ed25519 key".into(),
        )
    })?;
    let kind = match key.algorithm() {
        SignatureAlgorithm::ECDSA => KeyKind::Ecdsa,
        SignatureAlgorithm::ED25519 => KeyKind::Ed25519,
        SignatureAlgorithm::RSA => KeyKind::Rsa,
        _ => return Err(IdentityError::BadKey("clients do not know keys of its kind yet".into())),
    };
    Ok((key, kind))
}

/// Whether a key is the leaf's.
fn fits(leaf: &[CertificateDer<'static>], key: &Arc<dyn SigningKey>) -> Result<(), IdentityError> {
    match CertifiedKey::new(leaf.to_vec(), key.clone()).keys_match() {
        Ok(()) => Ok(()),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(IdentityError::Mismatch),
        Err(Error::InconsistentKeys(_)) => Err(IdentityError::BadKey("its public key is not known".into())),
        Err(Error::InvalidCertificate(CertificateError::Other(OtherError(why)))) => {
            Err(IdentityError::BadCertificate(why.to_string()))
        }
        Err(error) => Err(IdentityError::BadCertificate(error.to_string())),
    }
}

fn why(error: PemError) -> String {
    match error {
        PemError::Bad(why) => why,
        PemError::Missing(what) => format!("there is no {what} in it"),
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
