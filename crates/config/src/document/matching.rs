//! Which requests a route takes: hosts and paths, as an operator writes them.

use std::net::IpAddr;
use std::str::FromStr;

use evenkeel_routing::{HostMatch, PathMatch};

use super::name::Refusal;
use crate::words::quoted;

/// `api.example.com`, `*.example.com`, or an IP address.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HostPattern(pub(crate) HostMatch);

/// `/v1` for this path, `/v1/` for everything below it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PathPattern(pub(crate) PathMatch);

impl FromStr for HostPattern {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let host = text.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        if is_address(host) {
            return Ok(HostPattern(HostMatch::Exact(host.into())));
        }
        match host.strip_prefix("*.") {
            Some(parent) if is_name(parent) => Ok(HostPattern(HostMatch::Wildcard(parent.into()))),
            None if is_name(host) => Ok(HostPattern(HostMatch::Exact(host.into()))),
            _ => Err(Refusal::new(format_args!("{} is no host", quoted(text)), host_help(host))),
        }
    }
}

/// IPv6 in brackets, as in a `Host` field.
pub(super) fn is_address(host: &str) -> bool {
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => host.parse::<std::net::Ipv4Addr>().is_ok(),
    }
}

pub(super) fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(is_plain)
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

fn host_help(host: &str) -> String {
    if host == "*" || host == "*." {
        return "to take every host, leave `host` out".into();
    }
    if let Some((_, rest)) = host.split_once("://") {
        return format!(
            "write the host alone: {}",
            quoted(rest.split(['/', ':']).next().unwrap_or_default())
        );
    }
    if host.parse::<IpAddr>().is_ok() {
        return format!("write {}", quoted(&format!("[{host}]")));
    }
    if let Some((host, port)) = host.rsplit_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return format!("a host has no port here; write {}", quoted(host));
    }
    if host.contains('*') {
        return "`*` stands only for the whole beginning, as in `*.example.com`".into();
    }
    if let Some((host, path)) = host.split_once('/') {
        return format!("the path goes into `path`: {} and {}", quoted(host), quoted(&format!("/{path}")));
    }
    "write a name like `api.example.com` or `*.example.com`; international names as `xn--...`".into()
}

impl FromStr for PathPattern {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        if let Some(help) = path_help(text) {
            return Err(Refusal::new(
                format_args!("{} is no path that a request can have", quoted(text)),
                help,
            ));
        }
        Ok(PathPattern(match text {
            "/" => PathMatch::Any,
            _ if text.ends_with('/') => PathMatch::Prefix(text.into()),
            _ => PathMatch::Exact(text.into()),
        }))
    }
}

/// What is wrong with a path, if anything is.
fn path_help(text: &str) -> Option<String> {
    if !text.starts_with('/') {
        return Some(format!(
            "a path begins with `/`: {}",
            quoted(&format!("/{}", text.trim_start_matches('*')))
        ));
    }
    if text.contains('*') {
        let prefix = text.split('*').next().unwrap_or("/");
        return Some(format!("a path that ends in `/` takes everything below it: {}", quoted(prefix)));
    }
    if let Some((path, _)) = text.split_once(['?', '#']) {
        return Some(format!("a route sees no query and no fragment: {}", quoted(path)));
    }
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    (!is_plain).then(|| "it is compared as sent: write it percent-encoded".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lose_their_case_and_their_last_dot() {
        for (text, expected) in [
            ("API.example.com", HostMatch::Exact("api.example.com".into())),
            ("example.com.", HostMatch::Exact("example.com".into())),
            ("*.Example.com", HostMatch::Wildcard("example.com".into())),
            ("127.0.0.1", HostMatch::Exact("127.0.0.1".into())),
            ("[::1]", HostMatch::Exact("[::1]".into())),
        ] {
            assert_eq!(text.parse::<HostPattern>().unwrap().0, expected, "{text}");
        }
    }

    #[test]
    fn a_host_that_none_can_send_is_refused_with_the_mend() {
        for (text, help) in [
            ("*", "leave `host` out"),
            ("api.*.com", "`*` stands only"),
            ("*example.com", "`*` stands only"),
            ("example.com:80", "write `example.com`"),
            ("http://example.com/x", "write the host alone: `example.com`"),
            ("example.com/v1", "`example.com` and `/v1`"),
            ("::1", "write `[::1]`"),
            ("", "write a name"),
            ("bücher.example", "xn--"),
        ] {
            let refusal = text.parse::<HostPattern>().unwrap_err();
            assert!(refusal.help.contains(help), "{text}: {}", refusal.help);
        }
    }

    #[test]
    fn a_path_ending_in_a_slash_is_a_prefix() {
        for (text, expected) in [
            ("/", PathMatch::Any),
            ("/v1", PathMatch::Exact("/v1".into())),
            ("/v1/", PathMatch::Prefix("/v1/".into())),
        ] {
            assert_eq!(text.parse::<PathPattern>().unwrap().0, expected, "{text}");
        }
    }

    #[test]
    fn a_path_that_none_can_send_is_refused_with_the_mend() {
        for (text, help) in [
            ("v1", "`/v1`"),
            ("/v1/*", "`/v1/`"),
            ("/v1?x=1", "`/v1`"),
            ("/a b", "percent-encoded"),
            ("/ä", "percent-encoded"),
        ] {
            let refusal = text.parse::<PathPattern>().unwrap_err();
            assert!(refusal.help.contains(help), "{text}: {}", refusal.help);
        }
    }
}
