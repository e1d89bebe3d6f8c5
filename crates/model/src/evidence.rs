//! Why a backend is in its phase.

use std::fmt;
use std::time::Duration;

use crate::{Cause, TlsDetail};

/// Why a backend is in its phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Evidence {
    /// Nothing is known yet.
    None,
    /// This many failed requests in a row, the last for this fault.
    Strikes {
        /// How many.
        count: u32,
        /// Of the last one.
        cause: Cause,
        /// What it answered, if that is what failed; else 0.
        status: u16,
        /// What was wrong with TLS, if that is what failed.
        tls: Option<TlsDetail>,
    },
    /// So many of the requests within the window failed.
    Rate {
        /// How many failed.
        failed: u32,
        /// How many there were.
        requests: u32,
        /// Of the last failure.
        cause: Cause,
    },
    /// So many of the requests within the window were answered with 502, 503 or 504.
    GatewayRate {
        /// How many.
        failed: u32,
        /// How many there were.
        requests: u32,
    },
    /// Its share of successes within the window is far below the pool's.
    Deviation {
        /// Its own, in percent.
        percent: u8,
        /// The pool's mean, in percent.
        pool_percent: u8,
    },
    /// It takes far longer to a response head than the others of its pool.
    Slow {
        /// On average within the window.
        took: Duration,
        /// The median of the others' averages.
        others: Duration,
    },
    /// This many failed probes in a row, the last for this reason.
    Probes {
        /// How many.
        count: u32,
        /// Of the last one.
        failure: ProbeFailure,
    },
    /// A request succeeded.
    Request,
    /// This many probes in a row succeeded.
    ProbesPassed {
        /// How many.
        count: u32,
    },
    /// This many trial requests in a row succeeded.
    TrialsPassed {
        /// How many.
        count: u32,
    },
    /// A trial request failed.
    TrialFailed {
        /// Of the failure.
        cause: Cause,
    },
    /// The wait after an ejection is over.
    WaitOver,
    /// An operator said that it is ready.
    Operator,
    /// `health.initial` says so.
    Initial,
}

impl Evidence {
    /// Whether probes ejected, rather than traffic or an operator's setting.
    pub fn is_by_probes(self) -> bool {
        matches!(self, Evidence::Probes { .. })
    }
}

/// Why a probe did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeFailure {
    /// There was no valid answer.
    Failed(Cause),
    /// There was no good TLS.
    Tls(Cause, TlsDetail),
    /// It answered with a status that is not expected.
    Status(u16),
    /// The body does not hold the text that is expected.
    Body,
    /// The reply does not begin with the bytes that are expected.
    Reply,
}

impl ProbeFailure {
    /// The stable name, in logs and status.
    pub const fn token(self) -> &'static str {
        match self {
            ProbeFailure::Failed(cause) | ProbeFailure::Tls(cause, _) => cause.token(),
            ProbeFailure::Status(_) => Cause::UpstreamStatus.token(),
            ProbeFailure::Body => "unexpected_body",
            ProbeFailure::Reply => "unexpected_reply",
        }
    }
}

impl fmt::Display for ProbeFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProbeFailure::Status(status) => write!(out, "{} ({status})", self.token()),
            ProbeFailure::Tls(_, detail) => write!(out, "{} ({detail})", self.token()),
            ProbeFailure::Failed(_) | ProbeFailure::Body | ProbeFailure::Reply => out.write_str(self.token()),
        }
    }
}
