//! How a peer begins: what does not begin as TLS is no TLS.

/// Enough to tell a text from what only happens to begin with a letter.
const ENOUGH: usize = 4;

/// The first bytes of a peer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct First {
    bytes: [u8; ENOUGH],
    length: usize,
}

/// What they look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// There are none.
    None,
    /// TLS.
    Tls,
    /// A text, like HTTP.
    Text,
    /// Something else.
    Other,
}

impl First {
    /// Takes in what came.
    pub(super) fn note(&mut self, came: &[u8]) {
        let count = came.len().min(ENOUGH - self.length);
        self.bytes[self.length..self.length + count].copy_from_slice(&came[..count]);
        self.length += count;
    }

    pub(super) fn opening(self) -> Opening {
        let is_text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
        match &self.bytes[..self.length] {
            [] => Opening::None,
            // The content types of records (RFC 8446, section 5.1).
            [20..=24, ..] => Opening::Tls,
            text if text.iter().all(is_text) => Opening::Text,
            _ => Opening::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_first_is_told_apart_however_it_came() {
        for (came, opening) in [
            (&[""][..], Opening::None),
            (&["H"], Opening::Text),
            (&["HTTP/1.1 400 Bad Request\r\n"], Opening::Text),
            (&["2", "20 mail", "\0"], Opening::Text),
            (&["J\0\0\0\n8.0.36"], Opening::Other),
            (&["\0\0\x12\x04"], Opening::Other),
            (&["\x16\x03\x03"], Opening::Tls),
            (&["\x15", "HTTP"], Opening::Tls),
        ] {
            let mut first = First::default();
            came.iter().for_each(|came| first.note(came.as_bytes()));
            assert_eq!(first.opening(), opening, "{came:?}");
        }
    }
}
