//! How long the attempts of a route take to a response head, as one core has seen lately.
//!
//! A stall is told by it: an attempt that takes many times as long as nearly all others. Old samples fade, so a route
//! that changes its pace is soon known by the new one.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::{CoreRoute, Count, PerCore};

/// Two to an octave, from 1 ms to 45 s; what exceeds them is in the last.
const BUCKETS: usize = 32;

/// When so many samples are there, each bucket loses half of its own.
const MOST_SAMPLES: u64 = 512;

/// Fewer samples than this say little: then other cores are asked.
const ENOUGH: u64 = 8;

/// How many samples pass before the bound is computed anew, once there are enough.
const RENEW_EVERY: u64 = 32;

/// Durations by bucket, with one writer.
#[derive(Debug, Default)]
pub struct Pace {
    buckets: [Count; BUCKETS],
    samples: Count,
    /// What nearly all samples stay below, in microseconds; 0 without samples.
    usual: AtomicU64,
}

impl Pace {
    /// Takes in how long an attempt took to its response head. Only the core that owns it may call it.
    #[inline]
    pub fn record(&self, took: Duration) {
        self.buckets[bucket(took)].add(1);
        self.samples.add(1);
        let samples = self.samples.read();
        if samples <= ENOUGH || samples.is_multiple_of(RENEW_EVERY) {
            self.renew(samples);
        }
    }

    #[cold]
    fn renew(&self, samples: u64) {
        self.usual.store(self.percentile(samples).as_micros() as u64, Relaxed);
        if samples >= MOST_SAMPLES {
            for bucket in &self.buckets {
                bucket.subtract(bucket.read().div_ceil(2));
            }
            let left = self.buckets.iter().map(Count::read).fold(0, u64::wrapping_add);
            self.samples.subtract(samples - left);
        }
    }

    /// The bound below which 99 % of the samples are; of a few samples, all but the slowest.
    fn percentile(&self, samples: u64) -> Duration {
        let mut above = match samples {
            ..ENOUGH => 0,
            _ => (samples / 100).max(1),
        };
        for (index, bucket) in self.buckets.iter().enumerate().rev() {
            let count = bucket.read();
            if count > above {
                return upper_bound(index);
            }
            above -= count;
        }
        Duration::ZERO
    }
}

impl PerCore<CoreRoute> {
    /// What 99 % of the route's attempts stay below, as `core` has seen it; where that has seen too little, the slowest
    /// of what any core has. `None`: nobody has seen one.
    #[inline]
    pub fn usual_pace(&self, core: usize) -> Option<Duration> {
        let own = &self[core].pace;
        if own.samples.read() >= ENOUGH {
            return Some(Duration::from_micros(own.usual.load(Relaxed)));
        }
        let slowest = self.iter().map(|cell| cell.pace.usual.load(Relaxed)).max();
        slowest.filter(|usual| *usual > 0).map(Duration::from_micros)
    }
}

/// Bucket 0 holds what is below 1 ms; the upper bound of bucket `i` is 1 ms times the square root of 2 to the `i`.
#[inline]
fn bucket(took: Duration) -> usize {
    let millis = took.as_micros() as u64 / 1000;
    let Some(octave) = millis.checked_ilog2() else { return 0 };
    // 7/5 is a little less than the square root of 2.
    let is_upper_half = millis * 5 >= 7 << octave;
    (2 * octave as usize + 1 + usize::from(is_upper_half)).min(BUCKETS - 1)
}

fn upper_bound(index: usize) -> Duration {
    let octave = Duration::from_millis(1 << (index / 2));
    if index.is_multiple_of(2) { octave } else { octave * 7 / 5 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn paces() -> PerCore<CoreRoute> {
        PerCore::new(2)
    }

    fn record(cell: &CoreRoute, millis: u64, times: usize) {
        for _ in 0..times {
            cell.pace.record(Duration::from_millis(millis));
        }
    }

    #[test]
    fn the_bound_of_a_bucket_is_above_what_is_in_it_and_below_what_is_in_the_next() {
        for millis in [0, 1, 2, 3, 5, 7, 11, 45, 100, 999, 1400, 3000, 29_000, 40_000] {
            let took = Duration::from_millis(millis);
            let bound = upper_bound(bucket(took));
            assert!(took < bound, "{millis} ms, {bound:?}");
            assert!(bound <= took * 3 / 2 + Duration::from_millis(1), "{millis} ms, {bound:?}");
        }
        assert_eq!(bucket(Duration::from_secs(3600)), BUCKETS - 1);
    }

    #[test]
    fn the_first_sample_counts_and_another_core_is_believed_until_there_are_enough() {
        let cores = paces();
        assert_eq!(cores.usual_pace(0), None);
        record(&cores[1], 1500, 1);
        assert!(cores.usual_pace(0) > Some(SECOND));
        record(&cores[0], 2, ENOUGH as usize);
        assert!(cores.usual_pace(0) < Some(SECOND / 100));
    }

    #[test]
    fn one_outlier_of_many_is_not_usual_and_a_slow_hundredth_is() {
        let cores = paces();
        record(&cores[0], 3, 20);
        record(&cores[0], 5000, 1);
        record(&cores[0], 3, 11);
        assert!(cores.usual_pace(0) < Some(SECOND / 100));
        for _ in 0..30 {
            record(&cores[0], 3, 30);
            record(&cores[0], 5000, 2);
        }
        assert!(cores.usual_pace(0) > Some(SECOND));
    }

    #[test]
    fn a_new_pace_replaces_the_old_one_and_the_memory_stays_bounded() {
        let cores = paces();
        record(&cores[0], 3, 10_000);
        record(&cores[0], 2000, 64);
        assert!(cores.usual_pace(0) > Some(SECOND), "{:?}", cores.usual_pace(0));
        record(&cores[0], 3, 10_000);
        assert!(cores.usual_pace(0) < Some(SECOND / 100));
        assert!(cores[0].pace.samples.read() <= MOST_SAMPLES);
    }
}
