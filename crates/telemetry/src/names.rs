//! Every metric's name, labels and help, in one place.
//!
//! Names are public API: `docs/metrics.md` lists them, dashboards and alerts use them. Labels are bounded by the
//! configuration: never a path, never a client.

/// What a metric's value means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, within one life of the process.
    Counter,
    /// A value of now.
    Gauge,
    /// Durations by bucket.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name {
    /// `evenkeel_<thing>_<unit>[_total]`.
    pub name: &'static str,
    /// What the value means.
    pub kind: Kind,
    /// Label names, in the order in which values are given.
    pub labels: &'static [&'static str],
    /// What an operator learns from it.
    pub help: &'static str,
}

macro_rules! names {
    ($($constant:ident: $kind:ident $name:literal [$($label:literal)*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Name = Name {
                name: $name,
                kind: Kind::$kind,
                labels: &[$($label),*],
                help: $help,
            };
        )*

        /// Every metric of ours, in the order of the manual; `process_*` come from the library.
        pub const ALL: &[&Name] = &[$(&$constant),*];
    };
}

names! {
    LISTENER_CONNECTIONS: Counter "evenkeel_listener_connections_total" ["listener"]
        "Client connections accepted.";
    LISTENER_OPEN: Gauge "evenkeel_listener_open_connections" ["listener"]
        "Client connections open now; compare with the listener's limits.connections.";
    WORKER_CONNECTIONS: Gauge "evenkeel_worker_connections" ["worker"]
        "Client connections open now, by worker thread; workers far apart mean that few clients do most of the work.";
    LISTENER_REFUSED: Counter "evenkeel_listener_refused_connections_total" ["listener"]
        "Client connections closed at once because a limit was reached; raise limits.connections or find the client.";
    LISTENER_RESPONSES: Counter "evenkeel_listener_responses_total" ["listener" "class"]
        "Responses to clients by status class, evenkeel's own included.";
    LISTENER_BAD_REQUESTS: Counter "evenkeel_listener_bad_requests_total" ["listener"]
        "Requests that could not be read (400, 408, 413, 414, 431 and the like); the access log's detail says which rule.";
    LISTENER_LIMITED: Counter "evenkeel_listener_limits_reached_total" ["listener" "limit"]
        "Times that clients reached a limit or a clock, by the key of the listener that sets it; keep_alive, requests and age are no faults.";
    LISTENER_DROPPED_FIELDS: Counter "evenkeel_listener_dropped_fields_total" ["listener"]
        "Request fields dropped because their names have an underscore; set `underscores` if a backend misses one.";
    LISTENER_ABORTED: Counter "evenkeel_listener_aborted_requests_total" ["listener"]
        "Requests whose client left before the response was complete; many mean impatient clients or slow backends.";
    LISTENER_RECEIVED: Counter "evenkeel_listener_received_bytes_total" ["listener"]
        "Bytes read from clients.";
    LISTENER_SENT: Counter "evenkeel_listener_sent_bytes_total" ["listener"]
        "Bytes written to clients.";
    LISTENER_PANICS: Counter "evenkeel_listener_panics_total" ["listener"]
        "Bugs caught in evenkeel, each of which ended one connection; any is worth a report.";
    LISTENER_HANDSHAKES: Counter "evenkeel_listener_tls_handshakes_total" ["listener" "kind"]
        "TLS handshakes with clients that came to an end, full or resumed; few resumed beside many full ones mean clients that keep no sessions, and more CPU.";
    LISTENER_HANDSHAKES_OPEN: Gauge "evenkeel_listener_tls_handshakes_in_progress" ["listener"]
        "TLS handshakes with clients in progress now; compare with the listener's tls.handshakes.";
    LISTENER_HANDSHAKE_FAILURES: Counter "evenkeel_listener_tls_handshake_failures_total" ["listener" "reason"]
        "TLS handshakes with clients that came to nothing, by reason; alert means above all clients that do not believe the certificate.";
    LISTENER_CERTIFICATE: Gauge "evenkeel_tls_certificate_not_after_timestamp_seconds" ["listener" "certificate" "key"]
        "When a certificate that a listener presents expires, since 1970, by its first name and the kind of its key; renew it before that, its file is read again by itself.";

    ROUTE_RESPONSES: Counter "evenkeel_route_responses_total" ["route" "pool" "class"]
        "Responses to clients by status class.";
    ROUTE_DURATION: Histogram "evenkeel_route_duration_seconds" ["route" "pool"]
        "Time from a request's first byte to its response's last, as the client waits for it.";
    ROUTE_STALL_BOUND: Gauge "evenkeel_route_stall_bound_seconds" ["route" "pool"]
        "Longest wait for a response head before a safe request is tried on another backend as well, as learned by the slowest worker; absent with stall: off.";

    POOL_REQUESTS: Counter "evenkeel_pool_requests_total" ["pool"]
        "Requests that were routed to a pool.";
    POOL_RESPONSES: Counter "evenkeel_pool_responses_total" ["pool" "class"]
        "Responses to clients by status class, evenkeel's own included.";
    POOL_FAILED: Counter "evenkeel_pool_failed_requests_total" ["pool" "cause"]
        "Requests that evenkeel itself had to answer, by cause (docs/causes.md); a cause appears with its first request.";
    POOL_RETRIES: Counter "evenkeel_pool_retries_total" ["pool"]
        "Attempts beyond a request's first; failures that clients may not have seen.";
    POOL_DENIED: Counter "evenkeel_pool_retries_denied_total" ["pool"]
        "Requests whose retry the pool's budget denied, for good or for the moment; more than a few mean that most of the pool fails, see retry.budget.";
    POOL_HEDGES: Counter "evenkeel_pool_hedges_total" ["pool"]
        "Attempts made beside one that stalled, counted as retries, too: what stalls cost in extra requests.";
    POOL_HEDGES_WON: Counter "evenkeel_pool_hedges_won_total" ["pool"]
        "Attempts beside a stalled one that answered first; few beside many hedges mean a route that is slow everywhere.";
    POOL_BACKENDS: Gauge "evenkeel_pool_backends" ["pool"]
        "Backends that a pool has, in service or not.";
    POOL_IN_SERVICE: Gauge "evenkeel_pool_backends_in_service" ["pool"]
        "Backends that a pool's requests go to: neither ejected nor on trial, and held by nobody; compare with evenkeel_pool_backends.";
    POOL_CERTIFICATE: Gauge "evenkeel_pool_tls_certificate_not_after_timestamp_seconds" ["pool" "certificate" "key"]
        "When the certificate that a pool's backends are shown (tls.certificate) expires, since 1970; renew it before that, its file is read again by itself.";
    UPSTREAM_HEAD: Histogram "evenkeel_upstream_head_seconds" ["pool"]
        "Time from picking a backend to its response head, of each attempt that was answered.";

    BACKEND_STATE: Gauge "evenkeel_backend_state" ["pool" "backend" "phase"]
        "1 for the phase a backend is in, 0 for the others; unproven and serving receive requests unless somebody holds it (evenkeel_backend_hold).";
    BACKEND_HOLD: Gauge "evenkeel_backend_hold" ["pool" "backend" "hold"]
        "1 for who keeps a backend from new requests, whatever its phase: asked (itself), drained or out (an operator); `evenkeel backend ready` ends any.";
    BACKEND_KEPT: Gauge "evenkeel_backend_kept" ["pool" "backend" "reason"]
        "1 for why a backend stays in service although its traffic convicts it: clients may see its failures; `evenkeel backend list` says what it is convicted of.";
    BACKEND_FLAPPING: Gauge "evenkeel_backend_flapping" ["pool" "backend"]
        "1 if a backend comes and goes, so that its trials are longer: look for overload, or for requests of one kind that it cannot serve.";
    BACKEND_RAMP: Gauge "evenkeel_backend_ramp" ["pool" "backend"]
        "Share of its weight that a backend in service gets: below 1 during a slow start, 0 out of service.";
    BACKEND_EJECTIONS: Counter "evenkeel_backend_ejections_total" ["pool" "backend"]
        "Times a backend was taken out of service; /api/status tells on what evidence.";
    BACKEND_READMISSIONS: Counter "evenkeel_backend_readmissions_total" ["pool" "backend"]
        "Times a backend was put back in service after an ejection.";
    BACKEND_PROBES: Counter "evenkeel_backend_probes_total" ["pool" "backend" "result"]
        "Probes that passed or failed, of pools that are probed; those that say nothing about the backend (429, this machine's own trouble) are left out.";
    BACKEND_RESPONSES: Counter "evenkeel_backend_responses_total" ["pool" "backend" "class"]
        "Responses that a backend gave, by status class, those hidden by a retry included.";
    BACKEND_HEAD: Counter "evenkeel_backend_head_seconds_total" ["pool" "backend"]
        "Time from picking a backend to its response heads, of all its responses together; its rate by that of the responses is the average.";
    BACKEND_FAILURES: Counter "evenkeel_backend_failures_total" ["pool" "backend" "cause"]
        "Failed attempts by cause (docs/causes.md), those hidden by a retry included; a cause appears with its first failure.";
    BACKEND_IN_FLIGHT: Gauge "evenkeel_backend_in_flight_requests" ["pool" "backend"]
        "Requests that a backend has been given and not finished.";
    BACKEND_ENDPOINTS: Gauge "evenkeel_backend_endpoints" ["pool" "backend"]
        "Addresses that a backend stands for; 0 means that its name does not resolve.";
    BACKEND_UNRESOLVED: Gauge "evenkeel_backend_unresolved" ["pool" "backend" "cause"]
        "1 for why the name of a backend has no address, of backends with a name: dns_failed (look at the name) or dns_timeout (look at the resolver).";
    BACKEND_OPENED: Counter "evenkeel_backend_opened_connections_total" ["pool" "backend"]
        "Connections made to a backend.";
    BACKEND_HANDSHAKES: Counter "evenkeel_backend_tls_handshakes_total" ["pool" "backend" "kind"]
        "TLS handshakes with a backend that succeeded, full or resumed; failed ones are in evenkeel_backend_failures_total by cause (tls_*).";
    BACKEND_REUSED: Counter "evenkeel_backend_reused_connections_total" ["pool" "backend"]
        "Attempts that found an idle connection; few beside many opened mean that keep-alive does not work.";
    BACKEND_IDLE: Gauge "evenkeel_backend_idle_connections" ["pool" "backend"]
        "Idle connections kept for a backend.";
    BACKEND_IDLE_LIMIT: Gauge "evenkeel_backend_idle_limit_seconds" ["pool" "backend"]
        "How long a backend keeps idle connections, as it announced or as its closes showed; absent while unknown.";
    BACKEND_SENT: Counter "evenkeel_backend_sent_bytes_total" ["pool" "backend"]
        "Bytes written to a backend.";
    BACKEND_RECEIVED: Counter "evenkeel_backend_received_bytes_total" ["pool" "backend"]
        "Bytes read from a backend.";

    CONFIG_GENERATION: Gauge "evenkeel_config_generation" []
        "Configurations accepted since the start.";
    CONFIG_EPOCH: Gauge "evenkeel_config_epoch" []
        "Publications since the start, changes of health included.";
    CONFIG_SUCCESSFUL: Gauge "evenkeel_config_last_reload_successful" []
        "1 if the last reload was accepted; 0 means that the previous configuration serves, and /api/status says why.";
    CONFIG_AT: Gauge "evenkeel_config_last_reload_timestamp_seconds" []
        "When the last reload ended, accepted or not, since 1970.";
    FILES_SUCCESSFUL: Gauge "evenkeel_tls_files_last_reload_successful" []
        "1 if every certificate, key, CA and revocation list was good when last read; 0 means that what was read before serves, and the log says which file is bad.";
    FILES_AT: Gauge "evenkeel_tls_files_last_reload_success_timestamp_seconds" []
        "When they were last read and all good, since 1970; they are read again whenever one changes.";
    ACCESS_LOG_DROPPED: Counter "evenkeel_access_log_dropped_total" []
        "Access log lines lost because the disk or the reader of the pipe was too slow or gone; requests did not wait.";
    BUILD_INFO: Gauge "evenkeel_build_info" ["version"]
        "Always 1; the version is in the label.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_count() {
        for metric in ALL {
            assert!(metric.name.starts_with("evenkeel_"), "{}", metric.name);
            let is_total = metric.name.ends_with("_total");
            assert_eq!(is_total, metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<_> = ALL.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
