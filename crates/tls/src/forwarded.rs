//! Who a client is, in a header field for backends: Envoy's `X-Forwarded-Client-Cert`.

use std::fmt::Write;

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

use crate::crypto::sha256;
use crate::identity::{alternative_names, parse, to_text};

/// Most bytes of the field's value; what would make it longer is left out.
const MOST: usize = 4 * 1024;

/// `Hash=<SHA-256 of the DER>;Subject="<RFC 4514>";URI=<..>;DNS=<..>` for a certificate that was verified: printable ASCII,
/// at most 4 KiB. The subject is quoted, and other values that hold `=`. Readers differ in whether a backslash makes a
/// quote part of a value, so no value holds a quote, nor a backslash but before hex digits in the subject (`\22`, `\5C`);
/// in the others spaces, `"`, `\`, `,`, `;` and what is not printable are percent-encoded.
pub fn forwarded_client_cert(leaf: &CertificateDer<'_>) -> String {
    let mut field = String::from("Hash=");
    for byte in sha256(leaf) {
        // A string takes whatever it is given.
        let _ = write!(field, "{byte:02x}");
    }
    let Ok(leaf) = parse(leaf) else { return field };
    add(&mut field, "Subject", "\"", &to_text(leaf.subject()));
    let uris = alternative_names(&leaf).filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    uris.for_each(|uri| add_encoded(&mut field, "URI", uri));
    let names = alternative_names(&leaf).filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    names.for_each(|name| add_encoded(&mut field, "DNS", name));
    field
}

fn add_encoded(field: &mut String, key: &str, value: &str) {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' | b',' | b';' => drop(write!(text, "%{byte:02X}")),
            0x21..0x7f => text.push(char::from(byte)),
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    add(field, key, if text.contains('=') { "\"" } else { "" }, &text);
}

fn add(field: &mut String, key: &str, quote: &str, value: &str) {
    let before = field.len();
    let _ = write!(field, ";{key}={quote}{value}{quote}");
    if field.len() > MOST {
        field.truncate(before);
    }
}
