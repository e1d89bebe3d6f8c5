//! Who a client is, in a header field for backends: Envoy's `X-Forwarded-Client-Cert`.

use std::fmt::Write;

use rustls::pki_types::CertificateDer;
use x509_parser::extensions::GeneralName;

use crate::crypto::sha256;
use crate::identity::{alternative_names, parse, to_text};

/// Most bytes of the field's value; what would make it longer is left out.
const MOST: usize = 4 * 1024;

/// `Hash=<SHA-256 of the DER>;Subject="<RFC 4514>";URI=<..>;DNS=<..>` for a certificate that was verified: printable ASCII,
/// at most 4 KiB. A value that holds `,`, `;`, `=` or `"` is quoted, with `\"` for `"`; what is not printable is
/// percent-encoded.
pub fn forwarded_client_cert(leaf: &CertificateDer<'_>) -> String {
    let mut field = String::from("Hash=");
    for byte in sha256(leaf) {
        // A string takes whatever it is given.
        let _ = write!(field, "{byte:02x}");
    }
    let Ok(leaf) = parse(leaf) else { return field };
    add(&mut field, "Subject", &to_text(leaf.subject()), true);
    let uris = alternative_names(&leaf).filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    uris.for_each(|uri| add(&mut field, "URI", uri, false));
    let names = alternative_names(&leaf).filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    names.for_each(|name| add(&mut field, "DNS", name, false));
    field
}

fn add(field: &mut String, key: &str, value: &str, is_always_quoted: bool) {
    let before = field.len();
    let quote = if is_always_quoted || value.contains([',', ';', '=', '"']) { "\"" } else { "" };
    let _ = write!(field, ";{key}={quote}");
    for byte in value.bytes() {
        match byte {
            b'"' => field.push_str("\\\""),
            0x20..0x7f => field.push(char::from(byte)),
            _ => drop(write!(field, "%{byte:02X}")),
        }
    }
    field.push_str(quote);
    if field.len() > MOST {
        field.truncate(before);
    }
}
