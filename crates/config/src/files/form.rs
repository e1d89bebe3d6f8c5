//! What a file holds that is not what was expected, and how to make it so.

use std::path::Path;

/// What certificates and keys come in, other than plain PEM of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nothing at all.
    Empty,
    /// PKCS#12 (`.p12`, `.pfx`): certificates and a key behind a password.
    Pkcs12,
    /// PKCS#7 (`.p7b`) as PEM: certificates.
    Pkcs7,
    /// The same as DER.
    DerPkcs7,
    /// A private key, as DER.
    DerKey,
    /// Anything else that is DER, a certificate most likely.
    Der,
    /// PEM with a request for a certificate.
    Request,
    /// PEM with a public key.
    PublicKey,
    /// PEM of another kind, or none.
    Other,
}

/// Whether there is a certificate in it, as PEM.
pub(crate) fn has_certificate(bytes: &[u8]) -> bool {
    has(bytes, "-----BEGIN CERTIFICATE-----")
}

/// Whether there is a private key in it, as PEM of whatever kind.
pub(crate) fn has_key(bytes: &[u8]) -> bool {
    has(bytes, "PRIVATE KEY-----")
}

/// Whether there is PEM in it, whatever it is of.
pub(crate) fn is_pem(bytes: &[u8]) -> bool {
    has(bytes, "-----BEGIN ")
}

impl Form {
    pub(crate) fn of(bytes: &[u8]) -> Form {
        if bytes.trim_ascii().is_empty() {
            return Form::Empty;
        }
        if bytes.first() == Some(&0x30) {
            return match der_content(bytes) {
                // A version stands first, which tells the two: 3 for PKCS#12, 0 or 1 for a key.
                Some([0x02, 0x01, 0x03, ..]) => Form::Pkcs12,
                Some([0x02, ..]) => Form::DerKey,
                Some([0x06, ..]) => Form::DerPkcs7,
                Some(_) | None => Form::Der,
            };
        }
        match () {
            () if has(bytes, "-----BEGIN PKCS7-----") => Form::Pkcs7,
            () if has(bytes, "CERTIFICATE REQUEST-----") => Form::Request,
            () if has(bytes, "PUBLIC KEY-----") => Form::PublicKey,
            () => Form::Other,
        }
    }

    /// What it is, as the end of a sentence.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Form::Empty => "it is empty",
            Form::Pkcs12 => "it is PKCS#12",
            Form::Pkcs7 | Form::DerPkcs7 => "it is PKCS#7",
            Form::DerKey => "it is a private key as DER",
            Form::Der => "it is DER, not PEM",
            Form::Request => "it holds a request for a certificate",
            Form::PublicKey => "it holds a public key",
            Form::Other => "it is no PEM of that kind",
        }
    }

    /// How to have a certificate as PEM.
    pub(crate) fn certificate_help(self, path: &Path) -> String {
        let path = path.display();
        match self {
            Form::Pkcs12 => pkcs12_help(&path.to_string()),
            Form::Pkcs7 => format!("convert it: `openssl pkcs7 -print_certs -in {path} -out cert.pem`"),
            Form::DerPkcs7 => {
                format!("convert it: `openssl pkcs7 -inform DER -print_certs -in {path} -out cert.pem`")
            }
            Form::Der => format!("convert it: `openssl x509 -inform DER -in {path} -out cert.pem`"),
            Form::Request => "write the path of what the CA gave in return".into(),
            Form::Empty => "put the certificate into it, or write the path of another file".into(),
            Form::DerKey | Form::PublicKey | Form::Other => {
                "write the path of a file with `-----BEGIN CERTIFICATE-----` in it".into()
            }
        }
    }

    /// How to have a private key as PEM.
    pub(crate) fn key_help(self, path: &Path) -> String {
        let path = path.display();
        match self {
            Form::Pkcs12 => pkcs12_help(&path.to_string()),
            Form::DerKey | Form::Der => {
                format!("convert it: `openssl pkey -inform DER -in {path} -out key.pem`")
            }
            Form::Pkcs7 | Form::DerPkcs7 | Form::Request | Form::PublicKey | Form::Empty | Form::Other => {
                "write the path of a file with `-----BEGIN PRIVATE KEY-----` in it".into()
            }
        }
    }
}

fn pkcs12_help(path: &str) -> String {
    format!("convert it: `openssl pkcs12 -in {path} -nodes -out both.pem`, which holds certificate and key")
}

/// What the outermost sequence holds.
fn der_content(bytes: &[u8]) -> Option<&[u8]> {
    let length = *bytes.get(1)?;
    let header = if length < 0x80 { 2 } else { 2 + usize::from(length & 0x7f) };
    bytes.get(header..)
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        for (bytes, form) in [
            (&b""[..], Form::Empty),
            (b" \n", Form::Empty),
            (b"\x30\x82\x05\x10\x02\x01\x03\x30", Form::Pkcs12),
            (b"\x30\x82\x05\x10\x06\x09\x2a", Form::DerPkcs7),
            (b"\x30\x41\x02\x01\x00\x30", Form::DerKey),
            (b"\x30\x82\x05\x10\x30\x82\x03", Form::Der),
            (b"\x30", Form::Der),
            (b"-----BEGIN CERTIFICATE REQUEST-----", Form::Request),
            (b"-----BEGIN PUBLIC KEY-----", Form::PublicKey),
            (b"hello", Form::Other),
        ] {
            assert_eq!(Form::of(bytes), form, "{bytes:?}");
        }
        assert!(
            has_key(b"-----BEGIN EC PRIVATE KEY-----") && !has_certificate(b"-----BEGIN EC PRIVATE KEY-----")
        );
    }
}
