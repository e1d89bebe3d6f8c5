//! Files with CA certificates, and with revocation lists.

use std::path::Path;

use evenkeel_tls::CertificateDer;
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject;

use super::form::{Form, has_certificate};
use super::read::{self, Fault};
use crate::problem::Code;

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(path: &Path, key: &'static str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let bytes = read::bytes(path, key)?;
    if !has_certificate(&bytes) {
        let form = Form::of(&bytes);
        let message = format!("`{}` holds no CA certificate: {}", path.display(), form.name());
        return Err(Fault::new(key, Code::BadValue, message, form.certificate_help(path)));
    }
    CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().map_err(|error| {
        let message = format!("`{}` is broken PEM: {error}", path.display());
        Fault::new(key, Code::BadValue, message, "")
    })
}

/// The revocation lists of a file, PEM or DER, at least one.
pub(crate) fn revocation_lists(path: &Path, key: &'static str) -> Result<Vec<Vec<u8>>, Fault> {
    let bytes = read::bytes(path, key)?;
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes]);
    }
    let lists: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(&bytes).collect();
    match lists {
        Ok(lists) if !lists.is_empty() => Ok(lists.into_iter().map(|list| list.to_vec()).collect()),
        Ok(_) => {
            let message = format!("`{}` holds no revocation list", path.display());
            let help = "write the path of a file with `-----BEGIN X509 CRL-----` in it, or of one as DER";
            Err(Fault::new(key, Code::BadValue, message, help))
        }
        Err(error) => {
            let message = format!("`{}` is broken PEM: {error}", path.display());
            Err(Fault::new(key, Code::BadValue, message, ""))
        }
    }
}
