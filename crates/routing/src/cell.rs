//! What one core saw of one backend, and how control adds the cores up.
//!
//! A success costs a load and a store; only failures take a lock, which they share with control alone.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use evenkeel_model::{Count, Outcome, PerCore, Report, Role, Strike, Weight};

/// Most trial outcomes that a cell keeps until control reads them.
const TRIALS_KEPT: usize = 16;

/// What one core saw.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    successes: Count,
    failures: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    total: u64,
    /// Since the last success on this core, and since the last reading.
    in_a_row: u32,
    /// The core's success count at the newest strike.
    mark: u64,
    last: Option<Strike>,
    trials: Vec<Result<(), Strike>>,
    trial_abandoned: bool,
}

/// What control read last, kept beside its [`Backend`](crate::Backend).
#[derive(Debug, Default)]
pub struct Readings {
    successes: Vec<u64>,
    in_a_row: u32,
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
            (Outcome::Failed(cause), _) if cause.facts().weight != Weight::None => {
                let successes = self.successes.read();
                self.note(|failures| failures.strike(Strike { cause, at: now }, role, successes))
            }
            // It spent the token, but says nothing: another has to try.
            (Outcome::Failed(_), Role::Trial) => self.note(|failures| failures.trial_abandoned = true),
            (Outcome::Failed(_) | Outcome::Abandoned, _) => false,
        }
    }

    #[cold]
    fn note(&self, change: impl FnOnce(&mut Failures)) -> bool {
        change(&mut self.failures.lock().unwrap_or_else(PoisonError::into_inner));
        true
    }
}

impl Failures {
    fn strike(&mut self, strike: Strike, role: Role, successes: u64) {
        if self.mark != successes {
            self.mark = successes;
            self.in_a_row = 0;
        }
        self.total += 1;
        self.in_a_row += 1;
        self.last = Some(strike);
        if role != Role::Turn {
            self.trial(Err(strike));
        }
    }

    fn trial(&mut self, outcome: Result<(), Strike>) {
        if self.trials.len() == TRIALS_KEPT {
            self.trials.drain(..1);
        }
        self.trials.push(outcome);
    }
}

impl Readings {
    /// Adds the cores up. Strikes of several cores stand in a row only if no core had a success in between; which
    /// came first on different cores is not known, so a success on another core makes a streak begin anew.
    pub(crate) fn read(&mut self, cells: &PerCore<Cell>) -> Report {
        self.successes.resize(cells.iter().count(), 0);
        let mut report = Report::default();
        let mut moved = Vec::new();
        for (core, (cell, before)) in cells.iter().zip(&mut self.successes).enumerate() {
            let now = cell.successes.read();
            let difference = now.wrapping_sub(*before);
            *before = now;
            report.successes += difference;
            if difference > 0 {
                moved.push(core);
            }
        }
        let mut by_core = Vec::new();
        for (core, cell) in cells.iter().enumerate() {
            let mut failures = cell.failures.lock().unwrap_or_else(PoisonError::into_inner);
            report.failures += std::mem::take(&mut failures.total);
            let is_current = failures.mark == self.successes[core];
            by_core.push(if is_current { std::mem::take(&mut failures.in_a_row) } else { 0 });
            failures.in_a_row = 0;
            if let Some(strike) = failures.last.take() {
                let newest = report.last.is_none_or(|last| strike.at >= last.at);
                report.last = if newest { Some(strike) } else { report.last };
            }
            report.trials.append(&mut failures.trials);
            report.trial_abandoned |= std::mem::take(&mut failures.trial_abandoned);
        }
        report.streak_is_new = !moved.is_empty();
        self.in_a_row = match moved[..] {
            [] => self.in_a_row.saturating_add(by_core.iter().sum()),
            [only] => by_core[only],
            // A strike wakes control at once, so the newest one stands behind the successes of the last half second.
            _ => by_core.iter().any(|strikes| *strikes > 0).into(),
        };
        report.in_a_row = self.in_a_row;
        report
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use evenkeel_model::Cause;

    use super::*;
    use crate::Backend;
    use crate::examples::backend;

    const REFUSED: Outcome = Outcome::Failed(Cause::ConnectRefused);

    fn record(backend: &Arc<Backend>, core: usize, role: Role, outcome: Outcome) {
        backend.record(core, backend.term(), role, outcome, Instant::now());
    }

    /// The streak after each reading; a reading is marked by a bar.
    fn streaks(story: &str) -> Vec<u32> {
        let backend = backend("a", 2);
        let mut readings = Readings::default();
        let mut streaks = Vec::new();
        for word in story.split_whitespace() {
            match word {
                "|" => streaks.push(backend.read(&mut readings).in_a_row),
                word => {
                    let core = usize::from(word.starts_with('1'));
                    let outcome = if word.ends_with('+') { Outcome::Success } else { REFUSED };
                    record(&backend, core, Role::Turn, outcome);
                }
            }
        }
        streaks
    }

    #[test]
    fn strikes_stand_in_a_row_until_a_success() {
        for (story, expected) in [
            ("0- 0- | 0- |", vec![2, 3]),
            ("0- 0- | 0+ |", vec![2, 0]),
            ("0- 0+ 0- |", vec![1]),
            ("0- 0- 0+ |", vec![0]),
            ("0- 1- | 1- |", vec![2, 3]),
            // Which came first is not known, so the success is taken to have come in between.
            ("0- | 0- 1+ | 0- |", vec![1, 0, 1]),
            ("0+ 1+ 0- 1- | 0- 1- |", vec![1, 3]),
        ] {
            assert_eq!(streaks(story), expected, "{story}");
        }
    }

    #[test]
    fn what_says_nothing_is_not_reported() {
        let backend = backend("a", 1);
        record(&backend, 0, Role::Turn, Outcome::Abandoned);
        record(&backend, 0, Role::Turn, Outcome::Failed(Cause::StaleReuse));
        assert_eq!(backend.read(&mut Readings::default()), Report::default());
    }

    #[test]
    fn an_outcome_of_an_earlier_term_is_not_reported() {
        let backend = backend("a", 1);
        let term = backend.term();
        backend.begin_term();
        backend.record(0, term, Role::Turn, REFUSED, Instant::now());
        assert_eq!(backend.read(&mut Readings::default()), Report::default());
    }

    #[test]
    fn trials_are_told_apart_and_one_that_proves_nothing_is_known() {
        let backend = backend("a", 1);
        record(&backend, 0, Role::Trial, Outcome::Success);
        record(&backend, 0, Role::LastResort, REFUSED);
        record(&backend, 0, Role::Trial, Outcome::Failed(Cause::LocalResource));
        let report = backend.read(&mut Readings::default());
        assert_eq!(report.trials.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
        assert!(report.trial_abandoned);
    }

    #[test]
    fn nothing_is_lost_between_cores_and_control() {
        let backend = backend("a", 2);
        let (mut successes, mut failures) = (0, 0);
        let mut readings = Readings::default();
        thread::scope(|scope| {
            let cores = [0, 1].map(|core| {
                let backend = &backend;
                scope.spawn(move || {
                    for _ in 0..20_000 {
                        record(backend, core, Role::Turn, Outcome::Success);
                        record(backend, core, Role::Turn, REFUSED);
                    }
                })
            });
            let mut is_over = false;
            while !is_over {
                is_over = cores.iter().all(|core| core.is_finished());
                let report = backend.read(&mut readings);
                successes += report.successes;
                failures += report.failures;
            }
        });
        assert_eq!((successes, failures), (40_000, 40_000));
    }
}
