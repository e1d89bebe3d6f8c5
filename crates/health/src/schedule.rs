//! When to probe next. Chance is an argument.

use std::time::Duration;

use crate::Probe;

/// Longest wait for the first probe of a backend.
const FIRST: Duration = Duration::from_millis(250);

impl Probe {
    /// Before the first probe of a backend: at most a quarter of a second, so that a start is proven soon, and
    /// spread by `chance` (0.0 to 1.0), so that not all go at once.
    pub fn first_wait(&self, chance: f64) -> Duration {
        self.interval.min(FIRST).mul_f64(chance.clamp(0.0, 1.0))
    }

    /// From the start of one probe to the start of the next: the interval, a tenth less or more by `chance` (0.0 to
    /// 1.0), so that nodes which started together drift apart.
    pub fn next_wait(&self, chance: f64) -> Duration {
        self.interval.mul_f64(0.9 + 0.2 * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_probes_are_quick_and_later_ones_drift_by_a_tenth() {
        let probe = Probe::default();
        let millis = |wait: Duration| wait.as_millis();
        assert_eq!([0.0, 1.0].map(|chance| millis(probe.first_wait(chance))), [0, 250]);
        assert_eq!([0.0, 0.5, 1.0].map(|chance| millis(probe.next_wait(chance))), [1800, 2000, 2200]);
    }
}
