//! How a backend's certificate is judged: by CAs and name, by pins, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};

use super::{ClientError, Pin, Roots, Verify, store};
use crate::crypto::{provider, sha256};
use crate::identity::{is_self_signed, moment, parse};

/// No certificate that was shown has a pinned key, or the one that has it vouches for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key of the certificates that were shown is pinned")]
pub struct PinMismatch;

/// The certificate signed itself, and is none of those that are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate is self-signed")]
pub struct SelfSigned;

/// Whether a handshake failed for [`PinMismatch`].
pub fn is_pin_mismatch(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(OtherError(why))) if why.is::<PinMismatch>())
}

/// Whether a handshake failed for [`SelfSigned`].
pub fn is_self_signed_peer(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(OtherError(why))) if why.is::<SelfSigned>())
}

/// Each backend has one of its own, so what is large is shared.
#[derive(Clone, Debug)]
pub(super) struct Verifier {
    /// `None`: whoever answers is believed.
    chains: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are believed, and may be a backend's own.
    given: Arc<[CertificateDer<'static>]>,
    pins: Arc<[Pin]>,
    /// Brought forward to the end of each certificate that is believed for its validity; seconds since 1970.
    until: Arc<AtomicU64>,
}

impl Verifier {
    pub(super) fn new(roots: &Roots, verify: Verify, pins: &[Pin]) -> Result<Self, ClientError> {
        let (chains, given) = match (verify, roots) {
            (Verify::Off, _) => (None, Arc::default()),
            (Verify::On, Roots::System(system)) => (Some(chains(super::parsable(system)?)?), Arc::default()),
            (Verify::On, Roots::Given(given)) => {
                (Some(chains(store(given).map_err(ClientError::BadCa)?)?), given.as_slice().into())
            }
        };
        Ok(Verifier { chains, given, pins: pins.into(), until: Arc::default() })
    }

    /// The same, which notes for how long what it believes is valid.
    pub(super) fn noting(&self, until: Arc<AtomicU64>) -> Self {
        Verifier { until, ..self.clone() }
    }

    /// Those above it may end earlier; a day sees to them.
    fn note_end(&self, leaf: &CertificateDer<'_>) {
        if self.chains.is_some()
            && let Ok(leaf) = parse(leaf)
        {
            let last = u64::try_from(leaf.validity().not_after.timestamp()).unwrap_or(0);
            self.until.fetch_min(last.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Whether a backend is believed that shows this very certificate, as one that its owner signed with itself.
    fn is_given(
        &self,
        leaf: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Option<Result<(), Error>> {
        self.given.contains(leaf).then(|| {
            verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
            let validity = parse(leaf).map_err(|_| CertificateError::BadEncoding)?.validity().clone();
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs());
            if now < moment(validity.not_before) {
                return Err(CertificateError::NotValidYet.into());
            }
            if now > moment(validity.not_after) {
                return Err(CertificateError::Expired.into());
            }
            Ok(())
        })
    }

    /// Whether the leaf's key is pinned, or that of a certificate which vouches for it. What else is shown beside a good
    /// chain proves nothing.
    fn is_pinned(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<bool, Error> {
        let parsed = ParsedCertificate::try_from(leaf)?;
        if self.has_pin(&parsed) {
            return Ok(true);
        }
        let algorithms = provider().signature_verification_algorithms.all;
        Ok(self.chains.is_some()
            && others.iter().any(|other| {
                let mut roots = RootCertStore::empty();
                ParsedCertificate::try_from(other).is_ok_and(|parsed| self.has_pin(&parsed))
                    && roots.add(other.clone().into_owned()).is_ok()
                    && verify_server_cert_signed_by_trust_anchor(&parsed, &roots, others, now, algorithms)
                        .is_ok()
            }))
    }

    fn has_pin(&self, certificate: &ParsedCertificate<'_>) -> bool {
        self.pins.contains(&Pin(sha256(&certificate.subject_public_key_info())))
    }
}

fn chains(roots: RootCertStore) -> Result<Arc<WebPkiServerVerifier>, ClientError> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider().clone())
        .build()
        .map_err(|error| ClientError::BadCa(error.to_string()))
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(chains) = &self.chains
            && let Err(error) =
                chains.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        {
            match error {
                // One that signed itself is often marked as a CA, which a server's must not be.
                Error::InvalidCertificate(CertificateError::Other(_)) => {
                    self.is_given(end_entity, server_name, now).unwrap_or(Err(error))?;
                }
                // The second is what comes of a CA that was made anew under the same name.
                Error::InvalidCertificate(
                    CertificateError::UnknownIssuer | CertificateError::BadSignature,
                ) => {
                    return Err(match is_self_signed(end_entity) {
                        true => CertificateError::Other(OtherError(Arc::new(SelfSigned))).into(),
                        false => CertificateError::UnknownIssuer.into(),
                    });
                }
                error => return Err(error),
            }
        }
        if !self.pins.is_empty() && !self.is_pinned(end_entity, intermediates, now)? {
            return Err(CertificateError::Other(OtherError(Arc::new(PinMismatch))).into());
        }
        self.note_end(end_entity);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
