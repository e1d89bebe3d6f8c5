//! What operators are told: one record for each change of phase, and for each name that turns good or bad.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_health::{Health, Policy};
use evenkeel_model::{Cause, Evidence, Kept, NameFailure, Order, Phase, PoolName, ProbeFailure, TlsDetail};

/// Something for the log.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A backend changed its phase.
    Transition(Transition),
    /// A name resolves, or does not any more.
    Name(NameChange),
    /// A backend stays in service although its traffic convicts it.
    Kept(Keeping),
    /// Most of a pool fails in the same way at once, or does not any more.
    Fate(FateChange),
    /// An operator gave an order.
    Ordered(Ordered),
    /// A backend asked to be drained, or that is over.
    Hold(HoldChange),
}

/// A backend changed its phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// Its pool.
    pub pool: PoolName,
    /// What operators call it.
    pub backend: Arc<str>,
    /// From which.
    pub from: Phase,
    /// To which.
    pub to: Phase,
    /// On what ground.
    pub evidence: Evidence,
    /// Whether it comes and goes, so that its trials are longer.
    pub is_flapping: bool,
    /// What it takes to change again.
    pub next: Next,
}

/// A backend stays in service although its traffic convicts it.
#[derive(Clone, Debug, PartialEq)]
pub struct Keeping {
    /// Its pool.
    pub pool: PoolName,
    /// What operators call it.
    pub backend: Arc<str>,
    /// Why it stays.
    pub kept: Kept,
    /// What it is convicted of.
    pub evidence: Evidence,
}

/// Most of a pool fails in the same way at once, or does not any more.
#[derive(Clone, Debug, PartialEq)]
pub struct FateChange {
    /// The pool.
    pub pool: PoolName,
    /// In which way; `None`: that is over.
    pub cause: Option<Cause>,
    /// How many backends.
    pub backends: usize,
}

/// An operator gave an order that changed something.
#[derive(Clone, Debug, PartialEq)]
pub struct Ordered {
    /// The backend's pool.
    pub pool: PoolName,
    /// What operators call it.
    pub backend: Arc<str>,
    /// The order.
    pub order: Order,
    /// Who gave it.
    pub uid: u32,
}

/// A backend asked to be drained, or that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct HoldChange {
    /// Its pool.
    pub pool: PoolName,
    /// What operators call it.
    pub backend: Arc<str>,
    /// Whether it is drained now.
    pub is_drained: bool,
    /// For how long, if it said so.
    pub how_long: Option<Duration>,
}

/// What comes after a change of phase.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Next {
    /// Nothing in particular.
    Service,
    /// Its share grows over this time.
    SlowStart(Duration),
    /// A trial, after this time.
    Trial(Duration),
    /// This many probes in a row that pass, and this wait over.
    Probes {
        /// How many.
        rise: u32,
        /// At least this long.
        wait: Duration,
    },
    /// This many trial requests in a row that succeed.
    TrialRequests(u32),
}

/// A name resolves, or does not any more.
#[derive(Clone, Debug, PartialEq)]
pub struct NameChange {
    /// The name.
    pub host: Arc<str>,
    /// The port of its endpoints.
    pub port: u16,
    /// Why not, if it does not.
    pub failure: Option<NameFailure>,
    /// How many endpoints are in use: the last good ones, after a failure.
    pub endpoints: usize,
}

impl Transition {
    /// What happened, in words.
    pub fn message(&self) -> &'static str {
        match (self.to, self.from.is_admitted()) {
            (Phase::Ejected, true) => "backend ejected",
            (Phase::Ejected, false) => "backend failed its trial",
            (Phase::Trial, _) => "backend on trial",
            (Phase::Serving | Phase::Unproven, true) => "backend in service",
            (Phase::Serving | Phase::Unproven, false) => "backend readmitted",
        }
    }

    /// The evidence, in words.
    pub fn ground(&self) -> String {
        ground(self.evidence)
    }
}

/// Evidence, in words.
pub(crate) fn ground(evidence: Evidence) -> String {
    let token = Cause::token;
    match evidence {
        Evidence::None => "nobody judges it".into(),
        Evidence::Strikes { count, cause, tls: Some(detail), .. } => {
            in_a_row(count, "strike", &tls(cause, detail))
        }
        Evidence::Strikes { count, cause, status: 0, tls: None } => in_a_row(count, "strike", token(cause)),
        Evidence::Strikes { count, cause, status, tls: None } => {
            in_a_row(count, "strike", &format!("{} ({status})", token(cause)))
        }
        Evidence::Rate { failed, requests, cause } => {
            format!("{failed} of {requests} requests failed, the last with {}", token(cause))
        }
        Evidence::GatewayRate { failed, requests } => {
            format!("{failed} of {requests} requests were answered with 502, 503 or 504")
        }
        Evidence::Deviation { percent, pool_percent } => {
            format!("{percent} % of its requests succeeded, and {pool_percent} % of its pool's")
        }
        Evidence::Slow { took, others } => {
            format!("{took:?} to a response head on average, and {others:?} for the others")
        }
        Evidence::Probes { count, failure: ProbeFailure::Tls(cause, detail) } => {
            in_a_row(count, "failed probe", &tls(cause, detail))
        }
        Evidence::Probes { count, failure } => in_a_row(count, "failed probe", &failure.to_string()),
        Evidence::Request => "a request succeeded".into(),
        Evidence::ProbesPassed { count } => passed(count, "probe"),
        Evidence::TrialsPassed { count } => passed(count, "trial request"),
        Evidence::TrialFailed { cause } => format!("a trial failed with {}", token(cause)),
        Evidence::WaitOver => "the wait is over".into(),
        Evidence::Operator => "an operator said that it is ready".into(),
        Evidence::Initial => "health.initial says so".into(),
    }
}

/// What was wrong with TLS, and what mends it.
fn tls(cause: Cause, detail: TlsDetail) -> String {
    match detail.hint() {
        "" => format!("{} ({detail})", cause.token()),
        hint => format!("{} ({detail}): {hint}", cause.token()),
    }
}

fn in_a_row(count: u32, what: &str, token: &str) -> String {
    match count {
        1 => format!("1 {what}, {token}"),
        _ => format!("{count} {what}s in a row, the last {token}"),
    }
}

fn passed(count: u32, what: &str) -> String {
    match count {
        1 => format!("1 {what} passed"),
        _ => format!("{count} {what}s in a row passed"),
    }
}

impl Next {
    /// What `policy` asks of a backend with this health.
    pub(crate) fn of(health: &Health, is_readmission: bool, policy: &Policy) -> Self {
        let wait = health.wait(policy);
        match (health.phase(), &policy.probe, policy.eject) {
            (Phase::Ejected, Some(_), _) => Next::Probes { rise: health.rise(policy), wait },
            (Phase::Ejected, None, _) => Next::Trial(wait),
            (Phase::Trial, _, Some(_)) => Next::TrialRequests(health.trials(policy)),
            (Phase::Serving, _, _) if is_readmission && !policy.slow_start.is_zero() => {
                Next::SlowStart(policy.slow_start)
            }
            (Phase::Serving | Phase::Unproven | Phase::Trial, _, _) => Next::Service,
        }
    }
}

impl fmt::Display for Next {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Next::Service => out.write_str("service"),
            Next::SlowStart(over) => write!(out, "slow start over {over:?}"),
            Next::Trial(wait) => write!(out, "trial in {wait:?}"),
            Next::Probes { rise, wait } if wait.is_zero() => write!(out, "{rise} probes in a row that pass"),
            Next::Probes { rise, wait } => {
                write!(out, "{rise} probes in a row that pass; if none fails meanwhile, not before {wait:?}")
            }
            Next::TrialRequests(count) => write!(out, "{count} trial requests in a row that succeed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_with_tls_is_told_with_what_mends_it() {
        let (cause, detail) = (Cause::TlsProtocol, TlsDetail::PlaintextPeer);
        let mended = format!("tls_protocol (plaintext_peer): {}", detail.hint());
        let strikes = Evidence::Strikes { count: 3, cause, status: 0, tls: Some(detail) };
        assert_eq!(ground(strikes), format!("3 strikes in a row, the last {mended}"));
        let probes = Evidence::Probes { count: 1, failure: ProbeFailure::Tls(cause, detail) };
        assert_eq!(ground(probes), format!("1 failed probe, {mended}"));
    }
}
