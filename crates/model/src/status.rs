//! A backend's standing: its phase, since when, and on what evidence.

use std::time::Instant;

use crate::Evidence;

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
