//! What one core saw of one backend, and how control adds the cores up.
//!
//! A success costs a load and a store; only failures take a lock, which they share with control alone.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_model::{Count, Fault, Outcome, PerCore, Report, Role, Strike, Weight};

/// Most trial outcomes that a cell keeps until control reads them.
const TRIALS_KEPT: usize = 16;

/// Most kinds of strikes that a cell keeps until control reads them; of more, only the number is known.
const STRIKES_KEPT: usize = 32;

/// What one core saw.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    successes: Count,
    failures: Mutex<Failures>,
}

/// What needs more than a count.
#[derive(Debug, Default)]
struct Failures {
    /// Since the last reading, each with the core's success count at the time.
    strikes: Vec<(u64, Strike)>,
    trials: Vec<Result<(), Strike>>,
    trial_abandoned: bool,
    drain: Option<(Duration, Instant)>,
    vouched: Option<u64>,
    rescued: bool,
}

/// What control read last, kept beside its [`Backend`](crate::Backend).
#[derive(Debug, Default)]
pub struct Readings {
    successes: Vec<u64>,
    heads: u64,
    head_micros: u64,
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

    /// Notes that a request succeeded here after it had failed elsewhere.
    #[cold]
    pub(crate) fn rescue(&self) {
        self.note(|failures| failures.rescued = true);
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
        let is_full = self.strikes.len() >= STRIKES_KEPT;
        match self.strikes.last_mut() {
            Some((mark, last)) if is_full || (*mark == successes && last.fault == fault) => {
                (*mark, last.at) = (successes, at);
                last.times = last.times.saturating_add(1);
            }
            Some(_) | None => self.strikes.push((successes, strike)),
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
        report.streak_is_new = !moved.is_empty();
        for (core, cell) in cells.iter().enumerate() {
            let Failures { strikes, mut trials, trial_abandoned, drain, vouched, rescued } =
                std::mem::take(&mut *cell.failures());
            report.trials.append(&mut trials);
            report.trial_abandoned |= trial_abandoned;
            report.drain = [report.drain, drain].into_iter().flatten().max_by_key(|(_, asked)| *asked);
            report.vouched = report.vouched.or(vouched);
            report.rescued |= rescued;
            for (mark, strike) in strikes {
                let stands = mark == self.successes[core] && moved.iter().all(|it| *it == core);
                // With several cores on the move, the order of none is known but that of the newest strike: it woke
                // control at once, so it stands behind the successes of the last half second.
                let may_be_newest = mark == self.successes[core] && moved.len() > 1;
                match stands || may_be_newest {
                    true => report.in_a_row.push(strike),
                    false => report.scattered.push(strike),
                }
            }
        }
        report.in_a_row.sort_by_key(|strike| strike.at);
        if moved.len() > 1 {
            Self::keep_the_newest(&mut report);
        }
        report
    }

    /// Adds how many response heads came, and how long they took, from totals.
    pub(crate) fn note_heads(&mut self, report: &mut Report, heads: u64, micros: u64) {
        report.heads = heads.wrapping_sub(std::mem::replace(&mut self.heads, heads));
        report.head_micros = micros.wrapping_sub(std::mem::replace(&mut self.head_micros, micros));
    }

    fn keep_the_newest(report: &mut Report) {
        let Some(newest) = report.in_a_row.pop() else { return };
        report.scattered.append(&mut report.in_a_row);
        if newest.times > 1 {
            report.scattered.push(Strike { times: newest.times - 1, ..newest });
        }
        report.in_a_row.push(Strike { times: 1, ..newest });
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

    fn refused() -> Outcome {
        Outcome::Failed(Cause::ConnectRefused.into())
    }

    fn record(backend: &Arc<Backend>, core: usize, role: Role, outcome: Outcome) {
        backend.record(core, backend.term(), role, outcome, Instant::now());
    }

    fn times(strikes: &[Strike]) -> u32 {
        strikes.iter().map(|strike| strike.times).sum()
    }

    /// The streak after each reading; a reading is marked by a bar.
    fn streaks(story: &str) -> Vec<u32> {
        let backend = backend("a", 2);
        let mut readings = Readings::default();
        let (mut streak, mut streaks) = (0, Vec::new());
        for word in story.split_whitespace() {
            match word {
                "|" => {
                    let report = backend.read(&mut readings);
                    streak = if report.streak_is_new { 0 } else { streak } + times(&report.in_a_row);
                    streaks.push(streak);
                }
                word => {
                    let core = usize::from(word.starts_with('1'));
                    let outcome = if word.ends_with('+') { Outcome::Success } else { refused() };
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
        record(&backend, 0, Role::Turn, Outcome::Failed(Cause::StaleReuse.into()));
        assert_eq!(backend.read(&mut Readings::default()), Report::default());
    }

    #[test]
    fn an_outcome_of_an_earlier_term_is_not_reported() {
        let backend = backend("a", 1);
        let term = backend.term();
        backend.begin_term();
        backend.record(0, term, Role::Turn, refused(), Instant::now());
        assert_eq!(backend.read(&mut Readings::default()), Report::default());
    }

    #[test]
    fn trials_are_told_apart_and_one_that_proves_nothing_is_known() {
        let backend = backend("a", 1);
        record(&backend, 0, Role::Trial, Outcome::Success);
        record(&backend, 0, Role::LastResort, refused());
        record(&backend, 0, Role::Trial, Outcome::Failed(Cause::LocalResource.into()));
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
                        record(backend, core, Role::Turn, refused());
                    }
                })
            });
            let mut is_over = false;
            while !is_over {
                is_over = cores.iter().all(|core| core.is_finished());
                let report = backend.read(&mut readings);
                successes += report.successes;
                failures += report.strikes().map(|strike| u64::from(strike.times)).sum::<u64>();
            }
        });
        assert_eq!((successes, failures), (40_000, 40_000));
    }
}
