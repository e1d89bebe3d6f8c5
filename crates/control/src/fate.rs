//! Shared fate: when most of a pool fails in the same way at once, the cause is on this side.
//!
//! Only causes count that a network, a resolver or this machine can bring about.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use evenkeel_model::{Address, Cause};

/// Within which time the failures have to be seen.
const WITHIN: Duration = Duration::from_secs(2);

/// How long a first failure waits for the others to show theirs.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a pool's backends in service failed with lately.
#[derive(Debug, Default)]
pub(crate) struct Fate {
    /// When the first of them failed.
    began: Option<Instant>,
    cause: Option<Cause>,
    /// The newest failure of each backend.
    seen: BTreeMap<Address, Instant>,
    /// When anything spoke against it: another cause, or a success elsewhere.
    refuted: Option<Instant>,
    /// Whether it was told.
    pub(crate) is_told: bool,
}

impl Fate {
    /// A backend in service failed.
    pub(crate) fn failed(&mut self, address: &Address, cause: Cause, now: Instant) {
        self.forget(now);
        if !cause.facts().is_shared || self.cause.is_some_and(|known| known != cause) {
            self.refuted = Some(now);
        }
        if cause.facts().is_shared {
            self.began.get_or_insert(now);
            self.cause = Some(cause);
            self.seen.insert(address.clone(), now);
        }
    }

    /// A request that had failed succeeded on another backend of the pool.
    pub(crate) fn refute(&mut self, now: Instant) {
        self.refuted = Some(now);
    }

    /// Until when nobody can say yet whether others share it; `None` once that is known.
    pub(crate) fn is_open_until(&self, now: Instant) -> Option<Instant> {
        let until = self.began.filter(|_| !self.is_refuted(now))? + PATIENCE;
        (now < until).then_some(until)
    }

    /// The cause that most of so many backends share, those in service or just failed.
    pub(crate) fn shared(&self, backends: usize, now: Instant) -> Option<Cause> {
        let recent = self.seen.iter().filter(|(_, at)| is_recent(**at, now));
        let addresses: Vec<_> = recent.map(|(address, _)| address).collect();
        let hosts: BTreeSet<_> = addresses.iter().map(|address| host(address)).collect();
        let is_most = addresses.len() * 2 > backends && hosts.len() >= 2;
        self.cause.filter(|_| is_most && !self.is_refuted(now))
    }

    /// Who shares it.
    pub(crate) fn has_seen(&self, address: &Address) -> bool {
        self.seen.contains_key(address)
    }

    /// Whether there is anything to look after.
    pub(crate) fn is_going_on(&self) -> bool {
        self.is_told || self.began.is_some()
    }

    /// How many backends share it.
    pub(crate) fn count(&self) -> usize {
        self.seen.len()
    }

    /// Begins anew once nobody failed so for long enough. True if it had been told, and is over or refuted.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        self.forget(now);
        let ends = self.is_told && (self.began.is_none() || self.is_refuted(now));
        self.is_told &= !ends;
        ends
    }

    fn forget(&mut self, now: Instant) {
        self.seen.retain(|_, at| is_recent(*at, now));
        if self.seen.is_empty() {
            (self.began, self.cause) = (None, None);
        }
    }

    fn is_refuted(&self, now: Instant) -> bool {
        self.refuted.is_some_and(|at| is_recent(at, now))
    }
}

fn is_recent(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) <= WITHIN
}

/// Two ports of one host share more than a network.
fn host(address: &Address) -> String {
    match address {
        Address::Ip(address) => address.ip().to_string(),
        Address::Name { host, .. } => host.to_string(),
        Address::Unix(path) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use Cause::{ConnectRefused, ConnectTimeout, Unroutable};

    use super::*;

    fn address(last: u8) -> Address {
        format!("10.0.0.{last}:80").parse().unwrap()
    }

    /// Backends that fail, by second.
    fn fate(failures: &[(u64, u8, Cause)]) -> (Fate, Instant) {
        let start = Instant::now();
        let mut fate = Fate::default();
        for (second, last, cause) in failures {
            fate.failed(&address(*last), *cause, start + Duration::from_secs(*second));
        }
        (fate, start)
    }

    #[test]
    fn more_than_half_of_a_pool_at_once_share_a_fate() {
        let (fate, start) = fate(&[(0, 1, ConnectTimeout), (1, 2, ConnectTimeout)]);
        let now = start + Duration::from_secs(1);
        assert_eq!(fate.shared(3, now), Some(ConnectTimeout));
        assert_eq!(fate.shared(4, now), None, "half is not more than half");
        assert_eq!(fate.shared(3, start + Duration::from_secs(3)), None, "not within two seconds");
    }

    #[test]
    fn another_cause_or_one_that_is_the_backends_own_refutes_it() {
        for other in [Unroutable, ConnectRefused] {
            let (fate, start) = fate(&[(0, 1, ConnectTimeout), (0, 2, ConnectTimeout), (0, 3, other)]);
            assert_eq!(fate.shared(3, start), None, "{other:?}");
        }
        let (fate, start) = fate(&[(0, 1, ConnectRefused), (0, 2, ConnectRefused)]);
        assert_eq!(fate.shared(3, start), None);
    }

    #[test]
    fn a_retry_that_succeeds_elsewhere_refutes_it() {
        let (mut fate, start) = fate(&[(0, 1, ConnectTimeout), (0, 2, ConnectTimeout)]);
        assert!(fate.shared(3, start).is_some());
        fate.refute(start);
        assert_eq!((fate.shared(3, start), fate.is_open_until(start)), (None, None));
    }

    #[test]
    fn a_first_failure_waits_half_a_second_for_the_others() {
        let (fate, start) = fate(&[(0, 1, ConnectTimeout)]);
        let half = start + Duration::from_millis(500);
        assert_eq!((fate.is_open_until(start), fate.is_open_until(half)), (Some(half), None));
    }

    #[test]
    fn ports_of_one_host_are_one_address() {
        let (mut fate, now) = fate(&[]);
        for port in [80, 81, 82] {
            fate.failed(&format!("10.0.0.1:{port}").parse().unwrap(), ConnectTimeout, now);
        }
        assert_eq!(fate.shared(3, now), None);
    }

    #[test]
    fn what_refuted_an_earlier_one_is_forgotten_as_well() {
        let (mut fate, start) =
            fate(&[(0, 3, ConnectRefused), (1, 1, ConnectTimeout), (2, 1, ConnectTimeout)]);
        let now = start + Duration::from_secs(3);
        fate.failed(&address(1), ConnectTimeout, now);
        fate.failed(&address(2), ConnectTimeout, now);
        assert_eq!(fate.shared(3, now), Some(ConnectTimeout));
    }

    #[test]
    fn after_a_quiet_time_it_begins_anew() {
        let (mut fate, start) = fate(&[(0, 1, ConnectTimeout), (0, 2, ConnectTimeout)]);
        fate.is_told = true;
        assert!(!fate.expire(start + Duration::from_secs(1)) && fate.count() == 2);
        assert!(fate.expire(start + Duration::from_secs(3)));
        assert_eq!(fate.count(), 0);
    }
}
