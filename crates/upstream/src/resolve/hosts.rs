//! `/etc/hosts`, as hosts(5) describes it.

use std::collections::HashMap;
use std::net::IpAddr;

/// Names in lower case, without a dot at the end, and their addresses in the file's order.
#[derive(Debug)]
pub(super) struct Hosts(HashMap<Box<str>, Vec<IpAddr>>);

impl Hosts {
    /// Lines that are not understood are passed over.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut hosts = HashMap::<Box<str>, Vec<IpAddr>>::new();
        for line in String::from_utf8_lossy(bytes).lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
            let Some(Ok(address)) = words.next().map(str::parse) else { continue };
            for name in words {
                let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
                hosts.entry(name.into()).or_default().push(address);
            }
        }
        Hosts(hosts)
    }

    /// The addresses of a name in lower case.
    pub(super) fn addresses(&self, name: &str) -> Option<&[IpAddr]> {
        self.0.get(name).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_of_a_line_has_its_address() {
        let hosts = Hosts::read(
            b"127.0.0.1 localhost\n::1\tlocalhost ip6-localhost # again\n#10.0.0.9 app\n\n10.0.0.1  App app.internal. #x\nnonsense b\n10.0.0.2 app\n",
        );
        let of =
            |name| hosts.addresses(name).map(|all| all.iter().map(IpAddr::to_string).collect::<Vec<_>>());
        assert_eq!(of("localhost").unwrap(), ["127.0.0.1", "::1"]);
        assert_eq!(of("app").unwrap(), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(of("app.internal").unwrap(), ["10.0.0.1"]);
        assert_eq!(of("ip6-localhost").unwrap(), ["::1"]);
        for unknown in ["again", "b", "x", ""] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
    }
}
