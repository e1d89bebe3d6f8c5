//! The fields behind the last chunk: bounded, checked line by line, and rid of what a trailer may not say.

use memchr::memchr;

use crate::field::{is_token, list};
use crate::known::{folds_into_ours, is_forwarding_name, starts_with};
use crate::{BadBody, Known};

const MAX_BYTES: usize = 16 * 1024;
const MAX_FIELDS: usize = 100;

/// A trailer section as far as it has come.
#[derive(Default, Debug)]
pub(crate) struct Trailers {
    /// Whole lines that pass, and behind them the line that is still coming.
    lines: Vec<u8>,
    /// Where the line that is still coming starts.
    line: usize,
    /// Of all lines, also of those dropped.
    bytes: usize,
    fields: usize,
    /// Names that `Connection` listed.
    pub(crate) nominated: Vec<u8>,
}

impl Trailers {
    /// The lines that pass.
    pub(crate) fn kept(&self) -> &[u8] {
        &self.lines[..self.line]
    }

    /// Takes bytes up to the end of the line; returns their number and whether the line has ended.
    pub(crate) fn take(&mut self, bytes: &[u8], drops_underscores: bool) -> Result<(usize, bool), BadBody> {
        let end = memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |end| end + 1);
        self.bytes += taken;
        if self.bytes > MAX_BYTES {
            return Err(BadBody::TrailersTooLarge);
        }
        self.lines.extend_from_slice(&bytes[..taken]);
        if end.is_some() {
            self.end_line(drops_underscores)?;
        }
        Ok((taken, end.is_some()))
    }

    fn end_line(&mut self, drops_underscores: bool) -> Result<(), BadBody> {
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(BadBody::TrailersTooLarge);
        }
        let line = self.lines[self.line..].strip_suffix(b"\r\n").ok_or(BadBody::BadTrailer)?;
        let name = name(line).ok_or(BadBody::BadTrailer)?;
        let is_nominated = || list(&self.nominated).any(|option| option.eq_ignore_ascii_case(name));
        if is_forbidden(name) || (drops_underscores && name.contains(&b'_')) || is_nominated() {
            self.lines.truncate(self.line);
        }
        self.line = self.lines.len();
        Ok(())
    }
}

/// The name of a good field line. Nothing is repaired here: folded lines and spaces before the colon are bad.
fn name(line: &[u8]) -> Option<&[u8]> {
    let (name, value) = line.split_at(memchr(b':', line)?);
    let is_value_byte = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
    (is_token(name) && value.iter().all(is_value_byte)).then_some(name)
}

/// Whether the field frames, routes, authenticates, controls or describes the message: whoever merges trailers into
/// the head would be misled (RFC 9110, 6.5.1).
fn is_forbidden(name: &[u8]) -> bool {
    const FORBIDDEN: [&[u8]; 20] = [
        b"authorization",
        b"proxy-authorization",
        b"www-authenticate",
        b"cookie",
        b"set-cookie",
        b"content-encoding",
        b"content-location",
        b"content-range",
        b"content-type",
        b"age",
        b"cache-control",
        b"clear-site-data",
        b"expires",
        b"location",
        b"origin",
        b"pragma",
        b"range",
        b"referer",
        b"vary",
        b"warning",
    ];
    Known::of(name) != Known::Other
        || is_forwarding_name(name)
        || starts_with(name, b"if-")
        || FORBIDDEN.iter().any(|known| name.eq_ignore_ascii_case(known))
        || folds_into_ours(name)
}
