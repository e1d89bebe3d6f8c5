//! Why a request failed: one enum with one table, which status codes, retries, health, logs and metrics all read.
//!
//! A token is public API: renaming one breaks dashboards and scripts.

/// Everything that can go wrong with a request, as far as HTTP/1.1 can show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Cause {
    /// The backend's name does not resolve, and no earlier answer is known.
    DnsFailed,
    /// The resolver did not answer in time, and no earlier answer is known.
    DnsTimeout,
    /// No route matches the request.
    NoRoute,
    /// Every backend of the pool is out of service.
    NoHealthyBackend,
    /// This machine ran out of descriptors, ports or buffers.
    LocalResource,
    /// The backend refused the connection, or its Unix socket does not exist.
    ConnectRefused,
    /// The connection was reset while it was being made.
    ConnectReset,
    /// No route to the backend's network or host.
    Unroutable,
    /// The connection was not made in `timeouts.connect`.
    ConnectTimeout,
    /// This process may not connect there (EACCES, EPERM).
    LocalPermission,
    /// The TLS handshake was not over in `timeouts.tls`.
    TlsTimeout,
    /// The backend does not speak TLS as it should: version, cipher, or no TLS at all.
    TlsProtocol,
    /// The backend ended TLS with an alert.
    TlsAlert,
    /// The backend's certificate is not one that can be believed.
    TlsCertificate,
    /// A reused connection turned out to be closed, before any byte of a response.
    StaleReuse,
    /// A fresh connection was closed before any byte of a response.
    ClosedBeforeResponse,
    /// The backend did not take the request in `timeouts.write`.
    WriteTimeout,
    /// The connection ended inside the response head.
    EofInHead,
    /// What came back is not an HTTP/1.1 response.
    BadHead,
    /// The response head is larger than `limits.head_bytes`.
    HeadTooLarge,
    /// No response head in `timeouts.head`, from the last request byte sent.
    HeadTimeout,
    /// `timeouts.total` passed before the response head.
    Deadline,
    /// `timeouts.attempt` passed before the response head.
    AttemptTimeout,
    /// The backend answered 101 unasked, or to another protocol.
    UpgradeFailed,
    /// No response head within the learned bound, and another backend gave one meanwhile.
    Stalled,
    /// The response body ended before its framing said so.
    BodyTruncated,
    /// The connection ended without the end of its TLS (close_notify), and only that could have said that the body is whole.
    TlsTruncated,
    /// No byte of the response body in `timeouts.body_idle`.
    BodyIdleTimeout,
    /// The response's chunked coding is malformed.
    BadChunk,
    /// The client went away before its response was complete.
    ClientAbort,
    /// The client's message is malformed, too large or too slow.
    ClientError,
    /// The client did not take its response in time.
    SlowClient,
    /// The backend itself answered 502, 503 or 504 (`retry.statuses`).
    UpstreamStatus,
    /// A bug of evenkeel's own.
    Internal,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The stable name, in logs, metrics and error bodies.
    pub token: &'static str,
    /// The status that evenkeel answers with if this is the last word; 0 where the backend's own is relayed.
    pub status: u16,
    /// The error type of RFC 9209, section 2.3.
    pub proxy_status: &'static str,
    /// Who has to look into it.
    pub blame: Blame,
    /// What it says about the backend's health.
    pub weight: Weight,
    /// Whether it may be this machine's, its network's or its configuration's fault where most of a pool shows it at once.
    pub is_shared: bool,
}

/// On whose side a cause lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// This machine, its network or its configuration.
    Proxy,
    /// The backend.
    Backend,
    /// The client.
    Client,
}

/// What a cause counts for in the health of the backend that showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Counts by itself.
    Hard,
    /// Counts where the backend is to blame.
    Soft,
    /// Says nothing about the backend.
    None,
}

impl Cause {
    /// Every cause, in table order; the index of one is `cause as usize`.
    pub const ALL: [Cause; 34] = [
        Cause::DnsFailed,
        Cause::DnsTimeout,
        Cause::NoRoute,
        Cause::NoHealthyBackend,
        Cause::LocalResource,
        Cause::ConnectRefused,
        Cause::ConnectReset,
        Cause::Unroutable,
        Cause::ConnectTimeout,
        Cause::LocalPermission,
        Cause::TlsTimeout,
        Cause::TlsProtocol,
        Cause::TlsAlert,
        Cause::TlsCertificate,
        Cause::StaleReuse,
        Cause::ClosedBeforeResponse,
        Cause::WriteTimeout,
        Cause::EofInHead,
        Cause::BadHead,
        Cause::HeadTooLarge,
        Cause::HeadTimeout,
        Cause::Deadline,
        Cause::AttemptTimeout,
        Cause::UpgradeFailed,
        Cause::Stalled,
        Cause::BodyTruncated,
        Cause::TlsTruncated,
        Cause::BodyIdleTimeout,
        Cause::BadChunk,
        Cause::ClientAbort,
        Cause::ClientError,
        Cause::SlowClient,
        Cause::UpstreamStatus,
        Cause::Internal,
    ];

    /// The row of the table for this cause.
    pub const fn facts(self) -> Facts {
        use Blame::{Backend, Client, Proxy};
        use Cause::*;
        use Weight::{Hard, None, Soft};
        let (token, status, proxy_status, blame, weight) = match self {
            DnsFailed => ("dns_failed", 502, "dns_error", Proxy, None),
            DnsTimeout => ("dns_timeout", 504, "dns_timeout", Proxy, None),
            NoRoute => ("no_route", 404, "destination_not_found", Client, None),
            NoHealthyBackend => ("no_healthy_backend", 503, "destination_unavailable", Backend, None),
            LocalResource => ("local_resource", 503, "proxy_internal_error", Proxy, None),
            ConnectRefused => ("connect_refused", 502, "connection_refused", Backend, Hard),
            ConnectReset => ("connect_reset", 502, "connection_terminated", Backend, Hard),
            Unroutable => ("unroutable", 502, "destination_ip_unroutable", Proxy, Hard),
            ConnectTimeout => ("connect_timeout", 504, "connection_timeout", Backend, Hard),
            LocalPermission => ("local_permission", 500, "proxy_configuration_error", Proxy, None),
            TlsTimeout => ("tls_timeout", 504, "connection_timeout", Backend, Hard),
            TlsProtocol => ("tls_protocol", 502, "tls_protocol_error", Backend, Hard),
            TlsAlert => ("tls_alert", 502, "tls_alert_received", Backend, Hard),
            TlsCertificate => ("tls_certificate", 502, "tls_certificate_error", Backend, Hard),
            StaleReuse => ("stale_reuse", 502, "connection_terminated", Backend, None),
            ClosedBeforeResponse => ("closed_before_response", 502, "connection_terminated", Backend, Hard),
            WriteTimeout => ("write_timeout", 504, "connection_write_timeout", Backend, Soft),
            EofInHead => ("eof_in_head", 502, "http_response_incomplete", Backend, Hard),
            BadHead => ("bad_head", 502, "http_protocol_error", Backend, Soft),
            HeadTooLarge => ("head_too_large", 502, "http_response_header_section_size", Backend, None),
            HeadTimeout => ("head_timeout", 504, "connection_read_timeout", Backend, Soft),
            Deadline => ("deadline", 504, "http_response_timeout", Backend, Soft),
            AttemptTimeout => ("per_try_timeout", 504, "http_response_timeout", Backend, Soft),
            UpgradeFailed => ("upgrade_failed", 502, "http_upgrade_failed", Backend, Soft),
            Stalled => ("stalled", 504, "http_response_timeout", Backend, Soft),
            BodyTruncated => ("body_truncated", 502, "http_response_incomplete", Backend, Soft),
            TlsTruncated => ("tls_truncated", 502, "http_response_incomplete", Backend, None),
            BodyIdleTimeout => ("body_idle_timeout", 504, "connection_read_timeout", Backend, Soft),
            BadChunk => ("bad_chunk", 502, "http_response_transfer_coding", Backend, Soft),
            ClientAbort => ("client_abort", 499, "http_request_error", Client, None),
            ClientError => ("client_error", 400, "http_request_error", Client, None),
            SlowClient => ("slow_client", 408, "http_request_error", Client, None),
            UpstreamStatus => ("upstream_status", 0, "http_response_status", Backend, Soft),
            Internal => ("internal", 500, "proxy_internal_error", Proxy, None),
        };
        let is_shared = matches!(
            self,
            DnsFailed
                | DnsTimeout
                | NoHealthyBackend
                | LocalResource
                | LocalPermission
                | Unroutable
                | ConnectTimeout
                | TlsCertificate
        );
        Facts { token, status, proxy_status, blame, weight, is_shared }
    }

    /// Whether no TLS came of the connection, or it broke.
    pub const fn is_of_tls(self) -> bool {
        matches!(self, Cause::TlsTimeout | Cause::TlsProtocol | Cause::TlsAlert | Cause::TlsCertificate)
    }

    /// The stable name, in logs, metrics and error bodies.
    pub const fn token(self) -> &'static str {
        self.facts().token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_a_cause_is_its_place_in_the_table() {
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index);
        }
    }

    #[test]
    fn no_token_stands_twice() {
        let mut tokens: Vec<_> = Cause::ALL.iter().map(|cause| cause.token()).collect();
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), Cause::ALL.len());
    }

    #[test]
    fn the_manual_explains_every_cause_and_no_other() {
        let manual = include_str!("../../../docs/causes.md");
        let mut explained: Vec<_> = manual.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        let mut tokens: Vec<_> = Cause::ALL.iter().map(|cause| cause.token()).collect();
        explained.sort_unstable();
        tokens.sort_unstable();
        assert_eq!(explained, tokens);
    }
}
