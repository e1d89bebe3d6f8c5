//! A backend's address, and whether it is spoken to over TLS: `https://app.internal`, `10.0.0.5:8000`.

use std::str::FromStr;

use evenkeel_model::Address;

use super::name::{BackendAddress, Refusal};
use crate::words::quoted;

/// Where a backend is, and whether TLS is spoken to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SchemedAddress {
    /// Without the scheme.
    pub(crate) address: Address,
    /// Whether it was written with `https://`.
    pub(crate) is_tls: bool,
}

/// Schemes that may stand before an address, and their ports.
const SCHEMES: [(&str, u16); 2] = [("http", 80), ("https", 443)];

impl FromStr for SchemedAddress {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let Some((written, rest)) = text.split_once("://") else {
            return match text.split_once("+unix:") {
                Some((scheme, _)) => Err(no_scheme(text, &format!("{scheme}+unix"))),
                None => Ok(SchemedAddress { address: text.parse::<BackendAddress>()?.0, is_tls: false }),
            };
        };
        let known = SCHEMES.into_iter().find(|(scheme, _)| written.eq_ignore_ascii_case(scheme));
        let (scheme, port) = known.ok_or_else(|| no_scheme(text, written))?;
        let rest = without_path(text, scheme, rest)?;
        let address = match has_port(rest) {
            true => rest.parse::<BackendAddress>()?.0,
            false => format!("{rest}:{port}").parse::<BackendAddress>()?.0,
        };
        Ok(SchemedAddress { address, is_tls: scheme == "https" })
    }
}

/// What stands before a slash that may end an address; a Unix socket is a path itself.
fn without_path<'a>(text: &str, scheme: &str, rest: &'a str) -> Result<&'a str, Refusal> {
    let end = match rest.starts_with("unix:") {
        true => rest.len(),
        false => rest.find(['/', '?', '#']).unwrap_or(rest.len()),
    };
    let (address, behind) = rest.split_at(end);
    if let Some((_, host)) = address.rsplit_once('@').filter(|_| !rest.starts_with("unix:")) {
        let message = "an address of a backend has neither a user nor a password";
        return Err(Refusal::new(message, format_args!("write {}", quoted(&format!("{scheme}://{host}")))));
    }
    if behind.is_empty() || behind == "/" {
        return Ok(address);
    }
    let message = format!("{} has something behind its port: {}", quoted(text), quoted(behind));
    let help = format!("write {}: requests keep their own path", quoted(&format!("{scheme}://{address}")));
    Err(Refusal::new(message, help))
}

/// Whether a port, or what passes for one, is written.
fn has_port(rest: &str) -> bool {
    match rest.rsplit_once(']') {
        Some((_, behind)) => !behind.is_empty(),
        None => rest.contains(':'),
    }
}

fn no_scheme(text: &str, scheme: &str) -> Refusal {
    let message = format!("{} is no scheme of a backend", quoted(scheme));
    let scheme = scheme.to_ascii_lowercase();
    let path = text.split_once('/').map_or(String::new(), |(_, path)| path.trim_start_matches('/').into());
    let help = match scheme.split_once('+') {
        Some(("https", "unix")) => format!("write {}", quoted(&format!("https://unix:/{path}"))),
        Some(("http", "unix")) => format!("write {}", quoted(&format!("unix:/{path}"))),
        _ if scheme == "unix" => format!("write {}", quoted(&format!("unix:/{path}"))),
        _ => "write `host:port`, or `https://host:port` for TLS; HTTP is all that is spoken".into(),
    };
    Refusal::new(message, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_says_whether_tls_is_spoken_and_has_a_port() {
        for (text, address, is_tls) in [
            ("10.0.0.5:8000", "10.0.0.5:8000", false),
            ("http://app.internal", "app.internal:80", false),
            ("https://app.internal", "app.internal:443", true),
            ("HTTPS://App.internal:8443/", "app.internal:8443", true),
            ("https://10.0.0.5", "10.0.0.5:443", true),
            ("https://[::1]", "[::1]:443", true),
            ("https://[::1]:8443", "[::1]:8443", true),
            ("https://unix:/run/app.sock", "unix:/run/app.sock", true),
        ] {
            let parsed = text.parse::<SchemedAddress>().unwrap();
            assert_eq!((parsed.address.to_string().as_str(), parsed.is_tls), (address, is_tls), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_says_how_to_write_it() {
        for (text, help) in [
            ("https://app:8443/v1", "write `https://app:8443`"),
            ("http://app/?x", "write `http://app`"),
            ("https://me:secret@app", "write `https://app`"),
            ("https+unix:///run/app.sock", "write `https://unix:/run/app.sock`"),
            ("https+unix:/run/app.sock", "write `https://unix:/run/app.sock`"),
            ("unix:///run/app.sock", "write `unix:/run/app.sock`"),
            ("ftp://app", "`https://host:port`"),
            ("h2c://app:80", "`https://host:port`"),
            ("https://::1", "[::1]"),
            ("https://", "host:port"),
            ("https://app:0", "host:port"),
        ] {
            let refusal = text.parse::<SchemedAddress>().unwrap_err();
            assert!(refusal.help.contains(help), "{text}: {}", refusal.help);
            assert!(!refusal.message.contains("secret"), "{}", refusal.message);
        }
    }
}
