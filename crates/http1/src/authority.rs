//! Which host and port an authority names.

use std::net::Ipv6Addr;

/// Splits a `Host` value into host (brackets kept) and port, or `None` if it is not one.
///
/// Stricter than RFC 3986: no user information; letters, digits, `-`, `.`, `_` and `~` are all that a name may
/// have, since no resolver knows another; a colon needs a port from 1 to 65535 behind it.
pub fn authority(value: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let end = match value {
        [b'[', ..] => value.iter().position(|byte| *byte == b']')? + 1,
        _ => value.iter().position(|byte| *byte == b':').unwrap_or(value.len()),
    };
    let (host, rest) = value.split_at(end);
    let good = if host.starts_with(b"[") { is_ipv6_literal(host) } else { is_name(host) };
    match rest {
        _ if !good => None,
        [] => Some((host, None)),
        [b':', digits @ ..] => Some((host, Some(port(digits)?))),
        _ => None,
    }
}

/// Whether two authorities are the same place when `default_port` is understood.
pub(crate) fn is_same_place(one: &[u8], other: &[u8], default_port: u16) -> bool {
    match (authority(one), authority(other)) {
        (Some((one, one_port)), Some((other, other_port))) => {
            one.eq_ignore_ascii_case(other)
                && one_port.unwrap_or(default_port) == other_port.unwrap_or(default_port)
        }
        _ => false,
    }
}

#[inline]
fn is_name(host: &[u8]) -> bool {
    let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    !host.is_empty() && host.iter().all(is_good)
}

fn is_ipv6_literal(host: &[u8]) -> bool {
    let inside = &host[1..host.len() - 1];
    str::from_utf8(inside).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

fn port(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 5 {
        return None;
    }
    let port = digits
        .iter()
        .try_fold(0_u32, |port, byte| byte.is_ascii_digit().then(|| port * 10 + u32::from(byte - b'0')))?;
    u16::try_from(port).ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_authority_splits_into_host_and_port() {
        for (value, host, port) in [
            ("a.test", "a.test", None),
            ("a.test:80", "a.test", Some(80)),
            ("A.Test:65535", "A.Test", Some(65535)),
            ("10.0.0.1:8080", "10.0.0.1", Some(8080)),
            ("[::1]", "[::1]", None),
            ("[2001:db8::7]:443", "[2001:db8::7]", Some(443)),
            ("my_host-1.test", "my_host-1.test", None),
        ] {
            assert_eq!(authority(value.as_bytes()), Some((host.as_bytes(), port)), "{value}");
        }
    }

    #[test]
    fn anything_else_is_no_authority() {
        for value in [
            "",
            ":",
            ":80",
            "a.test:",
            "a.test:x",
            "a.test:80:80",
            "a.test:65536",
            "a.test:0",
            "a.test:+80",
            "a.test:000080",
            "user@a.test",
            "user:pw@a.test",
            "a.test/",
            "a.test?x",
            "a test",
            "a,b",
            "a.test,b.test",
            "a.test%00",
            "\u{e4}.test",
            "[::1",
            "::1",
            "[]",
            "[::1]x",
            "[::1]:",
            "[fe80::1%25eth0]",
            "[v1.x]",
            "[a.test]",
            "a\\b",
            "\"a\"",
            "<a>",
        ] {
            assert_eq!(authority(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn the_default_port_is_understood() {
        assert!(is_same_place(b"a.test", b"A.test:80", 80));
        assert!(!is_same_place(b"a.test", b"a.test:80", 443));
        assert!(!is_same_place(b"a.test", b"b.test", 80));
        assert!(!is_same_place(b"a.test", b"", 80));
    }
}
