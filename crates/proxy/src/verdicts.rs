//! What the failures of one request say about the backends that showed them, and when that is known.
//!
//! A backend is to blame if the same request then succeeded on another one. A request that was sent to two backends and
//! failed on both is poison, and counts for neither. Until one of that is known, a verdict is pending; a backend that
//! did not even take the request is guilty at once.

use std::sync::Arc;
use std::time::Instant;

use evenkeel_model::{Cause, Class, Fault, Outcome, Proof, Role, Weight};
use evenkeel_routing::{Backend, TrialToken};

/// What one failed attempt says about its backend. Dropped unspoken, it lets another request be the trial.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) backend: Arc<Backend>,
    /// The backend's term at the pick.
    pub(crate) term: u32,
    pub(crate) role: Role,
    pub(crate) trial: Option<TrialToken>,
    pub(crate) fault: Fault,
    pub(crate) class: Class,
    /// When it failed.
    pub(crate) at: Instant,
}

/// What the failures of one request say.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    pending: Vec<Verdict>,
    is_poison: bool,
}

impl Verdicts {
    /// An attempt has failed.
    pub(crate) fn fail(&mut self, core: usize, verdict: Verdict) {
        match verdict.fault.cause.facts().weight {
            Weight::None => verdict.speak(core, Proof::Alone),
            // No request breaks TLS, however far it came.
            Weight::Hard if verdict.class == Class::NotSent || verdict.fault.cause.is_of_tls() => {
                verdict.speak(core, Proof::Alone);
            }
            Weight::Hard | Weight::Soft => self.consider(verdict),
        }
    }

    /// A backend has answered the request, and that was no failure.
    #[inline]
    pub(crate) fn answer(&mut self, core: usize, by: &Arc<Backend>) {
        if !self.pending.is_empty() {
            self.decide(core, Some(by));
        }
    }

    /// No attempt will follow.
    #[inline]
    pub(crate) fn end(&mut self, core: usize) {
        if !self.pending.is_empty() {
            self.decide(core, None);
        }
    }

    #[cold]
    fn consider(&mut self, verdict: Verdict) {
        let is_of_another =
            |other: &Verdict| other.is_sent() && !Arc::ptr_eq(&other.backend, &verdict.backend);
        // A stall is one only because another backend has answered.
        if verdict.fault.cause != Cause::Stalled
            && verdict.is_sent()
            && self.pending.iter().any(is_of_another)
        {
            self.is_poison = true;
            self.pending.retain(|pending| !pending.is_sent());
        }
        if !(self.is_poison && verdict.is_sent()) {
            self.pending.push(verdict);
        }
    }

    #[cold]
    fn decide(&mut self, core: usize, answered: Option<&Arc<Backend>>) {
        for verdict in self.pending.drain(..) {
            let proof = match answered {
                Some(other) if !Arc::ptr_eq(other, &verdict.backend) => Proof::Elsewhere,
                Some(_) | None => Proof::Alone,
            };
            verdict.speak(core, proof);
        }
    }
}

impl Verdict {
    /// Whether the backend had the request, or a part of it, so that the request may be what broke it.
    fn is_sent(&self) -> bool {
        self.class != Class::NotSent
    }

    fn speak(self, core: usize, proof: Proof) {
        let Verdict { backend, term, role, trial, fault, class: _, at } = self;
        backend.record(core, term, role, Outcome::Failed(Fault { proof, ..fault }), at);
        if let Some(token) = trial {
            token.spend();
        }
    }
}

/// A backend's own error.
pub(crate) fn error_of(status: u16) -> Fault {
    Fault { status, ..Cause::UpstreamStatus.into() }
}

#[cfg(test)]
mod tests;
