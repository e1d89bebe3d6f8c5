//! What is held against a backend in service: failures in a row, within a window, and whose fault they are.
//!
//! A request that fails for its own sake must not cost a backend its place. So a failure that may be of that kind counts
//! only once the same backend has failed two different requests within the window, or another one has succeeded with the
//! same.

use std::time::{Duration, Instant};

use evenkeel_model::{Cause, Evidence, Fault, ProbeFailure, Proof, Strike, Weight};

use crate::tally::Window;
use crate::{Eject, Tally};

/// The record of a backend in service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Record {
    /// Failures in a row that the backend is to blame for.
    counted: u32,
    /// Failures in a row that the request may be to blame for.
    alone: u32,
    /// Failures in a row that count by themselves, unless the request has killed other backends as well.
    killed: u32,
    /// The requests that have failed others as well, and when that was seen.
    poisoned: [Option<(u64, Instant)>; 2],
    /// The newest failure.
    last: Option<Fault>,
    window: Window,
    /// The two newest requests that failed and are not the same.
    failed: [Option<(u64, Instant)>; 2],
    /// When another backend succeeded with a request that failed here.
    proven: Option<Instant>,
    /// Probes that failed in a row.
    probes: u32,
    probe_failure: Option<ProbeFailure>,
}

/// How a failure is weighed.
enum Kind {
    /// The backend is to blame.
    Proven,
    /// The request may be to blame.
    Alone,
    /// The backend is to blame, unless the request has killed others as well.
    Killed,
}

impl Record {
    pub(crate) fn new(now: Instant) -> Self {
        Record {
            counted: 0,
            alone: 0,
            killed: 0,
            poisoned: [None; 2],
            last: None,
            window: Window::new(now),
            failed: [None; 2],
            proven: None,
            probes: 0,
            probe_failure: None,
        }
    }

    pub(crate) fn success(&mut self, count: u64, now: Instant, rule: &Eject) {
        (self.counted, self.alone, self.killed) = (0, 0, 0);
        let part = self.window.current(now, rule.window);
        part.successes = part.successes.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
    }

    pub(crate) fn strike(&mut self, strike: Strike, in_a_row: bool, now: Instant, rule: &Eject) {
        let Strike { fault, times, .. } = strike;
        let kind = match (fault.cause.facts().weight, fault.proof) {
            (Weight::None, _) => return,
            (Weight::Soft, Proof::Alone) => Kind::Alone,
            (Weight::Hard, Proof::Alone) if fault.may_be_poison() => Kind::Killed,
            (Weight::Hard | Weight::Soft, _) => Kind::Proven,
        };
        if fault.key != 0 {
            self.remember(fault.key, now);
        }
        self.last = Some(fault);
        let gateway = if fault.is_gateway_error() { times } else { 0 };
        let part = self.window.current(now, rule.window);
        let (sum, gateways, streak) = match kind {
            Kind::Proven => (&mut part.failed, &mut part.gateway, &mut self.counted),
            Kind::Alone => (&mut part.alone, &mut part.alone_gateway, &mut self.alone),
            // It answered nothing, so it is no gateway error.
            Kind::Killed => (&mut part.killed, &mut part.gateway, &mut self.killed),
        };
        *sum = sum.saturating_add(times);
        *gateways = gateways.saturating_add(gateway);
        if in_a_row {
            *streak = streak.saturating_add(times);
        }
    }

    /// The requests that it has failed lately, and that may be to blame themselves.
    pub(crate) fn suspects(&self, now: Instant, rule: &Eject) -> [Option<u64>; 2] {
        let is_open = self.alone > 0 || self.killed > 0;
        let is_suspect = |(_, at): &(u64, Instant)| is_open && is_within(*at, now, rule.window);
        self.failed.map(|failed| failed.filter(is_suspect).map(|(key, _)| key))
    }

    /// Whether it has failed this request lately.
    pub(crate) fn has_failed(&self, key: u64, now: Instant, rule: &Eject) -> bool {
        self.failed.iter().flatten().any(|(failed, at)| *failed == key && is_within(*at, now, rule.window))
    }

    /// A request that it has failed has failed with others as well.
    pub(crate) fn poison(&mut self, key: u64, now: Instant) {
        let place = usize::from(self.failed[0].is_none_or(|(failed, _)| failed != key));
        self.poisoned[place] = Some((key, now));
    }

    pub(crate) fn heads(&mut self, heads: u64, micros: u64, now: Instant, rule: &Eject) {
        let part = self.window.current(now, rule.window);
        part.heads = part.heads.saturating_add(u32::try_from(heads).unwrap_or(u32::MAX));
        part.head_micros = part.head_micros.saturating_add(micros);
    }

    /// Another backend succeeded with a request that failed here alone.
    pub(crate) fn prove(&mut self, key: u64, now: Instant) {
        if self.failed.iter().flatten().any(|(failed, _)| *failed == key) {
            self.proven = Some(now);
        }
    }

    pub(crate) fn probe(&mut self, result: Result<(), ProbeFailure>) {
        self.probes = result.map_or_else(|_| self.probes.saturating_add(1), |()| 0);
        self.probe_failure = result.err();
    }

    /// The request that failed here, and of which nobody knows whether it is to blame itself; and when.
    pub(crate) fn suspicion(&self, now: Instant, rule: &Eject) -> Option<(u64, Instant)> {
        let (key, at) = self.failed[0]?;
        let is_alone = self.alone > 0 || (self.killed > 0 && self.is_poisoned(now, rule));
        let is_open = is_alone && is_within(at, now, rule.window) && !self.is_to_blame(now, rule);
        is_open.then_some((key, at))
    }

    /// Whether its newest requests failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.counted > 0 || self.alone > 0 || self.killed > 0
    }

    /// Whether anything speaks against it at the moment.
    pub(crate) fn has_doubts(&self) -> bool {
        self.is_failing() || self.probes > 0
    }

    /// What its requests came to within the window.
    pub(crate) fn tally(&self, now: Instant, rule: &Eject) -> Tally {
        let tally = self.window.sum(now, rule.window);
        match (self.is_to_blame(now, rule), self.is_poisoned(now, rule)) {
            (true, _) => tally.blamed().guilty_of_death(),
            (false, false) => tally.guilty_of_death(),
            (false, true) => tally,
        }
    }

    /// What its traffic convicts it of.
    pub(crate) fn charge(&self, now: Instant, rule: &Eject) -> Option<Evidence> {
        let is_to_blame = self.is_to_blame(now, rule);
        let alone = if is_to_blame { self.alone } else { 0 };
        let killed = if is_to_blame || !self.is_poisoned(now, rule) { self.killed } else { 0 };
        let count = self.counted.saturating_add(alone).saturating_add(killed);
        let last = self.last.unwrap_or(Cause::Internal.into());
        let (cause, status, tls) = (last.cause, last.status, last.tls);
        if count >= rule.consecutive {
            return Some(Evidence::Strikes { count, cause, status, tls });
        }
        let tally = self.tally(now, rule);
        let requests = tally.requests();
        let is_beyond = |failed: u32, percent: Option<u32>| {
            let share = u64::from(failed) * 100;
            failed > 0 && percent.is_some_and(|percent| share >= u64::from(requests) * u64::from(percent))
        };
        if requests < rule.minimum_requests {
            None
        } else if is_beyond(tally.gateway, rule.gateway_percent) {
            Some(Evidence::GatewayRate { failed: tally.gateway, requests })
        } else if is_beyond(tally.failed, rule.rate_percent) {
            Some(Evidence::Rate { failed: tally.failed, requests, cause })
        } else {
            None
        }
    }

    /// The probes that failed in a row, if so many convict it.
    pub(crate) fn probe_charge(&self, fall: u32) -> Option<Evidence> {
        let failure = self.probe_failure.filter(|_| self.probes >= fall)?;
        Some(Evidence::Probes { count: self.probes, failure })
    }

    fn remember(&mut self, key: u64, now: Instant) {
        match &mut self.failed {
            [Some((newest, at)), _] if *newest == key => *at = now,
            [newest, older] => {
                *older = newest.take();
                *newest = Some((key, now));
            }
        }
    }

    fn is_poisoned(&self, now: Instant, rule: &Eject) -> bool {
        self.failed[0].is_some_and(|(key, _)| self.is_poison(key, now, rule))
    }

    fn is_poison(&self, key: u64, now: Instant, rule: &Eject) -> bool {
        self.poisoned.iter().flatten().any(|(poison, at)| *poison == key && is_within(*at, now, rule.window))
    }

    /// Whether the backend, rather than a request, is to blame for what it failed alone.
    fn is_to_blame(&self, now: Instant, rule: &Eject) -> bool {
        let is_recent = |at: Instant| is_within(at, now, rule.window);
        let is_telling = |(key, at): &(u64, Instant)| is_recent(*at) && !self.is_poison(*key, now, rule);
        let has_failed_two = self.failed.iter().all(|it| it.as_ref().is_some_and(is_telling));
        has_failed_two || self.proven.is_some_and(is_recent)
    }
}

fn is_within(at: Instant, now: Instant, window: Duration) -> bool {
    now.saturating_duration_since(at) < window
}
