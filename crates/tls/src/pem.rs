//! Files in PEM (RFC 7468): sections between BEGIN and END, whatever stands around them.
//!
//! Each section is judged by its own label, so that a key that cannot be read is no fault of the certificates beside it.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

/// Why there is nothing of the wanted kind in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// It is no PEM, or broken within.
    #[error("it is not valid PEM: {0}")]
    Bad(String),
    /// It is PEM, but has no section of that kind.
    #[error("there is no {0} in it")]
    Missing(&'static str),
}

/// One section, from its BEGIN to its END.
struct Section<'a> {
    label: &'a [u8],
    /// `None`: it does not end.
    text: Option<&'a [u8]>,
}

/// All certificates of a file, in its order; at least one.
///
/// # Errors
/// See [`PemError`]. Whether they are certificates is not looked at.
pub fn certificates_from_pem(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    decode(bytes, b"CERTIFICATE", "certificate")
}

/// All certificate revocation lists of a file, in its order; at least one. A file that is DER is taken as one list.
///
/// # Errors
/// See [`PemError`]. Whether they are revocation lists is not looked at.
pub fn crls_from_pem(bytes: &[u8]) -> Result<Vec<Vec<u8>>, PemError> {
    if is_der(bytes) {
        return Ok(vec![bytes.to_vec()]);
    }
    let lists = decode::<CertificateRevocationListDer<'static>>(bytes, b"X509 CRL", "revocation list")?;
    Ok(lists.into_iter().map(|list| list.as_ref().to_vec()).collect())
}

/// What a file has in the way of private keys.
#[derive(Default)]
pub(crate) struct Keys {
    pub(crate) keys: Vec<PrivateKeyDer<'static>>,
    /// Some are protected by a password.
    pub(crate) has_encrypted: bool,
    /// What is wrong with the first that is broken.
    pub(crate) broken: Option<String>,
    /// The label of the first whose kind is unknown.
    pub(crate) strange: Option<String>,
}

/// All private keys of a file.
pub(crate) fn keys(bytes: &[u8]) -> Result<Keys, PemError> {
    let mut found = Keys::default();
    for section in sections(bytes)? {
        if !section.label.ends_with(b"PRIVATE KEY") {
            continue;
        }
        let text = section.text.unwrap_or_default();
        let is_known = matches!(section.label, b"PRIVATE KEY" | b"RSA PRIVATE KEY" | b"EC PRIVATE KEY");
        if section.label == b"ENCRYPTED PRIVATE KEY" || contains(text, b"Proc-Type: 4,ENCRYPTED") {
            found.has_encrypted = true;
        } else if !is_known {
            found.strange.get_or_insert_with(|| section.name());
        } else {
            match section.decode() {
                Ok(key) => found.keys.push(key),
                Err(PemError::Bad(why)) => drop(found.broken.get_or_insert(why)),
                Err(PemError::Missing(_)) => {}
            }
        }
    }
    Ok(found)
}

fn decode<T: PemObject>(bytes: &[u8], label: &[u8], what: &'static str) -> Result<Vec<T>, PemError> {
    let found: Vec<T> = sections(bytes)?
        .iter()
        .filter(|section| section.label == label)
        .map(Section::decode)
        .collect::<Result<_, _>>()?;
    if found.is_empty() { Err(PemError::Missing(what)) } else { Ok(found) }
}

/// The sections of a file; at least one.
fn sections(bytes: &[u8]) -> Result<Vec<Section<'_>>, PemError> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    let mut begin = None;
    let mut place = 0;
    for line in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
        let after = place + line.len();
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
        if let Some(label) = marked(line, b"-----BEGIN ") {
            sections.push(Section { label, text: None });
            begin = Some(place);
        } else if let (Some(label), Some(from)) = (marked(line, b"-----END "), begin) {
            if let Some(section) = sections.last_mut().filter(|section| section.label == label) {
                section.text = Some(&bytes[from..after]);
            }
            begin = None;
        }
        place = after;
    }
    if sections.is_empty() {
        return Err(PemError::Bad(describe(bytes).into()));
    }
    Ok(sections)
}

fn marked<'a>(line: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    line.strip_prefix(mark)?.strip_suffix(b"-----")
}

fn describe(bytes: &[u8]) -> &'static str {
    if bytes.is_empty() {
        "it is empty"
    } else if is_der(bytes) {
        "it looks like DER; `openssl x509 -inform der` or `openssl pkey -inform der` turns it into PEM"
    } else {
        "nothing in it begins with -----BEGIN"
    }
}

/// A SEQUENCE with a length of its own of two bytes and more.
fn is_der(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, 0x80..=0x84, ..])
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

impl Section<'_> {
    fn name(&self) -> String {
        String::from_utf8_lossy(&self.label[..self.label.len().min(64)]).escape_debug().collect()
    }

    fn decode<T: PemObject>(&self) -> Result<T, PemError> {
        let Some(text) = self.text else {
            return Err(PemError::Bad(format!("a section {} does not end", self.name())));
        };
        // Lines may be indented, as where they were copied from.
        let lines: Vec<&[u8]> =
            text.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii).collect();
        let text = lines.join(&b'\n');
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
        T::from_pem_slice(text).map_err(|error| PemError::Bad(format!("a section {}: {error}", self.name())))
    }
}
