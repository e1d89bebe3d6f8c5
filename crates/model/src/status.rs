//! A backend's standing: its phase, since when, and on what evidence.

use std::fmt;
use std::time::{Duration, Instant};

use crate::{Cause, Fault};

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

    /// Whether it is in service, as far as health goes.
    pub fn is_admitted(self) -> bool {
        matches!(self, Phase::Unproven | Phase::Serving)
    }
}

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
            ProbeFailure::Failed(cause) => cause.token(),
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
            ProbeFailure::Failed(_) | ProbeFailure::Body | ProbeFailure::Reply => out.write_str(self.token()),
        }
    }
}

/// Who keeps a backend from new requests, whatever its phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Hold {
    /// Nobody.
    #[default]
    None,
    /// The backend itself asked to drain: it is still a last resort.
    Asked {
        /// Since when.
        since: Instant,
        /// When it ends; `None`: when its probes say so.
        until: Option<Instant>,
    },
    /// An operator drains it: it is still a last resort.
    Drained(ByOperator),
    /// An operator took it out: it receives nothing at all.
    Out(ByOperator),
}

impl Hold {
    /// The words for holds, in logs, metrics and status.
    pub const WORDS: [&'static str; 3] = ["asked", "drained", "out"];

    /// Which of [`Hold::WORDS`]; `None`: nobody holds it.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Hold::None => None,
            Hold::Asked { .. } => Some("asked"),
            Hold::Drained(_) => Some("drained"),
            Hold::Out(_) => Some("out"),
        }
    }
}

/// Which operator, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByOperator {
    /// The user id of the process that asked.
    pub uid: u32,
    /// When.
    pub since: Instant,
}

/// Why a backend that traffic convicts stays in service nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kept {
    /// It is the last one in service.
    Last,
    /// `health.eject.keep_at_least` of the pool would not be left.
    Floor,
    /// Most of the pool shows the same cause at the same time, so the cause is on this side.
    SharedFate,
    /// The others do no better.
    NoBetter,
}

impl Kept {
    /// Every reason.
    pub const ALL: [Kept; 4] = [Kept::Last, Kept::Floor, Kept::SharedFate, Kept::NoBetter];

    /// The word for it, in logs, metrics and status.
    pub fn as_str(self) -> &'static str {
        match self {
            Kept::Last => "last_in_service",
            Kept::Floor => "keep_at_least",
            Kept::SharedFate => "shared_fate",
            Kept::NoBetter => "no_better",
        }
    }
}

/// A backend's standing at one publication.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Status {
    /// What health says of it.
    pub phase: Phase,
    /// When the phase began.
    pub since: Instant,
    /// On what ground.
    pub evidence: Evidence,
    /// Ejections in a row, without a long good run between them.
    pub ejections: u32,
    /// Share of its weight that it receives, 0.0 exclusive to 1.0: below 1.0 during a slow start.
    pub ramp: f32,
    /// Who keeps it from new requests.
    pub hold: Hold,
    /// Whether it comes and goes, so that its trials are longer.
    pub is_flapping: bool,
    /// Why it is in service although its traffic convicts it.
    pub kept: Option<Kept>,
}

impl Status {
    /// In this phase since `since`, with nothing else to say.
    pub fn new(phase: Phase, since: Instant) -> Self {
        Status {
            phase,
            since,
            evidence: Evidence::None,
            ejections: 0,
            ramp: 1.0,
            hold: Hold::None,
            is_flapping: false,
            kept: None,
        }
    }

    /// Whether ordinary requests go there.
    pub fn is_admitted(&self) -> bool {
        self.phase.is_admitted() && self.hold == Hold::None
    }

    /// Whether it may be tried when nobody is admitted.
    pub fn is_last_resort(&self) -> bool {
        !matches!(self.hold, Hold::Out(_))
    }
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

/// Failed attempts of one kind that carry a health weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strike {
    /// What went wrong.
    pub fault: Fault,
    /// How many, one after the other; at least one.
    pub times: u32,
    /// When the newest one was.
    pub at: Instant,
}

/// What the cores saw of one backend since the last reading.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Requests that succeeded on any core.
    pub successes: u64,
    /// Whether a success (on any core) lies between the previous reading and `in_a_row`.
    pub streak_is_new: bool,
    /// Strikes that stand in a row at the end of this reading; those of earlier readings are not in it.
    pub in_a_row: Vec<Strike>,
    /// The other strikes since the last reading.
    pub scattered: Vec<Strike>,
    /// Outcomes of requests sent as a trial or a last resort, oldest first; bounded.
    pub trials: Vec<Result<(), Strike>>,
    /// A trial token was dropped without an outcome.
    pub trial_abandoned: bool,
    /// How long the backend asked to be drained, and when; zero: no longer.
    pub drain: Option<(Duration, Instant)>,
    /// A request with this key succeeded here while the pool wanted to know.
    pub vouched: Option<u64>,
    /// A request that had failed elsewhere in the pool succeeded here.
    pub rescued: bool,
    /// Response heads since the last reading.
    pub heads: u64,
    /// What they took in all, from the pick, in microseconds.
    pub head_micros: u64,
}

impl Report {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == Report::default()
    }

    /// Strikes since the last reading, in a row or not.
    pub fn strikes(&self) -> impl Iterator<Item = &Strike> {
        self.scattered.iter().chain(&self.in_a_row)
    }
}
