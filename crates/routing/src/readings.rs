//! How control adds up what the cores saw of a backend.
//!
//! It reads the successes of every core first, then the failures, each with the success count that its core had then.

use evenkeel_model::{PerCore, Report, Strike};

use crate::cell::Cell;

/// What control read last, kept beside its [`Backend`](crate::Backend).
#[derive(Debug, Default)]
pub struct Readings {
    successes: Vec<u64>,
    heads: u64,
    head_micros: u64,
}

impl Readings {
    /// Adds the cores up. Strikes of several cores stand in a row only if no core had a success in between; which
    /// came first on different cores is not known, so a success on another core makes a streak begin anew.
    pub(crate) fn read(&mut self, cells: &PerCore<Cell>) -> Report {
        let mut report = Report::default();
        let moved = self.read_successes(cells, &mut report);
        self.read_failures(cells, &moved, &mut report);
        report
    }

    /// Which cores had any.
    fn read_successes(&mut self, cells: &PerCore<Cell>, report: &mut Report) -> Vec<usize> {
        self.successes.resize(cells.iter().count(), 0);
        let mut moved = Vec::new();
        for (core, (cell, before)) in cells.iter().zip(&mut self.successes).enumerate() {
            let now = cell.successes.read();
            let difference = now.wrapping_sub(std::mem::replace(before, now));
            report.successes += difference;
            if difference > 0 {
                moved.push(core);
            }
        }
        report.streak_is_new = !moved.is_empty();
        moved
    }

    fn read_failures(&self, cells: &PerCore<Cell>, moved: &[usize], report: &mut Report) {
        for (core, (cell, successes)) in cells.iter().zip(&self.successes).enumerate() {
            let mut failures = cell.take(*successes);
            report.trials.append(&mut failures.trials);
            report.trial_abandoned |= failures.trial_abandoned;
            report.drain =
                [report.drain, failures.drain].into_iter().flatten().max_by_key(|(_, asked)| *asked);
            report.vouched = report.vouched.or(failures.vouched);
            report.rescued |= failures.rescued;
            report.scattered.append(&mut failures.scattered);
            // With several cores on the move, the order of none is known but that of the newest strike: it woke
            // control at once, so it stands behind the successes of the last half second.
            let may_stand = moved.iter().all(|it| *it == core) || moved.len() > 1;
            for (mark, strike) in failures.strikes {
                match mark == *successes && may_stand {
                    true => report.in_a_row.push(strike),
                    false => report.scattered.push(strike),
                }
            }
        }
        report.in_a_row.sort_by_key(|strike| strike.at);
        if moved.len() > 1 {
            Self::keep_the_newest(report);
        }
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
mod tests;
