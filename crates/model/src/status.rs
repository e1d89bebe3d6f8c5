//! A backend's standing: its phase, since when, and on what evidence.

use std::time::Instant;

use crate::Cause;

/// Whether a backend receives requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// No verdict yet; receives requests as if serving.
    Unproven,
    /// Receives requests.
    Serving,
    /// Receives none, except as a last resort.
    Ejected,
    /// Receives one request at a time, whose failure no client would see.
    Trial,
}

impl Phase {
    /// Every phase, in the order of a backend's life.
    pub const ALL: [Phase; 4] = [Phase::Unproven, Phase::Serving, Phase::Ejected, Phase::Trial];

    /// The word for it, in logs, metrics and status.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Unproven => "unproven",
            Phase::Serving => "serving",
            Phase::Ejected => "ejected",
            Phase::Trial => "trial",
        }
    }

    /// Whether ordinary requests go there.
    pub fn is_admitted(self) -> bool {
        matches!(self, Phase::Unproven | Phase::Serving)
    }
}

/// Why a backend is in its phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Nothing is known yet.
    None,
    /// This many failed requests in a row, the last for `cause`.
    Strikes {
        /// How many.
        count: u32,
        /// Of the last one.
        cause: Cause,
    },
    /// This many failed probes in a row, the last for `cause`.
    Probes {
        /// How many.
        count: u32,
        /// Of the last one.
        cause: Cause,
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
}

/// A backend's standing at one publication.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Status {
    /// Whether it receives requests.
    pub phase: Phase,
    /// When the phase began.
    pub since: Instant,
    /// On what ground.
    pub evidence: Evidence,
    /// Ejections in a row, without a long good run between them.
    pub ejections: u32,
    /// Share of its weight that it receives, 0.0 exclusive to 1.0: below 1.0 during a slow start.
    pub ramp: f32,
}

/// Why a request was sent to this backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It was its turn.
    Turn,
    /// It is on trial, and this is the trial request.
    Trial,
    /// Every backend is out, and this one was the best left.
    LastResort,
}

/// One failed attempt that carries a health weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strike {
    /// Why it failed.
    pub cause: Cause,
    /// When.
    pub at: Instant,
}

/// What the cores saw of one backend since the last reading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Requests that succeeded on any core.
    pub successes: u64,
    /// Weighted failures since the last reading.
    pub failures: u64,
    /// How many failures stand in a row at the end of this reading.
    pub in_a_row: u32,
    /// Whether a success (on any core) lies between the previous reading and this streak.
    pub streak_is_new: bool,
    /// The newest strike.
    pub last: Option<Strike>,
    /// Outcomes of requests sent as a trial or a last resort, oldest first; bounded.
    pub trials: Vec<Result<(), Strike>>,
    /// A trial token was dropped without an outcome.
    pub trial_abandoned: bool,
}
