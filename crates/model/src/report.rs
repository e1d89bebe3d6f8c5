//! What the cores tell control of a backend.

use std::time::{Duration, Instant};

use crate::Fault;

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
