//! One backend's health: a phase, since when, how often ejected, and what counts towards the next phase.
//!
//! It stores no deadline, so a reloaded policy applies at once.

use std::time::{Duration, Instant};

use evenkeel_model::{Cause, Evidence, Phase, Status};

use crate::{Event, Policy};

/// The health of one backend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Health {
    state: State,
    /// When the phase began.
    since: Instant,
    evidence: Evidence,
    /// Ejections in a row; forgiven after a long run in service.
    ejections: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unproven(Doubts),
    Serving { doubts: Doubts, is_readmitted: bool },
    Ejected { by: Judge, passed: Passed },
    Trial { passed: u32 },
}

/// What failed in a row while in service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Doubts {
    requests: u32,
    probes: u32,
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

impl Health {
    /// Nothing is known of it yet.
    pub fn new(now: Instant) -> Self {
        let state = State::Unproven(Doubts::default());
        Health { state, since: now, evidence: Evidence::None, ejections: 0 }
    }

    /// The health after `event`.
    ///
    /// Outcomes of requests that were sent in an earlier phase are not for here: they say nothing new.
    pub fn step(self, event: Event, now: Instant, policy: &Policy) -> Self {
        match (self.state, event) {
            // It was on its way when probes were turned off.
            (_, Event::Probe(_)) if policy.probe.is_none() => self,
            (State::Unproven(_) | State::Serving { .. }, _) => self.in_service(event, now, policy),

            // Nobody judges it any more.
            (State::Ejected { .. } | State::Trial { .. }, _) if policy.is_off() => Health::new(now),
            (State::Ejected { .. }, Event::Tick) => self.wait_on(now, policy),
            (State::Ejected { by, passed }, Event::Probe(result)) => {
                let probes = result.map_or(0, |()| passed.probes.saturating_add(1));
                self.stay(State::Ejected { by, passed: Passed { probes, ..passed } }).wait_on(now, policy)
            }
            (State::Ejected { by, passed }, Event::Trial(result)) => {
                let requests = result.map_or(0, |()| passed.requests.saturating_add(1));
                self.stay(State::Ejected { by, passed: Passed { requests, ..passed } }).wait_on(now, policy)
            }

            (State::Trial { passed }, Event::Trial(Ok(()))) => match passed + 1 {
                count if count >= policy.trials() => self.admit(Evidence::TrialsPassed { count }, now),
                passed => self.stay(State::Trial { passed }),
            },
            (State::Trial { .. }, Event::Trial(Err(cause))) => {
                self.eject(Judge::Traffic, Evidence::TrialFailed { cause }, now, policy)
            }
            // A trial is decided by its own requests, even if probes were configured meanwhile.
            (State::Trial { .. }, Event::Probe(_) | Event::Tick) => self,

            // Nobody sends requests there in turn: these were on their way before.
            (State::Ejected { .. } | State::Trial { .. }, Event::Success | Event::Strikes { .. }) => self,
        }
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

    /// Its standing, as published.
    pub fn status(&self, now: Instant, policy: &Policy) -> Status {
        Status {
            phase: self.phase(),
            since: self.since,
            evidence: self.evidence,
            ejections: self.unforgiven(now, policy),
            ramp: self.ramp_step(now, policy) as f32 / RAMP_STEPS as f32,
        }
    }

    /// From an ejection to the trial, and as long again until a trial that nobody began is helped along.
    ///
    /// Doubles with each ejection up to the longest. Zero for what probes ejected: `rise` is proof enough.
    pub fn wait(&self, policy: &Policy) -> Duration {
        let by_probes = matches!(self.state, State::Ejected { by: Judge::Probes, .. });
        match policy.eject {
            Some(eject) if !(by_probes && policy.probe.is_some()) => {
                let doublings = self.ejections.saturating_sub(1).min(31);
                eject.wait.saturating_mul(1 << doublings).min(eject.longest_wait)
            }
            Some(_) | None => Duration::ZERO,
        }
    }

    /// When time alone will change the phase or the status; `None`: never.
    pub fn next(&self, now: Instant, policy: &Policy) -> Option<Instant> {
        match self.state {
            State::Unproven(_) | State::Trial { .. } => None,
            State::Ejected { .. } => Some(self.since + self.wait(policy)).filter(|end| *end > now),
            State::Serving { .. } => {
                let forgiven = self.forgiven_after(policy).map(|run| self.since + run);
                let step = self.ramp_step(now, policy);
                let ramped = (step < RAMP_STEPS).then(|| self.since + policy.slow_start * step / RAMP_STEPS);
                [forgiven, ramped].into_iter().flatten().filter(|end| *end > now).min()
            }
        }
    }

    fn in_service(self, event: Event, now: Instant, policy: &Policy) -> Self {
        let doubts = self.doubts();
        match event {
            Event::Success | Event::Trial(Ok(())) => {
                self.trusted(Doubts { requests: 0, ..doubts }, Evidence::Request, now)
            }
            Event::Strikes { count, cause } => {
                self.struck(doubts.requests.saturating_add(count), cause, now, policy)
            }
            // It was sent as a trial, and came back after the trial was won.
            Event::Trial(Err(cause)) => self.struck(doubts.requests.saturating_add(1), cause, now, policy),
            Event::Probe(Ok(())) => {
                let doubts = Doubts { probes: 0, ..doubts };
                self.trusted(doubts, Evidence::ProbesPassed { count: 1 }, now)
            }
            Event::Probe(Err(cause)) => {
                self.probed_in_vain(doubts.probes.saturating_add(1), cause, now, policy)
            }
            Event::Tick => self,
        }
    }

    fn struck(self, count: u32, cause: Cause, now: Instant, policy: &Policy) -> Self {
        match policy.eject {
            Some(eject) if count >= eject.consecutive => {
                self.eject(Judge::Traffic, Evidence::Strikes { count, cause }, now, policy)
            }
            Some(_) | None => self.doubt(Doubts { requests: count, ..self.doubts() }),
        }
    }

    fn probed_in_vain(self, count: u32, cause: Cause, now: Instant, policy: &Policy) -> Self {
        let fall = match (self.state, &policy.probe) {
            // Nothing speaks for it yet.
            (State::Unproven(_), _) | (_, None) => 1,
            (_, Some(probe)) => probe.fall,
        };
        if count >= fall {
            return self.eject(Judge::Probes, Evidence::Probes { count, cause }, now, policy);
        }
        self.doubt(Doubts { probes: count, ..self.doubts() })
    }

    /// Ejected: goes on to whatever is due by now.
    fn wait_on(self, now: Instant, policy: &Policy) -> Self {
        let State::Ejected { by, passed } = self.state else {
            return self;
        };
        let is_over = now.saturating_duration_since(self.since) >= self.wait(policy);
        match &policy.probe {
            Some(probe) if is_over && passed.probes >= probe.rise => {
                self.admit(Evidence::ProbesPassed { count: passed.probes }, now)
            }
            // What probes ejected, only probes put back.
            Some(_) if by == Judge::Probes => self,
            // A last resort that serves has proved itself; it need not wait.
            Some(_) | None if passed.requests >= policy.trials() => {
                self.admit(Evidence::TrialsPassed { count: passed.requests }, now)
            }
            Some(_) => self,
            None if is_over => self.enter(State::Trial { passed: 0 }, Evidence::WaitOver, now),
            None => self,
        }
    }

    fn eject(self, by: Judge, evidence: Evidence, now: Instant, policy: &Policy) -> Self {
        let ejections = self.unforgiven(now, policy).saturating_add(1);
        let state = State::Ejected { by, passed: Passed::default() };
        Health { ejections, ..self.enter(state, evidence, now) }
    }

    fn admit(self, evidence: Evidence, now: Instant) -> Self {
        let doubts = Doubts::default();
        self.enter(State::Serving { doubts, is_readmitted: true }, evidence, now)
    }

    fn trusted(self, doubts: Doubts, evidence: Evidence, now: Instant) -> Self {
        match self.state {
            State::Unproven(_) => self.enter(State::Serving { doubts, is_readmitted: false }, evidence, now),
            State::Serving { .. } | State::Ejected { .. } | State::Trial { .. } => self.doubt(doubts),
        }
    }

    fn doubt(self, doubts: Doubts) -> Self {
        self.stay(match self.state {
            State::Unproven(_) => State::Unproven(doubts),
            State::Serving { is_readmitted, .. } => State::Serving { doubts, is_readmitted },
            other @ (State::Ejected { .. } | State::Trial { .. }) => other,
        })
    }

    fn doubts(&self) -> Doubts {
        match self.state {
            State::Unproven(doubts) | State::Serving { doubts, .. } => doubts,
            State::Ejected { .. } | State::Trial { .. } => Doubts::default(),
        }
    }

    fn stay(self, state: State) -> Self {
        Health { state, ..self }
    }

    fn enter(self, state: State, evidence: Evidence, now: Instant) -> Self {
        Health { state, since: now, evidence, ..self }
    }

    fn unforgiven(&self, now: Instant, policy: &Policy) -> u32 {
        let held = now.saturating_duration_since(self.since);
        match self.forgiven_after(policy) {
            Some(run) if held >= run => 0,
            Some(_) | None => self.ejections,
        }
    }

    /// How long a run in service makes earlier ejections forgotten.
    fn forgiven_after(&self, policy: &Policy) -> Option<Duration> {
        let is_serving = matches!(self.state, State::Serving { .. });
        let run = policy.eject.unwrap_or_default().longest_wait;
        (is_serving && self.ejections > 0).then_some(run)
    }

    /// From 1 to [`RAMP_STEPS`].
    fn ramp_step(&self, now: Instant, policy: &Policy) -> u32 {
        let State::Serving { is_readmitted: true, .. } = self.state else {
            return RAMP_STEPS;
        };
        let held = now.saturating_duration_since(self.since);
        match policy.slow_start.as_nanos() {
            0 => RAMP_STEPS,
            whole => {
                let steps = held.as_nanos() * u128::from(RAMP_STEPS) / whole;
                RAMP_STEPS.min(1 + steps.min(u128::from(RAMP_STEPS)) as u32)
            }
        }
    }
}

impl Policy {
    /// Whether nothing could take a backend out of service, or bring it back.
    fn is_off(&self) -> bool {
        self.probe.is_none() && self.eject.is_none()
    }

    /// Trial successes in a row that re-admit.
    fn trials(&self) -> u32 {
        self.eject.unwrap_or_default().trial
    }
}

#[cfg(test)]
mod tests;
