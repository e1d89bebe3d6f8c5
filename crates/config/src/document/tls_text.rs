//! The texts of TLS: paths of files, names in certificates, and pins.

use std::path::PathBuf;
use std::str::FromStr;

use evenkeel_tls::{Pin, ServerName};

use super::matching::is_name;
use super::name::Refusal;
use crate::words::quoted;

/// The absolute path of a file or a folder.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FilePath(pub(crate) PathBuf);

/// A name as certificates have it: `example.com`, `*.example.com`, or an IP address; in lower case.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CertificateName(pub(crate) String);

/// The name that a peer has to prove: a DNS name or an IP address.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PeerName(pub(crate) ServerName<'static>);

/// `sha256/` and the base64 of 32 bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PinText(pub(crate) Pin);

/// How to make a pin.
const MAKE_PIN: &str = "openssl x509 -in cert.pem -noout -pubkey | openssl pkey -pubin -outform DER \
                        | openssl dgst -sha256 -binary | base64";

impl FromStr for FilePath {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if text.starts_with("-----BEGIN") {
            let message = "this is the content of a file, not its path";
            return Err(Refusal::new(message, "write it to a file, and the absolute path of that here"));
        }
        if !text.starts_with('/') || text.chars().any(char::is_control) {
            let message = format!("{} is no absolute path", quoted(text));
            return Err(Refusal::new(message, "write a path from the root, like `/etc/evenkeel/site.pem`"));
        }
        Ok(FilePath(PathBuf::from(text)))
    }
}

impl FromStr for CertificateName {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let name = text.to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let is_address = name.parse::<std::net::IpAddr>().is_ok();
        if !is_address && !is_name(name.strip_prefix("*.").unwrap_or(name)) {
            let help = "write a name of one of the certificates, like `example.com`";
            return Err(Refusal::new(format_args!("{} is no name of a certificate", quoted(text)), help));
        }
        Ok(CertificateName(name.into()))
    }
}

impl FromStr for PeerName {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        peer_name(text).map(PeerName).ok_or_else(|| {
            let message = format!("{} is neither a host name nor an IP address", quoted(text));
            Refusal::new(message, "write the name alone, like `app.internal`, without a scheme or a port")
        })
    }
}

/// A host as a name that a peer can prove; `None` if no certificate can be for it.
pub(crate) fn peer_name(host: &str) -> Option<ServerName<'static>> {
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    ServerName::try_from(host.to_string()).ok()
}

impl FromStr for PinText {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let digest = text.strip_prefix("sha256/").and_then(from_base64);
        digest.map(|digest| PinText(Pin(digest))).ok_or_else(|| {
            let message = format!("{} is not `sha256/` and the base64 of 32 bytes", quoted(text));
            Refusal::new(message, format_args!("write `sha256/` and what this prints: {MAKE_PIN}"))
        })
    }
}

/// 32 bytes from their 44 letters.
fn from_base64(text: &str) -> Option<[u8; 32]> {
    let letters = text.strip_suffix('=').filter(|letters| letters.len() == 43)?;
    let mut bits = 0_u32;
    let mut count = 0;
    let mut bytes = Vec::with_capacity(32);
    for letter in letters.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    // What is left of the last letter is no part of the 32 bytes.
    bytes.try_into().ok().filter(|_| bits == 0)
}

/// A pin, as one would write it.
pub(crate) fn show_pin(pin: &Pin) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut shown = String::from("sha256/");
    for bytes in pin.0.chunks(3) {
        let byte = |index: usize| u32::from(bytes.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * index) & 63) as usize];
            shown.push(if index > bytes.len() { '=' } else { char::from(letter) });
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_32_bytes_in_base64() {
        let text = "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        let pin = text.parse::<PinText>().unwrap().0;
        assert_eq!(pin.0[..4], [0xe3, 0xb0, 0xc4, 0x42]);
        assert_eq!(show_pin(&pin), text);
        for text in [
            "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            "sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=",
            "sha256/47DEQpj8HBSa-_TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
            "sha1/2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
            "sha256/",
        ] {
            let refusal = text.parse::<PinText>().unwrap_err();
            assert!(refusal.help.contains("openssl dgst -sha256 -binary | base64"), "{text}");
        }
    }

    #[test]
    fn names_are_one_whatever_their_case() {
        for (text, expected) in
            [("App.Internal.", Some("app.internal")), ("10.0.0.5", Some("10.0.0.5")), ("::1", Some("::1"))]
        {
            let name = peer_name(text).map(|name| name.to_str().into_owned());
            assert_eq!(name.as_deref(), expected, "{text}");
        }
        for text in ["app:443", "https://app", "*.app", ""] {
            assert!(text.parse::<PeerName>().is_err(), "{text}");
        }
        assert_eq!("*.Example.com".parse::<CertificateName>().unwrap().0, "*.example.com");
        assert!("*".parse::<CertificateName>().is_err());
    }
}
