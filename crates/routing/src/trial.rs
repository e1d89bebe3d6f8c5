//! The trial token of a backend: at most one trial request in flight, over all cores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};

use crate::Backend;

const SPENT: u64 = 0;
const ARMED: u64 = 1;
const ARMED_FOR_ANY: u64 = 2;
const TAKEN: u64 = 3;

/// The bits of the state; the others count how often control changed it, so that a token from before changes nothing.
const STATE: u64 = 3;

/// Whether a trial request may go, and which.
#[derive(Debug, Default)]
pub(crate) struct Trial(AtomicU64);

/// The one trial request in flight. Dropped without an outcome, it lets the next request try.
#[derive(Debug)]
pub struct TrialToken {
    backend: Arc<Backend>,
    /// As it was when the token was taken.
    word: u64,
    back_to: u64,
}

impl Trial {
    /// For any method, it widens what is armed; while a request is on trial, that one decides, and nothing changes.
    pub(crate) fn arm(&self, any_method: bool) {
        if !any_method {
            return self.renew(ARMED);
        }
        let widened = |word: u64| (word & STATE != TAKEN).then_some(word & !STATE | ARMED_FOR_ANY);
        let _ = self.0.fetch_update(AcqRel, Acquire, widened);
    }

    pub(crate) fn disarm(&self) {
        self.renew(SPENT);
    }

    fn renew(&self, state: u64) {
        let serial = (self.0.load(Acquire) | STATE).wrapping_add(1);
        self.0.store(serial | state, Release);
    }
}

impl TrialToken {
    /// Takes the token of `backend`, if it is there for such a request.
    pub(crate) fn take(backend: &Arc<Backend>, hideable: bool) -> Option<Self> {
        let state = &backend.trial.0;
        let word = state.load(Acquire);
        let back_to = word & STATE;
        let is_ready = back_to == ARMED_FOR_ANY || (back_to == ARMED && hideable);
        let taken = is_ready && state.compare_exchange(word, word | TAKEN, AcqRel, Acquire).is_ok();
        taken.then(|| TrialToken { backend: backend.clone(), word, back_to })
    }

    /// An outcome was recorded: nobody tries until control has read it.
    pub fn spend(mut self) {
        self.back_to = SPENT;
    }
}

impl Drop for TrialToken {
    fn drop(&mut self) {
        let back = self.word & !STATE | self.back_to;
        // Fails after a change by control: then the token is control's to arm.
        let _ = self.backend.trial.0.compare_exchange(self.word | TAKEN, back, AcqRel, Acquire);
        if self.back_to != SPENT {
            self.backend.trial_abandoned();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;

    use super::*;
    use crate::examples::backend;

    fn take(backend: &Arc<Backend>) -> Option<TrialToken> {
        TrialToken::take(backend, true)
    }

    #[test]
    fn a_token_dropped_without_an_outcome_is_there_again() {
        let backend = backend("a", 1);
        backend.arm_trial(false);
        assert!(TrialToken::take(&backend, false).is_none(), "its failure could not be hidden");
        drop(take(&backend).unwrap());
        assert!(take(&backend).is_some());
    }

    #[test]
    fn a_spent_token_waits_for_control() {
        let backend = backend("a", 1);
        backend.arm_trial(false);
        take(&backend).unwrap().spend();
        assert!(take(&backend).is_none());
        backend.arm_trial(false);
        assert!(take(&backend).is_some());
    }

    #[test]
    fn control_may_arm_before_the_token_is_spent() {
        let backend = backend("a", 1);
        backend.arm_trial(false);
        let token = take(&backend).unwrap();
        backend.arm_trial(false);
        token.spend();
        assert!(take(&backend).is_some());
    }

    #[test]
    fn a_token_of_an_earlier_phase_arms_nothing() {
        let backend = backend("a", 1);
        backend.arm_trial(true);
        let token = take(&backend).unwrap();
        backend.begin_term();
        drop(token);
        assert!(take(&backend).is_none());
    }

    #[test]
    fn widening_leaves_a_request_on_trial_alone() {
        let backend = backend("a", 1);
        backend.arm_trial(false);
        let token = take(&backend).unwrap();
        backend.arm_trial(true);
        assert!(TrialToken::take(&backend, false).is_none());
        drop(token);
        backend.arm_trial(true);
        assert!(TrialToken::take(&backend, false).is_some());
    }

    #[test]
    fn of_many_threads_one_holds_the_token() {
        let backend = backend("a", 1);
        backend.arm_trial(false);
        let (held, most, start) = (AtomicUsize::new(0), AtomicUsize::new(0), Barrier::new(2));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    start.wait();
                    for _ in 0..20_000 {
                        let Some(token) = take(&backend) else { continue };
                        most.fetch_max(held.fetch_add(1, SeqCst) + 1, SeqCst);
                        held.fetch_sub(1, SeqCst);
                        drop(token);
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
    }
}
