//! What the cores count, by listener, route, pool and backend: one cell per core, summed at a scrape.
//!
//! The owners of these (roster, snapshot) keep them over reloads, by name.

use std::ops::Deref;

use crate::{Cause, Count, HandshakeFailure, Histogram, Limit, Pace, PerCore};

/// Index of a status class: 1xx is 0, 5xx is 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusClass(usize);

impl StatusClass {
    /// The labels, in index order.
    pub const LABELS: [&'static str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

    /// The class of a status from 100 to 599; others count as 5xx.
    #[inline]
    pub fn of(status: u16) -> Self {
        StatusClass(match status {
            100..=599 => usize::from(status / 100) - 1,
            _ => 4,
        })
    }

    /// From 0 to 4.
    #[inline]
    pub fn index(self) -> usize {
        self.0
    }
}

/// A count for each cause; the index of one is `cause as usize`.
#[derive(Debug)]
pub struct ByCause([Count; Cause::ALL.len()]);

impl Default for ByCause {
    fn default() -> Self {
        ByCause(std::array::from_fn(|_| Count::default()))
    }
}

impl Deref for ByCause {
    type Target = [Count];

    fn deref(&self) -> &[Count] {
        &self.0
    }
}

/// One listener, on every core.
pub type ListenerCounters = PerCore<CoreListener>;
/// One route, on every core.
pub type RouteCounters = PerCore<CoreRoute>;
/// One pool, on every core.
pub type PoolCounters = PerCore<CorePool>;
/// One backend, on every core.
pub type BackendCounters = PerCore<CoreBackend>;

/// One listener on one core.
#[derive(Debug, Default)]
pub struct CoreListener {
    /// Connections accepted.
    pub accepted: Count,
    /// Connections open now.
    pub open: Count,
    /// Connections refused for a limit.
    pub refused: Count,
    /// Responses by status class, evenkeel's own included.
    pub responses: [Count; 5],
    /// Requests that could not be read (400, 408, 413, 414, 431 and the like).
    pub bad_requests: Count,
    /// How often each limit was reached.
    pub limited: [Count; Limit::ALL.len()],
    /// Request fields dropped because of an underscore in their name.
    pub dropped_fields: Count,
    /// Clients that left before their response was complete.
    pub aborted: Count,
    /// Bytes read from clients.
    pub bytes_in: Count,
    /// Bytes written to clients.
    pub bytes_out: Count,
    /// TLS handshakes that began anew.
    pub handshakes: Count,
    /// TLS handshakes that went on with an earlier session.
    pub resumptions: Count,
    /// TLS handshakes in progress.
    pub handshakes_open: Count,
    /// TLS handshakes that came to nothing.
    pub handshake_failures: [Count; HandshakeFailure::ALL.len()],
    /// Panics caught; each ended one connection.
    pub panics: Count,
}

/// One route on one core.
#[derive(Debug, Default)]
pub struct CoreRoute {
    /// Responses by status class.
    pub responses: [Count; 5],
    /// From the request's first byte to the response's last.
    pub latency: Histogram,
    /// From a pick to the response head, lately: by it a stall is told.
    pub pace: Pace,
}

/// One pool on one core.
#[derive(Debug, Default)]
pub struct CorePool {
    /// Responses by status class, evenkeel's own included.
    pub responses: [Count; 5],
    /// Requests that were routed here.
    pub requests: Count,
    /// Attempts beyond a request's first.
    pub retries: Count,
    /// Retries that the budget denied.
    pub denied: Count,
    /// Attempts made beside one that stalled.
    pub hedges: Count,
    /// Those of them that answered first.
    pub hedges_won: Count,
    /// Requests that evenkeel itself answered, by cause.
    pub failed: ByCause,
    /// From the pick to the response head, of each answered attempt.
    pub latency: Histogram,
}

/// One backend on one core.
#[derive(Debug, Default)]
pub struct CoreBackend {
    /// Responses by status class.
    pub responses: [Count; 5],
    /// What its response heads took in all, from the pick, in microseconds.
    pub head_micros: Count,
    /// Failed attempts by cause.
    pub failures: ByCause,
    /// Connections made.
    pub opened: Count,
    /// TLS handshakes that began anew.
    pub handshakes: Count,
    /// TLS handshakes that went on with an earlier session.
    pub resumptions: Count,
    /// Attempts that found an idle connection.
    pub reused: Count,
    /// Idle connections now.
    pub idle: Count,
    /// Bytes written to the backend.
    pub bytes_out: Count,
    /// Bytes read from the backend.
    pub bytes_in: Count,
}
