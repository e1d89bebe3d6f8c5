//! Why a request was refused: one row each for its status, its token and what the client is told.

use std::fmt;

/// Why a request was refused. Nothing of it went to a backend, and the connection must be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The first byte starts no request: TLS on a plain port, for one.
    NotHttp,
    /// Not `method SP target SP version CRLF`, after at most one empty line.
    BadRequestLine,
    /// The target is none of the forms that a proxy takes, has a fragment, or a byte outside ASCII.
    BadTarget,
    /// The target is longer than the limit.
    UriTooLong,
    /// Another major version than HTTP/1.
    UnsupportedVersion,
    /// TRACE or CONNECT.
    MethodNotAllowed,
    /// A line ends in LF without CR.
    BareLineFeed,
    /// A field name that is no token, a folded line, a control, a stray CR.
    BadField,
    /// The head is longer than the limit.
    HeadTooLarge,
    /// The head has more fields than the limit.
    TooManyFields,
    /// Both Content-Length and Transfer-Encoding.
    ConflictingFraming,
    /// Content-Length twice, even if equal.
    RepeatedContentLength,
    /// A Content-Length that is not a decimal number of at most 64 bits.
    BadContentLength,
    /// A Transfer-Encoding that leaves the length unknown, or one in HTTP/1.0.
    BadTransferCoding,
    /// A transfer coding that we do not have, before `chunked`.
    UnsupportedTransferCoding,
    /// HTTP/1.1 without Host.
    MissingHost,
    /// Several Hosts.
    RepeatedHost,
    /// A Host that is empty or names no host and port.
    BadHost,
    /// The target names another host than Host does.
    HostMismatch,
    /// A name with an underscore that a backend may take for a framing, Host or forwarding field.
    AmbiguousFieldName,
    /// Connection lists more options than anybody needs.
    TooManyConnectionOptions,
    /// An Expect other than `100-continue`.
    ExpectationFailed,
}

impl Refusal {
    /// 400, 405, 414, 417, 431, 501 or 505.
    pub fn status(self) -> u16 {
        self.row().0
    }

    /// A stable name in snake_case, for logs and error bodies.
    pub fn token(self) -> &'static str {
        self.row().1
    }

    /// One short sentence for the client.
    pub fn explain(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::NotHttp => (400, "not_http", "This port speaks plain HTTP/1.1."),
            Self::BadRequestLine => (400, "bad_request_line", "The request line is malformed."),
            Self::BadTarget => (400, "bad_target", "The request target is malformed."),
            Self::UriTooLong => (414, "uri_too_long", "The request target is too long."),
            Self::UnsupportedVersion => {
                (505, "unsupported_version", "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
            }
            Self::MethodNotAllowed => (405, "method_not_allowed", "This method is not allowed here."),
            Self::BareLineFeed => (400, "bare_line_feed", "Every line must end in CR LF."),
            Self::BadField => (400, "bad_field", "A header field is malformed."),
            Self::HeadTooLarge => (431, "head_too_large", "The header section is too large."),
            Self::TooManyFields => (431, "too_many_fields", "There are too many header fields."),
            Self::ConflictingFraming => {
                (400, "conflicting_framing", "Content-Length and Transfer-Encoding exclude each other.")
            }
            Self::RepeatedContentLength => (400, "repeated_content_length", "Content-Length must come once."),
            Self::BadContentLength => (400, "bad_content_length", "Content-Length must be a decimal number."),
            Self::BadTransferCoding => {
                (400, "bad_transfer_coding", "Transfer-Encoding leaves the length unknown.")
            }
            Self::UnsupportedTransferCoding => {
                (501, "unsupported_transfer_coding", "Chunked is the only transfer coding known here.")
            }
            Self::MissingHost => (400, "missing_host", "HTTP/1.1 requires a Host."),
            Self::RepeatedHost => (400, "repeated_host", "Host must come once."),
            Self::BadHost => (400, "bad_host", "Host is malformed."),
            Self::HostMismatch => {
                (400, "host_mismatch", "The request target and Host name different places.")
            }
            Self::AmbiguousFieldName => {
                (400, "ambiguous_field_name", "A field name with an underscore resembles a reserved one.")
            }
            Self::TooManyConnectionOptions => {
                (400, "too_many_connection_options", "Connection has too many options.")
            }
            Self::ExpectationFailed => {
                (417, "expectation_failed", "The only expectation met here is 100-continue.")
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}
