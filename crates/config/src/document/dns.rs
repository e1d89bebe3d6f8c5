//! How names are looked up, as written.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::Deserialize;

use super::name::{Refusal, Text};
use super::quantity::Period;
use crate::words::quoted;

/// How names are looked up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `servers` or `timeout`")]
pub(crate) struct DnsDocument {
    /// DNS servers to ask, in order, at most 8: each an IP address, with a port if it is not 53. Default: those of /etc/resolv.conf.
    pub(crate) servers: Option<Vec<Text<DnsServer>>>,
    /// Longest wait for an answer, over all servers and tries. From 100ms to 60s. Default: 5s.
    pub(crate) timeout: Option<Period<100, 60_000>>,
}

/// A DNS server: an IP address, and perhaps a port.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DnsServer(pub(crate) SocketAddr);

/// Where DNS servers listen.
const DNS_PORT: u16 = 53;

impl FromStr for DnsServer {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        let bare = text.parse::<IpAddr>().or_else(|_| inner.unwrap_or_default().parse::<IpAddr>());
        let address = bare.map(|ip| SocketAddr::new(ip, DNS_PORT)).or_else(|_| text.parse::<SocketAddr>());
        match address {
            Ok(address) if address.port() == 0 => {
                let message = format!("{} has port 0, where nobody listens", quoted(text));
                Err(Refusal::new(message, format_args!("write `{}`, or another port", address.ip())))
            }
            Ok(address) => Ok(DnsServer(address)),
            Err(_) => {
                let message = format!("{} is no address of a DNS server", quoted(text));
                Err(Refusal::new(
                    message,
                    "write an IP address, like `10.0.0.2`, `10.0.0.3:5353` or `[::1]:53`",
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_port_has_port_53() {
        for (text, expected) in [
            ("10.0.0.2", "10.0.0.2:53"),
            ("10.0.0.3:5353", "10.0.0.3:5353"),
            ("::1", "[::1]:53"),
            ("[::1]", "[::1]:53"),
            ("[::1]:5353", "[::1]:5353"),
        ] {
            assert_eq!(text.parse::<DnsServer>().unwrap().0.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn a_server_is_an_address_with_a_port_that_can_be_asked() {
        for (text, help) in [
            ("10.0.0.2:0", "write `10.0.0.2`"),
            ("dns.internal", "an IP address"),
            ("[10.0.0.2", "an IP address"),
            ("10.0.0.2:99999", "an IP address"),
            ("[]", "an IP address"),
            ("", "an IP address"),
        ] {
            let refusal = text.parse::<DnsServer>().unwrap_err();
            assert!(refusal.help.contains(help), "{text}: {}", refusal.help);
        }
    }
}
