//! Folds inputs into the roster, and says what follows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_config::Plan;
use evenkeel_health::{Event, Policy, ProbeResult, judge};
use evenkeel_model::{BackendId, Cause, Endpoint, Outcome, Report};
use evenkeel_routing::Wake;

use crate::compose::Parts;
use crate::entry::Entry;
use crate::names::Names;
use crate::random::Random;
use crate::roster::Roster;
use crate::{ConnectOrder, Effects, Input, Notice, ProbeOrder};

/// Longest time that a plan waits for the first answer about its names.
const FIRST_ANSWERS: Duration = Duration::from_secs(1);

/// The state of control.
#[derive(Debug)]
pub struct Control {
    roster: Roster,
    names: Names,
    random: Random,
    plan: Option<Arc<Plan>>,
    /// A plan with new names, and since when it waits for them.
    waiting: Option<(Arc<Plan>, Instant)>,
    parts: Option<Parts>,
    /// Pools whose members changed since the last publication.
    changed: BTreeSet<usize>,
    /// Of the newest plan.
    generation: u64,
    /// Of the plan in force.
    adopted: u64,
    epoch: u64,
    /// When anything next wants a tick; may be early, never late.
    due: Option<Instant>,
}

impl Control {
    /// Without a plan nothing is published. `workers` is the number of cores that record outcomes; `wake` is given
    /// to every backend; equal seeds make equal decisions.
    pub fn new(workers: usize, seed: u64, wake: Arc<Wake>) -> Self {
        Control {
            roster: Roster::new(workers, wake),
            names: Names::default(),
            random: Random::new(seed),
            plan: None,
            waiting: None,
            parts: None,
            changed: BTreeSet::new(),
            generation: 0,
            adopted: 0,
            epoch: 0,
            due: None,
        }
    }

    /// What the cores saw since the last reading, for [`Input::Reports`].
    pub fn read(&mut self) -> Vec<(BackendId, Report)> {
        self.roster.read()
    }

    /// Folds one input in. `now` never goes backwards.
    pub fn handle(&mut self, input: Input, now: Instant) -> Effects {
        let mut effects = Effects::default();
        let is_tick = matches!(input, Input::Tick);
        match input {
            Input::Plan(plan) => self.take(plan, now, &mut effects),
            Input::Reports(reports) => {
                for (id, report) in &reports {
                    self.touch(id, now, &mut effects, |entry, policy, _| entry.report(report, now, policy));
                }
            }
            Input::Probed { id, result } => self.probed(&id, result, now, &mut effects),
            Input::Connected { id, result } => self.connected(&id, result, now, &mut effects),
            Input::Resolved { host, port, result } => self.resolved(host, port, result, now, &mut effects),
            Input::Tick => {}
        }
        if is_tick || self.due.is_some_and(|due| due <= now) {
            self.tick(now, &mut effects);
        }
        self.publish(&mut effects);
        effects.next = self.due;
        effects
    }

    /// A plan with names that nobody looked up yet waits a moment, so that its first requests find an endpoint.
    fn take(&mut self, plan: Arc<Plan>, now: Instant, effects: &mut Effects) {
        // Each plan is a generation, also one that the next overtakes.
        self.generation += 1;
        self.waiting = None;
        self.names.add(&plan, now);
        if self.names.has_answers(&plan) {
            self.adopt(plan, now, effects);
        } else {
            self.waiting = Some((plan, now));
            self.due = Some(now);
        }
    }

    fn adopt(&mut self, plan: Arc<Plan>, now: Instant, effects: &mut Effects) {
        self.adopted = self.generation;
        self.plan = Some(plan.clone());
        self.names.retain(&plan);
        self.roster.adopt(&plan, now, &mut self.random);
        self.step_all(&plan, now, effects);
        self.parts = Some(Parts::new(plan, &self.roster, &self.names));
        self.changed.clear();
        self.epoch += 1;
        effects.snapshot = self.parts.as_ref().map(|parts| parts.snapshot(self.adopted, self.epoch));
        self.due = Some(now);
    }

    /// Applies a change to one backend, if it is still there, and notes what came of it.
    fn touch(
        &mut self,
        id: &BackendId,
        now: Instant,
        effects: &mut Effects,
        change: impl FnOnce(&mut Entry, &Policy, &mut Random) -> Option<crate::Transition>,
    ) {
        let (Some(plan), Some(entry)) = (&self.plan, self.roster.get(id)) else { return };
        let policy = &plan.pools[entry.pool].health;
        let transition = change(entry, policy, &mut self.random);
        effects.notices.extend(transition.map(Notice::Transition));
        if entry.refresh(now, policy) {
            self.changed.insert(entry.pool);
        }
        self.due = earlier(self.due, entry.next(now, policy));
    }

    fn probed(&mut self, id: &BackendId, result: ProbeResult, now: Instant, effects: &mut Effects) {
        self.touch(id, now, effects, |entry, policy, random| {
            let counts = entry.end_probe(now, policy, random) && is_the_backends(result);
            counts.then(|| entry.step(Event::Probe(result), now, policy)).flatten()
        });
    }

    fn connected(&mut self, id: &BackendId, result: Result<(), Cause>, now: Instant, effects: &mut Effects) {
        self.touch(id, now, effects, |entry, policy, _| {
            let counts = entry.end_connect(now) && is_the_backends(result);
            match result {
                Err(cause) if counts => entry.step(Event::Trial(Err(cause)), now, policy),
                Ok(()) if counts => {
                    entry.open_trial();
                    None
                }
                Ok(()) | Err(_) => None,
            }
        });
    }

    fn resolved(
        &mut self,
        host: Arc<str>,
        port: u16,
        result: Result<Arc<[Endpoint]>, Cause>,
        now: Instant,
        effects: &mut Effects,
    ) {
        let (is_changed, notice) = self.names.answer(host, port, result, now);
        effects.notices.extend(notice);
        if is_changed && let Some(plan) = &self.plan {
            self.changed.extend(0..plan.pools.len());
        }
        self.due = Some(now);
    }

    /// Everything that only needs time to pass.
    fn tick(&mut self, now: Instant, effects: &mut Effects) {
        if let Some((plan, since)) = self.waiting.take() {
            let is_over = now.saturating_duration_since(since) >= FIRST_ANSWERS;
            if is_over || self.names.has_answers(&plan) {
                self.adopt(plan, now, effects);
            } else {
                self.waiting = Some((plan, since));
            }
        }
        let name_due = self.names.order(now, effects);
        self.due = earlier(name_due, self.waiting.as_ref().map(|(_, since)| *since + FIRST_ANSWERS));
        if let Some(plan) = self.plan.clone() {
            self.step_all(&plan, now, effects);
            self.order_probes(&plan, now, effects);
            self.order_connects(&plan, now, effects);
            let wanted = self.roster.iter().filter_map(|(_, entry)| entry.next(now, policy_of(&plan, entry)));
            self.due = earlier(self.due, wanted.min());
        }
    }

    fn step_all(&mut self, plan: &Plan, now: Instant, effects: &mut Effects) {
        for (_, entry) in self.roster.iter_mut() {
            let policy = policy_of(plan, entry);
            effects.notices.extend(entry.step(Event::Tick, now, policy).map(Notice::Transition));
            if entry.refresh(now, policy) {
                self.changed.insert(entry.pool);
            }
        }
    }

    fn order_probes(&mut self, plan: &Plan, now: Instant, effects: &mut Effects) {
        for (id, entry) in self.roster.iter_mut() {
            let policy = policy_of(plan, entry);
            let Some(probe) = policy.probe.as_ref().filter(|_| entry.begin_probe(now)) else { continue };
            match self.names.endpoints(&id.address) {
                Ok(endpoints) if !endpoints.is_empty() => {
                    effects.probes.push(ProbeOrder { id: id.clone(), endpoints, probe: probe.clone() });
                }
                // Nobody knows yet; the next one will.
                Ok(_) => {
                    entry.end_probe(now, policy, &mut self.random);
                }
                // A backend without any endpoint cannot pass.
                Err(cause) => {
                    entry.end_probe(now, policy, &mut self.random);
                    let transition = entry.step(Event::Probe(Err(cause)), now, policy);
                    effects.notices.extend(transition.map(Notice::Transition));
                    if entry.refresh(now, policy) {
                        self.changed.insert(entry.pool);
                    }
                }
            }
        }
    }

    fn order_connects(&mut self, plan: &Plan, now: Instant, effects: &mut Effects) {
        let mut is_served = vec![false; plan.pools.len()];
        for (_, entry) in self.roster.iter() {
            is_served[entry.pool] |= entry.status.phase.is_admitted();
        }
        for (id, entry) in self.roster.iter_mut() {
            let pool = &plan.pools[entry.pool];
            if entry.begin_connect(!is_served[entry.pool], now, &pool.health) {
                // Without endpoints the connection fails for the name, which is no fault of the backend's.
                let endpoints = self.names.endpoints(&id.address).unwrap_or_else(|_| [].into());
                let timeout = pool.rule.timeouts.connect;
                effects.connects.push(ConnectOrder { id: id.clone(), endpoints, timeout });
            }
        }
    }

    fn publish(&mut self, effects: &mut Effects) {
        let Some(parts) = self.parts.as_mut().filter(|_| !self.changed.is_empty()) else { return };
        for pool in std::mem::take(&mut self.changed) {
            parts.renew(pool, &self.roster, &self.names);
        }
        // One that this very input made was never seen.
        self.epoch += u64::from(effects.snapshot.is_none());
        effects.snapshot = Some(parts.snapshot(self.adopted, self.epoch));
    }
}

/// Whether a result says something about the backend, rather than about this machine.
fn is_the_backends(result: Result<(), Cause>) -> bool {
    let outcome = match result {
        Ok(()) => Outcome::Success,
        Err(cause) => Outcome::Failed(cause),
    };
    judge(outcome).is_some()
}

fn policy_of<'a>(plan: &'a Plan, entry: &Entry) -> &'a Policy {
    &plan.pools[entry.pool].health
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}
