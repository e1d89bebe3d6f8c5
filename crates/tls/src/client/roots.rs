//! Whose signatures are believed.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

use super::ClientError;

/// The system's CAs, without those that cannot be parsed.
pub(super) fn system() -> Result<RootCertStore, ClientError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    if added > 0 {
        return Ok(roots);
    }
    let why = match found.errors.first() {
        Some(error) => error.to_string(),
        None if ignored > 0 => format!("none of {ignored} can be parsed"),
        None => "there are none; a package like ca-certificates brings them".into(),
    };
    Err(ClientError::NoSystemRoots(why))
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
