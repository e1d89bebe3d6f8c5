//! A certificate with its key: from two files, or from one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_tls::{Identity, IdentityError};

use super::form::{Form, has_certificate, has_key};
use super::read::{self, Fault};
use crate::problem::Code;

/// Where a certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    /// `None`: in the certificate's file.
    pub(crate) key: Option<PathBuf>,
}

impl Pair {
    /// Where the key is.
    pub(crate) fn key(&self) -> &Path {
        self.key.as_deref().unwrap_or(&self.certificate)
    }

    /// Every file of it.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.certificate).chain(&self.key)
    }

    /// The key of the configuration that is to blame if the private key is.
    pub(crate) fn key_of_key(&self) -> &'static str {
        if self.key.is_some() { "key" } else { "certificate" }
    }

    /// Reads it.
    pub(crate) fn load(&self) -> Result<Arc<Identity>, Fault> {
        let certificate = read::bytes(&self.certificate, "certificate");
        let key = match &self.key {
            None => certificate.clone(),
            Some(path) => read::bytes(path, "key"),
        };
        let (certificate, key) = (certificate?, key?);
        if self.key.is_some() && is_swapped(&certificate, &key) {
            let message = "certificate and key are swapped: the certificate's file holds a key, and the key's a certificate";
            let help = format!("write `{}` as the certificate", self.key().display());
            return Err(Fault::new("certificate", Code::BadValue, message, help));
        }
        Identity::from_pem(&certificate, &key).map_err(|error| self.fault(&error, &certificate, &key))
    }

    /// A warning if everybody may read the key.
    pub(crate) fn open_to_all(&self) -> Option<Fault> {
        let path = self.key();
        read::is_open_to_all(path).then(|| {
            let path = path.display();
            let message = format!("everybody may read the private key in `{path}`");
            Fault::new(self.key_of_key(), Code::Permissions, message, format!("`chmod o= {path}`"))
        })
    }

    fn fault(&self, error: &IdentityError, certificate: &[u8], key: &[u8]) -> Fault {
        let (blamed, path) = match error.is_of_key() {
            true => (self.key_of_key(), self.key()),
            false => ("certificate", self.certificate.as_path()),
        };
        let shown = path.display();
        let (message, help) = match error {
            IdentityError::NoCertificate | IdentityError::BadPem(_) if !has_certificate(certificate) => {
                let form = Form::of(certificate);
                let message = format!("`{shown}` holds no certificate: {}", form.name());
                (message, form.certificate_help(path))
            }
            IdentityError::NoKey | IdentityError::BadKeyPem(_) if !has_key(key) => {
                let form = Form::of(key);
                let message = match self.key {
                    None => format!("`{shown}` holds no private key, and there is no `key`"),
                    Some(_) => format!("`{shown}` holds no private key: {}", form.name()),
                };
                let help = match self.key {
                    None => {
                        "write `key` with the path of its file, or put the private key into this one".into()
                    }
                    Some(_) => form.key_help(path),
                };
                (message, help)
            }
            IdentityError::EncryptedKey => (
                format!("the private key in `{shown}` is encrypted"),
                format!(
                    "nobody is there to type its password: `openssl pkey -in {shown} -out plain.key` decrypts it"
                ),
            ),
            IdentityError::Mismatch => self.mismatch(),
            IdentityError::NoCertificate | IdentityError::BadPem(_) | IdentityError::BadCertificate(_) => {
                (format!("`{shown}`: {error}"), certificate_help(path))
            }
            IdentityError::NoKey | IdentityError::BadKeyPem(_) | IdentityError::BadKey(_) => {
                let help = format!(
                    "`openssl pkey -in {shown} -noout` has to read it; copy it again as a whole, or have a certificate issued for \
                     a key of another kind"
                );
                (format!("`{shown}`: {error}"), help)
            }
        };
        Fault::new(blamed, Code::BadValue, message, help)
    }

    fn mismatch(&self) -> (String, String) {
        let (certificate, key) = (self.certificate.display(), self.key().display());
        let message = match self.key {
            Some(_) => format!("the key in `{key}` is not that of the certificate in `{certificate}`"),
            None => format!("the key in `{key}` is not that of the certificate in the same file"),
        };
        let help = format!(
            "`openssl x509 -in {certificate} -noout -pubkey` and `openssl pkey -in {key} -pubout` have to print \
             the same; in a chain the server's own certificate comes first"
        );
        (message, help)
    }
}

/// How to mend a certificate that looks like one.
pub(crate) fn certificate_help(path: &Path) -> String {
    let path = path.display();
    format!(
        "`openssl x509 -in {path} -noout -text` has to show it; copy it again as a whole, or have it issued again"
    )
}

fn is_swapped(certificate: &[u8], key: &[u8]) -> bool {
    let is_key = has_key(certificate) && !has_certificate(certificate);
    is_key && has_certificate(key) && !has_key(key)
}
