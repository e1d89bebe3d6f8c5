//! One backend as control knows it: its health, when it is probed, and how its trial goes.

use std::sync::Arc;
use std::time::Instant;

use evenkeel_health::{Event, Health, Policy};
use evenkeel_model::{Phase, Report, Status};
use evenkeel_routing::{Backend, Readings};

use crate::random::Random;
use crate::{Next, Transition};

/// A backend in the roster.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) backend: Arc<Backend>,
    pub(crate) readings: Readings,
    /// Index of its pool in the plan.
    pub(crate) pool: usize,
    /// As it is published.
    pub(crate) status: Status,
    health: Health,
    probe: Schedule,
    trial: Watch,
}

/// When the next probe is due.
#[derive(Debug, Default)]
struct Schedule {
    /// `None` while one is in flight, and without probes.
    due: Option<Instant>,
    /// When the one in flight began.
    began: Option<Instant>,
}

/// A trial in progress.
#[derive(Debug)]
struct Watch {
    /// Since when no outcome came.
    quiet_since: Instant,
    /// Whether a connection is being tried.
    is_connecting: bool,
    /// Whether a connection stood, so that any request may be the trial.
    is_open: bool,
}

impl Entry {
    pub(crate) fn new(backend: Arc<Backend>, now: Instant) -> Self {
        let health = Health::new(now);
        Entry {
            backend,
            readings: Readings::default(),
            pool: 0,
            status: health.status(now, &Policy::default()),
            health,
            probe: Schedule::default(),
            trial: Watch::new(now),
        }
    }

    /// The same health under another name.
    pub(crate) fn renamed(self, backend: Arc<Backend>, now: Instant) -> Self {
        let entry = Entry { backend, readings: Readings::default(), trial: Watch::new(now), ..self };
        if entry.health.phase() == Phase::Trial {
            entry.backend.arm_trial(false);
        }
        entry
    }

    /// Takes its place in a plan: probes begin, or go on in the plan's rhythm.
    pub(crate) fn join(&mut self, pool: usize, policy: &Policy, now: Instant, random: &mut Random) {
        self.pool = pool;
        self.status = self.health.status(now, policy);
        let latest = policy.probe.as_ref().map(|probe| match self.probe.due {
            Some(due) => due.min(now + probe.next_wait(random.chance())),
            None => now + probe.first_wait(random.chance()),
        });
        let is_in_flight = self.probe.began.is_some();
        self.probe.due = latest.filter(|_| !is_in_flight);
    }

    /// Takes in what the cores saw, as of the phase that it is in. Nothing after a change of phase counts.
    pub(crate) fn report(&mut self, report: &Report, now: Instant, policy: &Policy) -> Option<Transition> {
        let is_admitted = self.health.phase().is_admitted();
        let mut events = if is_admitted { requests(report) } else { trials(report) };
        let transition = events.find_map(|event| self.step(event, now, policy));
        let has_news = !report.trials.is_empty() || report.trial_abandoned;
        if transition.is_none() && has_news && self.health.phase() == Phase::Trial {
            self.trial.quiet_since = now;
            self.rearm();
        }
        transition
    }

    /// Steps the health, and lets the cores know of a change of phase.
    pub(crate) fn step(&mut self, event: Event, now: Instant, policy: &Policy) -> Option<Transition> {
        let from = self.health.phase();
        self.health = self.health.step(event, now, policy);
        let to = self.health.phase();
        (from != to).then(|| self.enter(from, to, now, policy))
    }

    /// Whether what is published about it is out of date. Says so once.
    pub(crate) fn refresh(&mut self, now: Instant, policy: &Policy) -> bool {
        let status = self.health.status(now, policy);
        std::mem::replace(&mut self.status, status) != status
    }

    /// Whether a probe has to begin now; if so, it counts as begun.
    pub(crate) fn begin_probe(&mut self, now: Instant) -> bool {
        let is_due = self.probe.due.is_some_and(|due| due <= now);
        if is_due {
            self.probe = Schedule { due: None, began: Some(now) };
        }
        is_due
    }

    /// The probe in flight is over; false if there was none.
    pub(crate) fn end_probe(&mut self, now: Instant, policy: &Policy, random: &mut Random) -> bool {
        let Some(began) = self.probe.began.take() else { return false };
        self.probe.due =
            policy.probe.as_ref().map(|probe| (began + probe.next_wait(random.chance())).max(now));
        true
    }

    /// Whether a connection has to be tried now, because no request came for the trial; if so, it counts as begun.
    /// Where nobody else is in service no request can be hidden, so there is none to wait for.
    pub(crate) fn begin_connect(&mut self, is_alone: bool, now: Instant, policy: &Policy) -> bool {
        let due = self.connect_due(policy).filter(|_| !is_alone || self.trial.is_open);
        let begins = self.health.phase() == Phase::Trial
            && !self.trial.is_connecting
            && due.is_none_or(|due| due <= now);
        self.trial.is_connecting |= begins;
        begins
    }

    /// The connection that was tried stands: any request may be the trial. False if none was being tried.
    pub(crate) fn end_connect(&mut self, now: Instant) -> bool {
        let was_connecting = std::mem::take(&mut self.trial.is_connecting);
        if was_connecting {
            self.trial.quiet_since = now;
        }
        was_connecting
    }

    /// Any request may be the trial from now on.
    pub(crate) fn open_trial(&mut self) {
        self.trial.is_open = true;
        self.backend.arm_trial(true);
    }

    /// When it next wants a tick, if nothing happens before.
    pub(crate) fn next(&self, now: Instant, policy: &Policy) -> Option<Instant> {
        let is_on_trial = self.health.phase() == Phase::Trial && !self.trial.is_connecting;
        let connect = self.connect_due(policy).filter(|_| is_on_trial);
        let change = self.health.next(now, policy);
        [self.probe.due, connect, change].into_iter().flatten().min()
    }

    fn connect_due(&self, policy: &Policy) -> Option<Instant> {
        self.trial.quiet_since.checked_add(self.health.wait(policy))
    }

    fn enter(&mut self, from: Phase, to: Phase, now: Instant, policy: &Policy) -> Transition {
        self.backend.begin_term();
        self.trial = Watch::new(now);
        match (from.is_admitted(), to) {
            (true, Phase::Ejected) => self.backend.ejections.add(1),
            (false, Phase::Serving | Phase::Unproven) => self.backend.readmissions.add(1),
            (_, Phase::Trial) => self.backend.arm_trial(false),
            (true, Phase::Serving | Phase::Unproven) | (false, Phase::Ejected) => {}
        }
        let wait = self.health.wait(policy);
        Transition {
            pool: self.backend.id.pool.clone(),
            backend: self.backend.label.clone(),
            from,
            to,
            evidence: self.health.status(now, policy).evidence,
            next: Next::of(to, !from.is_admitted(), wait, policy),
        }
    }

    /// An outcome was read: the next request may try.
    fn rearm(&mut self) {
        self.backend.arm_trial(false);
        if self.trial.is_open {
            self.backend.arm_trial(true);
        }
    }
}

impl Watch {
    fn new(now: Instant) -> Self {
        Watch { quiet_since: now, is_connecting: false, is_open: false }
    }
}

/// A success between two readings ends the streak that control knows; what failed since then begins another.
fn requests(report: &Report) -> Box<dyn Iterator<Item = Event> + '_> {
    let success = report.streak_is_new.then_some(Event::Success);
    let count = if report.streak_is_new { u64::from(report.in_a_row) } else { report.failures };
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    let failure =
        report.last.filter(|_| count > 0).map(|strike| Event::Strikes { count, cause: strike.cause });
    Box::new(success.into_iter().chain(failure))
}

fn trials(report: &Report) -> Box<dyn Iterator<Item = Event> + '_> {
    Box::new(report.trials.iter().map(|outcome| Event::Trial(outcome.map_err(|strike| strike.cause))))
}
