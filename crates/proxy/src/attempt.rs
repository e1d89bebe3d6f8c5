//! One attempt: its place in flight, its trial token, and its verdict on the backend.
//!
//! The verdict is recorded when the attempt is dropped: as abandoned by the client, unless it was settled.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_model::{Cause, Class, CoreBackend, Outcome, Role};
use evenkeel_routing::{Backend, InFlight, Pick, TrialToken};
use evenkeel_upstream::ConnectError;

use crate::core::Core;

/// An attempt in progress.
pub(crate) struct Attempt {
    core: Rc<Core>,
    in_flight: InFlight,
    trial: Option<TrialToken>,
    role: Role,
    /// The backend's term at the pick.
    term: u32,
    outcome: Outcome,
    pub(crate) picked: Instant,
    /// Its place in the pool at the pick.
    pub(crate) member: u16,
    pub(crate) is_reused: bool,
    /// How long its connection had been idle.
    pub(crate) idle: Duration,
    /// How far it got, once it has failed or was cancelled.
    pub(crate) class: Option<Class>,
}

/// Why an attempt came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    pub(crate) detail: Option<&'static str>,
    /// What to answer, where it is not the cause's own status.
    pub(crate) status: Option<u16>,
    /// A local port was missing; another destination may still have one.
    pub(crate) is_port_shortage: bool,
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Failure { cause, detail: None, status: None, is_port_shortage: false }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let ConnectError { cause, is_port_shortage, shortage } = error;
        Failure { cause, detail: shortage, status: None, is_port_shortage }
    }
}

impl Failure {
    pub(crate) fn because(cause: Cause, detail: &'static str) -> Self {
        Failure { detail: Some(detail), ..cause.into() }
    }

    /// The client's own doing.
    pub(crate) fn of_client(status: u16, detail: &'static str) -> Self {
        let cause = if status == 408 { Cause::SlowClient } else { Cause::ClientError };
        Failure { status: Some(status), ..Failure::because(cause, detail) }
    }
}

impl Attempt {
    pub(crate) fn new(core: &Rc<Core>, pick: Pick, now: Instant) -> Self {
        Attempt {
            core: core.clone(),
            member: pick.member as u16,
            in_flight: pick.in_flight,
            trial: pick.trial,
            role: pick.role,
            term: pick.term,
            outcome: Outcome::Abandoned,
            picked: now,
            is_reused: false,
            idle: Duration::ZERO,
            class: None,
        }
    }

    /// Whether it was simply its backend's turn.
    pub(crate) fn is_in_turn(&self) -> bool {
        self.role == Role::Turn
    }

    pub(crate) fn backend(&self) -> &Arc<Backend> {
        self.in_flight.backend()
    }

    /// This core's counters of the backend.
    pub(crate) fn counters(&self) -> &CoreBackend {
        &self.backend().counters[self.core.index]
    }

    /// A trial must prove that new connections can be made.
    pub(crate) fn needs_fresh_connection(&self) -> bool {
        self.trial.is_some()
    }

    /// What the attempt says about its backend. The first word holds.
    pub(crate) fn settle(&mut self, outcome: Outcome) {
        if self.outcome == Outcome::Abandoned {
            self.outcome = outcome;
        }
    }

    /// The client left, or it was the client's fault: neither success nor failure.
    pub(crate) fn fail(&mut self, cause: Cause, class: Class) {
        self.class = Some(class);
        self.counters().failures[cause as usize].add(1);
        match cause {
            Cause::ClientAbort | Cause::ClientError | Cause::SlowClient => {}
            _ => self.settle(Outcome::Failed(cause.into())),
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let now = match self.outcome {
            Outcome::Failed(_) => Instant::now(),
            Outcome::Success | Outcome::Abandoned => self.picked,
        };
        self.backend().record(self.core.index, self.term, self.role, self.outcome, now);
        if let (Some(token), Outcome::Success | Outcome::Failed(_)) = (self.trial.take(), self.outcome) {
            token.spend();
        }
    }
}
