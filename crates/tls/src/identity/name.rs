//! Distinguished names as text (RFC 4514), in ASCII alone, so that they can stand in a log line and in a header field.

use std::fmt::Write;

use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// A name as text: the most special part first, as OpenSSL and Envoy write it.
pub(crate) fn to_text(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    let parts: Vec<_> = name.iter_rdn().collect();
    for (place, part) in parts.into_iter().rev().enumerate() {
        if place > 0 {
            text.push(',');
        }
        for (place, attribute) in part.iter().enumerate() {
            if place > 0 {
                text.push('+');
            }
            add(&mut text, attribute);
        }
    }
    text
}

fn add(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let id = attribute.attr_type().to_id_string();
    match (short(&id), attribute.as_str()) {
        (Some(short), Ok(value)) => {
            text.push_str(short);
            text.push('=');
            escape(text, value);
        }
        (short, _) => {
            text.push_str(short.unwrap_or(&id));
            text.push_str("=#");
            add_hex(text, attribute);
        }
    }
}

/// Section 2.4, with a pair of hex digits for all that is special or not ASCII: behind a backslash stands no sign that
/// another syntax around it could take for its own, and no reader that removes backslashes finds another name.
fn escape(text: &mut String, value: &str) {
    let last = value.len().saturating_sub(1);
    for (place, byte) in value.bytes().enumerate() {
        let is_at_edge = (byte == b' ' && (place == 0 || place == last)) || (byte == b'#' && place == 0);
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => hex(text, "\\", byte),
            0x20..0x7f if !is_at_edge => text.push(char::from(byte)),
            _ => hex(text, "\\", byte),
        }
    }
}

/// The value as DER, whatever it is. Lengths above 64 KiB do not occur in what was parsed from a certificate that is sent.
fn add_hex(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let value = attribute.as_slice();
    hex(text, "", u8::try_from(attribute.attr_value().tag().0).unwrap_or_default());
    match *value.len().to_be_bytes().as_slice() {
        [.., 0, 0, low @ 0..0x80] => hex(text, "", low),
        [.., 0, 0, low] => [0x81, low].into_iter().for_each(|byte| hex(text, "", byte)),
        [.., high, low] => [0x82, high, low].into_iter().for_each(|byte| hex(text, "", byte)),
        _ => {}
    }
    value.iter().for_each(|byte| hex(text, "", *byte));
}

fn hex(text: &mut String, before: &str, byte: u8) {
    // A string takes whatever it is given.
    let _ = write!(text, "{before}{byte:02X}");
}

/// Section 3, and what OpenSSL knows beyond that.
fn short(id: &str) -> Option<&'static str> {
    Some(match id {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.42" => "GN",
        "2.5.4.97" => "organizationIdentifier",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}
