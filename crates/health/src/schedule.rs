//! When to probe next. Chance is an argument.

use std::time::Duration;

use crate::Probe;

/// In which a few backends all have their first probe.
const FIRST: Duration = Duration::from_millis(250);

/// What a backend that evenkeel begins to probe may cost: so many in a second begin at once.
const FIRST_RATE: u32 = 1000;

/// How many intervals pass between two probes while requests prove the backend well.
const WHILE_TRAFFIC_PROVES: u32 = 2;

/// The longest interval that answers of 429 lead to.
const SLOWEST: Duration = Duration::from_secs(60);

/// How soon the next probe is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The last word contradicts the phase.
    Fast,
    /// As configured.
    Usual,
    /// Requests prove it well all the time.
    Slow,
    /// It answered so many probes in a row with 429.
    Slower(u32),
}

impl Probe {
    /// Before the first probe of a backend, one of `backends`: at most a quarter of a second, so that a start is proven
    /// soon, unless there are hundreds; spread by `chance` (0.0 to 1.0), so that not all go at once.
    pub fn first_wait(&self, backends: usize, chance: f64) -> Duration {
        let backends = u32::try_from(backends).unwrap_or(u32::MAX);
        let longest = FIRST.max(Duration::from_secs(backends.into()) / FIRST_RATE);
        self.interval.min(longest).mul_f64(chance.clamp(0.0, 1.0))
    }

    /// From the start of one probe to the start of the next; longer or shorter by the jitter and `chance` (0.0 to 1.0), so
    /// that nodes which started together drift apart.
    pub fn next_wait(&self, pace: Pace, chance: f64) -> Duration {
        let wait = match pace {
            Pace::Fast => self.fast_interval,
            Pace::Usual => self.interval,
            Pace::Slow => self.interval * WHILE_TRAFFIC_PROVES,
            Pace::Slower(times) => {
                let slower = self.interval.saturating_mul(1 << times.min(16));
                slower.min(SLOWEST.max(self.interval))
            }
        };
        let jitter = f64::from(self.jitter_percent.min(50)) / 100.0;
        wait.mul_f64(1.0 + jitter * (2.0 * chance.clamp(0.0, 1.0) - 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(wait: Duration) -> u128 {
        wait.as_millis()
    }

    #[test]
    fn first_probes_are_quick_unless_there_are_very_many() {
        let probe = Probe::default();
        assert_eq!([0.0, 1.0].map(|chance| millis(probe.first_wait(3, chance))), [0, 250]);
        assert_eq!([1000, 5000].map(|backends| millis(probe.first_wait(backends, 1.0))), [1000, 2000]);
    }

    #[test]
    fn probes_drift_by_the_jitter_and_hurry_in_doubt() {
        let probe = Probe::default();
        let waits = |pace| [0.0, 0.5, 1.0].map(|chance| millis(probe.next_wait(pace, chance)));
        assert_eq!(waits(Pace::Usual), [1800, 2000, 2200]);
        assert_eq!(waits(Pace::Fast), [450, 500, 550]);
        assert_eq!(waits(Pace::Slow), [3600, 4000, 4400]);
        assert_eq!(waits(Pace::Slower(2)), [7200, 8000, 8800]);
        assert_eq!(waits(Pace::Slower(40)), [54_000, 60_000, 66_000]);
        let steady = Probe { jitter_percent: 0, ..probe };
        assert_eq!(millis(steady.next_wait(Pace::Usual, 1.0)), 2000);
    }
}
