//! What a field is to a proxy, decided once from its name.

/// The fields that a proxy treats differently from the rest, so that forwarding is a loop over a small enum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// Forwarded as it is.
    Other,
    /// `Host`
    Host,
    /// `Connection`
    Connection,
    /// `Keep-Alive`
    KeepAlive,
    /// `Proxy-Connection`
    ProxyConnection,
    /// `Proxy-Authenticate`
    ProxyAuthenticate,
    /// `TE`
    Te,
    /// `Trailer`: end to end since RFC 9110; forwarded where trailers pass.
    Trailer,
    /// `Transfer-Encoding`
    TransferEncoding,
    /// `Content-Length`
    ContentLength,
    /// `Upgrade`
    Upgrade,
    /// `HTTP2-Settings`
    Http2Settings,
    /// `Expect`
    Expect,
    /// `Date`
    Date,
    /// `Via`
    Via,
    /// `Accept`
    Accept,
    /// `X-Forwarded-For`
    XForwardedFor,
    /// `X-Forwarded-Proto`
    XForwardedProto,
    /// `X-Forwarded-Host`
    XForwardedHost,
    /// `X-Forwarded-Client-Cert`
    XForwardedClientCert,
    /// `Forwarded`
    Forwarded,
    /// `X-Real-IP`, `Client-Cert` and `Client-Cert-Chain` (RFC 9440), or another `X-Forwarded-` field than those above.
    ForwardingOther,
    /// `X-Request-Id`
    XRequestId,
    /// `X-Evenkeel-Attempt`
    Attempt,
    /// `Retry-After`
    RetryAfter,
    /// `Strict-Transport-Security`
    StrictTransportSecurity,
    /// `Max-Forwards`
    MaxForwards,
    /// `X-Evenkeel-Drain`: a backend asks for no new requests.
    Drain,
    /// The name has an underscore. Requests only; the proxy drops it unless told otherwise.
    Underscore,
    /// Named by `Connection`, and so hop-by-hop in this message.
    Nominated,
}

impl Known {
    /// What a name is by itself, in any case of letters. Never [`Known::Underscore`] nor [`Known::Nominated`].
    #[inline]
    pub fn of(name: &[u8]) -> Self {
        let is = |lower: &[u8]| name.eq_ignore_ascii_case(lower);
        // Length and first letter tell nearly all names apart, before any is compared.
        match (name.len(), name.first().map_or(0, u8::to_ascii_lowercase)) {
            (2, b't') if is(b"te") => Self::Te,
            (3, b'v') if is(b"via") => Self::Via,
            (4, b'h') if is(b"host") => Self::Host,
            (4, b'd') if is(b"date") => Self::Date,
            (6, b'a') if is(b"accept") => Self::Accept,
            (6, b'e') if is(b"expect") => Self::Expect,
            (7, b'u') if is(b"upgrade") => Self::Upgrade,
            (7, b't') if is(b"trailer") => Self::Trailer,
            (9, b'f') if is(b"forwarded") => Self::Forwarded,
            (10, b'c') if is(b"connection") => Self::Connection,
            (10, b'k') if is(b"keep-alive") => Self::KeepAlive,
            (11, b'r') if is(b"retry-after") => Self::RetryAfter,
            (11, b'c') if is(b"client-cert") => Self::ForwardingOther,
            (12, b'x') if is(b"x-request-id") => Self::XRequestId,
            (12, b'm') if is(b"max-forwards") => Self::MaxForwards,
            (14, b'c') if is(b"content-length") => Self::ContentLength,
            (14, b'h') if is(b"http2-settings") => Self::Http2Settings,
            (15, b'x') if is(b"x-forwarded-for") => Self::XForwardedFor,
            (16, b'x') if is(b"x-forwarded-host") => Self::XForwardedHost,
            (16, b'x') if is(b"x-evenkeel-drain") => Self::Drain,
            (16, b'p') if is(b"proxy-connection") => Self::ProxyConnection,
            (17, b'x') if is(b"x-forwarded-proto") => Self::XForwardedProto,
            (17, b't') if is(b"transfer-encoding") => Self::TransferEncoding,
            (17, b'c') if is(b"client-cert-chain") => Self::ForwardingOther,
            (18, b'x') if is(b"x-evenkeel-attempt") => Self::Attempt,
            (18, b'p') if is(b"proxy-authenticate") => Self::ProxyAuthenticate,
            (23, b'x') if is(b"x-forwarded-client-cert") => Self::XForwardedClientCert,
            (25, b's') if is(b"strict-transport-security") => Self::StrictTransportSecurity,
            (_, b'x') if is_forwarding_name(name) => Self::ForwardingOther,
            _ => Self::Other,
        }
    }

    /// What a name is in a request, where one with an underscore is [`Known::Underscore`]. `None`: a backend that
    /// takes `_`, or any other sign, for `-` would read a framing, `Host` or forwarding field here, so the request must
    /// be refused.
    #[inline]
    pub fn in_request(name: &[u8]) -> Option<Self> {
        match Self::of(name) {
            Self::Other if name.iter().any(is_sign) => {
                let known = if name.contains(&b'_') { Self::Underscore } else { Self::Other };
                (!folds_into_ours(name)).then_some(known)
            }
            Self::ForwardingOther if name.iter().any(is_sign) && hides_a_known_one(name) => None,
            known => Some(known),
        }
    }

    /// Whether the field concerns this connection alone and is never forwarded as it came.
    #[inline]
    pub fn is_hop_by_hop(self) -> bool {
        match self {
            Self::Connection
            | Self::KeepAlive
            | Self::ProxyConnection
            | Self::ProxyAuthenticate
            | Self::Te
            | Self::TransferEncoding
            | Self::Upgrade
            | Self::Http2Settings
            | Self::Nominated => true,
            Self::Other
            | Self::Host
            | Self::Trailer
            | Self::ContentLength
            | Self::Expect
            | Self::Date
            | Self::Via
            | Self::Accept
            | Self::XForwardedFor
            | Self::XForwardedProto
            | Self::XForwardedHost
            | Self::XForwardedClientCert
            | Self::Forwarded
            | Self::ForwardingOther
            | Self::XRequestId
            | Self::Attempt
            | Self::RetryAfter
            | Self::StrictTransportSecurity
            | Self::MaxForwards
            | Self::Drain
            | Self::Underscore => false,
        }
    }

    /// Whether a field decides framing or routing, or says who forwarded the message.
    pub(crate) fn is_framing_or_forwarding(self) -> bool {
        self.is_hop_by_hop()
            || matches!(
                self,
                Self::Host
                    | Self::ContentLength
                    | Self::Trailer
                    | Self::Expect
                    | Self::Via
                    | Self::Forwarded
                    | Self::ForwardingOther
                    | Self::XForwardedFor
                    | Self::XForwardedHost
                    | Self::XForwardedProto
                    | Self::XForwardedClientCert
                    | Self::XRequestId
                    | Self::Attempt
            )
    }
}

/// Whether any `X-Forwarded-*` or `X-Real-IP`, the forwarding fields that are not worth a [`Known`] of their own.
pub(crate) fn is_forwarding_name(name: &[u8]) -> bool {
    starts_with(name, b"x-forwarded-") || name.eq_ignore_ascii_case(b"x-real-ip")
}

/// Whether `name` begins with `lower`, in any case of letters.
pub(crate) fn starts_with(name: &[u8], lower: &[u8]) -> bool {
    name.get(..lower.len()).is_some_and(|front| front.eq_ignore_ascii_case(lower))
}

/// Whether the byte of a name is neither letter nor digit nor hyphen: servers that hand fields on as variables of an
/// environment write one sign for all of these.
#[inline]
fn is_sign(byte: &u8) -> bool {
    !byte.is_ascii_alphanumeric() && *byte != b'-'
}

/// Whether `name`, with `-` for each sign, is a framing, Host or forwarding field.
#[cold]
pub(crate) fn folds_into_ours(name: &[u8]) -> bool {
    let folded = &mut [0; FOLDED];
    let folded = fold(name, folded);
    Known::of(folded).is_framing_or_forwarding() || is_forwarding_name(folded)
}

/// Whether a forwarding field, with `-` for each sign, is one that means something to evenkeel.
#[cold]
fn hides_a_known_one(name: &[u8]) -> bool {
    Known::of(fold(name, &mut [0; FOLDED])) != Known::ForwardingOther
}

/// Longer than any known name; of a longer one only the beginning counts.
const FOLDED: usize = 32;

fn fold<'a>(name: &[u8], into: &'a mut [u8; FOLDED]) -> &'a [u8] {
    let folded = &mut into[..name.len().min(FOLDED)];
    folded.copy_from_slice(&name[..folded.len()]);
    for byte in folded.iter_mut().filter(|byte| is_sign(byte)) {
        *byte = b'-';
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_in_any_case() {
        for (name, known) in [
            ("host", Known::Host),
            ("connection", Known::Connection),
            ("keep-alive", Known::KeepAlive),
            ("proxy-connection", Known::ProxyConnection),
            ("proxy-authenticate", Known::ProxyAuthenticate),
            ("te", Known::Te),
            ("trailer", Known::Trailer),
            ("transfer-encoding", Known::TransferEncoding),
            ("content-length", Known::ContentLength),
            ("upgrade", Known::Upgrade),
            ("http2-settings", Known::Http2Settings),
            ("expect", Known::Expect),
            ("date", Known::Date),
            ("via", Known::Via),
            ("accept", Known::Accept),
            ("x-forwarded-for", Known::XForwardedFor),
            ("x-forwarded-proto", Known::XForwardedProto),
            ("x-forwarded-host", Known::XForwardedHost),
            ("x-forwarded-client-cert", Known::XForwardedClientCert),
            ("forwarded", Known::Forwarded),
            ("x-request-id", Known::XRequestId),
            ("x-evenkeel-attempt", Known::Attempt),
            ("retry-after", Known::RetryAfter),
            ("strict-transport-security", Known::StrictTransportSecurity),
            ("max-forwards", Known::MaxForwards),
            ("x-evenkeel-drain", Known::Drain),
        ] {
            assert_eq!(Known::of(name.as_bytes()), known, "{name}");
            assert_eq!(Known::of(name.to_uppercase().as_bytes()), known, "{name}");
            assert_eq!(Known::of(name.replacen(&name[1..2], "!", 1).as_bytes()), Known::Other, "{name}");
        }
        assert_eq!(Known::of(b"content-type"), Known::Other);
        assert_eq!(Known::of(b""), Known::Other);
    }

    #[test]
    fn an_underscore_that_hides_a_field_of_ours_is_refused() {
        for name in [
            "content_length",
            "Transfer_Encoding",
            "X_Forwarded-For",
            "x_forwarded_anything_at_all_however_long_the_name",
            "x_real_ip",
            "keep_alive",
            "X_Request_Id",
            "X_Forwarded_Client_Cert",
            "x-forwarded-client_cert",
            "X.Forwarded.For",
            "X-Real.IP",
            "Content!Length",
            "transfer+encoding",
            "x~forwarded-proto",
        ] {
            assert_eq!(Known::in_request(name.as_bytes()), None, "{name}");
        }
        assert_eq!(Known::in_request(b"x_request_colour"), Some(Known::Underscore));
        assert_eq!(Known::in_request(b"te_"), Some(Known::Underscore));
        assert_eq!(Known::in_request(b"x.own"), Some(Known::Other));
    }
}
