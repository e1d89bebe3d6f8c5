//! What a backend's requests came to within a sliding window.

use std::time::{Duration, Instant};

/// Parts that a window moves by.
const PARTS: usize = 10;

/// Counts of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that succeeded.
    pub successes: u32,
    /// Failures that the backend is to blame for.
    pub failed: u32,
    /// Those of them that were 502, 503 or 504 of its own.
    pub gateway: u32,
    /// Failures that the request itself may be to blame for.
    pub alone: u32,
    /// Those of them that were 502, 503 or 504 of its own.
    pub alone_gateway: u32,
    /// Failures that the request may have killed the backend with.
    pub killed: u32,
    /// Response heads.
    pub heads: u32,
    /// What they took in all, in microseconds.
    pub head_micros: u64,
}

/// The last parts of time, oldest dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Window {
    parts: [Tally; PARTS],
    newest: usize,
    /// When the newest part began.
    began: Instant,
}

impl Tally {
    /// Requests that ended one way or the other and count.
    pub fn requests(&self) -> u32 {
        self.successes.saturating_add(self.failed)
    }

    /// The share that failed, from 0.0 to 1.0.
    pub fn failure_share(&self) -> f64 {
        f64::from(self.failed) / f64::from(self.requests().max(1))
    }

    /// The share that failed, whoever is to blame, from 0.0 to 1.0.
    pub fn raw_failure_share(&self) -> f64 {
        let failed = f64::from(self.failed) + f64::from(self.alone) + f64::from(self.killed);
        failed / (f64::from(self.successes) + failed).max(1.0)
    }

    /// The average wait for a response head.
    pub fn average_head(&self) -> Option<Duration> {
        let heads = u64::from(self.heads);
        (heads > 0).then(|| Duration::from_micros(self.head_micros / heads))
    }

    /// With the failures that the request itself may be to blame for, since it is not.
    pub(crate) fn blamed(self) -> Self {
        Tally {
            failed: self.failed.saturating_add(self.alone),
            gateway: self.gateway.saturating_add(self.alone_gateway),
            alone: 0,
            alone_gateway: 0,
            ..self
        }
    }

    /// With the failures that the request may have killed the backend with, since it has not.
    pub(crate) fn guilty_of_death(self) -> Self {
        Tally { failed: self.failed.saturating_add(self.killed), killed: 0, ..self }
    }

    fn plus(self, other: &Tally) -> Self {
        Tally {
            successes: self.successes.saturating_add(other.successes),
            failed: self.failed.saturating_add(other.failed),
            gateway: self.gateway.saturating_add(other.gateway),
            alone: self.alone.saturating_add(other.alone),
            alone_gateway: self.alone_gateway.saturating_add(other.alone_gateway),
            killed: self.killed.saturating_add(other.killed),
            heads: self.heads.saturating_add(other.heads),
            head_micros: self.head_micros.saturating_add(other.head_micros),
        }
    }
}

impl Window {
    pub(crate) fn new(now: Instant) -> Self {
        Window { parts: [Tally::default(); PARTS], newest: 0, began: now }
    }

    /// The part that `now` lies in, of a window of this length.
    pub(crate) fn current(&mut self, now: Instant, length: Duration) -> &mut Tally {
        let part = (length / PARTS as u32).max(Duration::from_millis(1));
        let passed = now.saturating_duration_since(self.began).as_nanos() / part.as_nanos();
        if passed >= PARTS as u128 {
            *self = Window::new(now);
        }
        let passed = if passed >= PARTS as u128 { 0 } else { passed as u32 };
        for _ in 0..passed {
            self.newest = (self.newest + 1) % PARTS;
            self.parts[self.newest] = Tally::default();
        }
        self.began += part * passed;
        &mut self.parts[self.newest]
    }

    /// Everything within a window of this length.
    pub(crate) fn sum(mut self, now: Instant, length: Duration) -> Tally {
        self.current(now, length);
        self.parts.iter().fold(Tally::default(), Tally::plus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_window_is_forgotten_part_by_part() {
        let (start, length) = (Instant::now(), Duration::from_secs(10));
        let at = |second: u64| start + Duration::from_secs(second);
        let mut window = Window::new(start);
        for second in 0..10 {
            window.current(at(second), length).successes += 1;
        }
        let left = |second| window.sum(at(second), length).successes;
        assert_eq!([9, 10, 14, 19, 20, 1000].map(left), [10, 9, 5, 0, 0, 0]);
    }
}
