//! The state machine of one backend: unproven, serving, ejected, trial.
//!
//! It stores since when and how often, never a deadline, so a reloaded policy applies at once. Outcomes of requests
//! that were sent in an earlier phase never reach it: the backend's term holds them back.

use std::time::{Duration, Instant};

use evenkeel_model::{Cause, Evidence, Phase, Status};

use crate::{Eject, Event, Policy};

use State::{Ejected, Serving, Trial, Unproven};

/// Levels of a slow start, the first and the last included: 0.1, 0.2, and so on to 1.0.
const RAMP_LEVELS: u128 = 10;

/// One backend's health.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Health {
    state: State,
    since: Instant,
    evidence: Evidence,
    /// Without a long good run between them; read it through [`Health::ejections`].
    ejections: u32,
    /// Probes in a row, in this phase.
    probes: Streak,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Unproven { strikes: u32 },
    Serving { strikes: u32, is_readmitted: bool },
    Ejected { ground: Ground, passed: u32 },
    Trial { passed: u32 },
}

/// What ejected a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ground {
    Traffic,
    Probes,
}

/// Results in a row; one of the two is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Streak {
    passed: u32,
    failed: u32,
}

impl Health {
    /// Of a backend that nobody has tried yet.
    pub fn new(now: Instant) -> Self {
        Health {
            state: Unproven { strikes: 0 },
            since: now,
            evidence: Evidence::None,
            ejections: 0,
            probes: Streak::default(),
        }
    }

    /// What `event` at `now` makes of it. `now` may not go backwards; if it does, no time has passed.
    #[must_use]
    pub fn step(self, event: Event, now: Instant, policy: &Policy) -> Self {
        let next = match (self.state, event) {
            (Unproven { .. }, Event::Success) => self.admit(Evidence::Request, now),
            (Unproven { .. }, Event::Probed(Ok(()))) => self.admit(Evidence::ProbesPassed { count: 1 }, now),
            (Unproven { .. }, Event::Probed(Err(cause))) => self.eject_on_probes(1, cause, now, policy),
            (Serving { is_readmitted, .. }, Event::Success) => {
                self.stay(Serving { strikes: 0, is_readmitted })
            }
            (Unproven { strikes }, Event::Failure { count, cause }) => {
                let strikes = strikes.saturating_add(count);
                self.stay(Unproven { strikes }).eject_if_struck(strikes, cause, now, policy)
            }
            (Serving { strikes, is_readmitted }, Event::Failure { count, cause }) => {
                let strikes = strikes.saturating_add(count);
                self.stay(Serving { strikes, is_readmitted }).eject_if_struck(strikes, cause, now, policy)
            }
            (Serving { .. }, Event::Probed(result)) => {
                self.probed(result.is_ok()).eject_if_fallen(result, now, policy)
            }
            (Ejected { ground, passed }, Event::TrialSuccess) => {
                self.stay(Ejected { ground, passed: passed + 1 })
            }
            (Ejected { ground, .. }, Event::TrialFailure(_)) => self.stay(Ejected { ground, passed: 0 }),
            (Trial { passed }, Event::TrialSuccess) => self.stay(Trial { passed: passed + 1 }),
            (Trial { .. }, Event::TrialFailure(cause)) => {
                self.eject(Ground::Traffic, Evidence::TrialFailed { cause }, now, policy)
            }
            (Ejected { .. } | Trial { .. }, Event::Probed(result)) => self.probed(result.is_ok()),
            // Its requests are no proof: they were picked before the last publication, or health is ignored.
            (Ejected { .. } | Trial { .. }, Event::Success | Event::Failure { .. }) => self,
            // Sent before it was admitted; what they say is counted as any other request.
            (Unproven { .. } | Serving { .. }, Event::TrialSuccess | Event::TrialFailure(_)) => self,
            (Unproven { .. } | Serving { .. } | Ejected { .. } | Trial { .. }, Event::Tick) => self,
        };
        next.return_if_due(now, policy)
    }

    /// What the world sees of it at `now`.
    pub fn status(&self, now: Instant, policy: &Policy) -> Status {
        Status {
            phase: self.phase(),
            since: self.since,
            evidence: self.evidence,
            ejections: self.ejections(now, policy),
            ramp: self.ramp_level(now, policy) as f32 / RAMP_LEVELS as f32,
        }
    }

    /// Whether it receives requests.
    pub fn phase(&self) -> Phase {
        match self.state {
            Unproven { .. } => Phase::Unproven,
            Serving { .. } => Phase::Serving,
            Ejected { .. } => Phase::Ejected,
            Trial { .. } => Phase::Trial,
        }
    }

    /// How long this ejection lasts at least, or a trial may be without a request.
    pub fn wait(&self, policy: &Policy) -> Duration {
        policy.eject.map_or(Duration::ZERO, |eject| eject.wait_after(self.ejections))
    }

    /// When time alone will next change its status; later than `now`.
    pub fn next_change(&self, now: Instant, policy: &Policy) -> Option<Instant> {
        let changes = match self.state {
            Unproven { .. } | Trial { .. } => [None, None],
            Ejected { .. } => [Some(self.since + self.wait(policy)), None],
            Serving { .. } => {
                let is_forgiven_later = self.ejections(now, policy) > 0;
                let forgiven = is_forgiven_later.then(|| self.since + policy.longest_wait());
                [forgiven, self.next_ramp_level(now, policy)]
            }
        };
        changes.into_iter().flatten().filter(|change| *change > now).min()
    }

    /// Time in this phase brings a backend back where the policy has nothing more to ask of it.
    fn return_if_due(self, now: Instant, policy: &Policy) -> Self {
        let is_wait_over = self.held(now) >= self.wait(policy);
        let (passed, ground) = match self.state {
            Unproven { .. } | Serving { .. } => return self,
            Ejected { ground, passed } => (passed, ground),
            Trial { passed } => (passed, Ground::Traffic),
        };
        let has_passed_trial = policy.eject.is_some_and(|eject| passed >= eject.trial);
        match &policy.probe {
            Some(probe) if self.probes.passed >= probe.rise && (is_wait_over || ground == Ground::Probes) => {
                self.admit(Evidence::ProbesPassed { count: self.probes.passed }, now)
            }
            // What probes ejected, only probes bring back: else the two would take turns.
            Some(_) if ground == Ground::Probes || self.probes.failed > 0 => self,
            _ if has_passed_trial => self.admit(Evidence::TrialsPassed { count: passed }, now),
            Some(_) => self,
            // Nobody judges it any more.
            None if policy.eject.is_none() => self.enter(Unproven { strikes: 0 }, Evidence::None, now),
            None if is_wait_over && self.phase() == Phase::Ejected => {
                self.enter(Trial { passed: 0 }, Evidence::WaitOver, now)
            }
            None => self,
        }
    }

    fn eject_if_struck(self, count: u32, cause: Cause, now: Instant, policy: &Policy) -> Self {
        match policy.eject {
            Some(eject) if count >= eject.consecutive => {
                self.eject(Ground::Traffic, Evidence::Strikes { count, cause }, now, policy)
            }
            Some(_) | None => self,
        }
    }

    fn eject_if_fallen(self, result: Result<(), Cause>, now: Instant, policy: &Policy) -> Self {
        match (result, &policy.probe) {
            (Err(cause), Some(probe)) if self.probes.failed >= probe.fall => {
                self.eject_on_probes(self.probes.failed, cause, now, policy)
            }
            (Err(_) | Ok(()), Some(_) | None) => self,
        }
    }

    fn eject_on_probes(self, count: u32, cause: Cause, now: Instant, policy: &Policy) -> Self {
        self.eject(Ground::Probes, Evidence::Probes { count, cause }, now, policy)
    }

    fn eject(self, ground: Ground, evidence: Evidence, now: Instant, policy: &Policy) -> Self {
        let ejections = self.ejections(now, policy).saturating_add(1);
        Health { ejections, ..self.enter(Ejected { ground, passed: 0 }, evidence, now) }
    }

    fn admit(self, evidence: Evidence, now: Instant) -> Self {
        let is_readmitted = !self.phase().is_admitted();
        self.enter(Serving { strikes: 0, is_readmitted }, evidence, now)
    }

    fn enter(self, state: State, evidence: Evidence, now: Instant) -> Self {
        Health { state, since: now, evidence, probes: Streak::default(), ..self }
    }

    fn stay(self, state: State) -> Self {
        Health { state, ..self }
    }

    fn probed(self, has_passed: bool) -> Self {
        let Streak { passed, failed } = self.probes;
        let probes = match has_passed {
            true => Streak { passed: passed.saturating_add(1), failed: 0 },
            false => Streak { passed: 0, failed: failed.saturating_add(1) },
        };
        Health { probes, ..self }
    }

    /// Ejections in a row; a long good run is forgiveness.
    fn ejections(&self, now: Instant, policy: &Policy) -> u32 {
        let is_forgiven = self.phase() == Phase::Serving && self.held(now) >= policy.longest_wait();
        if is_forgiven { 0 } else { self.ejections }
    }

    /// From 1 to [`RAMP_LEVELS`].
    fn ramp_level(&self, now: Instant, policy: &Policy) -> u128 {
        let duration = policy.slow_start.as_nanos();
        match self.state {
            Serving { is_readmitted: true, .. } if duration > 0 => {
                let steps = self.held(now).as_nanos() * (RAMP_LEVELS - 1) / duration;
                (steps + 1).min(RAMP_LEVELS)
            }
            Unproven { .. } | Serving { .. } | Ejected { .. } | Trial { .. } => RAMP_LEVELS,
        }
    }

    fn next_ramp_level(&self, now: Instant, policy: &Policy) -> Option<Instant> {
        let level = self.ramp_level(now, policy);
        // Rounded up, so that the level is reached when the clock says so.
        let held = (policy.slow_start.as_nanos() * level).div_ceil(RAMP_LEVELS - 1);
        let is_growing = level < RAMP_LEVELS;
        is_growing.then(|| self.since + Duration::from_nanos(u64::try_from(held).unwrap_or(u64::MAX)))
    }

    fn held(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }
}

impl Eject {
    /// The wait after so many ejections in a row: doubled for each one after the first.
    fn wait_after(&self, ejections: u32) -> Duration {
        let doubled = 1u32.checked_shl(ejections.saturating_sub(1)).unwrap_or(u32::MAX);
        self.wait.saturating_mul(doubled).min(self.longest_wait)
    }
}

impl Policy {
    /// How long a run has to be good to be forgiven.
    fn longest_wait(&self) -> Duration {
        self.eject.unwrap_or_default().longest_wait
    }
}
