//! One backend's health: a phase, since when, how often ejected, and what counts towards the next phase.
//!
//! It stores no deadline, so a reloaded policy applies at once.

use std::time::{Duration, Instant};

use evenkeel_model::{Evidence, Fault, Phase, Proof, Status, Strike};

use crate::record::Record;
use crate::{Event, Initial, Policy, ProbeResult, Tally};

/// The health of one backend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Health {
    state: State,
    /// When the phase began.
    since: Instant,
    /// When it came into service: its share grows from then on.
    entered: Instant,
    evidence: Evidence,
    /// Ejections in a row, failed trials included; forgiven after a long run in service.
    ejections: u32,
    /// Ejections of a backend that had been re-admitted; forgiven likewise.
    relapses: u32,
    /// What the jitter of its waits is drawn from.
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Unproven(Record),
    Serving { record: Record, is_readmitted: bool },
    Ejected { by: Judge, passed: Passed },
    Trial { passed: u32 },
}

/// What succeeded in a row while ejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Passed {
    /// Sent as a last resort.
    requests: u32,
    probes: u32,
}

/// Who ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judge {
    Traffic,
    Probes,
}

/// Steps of a slow start: each is one publication.
const RAMP_STEPS: u32 = 10;

/// From how many relapses on a backend counts as flapping.
const RELAPSES_OF_FLAPPING: u32 = 2;

/// How many times longer the trial of a flapping backend is.
const FLAPPING_FACTOR: u32 = 5;

impl Health {
    /// As `policy` has a backend begin. `seed`: any number, another one for each backend.
    pub fn new(now: Instant, seed: u64, policy: &Policy) -> Self {
        let record = Record::new(now);
        let (state, evidence) = match policy.initial {
            Initial::Unproven => (State::Unproven(record), Evidence::None),
            Initial::Serving => (State::Serving { record, is_readmitted: false }, Evidence::Initial),
            Initial::Ejected => {
                let by = if policy.probe.is_some() { Judge::Probes } else { Judge::Traffic };
                (State::Ejected { by, passed: Passed::default() }, Evidence::Initial)
            }
        };
        Health { state, since: now, entered: now, evidence, ejections: 0, relapses: 0, seed }
    }

    /// The health after `event`.
    ///
    /// Outcomes of requests that were sent in an earlier phase are not for here: they say nothing new.
    pub fn step(self, event: Event, now: Instant, policy: &Policy) -> Self {
        match (self.state, event) {
            // It was on its way when probes were turned off.
            (_, Event::Probe(_)) if policy.probe.is_none() => self,
            // Neither well nor ill.
            (_, Event::Probe(ProbeResult::TooOften)) => self,
            (State::Unproven(_) | State::Serving { .. }, Event::Ready) => {
                self.stay_in_service(Record::new(now))
            }
            (State::Ejected { .. } | State::Trial { .. }, Event::Ready) => {
                Health { ejections: 0, relapses: 0, ..self }.admit(Evidence::Operator, now)
            }
            (State::Unproven(record) | State::Serving { record, .. }, event) => {
                self.in_service(record, event, now, policy)
            }

            // Nobody judges it any more.
            (State::Ejected { .. } | State::Trial { .. }, _) if policy.is_off() => {
                let unjudged = Policy { initial: Initial::Unproven, ..Policy::default() };
                Health::new(now, self.seed, &unjudged)
            }
            (State::Ejected { .. }, Event::Tick) => self.wait_on(now, policy),
            (State::Ejected { by, passed }, Event::Probe(result)) => {
                let (by, probes) = match result {
                    // They see what requests saw, so they will see its end as well: there is no need to wait.
                    ProbeResult::Failed(_) => (Judge::Probes, 0),
                    ProbeResult::Passed | ProbeResult::Drains | ProbeResult::TooOften => {
                        (by, passed.probes.saturating_add(1))
                    }
                };
                self.stay(State::Ejected { by, passed: Passed { probes, ..passed } }).wait_on(now, policy)
            }
            (State::Ejected { by, passed }, Event::Trial(result)) => {
                let requests = result.map_or(0, |()| passed.requests.saturating_add(1));
                self.stay(State::Ejected { by, passed: Passed { requests, ..passed } }).wait_on(now, policy)
            }

            (State::Trial { passed }, Event::Trial(Ok(()))) => match passed + 1 {
                count if count >= self.trials(policy) => self.admit(Evidence::TrialsPassed { count }, now),
                passed => self.stay(State::Trial { passed }),
            },
            (State::Trial { .. }, Event::Trial(Err(cause))) => {
                self.eject(Evidence::TrialFailed { cause }, now, policy)
            }
            // A trial is decided by its own requests, even if probes were configured meanwhile.
            (State::Trial { .. }, Event::Probe(_) | Event::Tick) => self,

            // Nobody sends requests there in turn: these were on their way before. And it is out already.
            (
                State::Ejected { .. } | State::Trial { .. },
                Event::Success { .. }
                | Event::Strike { .. }
                | Event::Proven { .. }
                | Event::Poisoned { .. }
                | Event::Eject(_)
                | Event::Pardon
                | Event::Return,
            ) => self,
        }
    }

    /// What the evidence convicts it of while it is in service; [`Event::Eject`] takes it out for that.
    pub fn charge(&self, now: Instant, policy: &Policy) -> Option<Evidence> {
        let (State::Unproven(record) | State::Serving { record, .. }) = &self.state else { return None };
        let fall = match (self.state, &policy.probe) {
            (_, None) => None,
            // Nothing speaks for it yet.
            (State::Unproven(_), Some(_)) => Some(1),
            (_, Some(probe)) => Some(probe.fall),
        };
        let by_probes = fall.and_then(|fall| record.probe_charge(fall));
        by_probes.or_else(|| record.charge(now, policy.eject.as_ref()?))
    }

    /// Whether it receives requests.
    pub fn phase(&self) -> Phase {
        match self.state {
            State::Unproven(_) => Phase::Unproven,
            State::Serving { .. } => Phase::Serving,
            State::Ejected { .. } => Phase::Ejected,
            State::Trial { .. } => Phase::Trial,
        }
    }

    /// Its standing, as published, as far as health goes.
    pub fn status(&self, now: Instant, policy: &Policy) -> Status {
        let forgiven = self.is_forgiven(now, policy);
        Status {
            evidence: self.evidence,
            ejections: if forgiven { 0 } else { self.ejections },
            ramp: self.ramp_step(now, policy) as f32 / RAMP_STEPS as f32,
            is_flapping: self.is_flapping() && !forgiven,
            ..Status::new(self.phase(), self.since)
        }
    }

    /// What its requests came to within the window of the policy.
    pub fn tally(&self, now: Instant, policy: &Policy) -> Tally {
        match &self.state {
            State::Unproven(record) | State::Serving { record, .. } => {
                record.tally(now, &policy.eject.unwrap_or_default())
            }
            State::Ejected { .. } | State::Trial { .. } => Tally::default(),
        }
    }

    /// Notes how long response heads took.
    pub fn note_heads(&mut self, heads: u64, micros: u64, now: Instant, policy: &Policy) {
        if let State::Unproven(record) | State::Serving { record, .. } = &mut self.state {
            record.heads(heads, micros, now, &policy.eject.unwrap_or_default());
        }
    }

    /// The request that failed here, and of which nobody knows whether it is to blame itself; and when.
    pub fn suspicion(&self, now: Instant, policy: &Policy) -> Option<(u64, Instant)> {
        match &self.state {
            State::Unproven(record) | State::Serving { record, .. } => {
                record.suspicion(now, policy.eject.as_ref()?)
            }
            State::Ejected { .. } | State::Trial { .. } => None,
        }
    }

    /// The requests that it has failed lately, and that may be to blame themselves.
    pub fn suspects(&self, now: Instant, policy: &Policy) -> [Option<u64>; 2] {
        match (&self.state, &policy.eject) {
            (State::Unproven(record) | State::Serving { record, .. }, Some(rule)) => {
                record.suspects(now, rule)
            }
            _ => [None; 2],
        }
    }

    /// Whether it is in service and has failed this request lately.
    pub fn has_failed(&self, key: u64, now: Instant, policy: &Policy) -> bool {
        match &self.state {
            State::Unproven(record) | State::Serving { record, .. } => {
                record.has_failed(key, now, &policy.eject.unwrap_or_default())
            }
            State::Ejected { .. } | State::Trial { .. } => false,
        }
    }

    /// Whether it is in service and its newest requests failed.
    pub fn is_failing(&self) -> bool {
        match &self.state {
            State::Unproven(record) | State::Serving { record, .. } => record.is_failing(),
            State::Ejected { .. } | State::Trial { .. } => false,
        }
    }

    /// Whether the newest evidence contradicts the phase, or there is none, so that more of it would decide.
    pub fn is_in_doubt(&self, policy: &Policy) -> bool {
        match &self.state {
            State::Unproven(_) => true,
            State::Serving { record, .. } => record.has_doubts(),
            // With enough of them it only waits.
            State::Ejected { passed, .. } => (1..self.rise(policy)).contains(&passed.probes),
            State::Trial { .. } => false,
        }
    }

    /// From an ejection to the trial, and as long again until a trial that nobody began is helped along.
    ///
    /// Doubles with each ejection up to the longest, and is a little longer by chance. Zero for what probes ejected:
    /// `rise` is proof enough.
    pub fn wait(&self, policy: &Policy) -> Duration {
        let by_probes = matches!(self.state, State::Ejected { by: Judge::Probes, .. });
        match (policy.eject, self.ejections.checked_sub(1)) {
            (Some(eject), Some(doublings)) if !(by_probes && policy.probe.is_some()) => {
                let wait = eject.wait.saturating_mul(1 << doublings.min(31)).min(eject.longest_wait);
                let jitter = f64::from(eject.jitter_percent) / 100.0;
                wait.mul_f64(1.0 + jitter * self.luck())
            }
            _ => Duration::ZERO,
        }
    }

    /// Probes in a row that re-admit it; 0 without a probe.
    pub fn rise(&self, policy: &Policy) -> u32 {
        policy.probe.as_ref().map_or(0, |probe| self.longer_if_flapping(probe.rise))
    }

    /// Trial requests in a row that re-admit it.
    pub fn trials(&self, policy: &Policy) -> u32 {
        self.longer_if_flapping(policy.eject.unwrap_or_default().trial)
    }

    /// When time alone will change the phase or the status; `None`: never.
    pub fn next(&self, now: Instant, policy: &Policy) -> Option<Instant> {
        match self.state {
            State::Trial { .. } => None,
            State::Ejected { .. } => Some(self.since + self.wait(policy)).filter(|end| *end > now),
            State::Unproven(_) | State::Serving { .. } => {
                let forgiven = self.forgiven_after(policy).map(|run| self.since + run);
                let step = self.ramp_step(now, policy);
                let ramped =
                    (step < RAMP_STEPS).then(|| self.entered + policy.slow_start * step / RAMP_STEPS);
                [forgiven, ramped].into_iter().flatten().filter(|end| *end > now).min()
            }
        }
    }

    fn in_service(self, mut record: Record, event: Event, now: Instant, policy: &Policy) -> Self {
        let rule = policy.eject.unwrap_or_default();
        let news = match event {
            Event::Success { count } => {
                record.success(count, now, &rule);
                Some(Evidence::Request)
            }
            Event::Trial(Ok(())) => {
                record.success(1, now, &rule);
                Some(Evidence::Request)
            }
            Event::Strike { strike, in_a_row } => {
                record.strike(strike, in_a_row, now, &rule);
                None
            }
            // It was sent as a trial, and came back after the trial was won.
            Event::Trial(Err(cause)) => {
                let fault = Fault { proof: Proof::Elsewhere, ..cause.into() };
                record.strike(Strike { fault, times: 1, at: now }, true, now, &rule);
                None
            }
            Event::Probe(ProbeResult::Passed | ProbeResult::Drains) => {
                record.probe(Ok(()));
                Some(Evidence::ProbesPassed { count: 1 })
            }
            Event::Probe(ProbeResult::Failed(failure)) => {
                record.probe(Err(failure));
                None
            }
            Event::Proven { key } => {
                record.prove(key, now);
                None
            }
            Event::Poisoned { key } => {
                record.poison(key, now);
                None
            }
            Event::Eject(evidence) => return self.eject(evidence, now, policy),
            Event::Pardon => return self.stay_in_service(Record::new(now)),
            Event::Return => return Health { entered: now, ..self.stay_in_service(Record::new(now)) },
            Event::Probe(ProbeResult::TooOften) | Event::Ready | Event::Tick => return self,
        };
        match (self.state, news) {
            (State::Unproven(_), Some(evidence)) => {
                self.enter(State::Serving { record, is_readmitted: false }, evidence, now)
            }
            _ => self.stay_in_service(record),
        }
    }

    /// Ejected: goes on to whatever is due by now.
    fn wait_on(self, now: Instant, policy: &Policy) -> Self {
        let State::Ejected { by, passed } = self.state else {
            return self;
        };
        let is_over = now.saturating_duration_since(self.since) >= self.wait(policy);
        match &policy.probe {
            Some(_) if is_over && passed.probes >= self.rise(policy) => {
                self.admit(Evidence::ProbesPassed { count: passed.probes }, now)
            }
            // What probes ejected, only probes put back.
            Some(_) if by == Judge::Probes => self,
            // A last resort that serves has proved itself; it need not wait.
            Some(_) | None if passed.requests >= self.trials(policy) => {
                self.admit(Evidence::TrialsPassed { count: passed.requests }, now)
            }
            Some(_) => self,
            None if is_over => self.enter(State::Trial { passed: 0 }, Evidence::WaitOver, now),
            None => self,
        }
    }

    fn eject(self, evidence: Evidence, now: Instant, policy: &Policy) -> Self {
        let (mut ejections, mut relapses) = match self.is_forgiven(now, policy) {
            true => (0, 0),
            false => (self.ejections, self.relapses),
        };
        ejections = ejections.saturating_add(1);
        if matches!(self.state, State::Serving { is_readmitted: true, .. }) && ejections > 1 {
            relapses = relapses.saturating_add(1);
        }
        let by = if evidence.is_by_probes() { Judge::Probes } else { Judge::Traffic };
        let state = State::Ejected { by, passed: Passed::default() };
        Health { ejections, relapses, ..self.enter(state, evidence, now) }
    }

    fn admit(self, evidence: Evidence, now: Instant) -> Self {
        let state = State::Serving { record: Record::new(now), is_readmitted: true };
        Health { entered: now, ..self.enter(state, evidence, now) }
    }

    fn stay_in_service(self, record: Record) -> Self {
        self.stay(match self.state {
            State::Unproven(_) => State::Unproven(record),
            State::Serving { is_readmitted, .. } => State::Serving { record, is_readmitted },
            other @ (State::Ejected { .. } | State::Trial { .. }) => other,
        })
    }

    fn stay(self, state: State) -> Self {
        Health { state, ..self }
    }

    fn enter(self, state: State, evidence: Evidence, now: Instant) -> Self {
        Health { state, since: now, evidence, ..self }
    }

    fn is_forgiven(&self, now: Instant, policy: &Policy) -> bool {
        let held = now.saturating_duration_since(self.since);
        self.forgiven_after(policy).is_some_and(|run| held >= run)
    }

    /// How long a run in service makes earlier ejections forgotten.
    fn forgiven_after(&self, policy: &Policy) -> Option<Duration> {
        let is_serving = matches!(self.state, State::Serving { .. });
        (is_serving && self.ejections > 0).then_some(policy.eject.unwrap_or_default().longest_wait)
    }

    fn is_flapping(&self) -> bool {
        self.relapses >= RELAPSES_OF_FLAPPING
    }

    fn longer_if_flapping(&self, count: u32) -> u32 {
        if self.is_flapping() { count.saturating_mul(FLAPPING_FACTOR) } else { count }
    }

    /// From 0.0 to 1.0, another one for each ejection.
    fn luck(&self) -> f64 {
        let mut mixed = self.seed ^ u64::from(self.ejections).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From 1 to [`RAMP_STEPS`].
    fn ramp_step(&self, now: Instant, policy: &Policy) -> u32 {
        if matches!(self.state, State::Ejected { .. } | State::Trial { .. }) {
            return RAMP_STEPS;
        }
        let held = now.saturating_duration_since(self.entered);
        match policy.slow_start.as_nanos() {
            0 => RAMP_STEPS,
            whole => {
                let steps = held.as_nanos() * u128::from(RAMP_STEPS) / whole;
                RAMP_STEPS.min(1 + steps.min(u128::from(RAMP_STEPS)) as u32)
            }
        }
    }
}

#[cfg(test)]
mod tests;
