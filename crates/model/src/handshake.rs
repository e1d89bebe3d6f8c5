//! Why a client's TLS handshake came to nothing, as operators see it counted.

/// Why a client's TLS handshake came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandshakeFailure {
    /// It was not over in `tls.handshake_timeout`.
    Timeout,
    /// There were too many at once (`tls.handshakes`), and this one waited longest for its client.
    Displaced,
    /// The client went away in the middle of it.
    Closed,
    /// The client spoke plain HTTP; it was told so (400).
    PlainHttp,
    /// The client spoke something that is neither TLS nor HTTP.
    NotTls,
    /// The client asked for a name that no certificate is for.
    UnknownName,
    /// No version, cipher, signature or protocol that both sides know.
    NothingInCommon,
    /// The client has to show a certificate, and showed none.
    NoCertificate,
    /// The client's certificate is no good: expired, revoked, of an unknown CA.
    BadCertificate,
    /// The client ended it with an alert; most of all, since it does not believe the certificate.
    Alert,
    /// Anything else: the client breaks the protocol.
    Malformed,
}

impl HandshakeFailure {
    /// Every one, in the order of the enum.
    pub const ALL: [HandshakeFailure; 11] = [
        HandshakeFailure::Timeout,
        HandshakeFailure::Displaced,
        HandshakeFailure::Closed,
        HandshakeFailure::PlainHttp,
        HandshakeFailure::NotTls,
        HandshakeFailure::UnknownName,
        HandshakeFailure::NothingInCommon,
        HandshakeFailure::NoCertificate,
        HandshakeFailure::BadCertificate,
        HandshakeFailure::Alert,
        HandshakeFailure::Malformed,
    ];

    /// The stable name, in metrics.
    pub const fn token(self) -> &'static str {
        match self {
            HandshakeFailure::Timeout => "timeout",
            HandshakeFailure::Displaced => "displaced",
            HandshakeFailure::Closed => "closed",
            HandshakeFailure::PlainHttp => "plain_http",
            HandshakeFailure::NotTls => "not_tls",
            HandshakeFailure::UnknownName => "unknown_name",
            HandshakeFailure::NothingInCommon => "nothing_in_common",
            HandshakeFailure::NoCertificate => "no_certificate",
            HandshakeFailure::BadCertificate => "bad_certificate",
            HandshakeFailure::Alert => "alert",
            HandshakeFailure::Malformed => "malformed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_stands_at_its_own_place() {
        for (place, failure) in HandshakeFailure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, place, "{failure:?}");
        }
    }
}
