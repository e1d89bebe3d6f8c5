//! What an operator decided about health; durations are positive, counts at least one.

use std::time::Duration;

use evenkeel_model::Cause;

/// A pool's health rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Active checks; `None` sends none.
    pub probe: Option<Probe>,
    /// Ejection on traffic; `None` never ejects on traffic.
    pub eject: Option<Eject>,
    /// How long a backend's share grows after it was re-admitted; zero gives it whole at once.
    pub slow_start: Duration,
}

/// How a backend is probed.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    /// What is asked.
    pub kind: ProbeKind,
    /// Between the starts of two probes, before jitter of a tenth each way.
    pub interval: Duration,
    /// Longest wait for the whole answer.
    pub timeout: Duration,
    /// Failures in a row that eject.
    pub fall: u32,
    /// Successes in a row that re-admit.
    pub rise: u32,
}

/// What a probe asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// `GET path`; 200 to 399 passes.
    Http {
        /// Origin form, beginning with a slash.
        path: Box<str>,
    },
    /// A connection that stands passes.
    Tcp,
}

/// When traffic ejects a backend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eject {
    /// Strikes in a row.
    pub consecutive: u32,
    /// First wait before a trial.
    pub wait: Duration,
    /// Longest wait; each failed trial doubles it. Also how long a good run takes to be forgiven.
    pub longest_wait: Duration,
    /// Trial successes in a row that re-admit.
    pub trial: u32,
}

/// The result of one probe.
pub type ProbeResult = Result<(), Cause>;

impl Default for Policy {
    fn default() -> Self {
        Policy { probe: None, eject: Some(Eject::default()), slow_start: Duration::from_secs(10) }
    }
}

impl Default for Probe {
    fn default() -> Self {
        Probe {
            kind: ProbeKind::Tcp,
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
            fall: 3,
            rise: 2,
        }
    }
}

impl Default for Eject {
    fn default() -> Self {
        Eject {
            consecutive: 3,
            wait: Duration::from_secs(10),
            longest_wait: Duration::from_secs(300),
            trial: 2,
        }
    }
}
