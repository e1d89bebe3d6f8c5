//! How long a backend keeps an idle connection open, as it says itself or as its closes show.
//!
//! Who knows the limit never sends a request into the close. It is shared by the cores and lives as long as the backend.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// So many closes in a row that agree make a limit.
const PROOFS: u32 = 3;

/// Closes at a younger age than this are no idle limit: the backend closes for another reason.
pub const YOUNGEST: Duration = Duration::from_millis(150);

/// How exactly the age of a close is known.
const GRAIN: Duration = Duration::from_millis(120);

/// Longest limit, 49 days, and the value that stands for none.
const LONGEST: u64 = u32::MAX as u64;

/// Set beside the limit if the backend has announced it.
const ANNOUNCED: u64 = 1 << 63;

/// A backend's idle limit.
#[derive(Debug, Default)]
pub struct IdleLimit {
    /// In milliseconds, 0 while unknown, with [`ANNOUNCED`].
    published: AtomicU64,
    candidate: Mutex<Candidate>,
}

/// An age at which connections were closed lately.
#[derive(Debug, Default)]
struct Candidate {
    age: Duration,
    proofs: u32,
}

/// How a limit is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From `Keep-Alive: timeout=` of the backend.
    Announced,
    /// From the ages at which it closed idle connections.
    Observed,
}

impl Source {
    /// The word for it, in status.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Announced => "announced",
            Source::Observed => "observed",
        }
    }
}

impl IdleLimit {
    /// The limit, and how it is known.
    #[inline]
    pub fn read(&self) -> Option<(Duration, Source)> {
        let published = self.published.load(Relaxed);
        let source = if published & ANNOUNCED == 0 { Source::Observed } else { Source::Announced };
        match published & !ANNOUNCED {
            0 => None,
            millis => Some((Duration::from_millis(millis), source)),
        }
    }

    /// The backend announced how long it keeps idle connections.
    #[inline]
    pub fn announce(&self, seconds: u64) {
        let millis = seconds.saturating_mul(1000).clamp(1, LONGEST);
        let known = self.published.load(Relaxed);
        // What was observed is shorter for a reason, such as another proxy in between.
        let is_news = known != millis | ANNOUNCED && (known == 0 || known & ANNOUNCED != 0 || known > millis);
        if is_news {
            self.published.store(millis | ANNOUNCED, Relaxed);
        }
    }

    /// The backend closed connections that were idle, the youngest of them for `youngest` and the oldest for `oldest`.
    /// Closes that are noticed together count once, and not at all if their ages differ: that is a restart.
    pub fn closed(&self, youngest: Duration, oldest: Duration) {
        let agree = |one: Duration, other: Duration| one.abs_diff(other) <= one.min(other) / 5 + GRAIN;
        if youngest < YOUNGEST || !agree(youngest, oldest) {
            return;
        }
        let mut candidate = self.candidate.lock().unwrap_or_else(PoisonError::into_inner);
        *candidate = match candidate.proofs {
            0 => Candidate { age: youngest, proofs: 1 },
            _ if !agree(candidate.age, youngest) => Candidate { age: youngest, proofs: 1 },
            proofs => Candidate { age: candidate.age.min(youngest), proofs: proofs.saturating_add(1) },
        };
        let is_shorter = self.read().is_none_or(|(limit, _)| candidate.age < limit);
        if candidate.proofs >= PROOFS && is_shorter {
            self.published.store((candidate.age.as_millis() as u64).clamp(1, LONGEST), Relaxed);
        }
    }

    /// A connection was open and idle for `age`: an observed limit below that is out of date.
    pub fn outlived(&self, age: Duration) {
        let is_refuted = self
            .read()
            .is_some_and(|(limit, source)| source == Source::Observed && age > limit * 3 / 2 + GRAIN);
        if is_refuted {
            *self.candidate.lock().unwrap_or_else(PoisonError::into_inner) = Candidate::default();
            self.published.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn limit(of: &IdleLimit) -> Option<u64> {
        of.read().map(|(limit, _)| limit.as_millis() as u64)
    }

    #[test]
    fn closes_that_agree_make_a_limit_of_the_earliest() {
        let idle = IdleLimit::default();
        for (age, expected) in [(1050, None), (1000, None), (1090, Some(1000)), (990, Some(990))] {
            idle.closed(at(age), at(age + 50));
            assert_eq!(limit(&idle), expected, "{age}");
        }
        assert_eq!(idle.read(), Some((at(990), Source::Observed)));
    }

    #[test]
    fn a_restart_teaches_nothing() {
        let idle = IdleLimit::default();
        for _ in 0..10 {
            idle.closed(at(200), at(9000));
        }
        for age in [200, 4000, 9000, 700, 30_000, 2000] {
            idle.closed(at(age), at(age));
        }
        assert_eq!(idle.read(), None);
    }

    #[test]
    fn what_is_closed_at_once_was_not_closed_for_being_idle() {
        let idle = IdleLimit::default();
        for _ in 0..10 {
            idle.closed(at(3), at(5));
        }
        assert_eq!(idle.read(), None);
    }

    #[test]
    fn what_is_announced_holds_at_once_unless_it_is_closed_earlier() {
        let idle = IdleLimit::default();
        idle.announce(5);
        assert_eq!(idle.read(), Some((at(5000), Source::Announced)));
        idle.announce(15);
        assert_eq!(limit(&idle), Some(15_000));
        (0..3).for_each(|_| idle.closed(at(3000), at(3000)));
        assert_eq!(idle.read(), Some((at(3000), Source::Observed)));
        idle.announce(15);
        assert_eq!(limit(&idle), Some(3000));
        idle.announce(2);
        assert_eq!(limit(&idle), Some(2000));
    }

    #[test]
    fn a_limit_that_was_outlived_is_forgotten() {
        let idle = IdleLimit::default();
        (0..3).for_each(|_| idle.closed(at(1000), at(1000)));
        idle.outlived(at(1400));
        assert_eq!(limit(&idle), Some(1000));
        idle.outlived(at(1700));
        assert_eq!(limit(&idle), None);
        idle.closed(at(4000), at(4000));
        assert_eq!(limit(&idle), None);
    }
}
