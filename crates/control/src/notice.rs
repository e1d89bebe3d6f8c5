//! What operators are told: one record for each change of phase, and for each name that turns good or bad.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_health::Policy;
use evenkeel_model::{Cause, Evidence, Phase, PoolName};

/// Something for the log.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// A backend changed its phase.
    Transition(Transition),
    /// A name resolves, or does not any more.
    Name(NameChange),
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
    /// What it takes to change again.
    pub next: Next,
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
    pub failure: Option<Cause>,
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
        let token = Cause::token;
        match self.evidence {
            Evidence::None => "nobody judges it".into(),
            Evidence::Strikes { count, cause } => in_a_row(count, "strike", token(cause)),
            Evidence::Probes { count, cause } => in_a_row(count, "failed probe", token(cause)),
            Evidence::Request => "a request succeeded".into(),
            Evidence::ProbesPassed { count } => passed(count, "probe"),
            Evidence::TrialsPassed { count } => passed(count, "trial request"),
            Evidence::TrialFailed { cause } => format!("a trial failed with {}", token(cause)),
            Evidence::WaitOver => "the wait is over".into(),
        }
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
    /// What `policy` asks of a backend in this phase.
    pub(crate) fn of(phase: Phase, is_readmission: bool, wait: Duration, policy: &Policy) -> Self {
        match (phase, &policy.probe, policy.eject) {
            (Phase::Ejected, Some(probe), _) => Next::Probes { rise: probe.rise, wait },
            (Phase::Ejected, None, _) => Next::Trial(wait),
            (Phase::Trial, _, Some(eject)) => Next::TrialRequests(eject.trial),
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
                write!(out, "{rise} probes in a row that pass, not before {wait:?}")
            }
            Next::TrialRequests(count) => write!(out, "{count} trial requests in a row that succeed"),
        }
    }
}
