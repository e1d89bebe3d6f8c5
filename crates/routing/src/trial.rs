//! The trial token of a backend: at most one trial request in flight, over all cores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};

use crate::Backend;

const SPENT: u8 = 0;
const ARMED: u8 = 1;
const ARMED_FOR_ANY: u8 = 2;
const TAKEN: u8 = 3;

/// Whether a trial request may go, and which.
#[derive(Debug, Default)]
pub(crate) struct Trial(AtomicU8);

/// The one trial request in flight. Dropped without an outcome, it lets the next request try.
#[derive(Debug)]
pub struct TrialToken {
    backend: Arc<Backend>,
    term: u32,
    back_to: u8,
}

impl Trial {
    pub(crate) fn arm(&self, any_method: bool) {
        self.0.store(if any_method { ARMED_FOR_ANY } else { ARMED }, Release);
    }

    pub(crate) fn disarm(&self) {
        self.0.store(SPENT, Release);
    }
}

impl TrialToken {
    /// Takes the token of `backend`, if it is there for such a request.
    pub(crate) fn take(backend: &Arc<Backend>, hideable: bool) -> Option<Self> {
        let state = &backend.trial.0;
        let back_to = state.load(Acquire);
        let is_ready = back_to == ARMED_FOR_ANY || (back_to == ARMED && hideable);
        let term = backend.term();
        let taken = is_ready && state.compare_exchange(back_to, TAKEN, AcqRel, Acquire).is_ok();
        taken.then(|| TrialToken { backend: backend.clone(), term, back_to })
    }

    /// An outcome was recorded: nobody tries until control has read it.
    pub fn spend(mut self) {
        self.back_to = SPENT;
    }
}

impl Drop for TrialToken {
    fn drop(&mut self) {
        let state = &self.backend.trial.0;
        // After a change of phase the token is control's to arm.
        if self.term == self.backend.term() {
            let _ = state.compare_exchange(TAKEN, self.back_to, AcqRel, Acquire);
        }
        if self.back_to != SPENT {
            self.backend.trial_abandoned();
        }
    }
}
