//! The figures of an outcome.

use std::time::Duration;

use crate::client::{End, Seen};
use crate::fleet::Deliveries;

/// What clients saw of a fault, in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) requests: usize,
    pub(crate) failed_gets: usize,
    pub(crate) failed_posts: usize,
    /// GETs that the client itself sent again, because its connection was closed without an answer.
    pub(crate) repeated_gets: usize,
    /// POSTs that arrived at backends more than once.
    pub(crate) doubled_posts: usize,
    /// The longest wait for an answer, of the requests that were answered.
    pub(crate) slowest: Duration,
}

impl Tally {
    /// Counts.
    pub(crate) fn of(seen: &[Seen], deliveries: &Deliveries) -> Tally {
        let mut tally = Tally { requests: seen.len(), ..Tally::default() };
        for (id, one) in seen.iter().enumerate() {
            let is_failed = one.end != End::Answered;
            tally.failed_posts += usize::from(is_failed && one.is_post);
            tally.failed_gets += usize::from(is_failed && !one.is_post);
            tally.repeated_gets += usize::from(one.is_repeated);
            tally.doubled_posts +=
                usize::from(one.is_post && deliveries.get(&id).is_some_and(|times| *times > 1));
            if !is_failed {
                tally.slowest = tally.slowest.max(one.took);
            }
        }
        tally
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A request that took as many milliseconds as its place says.
    pub(crate) fn seen(ends: &[(char, End)]) -> Vec<Seen> {
        let one = |(index, (method, end)): (usize, &(char, End))| Seen {
            at: Duration::ZERO,
            is_post: *method == 'P',
            took: Duration::from_millis(index as u64 + 1),
            end: *end,
            is_repeated: *method == 'R',
        };
        ends.iter().enumerate().map(one).collect()
    }

    #[test]
    fn failures_are_counted_by_method_and_the_slowest_is_one_that_was_answered() {
        let seen = seen(&[
            ('G', End::Answered),
            ('R', End::Answered),
            ('P', End::Answered),
            ('P', End::Status(502)),
            ('P', End::Unanswered),
            ('G', End::Impatient),
        ]);
        // A GET may arrive twice.
        let deliveries = Deliveries::from([(0, 2), (1, 1), (2, 2), (3, 1)]);
        let expected = Tally {
            requests: 6,
            failed_gets: 1,
            failed_posts: 2,
            repeated_gets: 1,
            doubled_posts: 1,
            slowest: Duration::from_millis(3),
        };
        assert_eq!(Tally::of(&seen, &deliveries), expected);
    }
}
