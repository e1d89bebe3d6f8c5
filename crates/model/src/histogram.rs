//! A latency histogram with one writer per core.

use std::time::Duration;

use crate::Count;

/// Upper bounds of the buckets, in seconds; a last bucket takes the rest.
pub const BOUNDS_SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

const BOUNDS_MICROS: [u64; 16] = [
    500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 125_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000,
];

/// Counts of durations by bucket.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Count; 17],
    sum_micros: Count,
}

/// Sums of histograms over cores, as a scrape reads them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Not cumulative; the last holds what exceeds every bound.
    pub buckets: [u64; 17],
    /// Of all durations, in seconds.
    pub sum_seconds: f64,
}

impl Histogram {
    /// Counts one duration. Only the core that owns the histogram may call it.
    #[inline]
    pub fn record(&self, took: Duration) {
        let micros = took.as_micros() as u64;
        let bucket = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].add(1);
        self.sum_micros.add(micros);
    }

    /// Adds this core's counts to `totals`.
    pub fn add_to(&self, totals: &mut Totals) {
        for (total, bucket) in totals.buckets.iter_mut().zip(&self.buckets) {
            *total += bucket.read();
        }
        totals.sum_seconds += self.sum_micros.read() as f64 / 1e6;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_lands_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for micros in [500, 501, 40_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        let mut totals = Totals::default();
        histogram.add_to(&mut totals);
        assert_eq!((totals.buckets[0], totals.buckets[1], totals.buckets[16]), (1, 1, 1));
        assert_eq!(totals.buckets.iter().sum::<u64>(), 3);
        assert!((totals.sum_seconds - 40.001_001).abs() < 1e-6);
    }

    #[test]
    fn both_tables_of_bounds_agree() {
        for (seconds, micros) in BOUNDS_SECONDS.iter().zip(BOUNDS_MICROS) {
            assert_eq!((seconds * 1e6).round() as u64, micros);
        }
    }
}
