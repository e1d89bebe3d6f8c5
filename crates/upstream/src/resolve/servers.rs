//! Which servers are asked, and for which names, as resolv.conf(5) describes it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hickory_resolver::config::{ResolverConfig, ResolverOpts};
use hickory_resolver::proto::rr::Name;
use hickory_resolver::system_conf::parse_resolv_conf;

const DNS_PORT: u16 = 53;

/// Servers, and how a name is completed.
#[derive(Debug)]
pub(super) struct Servers {
    /// At least one, asked in this order.
    pub(super) addresses: Box<[SocketAddr]>,
    /// Whether they may be told that large answers are welcome (`options edns0`).
    pub(super) knows_edns: bool,
    /// Domains that a name may be meant in.
    search: Box<[Name]>,
    /// A name with so many dots is tried as it is before the search domains.
    dots: usize,
}

impl Servers {
    /// Names are absolute then.
    pub(super) fn given(addresses: &[SocketAddr]) -> Self {
        Servers { addresses: addresses.into(), knows_edns: false, search: [].into(), dots: 1 }
    }

    /// From `/etc/resolv.conf`. The C library asks this machine, too, where no server is named.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let with_server = [bytes, b"\nnameserver 127.0.0.1\n"].concat();
        let parsed = parse_resolv_conf(bytes).or_else(|_| parse_resolv_conf(with_server));
        match parsed {
            Ok((config, options)) => Self::parsed(&config, &options),
            // A search domain that is no name.
            Err(_) => Self::given(&[SocketAddr::from((Ipv4Addr::LOCALHOST, DNS_PORT))]),
        }
    }

    fn parsed(config: &ResolverConfig, options: &ResolverOpts) -> Self {
        let address = |ip: IpAddr| SocketAddr::new(ip, DNS_PORT);
        let addresses = config.name_servers().iter().map(|server| address(server.ip)).collect();
        // Without a list, the domain of this machine's own name.
        let search = match config.search() {
            [] => config.domain().into_iter().cloned().collect(),
            search => search.into(),
        };
        Servers { addresses, knows_edns: options.edns0, search, dots: options.ndots }
    }

    /// The absolute names that a name may stand for, in the order to try them (RFC 1535, section 6). None if it is no name.
    pub(super) fn candidates(&self, host: &str) -> Vec<Name> {
        let Ok(name) = Name::from_str_relaxed(host) else { return Vec::new() };
        let mut whole = name.clone();
        whole.set_fqdn(true);
        if name.is_fqdn() {
            return vec![whole];
        }
        let in_domains = self.search.iter().filter_map(|domain| name.clone().append_domain(domain).ok());
        let mut names: Vec<Name> = in_domains.collect();
        names.iter_mut().for_each(|name| name.set_fqdn(true));
        let is_first = host.bytes().filter(|byte| *byte == b'.').count() >= self.dots;
        names.insert(if is_first { 0 } else { names.len() }, whole);
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(file: &str, host: &str) -> Vec<String> {
        Servers::read(file.as_bytes()).candidates(host).iter().map(Name::to_string).collect()
    }

    #[test]
    fn the_servers_are_those_of_the_file_or_this_machine() {
        for (file, servers) in [
            ("nameserver 10.0.0.1\nnameserver fd00::1\n", vec!["10.0.0.1:53", "[fd00::1]:53"]),
            ("", vec!["127.0.0.1:53"]),
            ("search a.test\n", vec!["127.0.0.1:53"]),
            ("nonsense \u{fffd}\nnameserver nobody\n", vec!["127.0.0.1:53"]),
        ] {
            let read: Vec<_> =
                Servers::read(file.as_bytes()).addresses.iter().map(ToString::to_string).collect();
            assert_eq!(read, servers, "{file}");
        }
    }

    #[test]
    fn a_name_is_completed_as_the_c_library_does_it() {
        const FILE: &str = "search a.test b.test.\nnameserver 10.0.0.1\n";
        assert_eq!(candidates(FILE, "app"), ["app.a.test.", "app.b.test.", "app."]);
        assert_eq!(candidates(FILE, "app.c"), ["app.c.", "app.c.a.test.", "app.c.b.test."]);
        assert_eq!(candidates(FILE, "app."), ["app."]);
        let many = format!("{FILE}options ndots:5\n");
        assert_eq!(candidates(&many, "app.c"), ["app.c.a.test.", "app.c.b.test.", "app.c."]);
        assert_eq!(candidates("domain a.test\n", "app"), ["app.a.test.", "app."]);
        assert_eq!(candidates(FILE, &"a".repeat(64)), [""; 0]);
        assert_eq!(candidates(FILE, "my_app.c.")[0], "my_app.c.");
    }
}
