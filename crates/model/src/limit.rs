//! The limits and clocks of a listener, as operators see them reached: by the key that sets them.

/// A limit or a clock of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The request head is too large: 431.
    HeadBytes,
    /// The request head has too many fields: 431.
    Fields,
    /// The request target is too long: 414.
    UriBytes,
    /// The request body is too large: 413.
    BodyBytes,
    /// The request body is too slow on average: 408.
    BodyRate,
    /// Too many connections: 503.
    Connections,
    /// Too many connections of one client: 503.
    ConnectionsPerClient,
    /// The connection has served as many requests as it may: closed after the response.
    Requests,
    /// The connection is as old as it may be: closed after the response.
    Age,
    /// The request head did not come in time: 408.
    Head,
    /// The request body stopped, or the client stopped reading: 408, or the response is cut.
    BodyIdle,
    /// No further request came: closed.
    KeepAlive,
    /// Nobody spoke in a tunnel: closed.
    TunnelIdle,
    /// The backend did not ask for a body that waits to be asked for: it is sent.
    Continue,
    /// The TLS handshake was not over in time: closed.
    Handshake,
    /// Too many TLS handshakes at once: the one that waited longest for its client was closed.
    Handshakes,
}

impl Limit {
    /// Every limit, in the order of the enum.
    pub const ALL: [Limit; 16] = [
        Limit::HeadBytes,
        Limit::Fields,
        Limit::UriBytes,
        Limit::BodyBytes,
        Limit::BodyRate,
        Limit::Connections,
        Limit::ConnectionsPerClient,
        Limit::Requests,
        Limit::Age,
        Limit::Head,
        Limit::BodyIdle,
        Limit::KeepAlive,
        Limit::TunnelIdle,
        Limit::Continue,
        Limit::Handshake,
        Limit::Handshakes,
    ];

    /// The key of a listener's configuration that sets it.
    pub fn key(self) -> &'static str {
        match self {
            Limit::HeadBytes => "limits.head_bytes",
            Limit::Fields => "limits.fields",
            Limit::UriBytes => "limits.uri_bytes",
            Limit::BodyBytes => "limits.body_bytes",
            Limit::BodyRate => "limits.body_rate",
            Limit::Connections => "limits.connections",
            Limit::ConnectionsPerClient => "limits.connections_per_client",
            Limit::Requests => "limits.requests",
            Limit::Age => "limits.age",
            Limit::Head => "timeouts.head",
            Limit::BodyIdle => "timeouts.body_idle",
            Limit::KeepAlive => "timeouts.keep_alive",
            Limit::TunnelIdle => "timeouts.tunnel_idle",
            Limit::Continue => "timeouts.continue",
            Limit::Handshake => "tls.handshake_timeout",
            Limit::Handshakes => "tls.handshakes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_stands_at_its_own_place_under_its_own_key() {
        for (place, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, place, "{limit:?}");
            assert!(!Limit::ALL[..place].iter().any(|other| other.key() == limit.key()), "{limit:?}");
        }
    }
}
