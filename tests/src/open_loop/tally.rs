//! The figures of an outcome.

use std::collections::HashMap;
use std::time::Duration;

use super::{End, Seen};

/// How often each request arrived whole at a backend, by its number.
pub type Deliveries = HashMap<usize, usize>;

/// What clients saw of a fault, in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// All of them.
    pub requests: usize,
    /// GETs that were not answered with their own 200.
    pub failed_gets: usize,
    /// POSTs that were not.
    pub failed_posts: usize,
    /// GETs that the client itself sent again, because its connection was closed without an answer.
    pub repeated_gets: usize,
    /// POSTs that arrived at backends more than once.
    pub doubled_posts: usize,
    /// The longest wait for an answer, of the requests that were answered.
    pub slowest: Duration,
}

impl Tally {
    /// Counts requests by their numbers.
    pub fn of<'a>(seen: impl IntoIterator<Item = (usize, &'a Seen)>, deliveries: &Deliveries) -> Tally {
        let mut tally = Tally::default();
        for (id, one) in seen {
            tally.requests += 1;
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

    /// Both together.
    pub fn and(self, other: Tally) -> Tally {
        Tally {
            requests: self.requests + other.requests,
            failed_gets: self.failed_gets + other.failed_gets,
            failed_posts: self.failed_posts + other.failed_posts,
            repeated_gets: self.repeated_gets + other.repeated_gets,
            doubled_posts: self.doubled_posts + other.doubled_posts,
            slowest: self.slowest.max(other.slowest),
        }
    }

    /// Failed GETs and POSTs; with +, GETs that succeeded because the client itself sent them again.
    pub fn failures(&self) -> String {
        let repeated =
            if self.repeated_gets > 0 { format!(" +{}", self.repeated_gets) } else { String::new() };
        format!("{}{repeated}, {}", self.failed_gets, self.failed_posts)
    }
}

/// Requests as clients might have seen them: G is a GET, R one that was sent again, P a POST. Each took as many milliseconds
/// as its place says. For tests of what judges them.
pub fn seen_as(ends: &[(char, End)]) -> Vec<Seen> {
    let one = |(index, (method, end)): (usize, &(char, End))| Seen {
        at: Duration::ZERO,
        is_post: *method == 'P',
        took: Duration::from_millis(index as u64 + 1),
        end: *end,
        is_repeated: *method == 'R',
    };
    ends.iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_by_method_and_the_slowest_is_one_that_was_answered() {
        let seen = seen_as(&[
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
        assert_eq!(Tally::of(seen.iter().enumerate(), &deliveries), expected);
    }
}
