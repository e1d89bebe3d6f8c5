//! Files with CA certificates, and with revocation lists.

use std::path::Path;

use evenkeel_tls::{CertificateDer, PemError, certificates_from_pem, crls_from_pem};

use super::form::{Form, has_certificate};
use super::read::{self, Fault};
use crate::problem::Code;

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(path: &Path, key: &'static str) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let bytes = read::bytes(path, key)?;
    certificates_from_pem(&bytes).map_err(|error| match error {
        PemError::Bad(_) if has_certificate(&bytes) => unusable_authorities(path, key, &error.to_string()),
        PemError::Bad(_) | PemError::Missing(_) => {
            let form = Form::of(&bytes);
            let message = format!("`{}` holds no CA certificate: {}", path.display(), form.name());
            Fault::new(key, Code::BadValue, message, form.certificate_help(path))
        }
    })
}

/// The revocation lists of a file, PEM or DER, at least one.
pub(crate) fn revocation_lists(path: &Path, key: &'static str) -> Result<Vec<Vec<u8>>, Fault> {
    let bytes = read::list_bytes(path, key)?;
    crls_from_pem(&bytes).map_err(|error| match error {
        PemError::Bad(_) => unusable_list(path, key, &error.to_string()),
        PemError::Missing(_) => {
            let message = format!("`{}` holds no revocation list", path.display());
            let help = "write the path of a file with `-----BEGIN X509 CRL-----` in it, or of one as DER";
            Fault::new(key, Code::BadValue, message, help)
        }
    })
}

/// Of certificates that look like some.
pub(crate) fn unusable_authorities(path: &Path, key: &'static str, why: &str) -> Fault {
    let path = path.display();
    let message = format!("the CA certificates in `{path}` cannot be used: {why}");
    let help = format!(
        "`openssl storeutl -certs -noout -text {path}` has to show all of them; copy them again as a whole"
    );
    Fault::new(key, Code::BadValue, message, help)
}

/// Of a revocation list that looks like one.
pub(crate) fn unusable_list(path: &Path, key: &'static str, why: &str) -> Fault {
    let path = path.display();
    let message = format!("the revocation list in `{path}` cannot be used: {why}");
    let help = format!("`openssl crl -in {path} -noout -text` has to show it; fetch it again from its CA");
    Fault::new(key, Code::BadValue, message, help)
}
