//! How many retries a pool has left: a share of its requests of the last seconds, and a few in any case.
//!
//! Only those count that give a backend work again. The lock is taken by a request that failed and, once a second, by
//! one core's tick.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Budget;

/// The longest window there can be, in seconds.
const LONGEST_WINDOW: usize = 60;

/// What a pool's retries have cost, over all cores. Kept over reloads, by the pool's name.
#[derive(Debug, Default)]
pub struct RetryLedger(Mutex<VecDeque<Second>>);

/// One second, or what is left of it.
#[derive(Debug)]
struct Second {
    began: Instant,
    /// The pool's requests when it began.
    requests: u64,
    retries: u64,
}

impl RetryLedger {
    /// Notes how many requests the pool has had until `now`. Without it a burst after a quiet time counts as one
    /// request: call it every second.
    pub fn note(&self, requests: u64, now: Instant) {
        Self::current(&mut self.seconds(), requests, now);
    }

    /// Whether one more retry is in the budget; if so, it counts as made. `requests` are the pool's until `now`.
    pub fn spend(&self, rule: &Budget, requests: u64, now: Instant) -> bool {
        let mut seconds = self.seconds();
        Self::current(&mut seconds, requests, now);
        let within = |second: &&Second| now.saturating_duration_since(second.began) < rule.window;
        let (mut before, mut spent) = (requests, 0);
        for second in seconds.iter().rev().take_while(within) {
            before = second.requests;
            spent += second.retries;
        }
        if seconds.front().is_some_and(|first| within(&first)) && seconds.len() <= LONGEST_WINDOW {
            // The pool is younger than the window: all its requests are in it.
            before = 0;
        }
        let share = requests.wrapping_sub(before) * u64::from(rule.share_percent) / 100;
        let least = u64::from(rule.at_least) * rule.window.as_millis() as u64 / 1000;
        let is_left = spent < share.max(least);
        if is_left && let Some(second) = seconds.back_mut() {
            second.retries += 1;
        }
        is_left
    }

    fn seconds(&self) -> std::sync::MutexGuard<'_, VecDeque<Second>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a second if the last one is over.
    fn current(seconds: &mut VecDeque<Second>, requests: u64, now: Instant) {
        let is_over = |last: &Second| now.saturating_duration_since(last.began) >= Duration::from_secs(1);
        if seconds.back().is_none_or(is_over) {
            if seconds.len() > LONGEST_WINDOW {
                seconds.pop_front();
            }
            seconds.push_back(Second { began: now, requests, retries: 0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Budget = Budget { share_percent: 20, window: Duration::from_secs(10), at_least: 1 };

    fn spent(ledger: &RetryLedger, rule: &Budget, requests: u64, now: Instant) -> usize {
        (0..10_000).take_while(|_| ledger.spend(rule, requests, now)).count()
    }

    #[test]
    fn a_quiet_pool_has_the_least_and_no_more() {
        let (ledger, now) = (RetryLedger::default(), Instant::now());
        assert_eq!(spent(&ledger, &RULE, 5, now), 10);
        assert!(!ledger.spend(&RULE, 5, now + Duration::from_secs(9)));
        assert_eq!(spent(&ledger, &RULE, 5, now + Duration::from_secs(10)), 10);
    }

    #[test]
    fn a_busy_pool_has_its_share_of_the_window() {
        let (ledger, start) = (RetryLedger::default(), Instant::now());
        let at = |second: u64| start + Duration::from_secs(second);
        assert_eq!(spent(&ledger, &RULE, 1000, at(0)), 200, "all requests of a young pool are in the window");
        for second in 1..=100 {
            ledger.note(1000 + second * 100, at(second));
        }
        // From the 91st second on: 1,000 requests.
        assert_eq!(spent(&ledger, &RULE, 11_100, at(100)), 200);
    }

    #[test]
    fn nothing_is_allowed_where_nothing_is_to_be() {
        let rule = Budget { share_percent: 0, at_least: 0, ..RULE };
        assert!(!RetryLedger::default().spend(&rule, 1_000_000, Instant::now()));
    }

    #[test]
    fn the_memory_stays_bounded() {
        let (ledger, now) = (RetryLedger::default(), Instant::now());
        for millis in 0..200_000 {
            ledger.note(millis, now + Duration::from_millis(millis * 10));
        }
        assert_eq!(ledger.seconds().len(), LONGEST_WINDOW + 1);
    }
}
