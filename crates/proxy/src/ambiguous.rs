//! Paths that servers read in different ways, so that a rule about one path is got round by another spelling of it.

/// Whether a path, without its query, has a segment that some server would resolve or split, or an octet that some
/// server would decode into a delimiter.
pub(crate) fn is_ambiguous(path: &[u8]) -> bool {
    path.contains(&b'\\') || has_bad_escape(path) || path.split(|byte| *byte == b'/').any(is_dot_segment)
}

/// `.` or `..`, however encoded; with parameters behind it, too, since servlet containers drop those first.
fn is_dot_segment(segment: &[u8]) -> bool {
    let mut rest = segment;
    let mut dots = 0;
    loop {
        rest = match rest {
            [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] => rest,
            [] | [b';', ..] => return dots == 1 || dots == 2,
            _ => return false,
        };
        dots += 1;
    }
}

/// Whether a `%` encodes a slash, a backslash or NUL, or nothing at all.
fn has_bad_escape(path: &[u8]) -> bool {
    let escapes = path.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    escapes.map(|(at, _)| path.get(at + 1..at + 3)).any(|digits| match digits {
        Some(digits) => {
            !digits.iter().all(u8::is_ascii_hexdigit)
                || [b"2f", b"5c", b"00"].iter().any(|bad| digits.eq_ignore_ascii_case(*bad))
        }
        None => true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_server_reads_alike_passes() {
        for path in [
            "/",
            "/a/b",
            "/a//b",
            "/a.b/..c/c../...",
            "/%20%2e%2ea",
            "/a%25b",
            "/a;b=.",
            "*",
            "/.well-known/x",
        ] {
            assert!(!is_ambiguous(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn what_some_server_would_resolve_or_split_does_not() {
        for path in [
            "/..",
            "/../a",
            "/a/..",
            "/./a",
            "/a/.",
            "/%2e%2e/a",
            "/.%2E/a",
            "/%2e/a",
            "/..;/a",
            "/..;x=1/a",
            "/.;/a",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a%00",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%2%66",
        ] {
            assert!(is_ambiguous(path.as_bytes()), "{path}");
        }
    }
}
