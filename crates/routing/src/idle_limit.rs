//! How long a backend keeps an idle connection open, as it says itself or as its closes show.
//!
//! Who knows the limit never sends a request into the close. It is shared by the cores and lives as long as the backend.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many closes in a row that agree make a limit.
const PROOFS: u32 = 3;

/// Closes at a younger age than this are no idle limit: the backend closes for another reason.
pub const YOUNGEST: Duration = Duration::from_millis(150);

/// Closes that are noticed so soon after another, on whatever core, are of the same moment.
const MOMENT: Duration = Duration::from_millis(500);

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
    /// When the last close was noticed.
    at: Option<Instant>,
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
    /// Closes of one moment count once, and not at all if their ages differ: that is a restart.
    pub fn closed(&self, youngest: Duration, oldest: Duration, now: Instant) {
        let agree = |one: Duration, other: Duration| one.abs_diff(other) <= one.min(other) / 5 + GRAIN;
        if youngest < YOUNGEST || !agree(youngest, oldest) {
            return;
        }
        let mut candidate = self.candidate.lock().unwrap_or_else(PoisonError::into_inner);
        if candidate.at.is_some_and(|last| now.saturating_duration_since(last) < MOMENT) {
            return;
        }
        let (age, proofs) = match candidate.proofs {
            0 => (youngest, 1),
            _ if !agree(candidate.age, youngest) => (youngest, 1),
            proofs => (candidate.age.min(youngest), proofs.saturating_add(1)),
        };
        *candidate = Candidate { age, proofs, at: Some(now) };
        let is_shorter = self.read().is_none_or(|(limit, _)| candidate.age < limit);
        if candidate.proofs >= PROOFS && is_shorter {
            self.published.store((candidate.age.as_millis() as u64).clamp(1, LONGEST), Relaxed);
        }
    }

    /// A connection was open and idle for `age`: a limit far below that is out of date.
    pub fn outlived(&self, age: Duration) {
        let is_refuted = self.read().is_some_and(|(limit, _)| age > limit * 3 / 2 + GRAIN);
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

    /// Closes at these ages, one a second.
    fn close(idle: &IdleLimit, ages: &[(u64, u64)]) {
        let last = idle.candidate.lock().unwrap().at.unwrap_or_else(Instant::now);
        for (index, (youngest, oldest)) in ages.iter().enumerate() {
            idle.closed(at(*youngest), at(*oldest), last + at(1000 * (index as u64 + 1)));
        }
    }

    fn limit(of: &IdleLimit) -> Option<u64> {
        of.read().map(|(limit, _)| limit.as_millis() as u64)
    }

    #[test]
    fn closes_that_agree_make_a_limit_of_the_earliest() {
        let idle = IdleLimit::default();
        for (age, expected) in [(1050, None), (1000, None), (1090, Some(1000)), (990, Some(990))] {
            close(&idle, &[(age, age + 50)]);
            assert_eq!(limit(&idle), expected, "{age}");
        }
        assert_eq!(idle.read(), Some((at(990), Source::Observed)));
    }

    #[test]
    fn a_restart_teaches_nothing() {
        let idle = IdleLimit::default();
        close(&idle, &[(200, 9000); 10]);
        close(&idle, &[200, 4000, 9000, 700, 30_000, 2000].map(|age| (age, age)));
        let now = Instant::now() + at(60_000);
        // Each of many cores has a connection or two.
        (0..20).for_each(|core| idle.closed(at(400 + core), at(400 + core), now + at(core)));
        assert_eq!(idle.read(), None);
    }

    #[test]
    fn what_is_closed_at_once_was_not_closed_for_being_idle() {
        let idle = IdleLimit::default();
        close(&idle, &[(3, 5); 10]);
        assert_eq!(idle.read(), None);
    }

    #[test]
    fn what_is_announced_holds_at_once_unless_it_is_closed_earlier() {
        let idle = IdleLimit::default();
        idle.announce(5);
        assert_eq!(idle.read(), Some((at(5000), Source::Announced)));
        idle.announce(15);
        assert_eq!(limit(&idle), Some(15_000));
        close(&idle, &[(3000, 3000); 3]);
        assert_eq!(idle.read(), Some((at(3000), Source::Observed)));
        idle.announce(15);
        assert_eq!(limit(&idle), Some(3000));
        idle.announce(2);
        assert_eq!(limit(&idle), Some(2000));
    }

    #[test]
    fn a_limit_that_was_outlived_is_forgotten() {
        let idle = IdleLimit::default();
        close(&idle, &[(1000, 1000); 3]);
        idle.outlived(at(1400));
        assert_eq!(limit(&idle), Some(1000));
        idle.outlived(at(1700));
        assert_eq!(limit(&idle), None);
        close(&idle, &[(4000, 4000)]);
        assert_eq!(limit(&idle), None);
        idle.announce(1);
        idle.outlived(at(1700));
        assert_eq!(limit(&idle), None);
    }
}
