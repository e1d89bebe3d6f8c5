//! What one core saw of one backend, until control reads it.
//!
//! A success costs a load and a store; only failures take a lock, which they share with control alone.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_model::{Count, Fault, Outcome, Role, Strike, Weight};

/// Most trial outcomes that a cell keeps until control reads them.
const TRIALS_KEPT: usize = 16;

/// Most kinds of strikes that a cell keeps until control reads them; of more, only the number is known.
const STRIKES_KEPT: usize = 32;

/// What one core saw.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    pub(crate) successes: Count,
    failures: Mutex<Failures>,
}

/// What needs more than a count, since the last reading.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// Each with the core's success count at the time, so that a reader knows which stand in a row; oldest first.
    pub(crate) strikes: Vec<(u64, Strike)>,
    /// Older strikes, all before a success, by kind: what had to make room.
    pub(crate) scattered: Vec<Strike>,
    pub(crate) trials: Vec<Result<(), Strike>>,
    pub(crate) trial_abandoned: bool,
    pub(crate) drain: Option<(Duration, Instant)>,
    pub(crate) vouched: Option<u64>,
    pub(crate) rescued: bool,
}

impl Cell {
    /// Notes an outcome; true if control should read it soon.
    #[inline]
    pub(crate) fn record(&self, role: Role, outcome: Outcome, now: Instant) -> bool {
        match (outcome, role) {
            (Outcome::Success, Role::Turn) => {
                self.successes.add(1);
                false
            }
            (Outcome::Success, Role::Trial | Role::LastResort) => {
                self.successes.add(1);
                self.note(|failures| failures.trial(Ok(())))
            }
            (Outcome::Failed(fault), _) if fault.cause.facts().weight != Weight::None => {
                let successes = self.successes.read();
                self.note(|failures| failures.strike(fault, now, role, successes))
            }
            // It spent the token, but says nothing: another has to try.
            (Outcome::Failed(_), Role::Trial) => self.note(|failures| failures.trial_abandoned = true),
            (Outcome::Failed(_) | Outcome::Abandoned, _) => false,
        }
    }

    /// Notes that the backend asked to be drained.
    #[cold]
    pub(crate) fn ask_to_drain(&self, how_long: Duration, now: Instant) {
        self.note(|failures| failures.drain = Some((how_long, now)));
    }

    /// Notes that a request with this key succeeded.
    #[cold]
    pub(crate) fn vouch(&self, key: u64) {
        self.note(|failures| failures.vouched = Some(key));
    }

    /// Notes that a request succeeded after it had failed elsewhere.
    #[cold]
    pub(crate) fn rescue(&self) {
        self.note(|failures| failures.rescued = true);
    }

    /// Takes what was noted, for a reader who has read so many successes of this core. Strikes after a success that it has
    /// not read stay for its next reading, where they begin a streak; they ring a bell of their own, so it comes at once.
    pub(crate) fn take(&self, successes_read: u64) -> Failures {
        let mut failures = self.failures();
        let known = failures.strikes.partition_point(|(mark, _)| *mark <= successes_read);
        let newer = failures.strikes.split_off(known);
        let taken = std::mem::take(&mut *failures);
        failures.strikes = newer;
        taken
    }

    #[cold]
    fn note(&self, change: impl FnOnce(&mut Failures)) -> bool {
        change(&mut self.failures());
        true
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failures {
    fn strike(&mut self, fault: Fault, at: Instant, role: Role, successes: u64) {
        let strike = Strike { fault, times: 1, at };
        if role != Role::Turn {
            self.trial(Err(strike));
        }
        if self.strikes.len() == STRIKES_KEPT {
            self.make_room(successes);
        }
        let is_full = self.strikes.len() == STRIKES_KEPT;
        match self.strikes.last_mut() {
            Some((mark, last)) if *mark == successes && (is_full || last.fault == fault) => add(last, strike),
            Some(_) | None => self.strikes.push((successes, strike)),
        }
    }

    /// Puts those aside that a success parts from the newest: merged with that one, they would lengthen its streak.
    fn make_room(&mut self, successes: u64) {
        let before = self.strikes.partition_point(|(mark, _)| *mark < successes);
        for (_, strike) in self.strikes.drain(..before) {
            let is_full = self.scattered.len() == STRIKES_KEPT;
            let same = self.scattered.iter().position(|other| other.fault == strike.fault);
            match same.or(is_full.then_some(STRIKES_KEPT - 1)) {
                Some(place) => add(&mut self.scattered[place], strike),
                None => self.scattered.push(strike),
            }
        }
    }

    fn trial(&mut self, outcome: Result<(), Strike>) {
        if self.trials.len() == TRIALS_KEPT {
            self.trials.drain(..1);
        }
        self.trials.push(outcome);
    }
}

fn add(to: &mut Strike, strike: Strike) {
    to.times = to.times.saturating_add(strike.times);
    to.at = strike.at;
}
