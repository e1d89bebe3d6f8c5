//! A field of a head, and the few that the parser itself must look at again.

use httparse::Header;

use crate::{Known, Span};

/// One field line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// The name as sent; always a token.
    pub name: Span,
    /// The value without the whitespace around it; may be empty.
    pub value: Span,
    /// What it is to a proxy.
    pub known: Known,
}

/// How often a field that should come once was seen.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) enum Seen {
    #[default]
    Nowhere,
    Once(Span),
    Repeated,
}

impl Seen {
    fn add(&mut self, value: Span) {
        *self = match self {
            Self::Nowhere => Self::Once(value),
            Self::Once(_) | Self::Repeated => Self::Repeated,
        };
    }

    pub(crate) fn is_nowhere(self) -> bool {
        matches!(self, Self::Nowhere)
    }

    /// The value, if there is exactly one.
    pub(crate) fn single(self) -> Option<Span> {
        match self {
            Self::Once(value) => Some(value),
            Self::Nowhere | Self::Repeated => None,
        }
    }
}

/// The fields that decide framing and persistence, found while the fields are copied.
#[derive(Default, Debug)]
pub(crate) struct Notable {
    pub(crate) host: Seen,
    pub(crate) content_length: Seen,
    pub(crate) transfer_encoding: Seen,
    pub(crate) connection: Seen,
    pub(crate) keep_alive: Seen,
    pub(crate) upgrade: Seen,
    pub(crate) expect: Seen,
    pub(crate) te: Seen,
    pub(crate) drain: Seen,
    /// Fields whose name has an underscore.
    pub(crate) underscored: u16,
}

impl Notable {
    #[inline]
    fn note(&mut self, field: &Field) {
        let seen = match field.known {
            Known::Host => &mut self.host,
            Known::ContentLength => &mut self.content_length,
            Known::TransferEncoding => &mut self.transfer_encoding,
            Known::Connection => &mut self.connection,
            Known::KeepAlive => &mut self.keep_alive,
            Known::Upgrade => &mut self.upgrade,
            Known::Expect => &mut self.expect,
            Known::Te => &mut self.te,
            Known::Drain => &mut self.drain,
            Known::Underscore => {
                self.underscored += 1;
                return;
            }
            _ => return,
        };
        seen.add(field.value);
    }
}

/// Why fields that httparse accepted are not good enough.
pub(crate) enum BadFields {
    BareLineFeed,
    Ambiguous,
}

/// Copies the fields into `fields`. `known` says what a name is, or `None` to refuse it.
#[inline]
pub(crate) fn collect(
    fields: &mut Vec<Field>,
    buffer: &[u8],
    headers: &[Header<'_>],
    known: impl Fn(&[u8]) -> Option<Known>,
) -> Result<Notable, BadFields> {
    let mut notable = Notable::default();
    for header in headers {
        let name = header.name.as_bytes();
        let field = Field {
            name: Span::locate(buffer, name),
            value: Span::locate(buffer, header.value),
            known: known(name).ok_or(BadFields::Ambiguous)?,
        };
        if !ends_in_carriage_return(&buffer[field.value.end as usize..]) {
            return Err(BadFields::BareLineFeed);
        }
        notable.note(&field);
        fields.push(field);
    }
    Ok(notable)
}

/// Whether a line goes on with nothing but whitespace and CR. httparse also ends a line at a bare LF; but it has no
/// LF anywhere else, so that looking at the end of each line finds every bare one.
#[inline]
fn ends_in_carriage_return(rest: &[u8]) -> bool {
    match rest.iter().find(|byte| !matches!(byte, b' ' | b'\t')) {
        Some(byte) => *byte == b'\r',
        None => false,
    }
}

/// The elements of a comma-separated list, without the whitespace around them.
pub(crate) fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|byte| *byte == b',').map(trim)
}

/// Without the spaces and tabs around it.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether the byte may stand in a token (RFC 9110, 5.6.2).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Whether it is a token.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}
