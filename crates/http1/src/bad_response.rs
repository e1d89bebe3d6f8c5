//! Why a response was refused: it reached no client.

use std::fmt;

/// Why a response is not relayed. The backend's connection must be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadResponse {
    /// It does not begin with `HTTP/`.
    NotHttp,
    /// A malformed status line, another version, or a status outside 100 to 599.
    BadStatusLine,
    /// A field that is malformed and cannot be repaired, or a `Connection` with absurdly many options.
    BadField,
    /// A line ends in LF without CR.
    BareLineFeed,
    /// A Content-Length that is not a decimal number of at most 64 bits.
    BadContentLength,
    /// Several Content-Lengths, even if equal, or one beside Transfer-Encoding.
    ConflictingLength,
    /// A Transfer-Encoding other than one `chunked`, or any in HTTP/1.0.
    BadTransferCoding,
    /// The head is longer than the limit.
    TooLarge,
    /// The head has more fields than the limit.
    TooManyFields,
}

impl BadResponse {
    /// Whether the head is only too large for us, and not wrong.
    pub fn is_too_large(self) -> bool {
        matches!(self, Self::TooLarge | Self::TooManyFields)
    }

    /// A stable name in snake_case, for logs.
    pub fn token(self) -> &'static str {
        match self {
            Self::NotHttp => "not_http",
            Self::BadStatusLine => "bad_status_line",
            Self::BadField => "bad_field",
            Self::BareLineFeed => "bare_line_feed",
            Self::BadContentLength => "bad_content_length",
            Self::ConflictingLength => "conflicting_length",
            Self::BadTransferCoding => "bad_transfer_coding",
            Self::TooLarge => "head_too_large",
            Self::TooManyFields => "too_many_fields",
        }
    }
}

impl fmt::Display for BadResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}
