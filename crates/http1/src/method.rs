//! What a method means to a proxy.

/// The methods whose meaning a proxy must know; their bytes stay in the buffer.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Method {
    /// GET
    #[default]
    Get,
    /// HEAD: the answer has no body.
    Head,
    /// POST
    Post,
    /// PUT
    Put,
    /// DELETE
    Delete,
    /// OPTIONS
    Options,
    /// TRACE: refused.
    Trace,
    /// CONNECT: refused.
    Connect,
    /// PATCH
    Patch,
    /// Any other token. Methods are case-sensitive: `get` is one of these, but `trace` is none.
    Other,
}

impl Method {
    /// Reads a method as it stands in a request line.
    #[inline]
    pub fn of(token: &[u8]) -> Self {
        match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"CONNECT" => Self::Connect,
            b"PATCH" => Self::Patch,
            // A server that ignores the case would do what is refused here.
            _ if token.eq_ignore_ascii_case(b"TRACE") => Self::Trace,
            _ if token.eq_ignore_ascii_case(b"CONNECT") => Self::Connect,
            _ => Self::Other,
        }
    }

    /// Whether a request asks for no change (RFC 9110, 9.2.1).
    #[inline]
    pub fn is_safe(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options | Self::Trace)
    }

    /// Whether doing it twice is as good as once (RFC 9110, 9.2.2).
    #[inline]
    pub fn is_idempotent(self) -> bool {
        self.is_safe() || matches!(self, Self::Put | Self::Delete)
    }
}
