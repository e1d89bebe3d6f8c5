//! Where a backend is: the address as an operator writes it, and the endpoints that it resolves to.
//!
//! The text form is canonical, because it is half of a backend's identity.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

/// A backend's address as written in the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// `10.0.0.5:8000` or `[::1]:8000`.
    Ip(SocketAddr),
    /// `app.internal:8000`; the name is lower case.
    Name {
        /// Host name, without a port.
        host: Arc<str>,
        /// 1 to 65535.
        port: u16,
    },
    /// `unix:/run/app.sock`; an absolute path.
    Unix(Arc<Path>),
}

/// What a connection is made to: one socket address, or one path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// TCP over IPv4 or IPv6.
    Tcp(SocketAddr),
    /// A Unix stream socket.
    Unix(Arc<Path>),
}

/// Why a text is not a backend address. The text of each names the mend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// No `:port` at the end.
    MissingPort,
    /// The port is not a number from 1 to 65535.
    BadPort,
    /// The part before the port is neither an address nor a host name.
    BadHost,
    /// `unix:` needs an absolute path of at most 107 bytes.
    BadPath,
    /// An address with a scheme, `http://...`.
    Scheme,
}

/// Longest path that a Unix socket address can hold on Linux, in bytes.
const LONGEST_UNIX_PATH: usize = 107;

impl Address {
    /// The endpoint, where no name has to be resolved to know it.
    pub fn endpoint(&self) -> Option<Endpoint> {
        match self {
            Address::Ip(address) => Some(Endpoint::Tcp(*address)),
            Address::Unix(path) => Some(Endpoint::Unix(path.clone())),
            Address::Name { .. } => None,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return unix(path);
        }
        if text.contains("://") {
            return Err(AddressError::Scheme);
        }
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::MissingPort)?;
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(AddressError::MissingPort);
        }
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AddressError::BadPort);
        }
        let port = match port.parse() {
            Ok(0) | Err(_) => return Err(AddressError::BadPort),
            Ok(port) => port,
        };
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Address::Ip(address));
        }
        if !is_host_name(host) {
            return Err(AddressError::BadHost);
        }
        let host = host.to_ascii_lowercase().into();
        Ok(Address::Name { host, port })
    }
}

fn unix(path: &str) -> Result<Address, AddressError> {
    let usable = path.starts_with('/') && path.len() <= LONGEST_UNIX_PATH && !path.contains('\0');
    if !usable {
        return Err(AddressError::BadPath);
    }
    Ok(Address::Unix(Path::new(path).into()))
}

/// RFC 1123 names, underscores allowed because container networks use them. A name whose last label is all
/// digits is a mistyped IPv4 address.
fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let trimmed = host.strip_suffix('.').unwrap_or(host);
    let last = trimmed.rsplit('.').next().unwrap_or_default();
    host.len() <= 253 && trimmed.split('.').all(label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Ip(address) => address.fmt(out),
            Address::Name { host, port } => write!(out, "{host}:{port}"),
            Address::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) => address.fmt(out),
            Endpoint::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            AddressError::MissingPort => "the address has no port; write it as `host:port`",
            AddressError::BadPort => "the port must be a number from 1 to 65535",
            AddressError::BadHost => "the host is neither an IP address nor a host name",
            AddressError::BadPath => "`unix:` needs an absolute path of at most 107 bytes",
            AddressError::Scheme => "an address has no scheme; write it as `host:port`",
        })
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_shown() {
        for text in ["127.0.0.1:80", "[::1]:8080", "app.internal:8000", "my_app-1:1", "unix:/run/a.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn each_mistake_has_its_own_error() {
        use AddressError::*;
        for (text, error) in [
            ("localhost", MissingPort),
            ("::1", MissingPort),
            ("localhost:0", BadPort),
            ("localhost:99999", BadPort),
            ("localhost:+80", BadPort),
            ("localhost:http", BadPort),
            ("127.0.0.300:80", BadHost),
            ("a b:80", BadHost),
            (":80", BadHost),
            ("unix:run/a.sock", BadPath),
            ("http://a:80", Scheme),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text}");
        }
    }

    #[test]
    fn names_are_one_whatever_their_case() {
        assert_eq!("APP.internal:80".parse::<Address>(), "app.Internal:80".parse());
    }
}
