//! Whose signatures are believed.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::ClientError;

/// The system's CAs, each once, in an order of their own: the system's differs from one reading to the next.
pub(super) fn system() -> Result<Arc<[CertificateDer<'static>]>, ClientError> {
    let mut found = rustls_native_certs::load_native_certs();
    found.certs.sort_unstable_by(|one, other| one.as_ref().cmp(other.as_ref()));
    found.certs.dedup();
    match found.errors.first() {
        Some(error) if found.certs.is_empty() => Err(ClientError::NoSystemRoots(error.to_string())),
        _ => Ok(found.certs.into()),
    }
}

/// The system's CAs, without those that cannot be parsed.
pub(super) fn parsable(system: &[CertificateDer<'static>]) -> Result<RootCertStore, ClientError> {
    let mut roots = RootCertStore::empty();
    match roots.add_parsable_certificates(system.iter().cloned()) {
        (1.., _) => Ok(roots),
        (0, 0) => {
            let why = "there are none; a package like ca-certificates brings them";
            Err(ClientError::NoSystemRoots(why.into()))
        }
        (0, ignored) => Err(ClientError::NoSystemRoots(format!("none of {ignored} can be parsed"))),
    }
}

/// CAs that were given; each has to be one.
pub(crate) fn store(given: &[CertificateDer<'static>]) -> Result<RootCertStore, String> {
    if given.is_empty() {
        return Err("there are none".into());
    }
    let mut roots = RootCertStore::empty();
    for (place, certificate) in given.iter().enumerate() {
        roots.add(certificate.clone()).map_err(|error| format!("number {}: {error}", place + 1))?;
    }
    Ok(roots)
}
