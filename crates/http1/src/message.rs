//! What requests and responses have in common: a version and a way to end.

/// The protocol version of a message; any other is refused.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Version {
    /// HTTP/1.0: no chunked, no 1xx, connections close unless asked to stay.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
}

impl Version {
    /// From httparse's minor version, which is 0 or 1.
    pub(crate) fn of_minor(minor: Option<u8>) -> Self {
        if minor == Some(0) { Self::Http10 } else { Self::Http11 }
    }
}

/// How the end of a body is known (RFC 9112, 6.3).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum BodyKind {
    /// There is no body, whatever the fields say.
    #[default]
    None,
    /// So many bytes, possibly zero.
    Length(u64),
    /// Chunks, then perhaps trailers.
    Chunked,
    /// Everything up to the close of the connection. Responses only.
    UntilClose,
}
