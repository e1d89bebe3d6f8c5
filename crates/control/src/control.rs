//! Folds inputs into the roster, and says what follows.

mod orders;
mod plans;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_config::Plan;
use evenkeel_health::{Event, Policy, ProbeResult};
use evenkeel_model::{BackendId, Cause, Command, CommandError, Done, Phase, PoolName, Report, Status};
use evenkeel_routing::Wake;

use crate::agenda::Agenda;
use crate::compose::Parts;
use crate::entry::Entry;
use crate::names::Names;
use crate::operator;
use crate::random::Random;
use crate::roster::Roster;
use crate::{Effects, FateChange, Input, Notice, Transition};

/// Least time between two publications that have no bearing on who receives requests: a start proves everybody at once.
const GATHERED: Duration = Duration::from_millis(50);

/// The state of control.
#[derive(Debug)]
pub struct Control {
    roster: Roster,
    names: Names,
    agenda: Agenda,
    random: Random,
    plan: Option<Arc<Plan>>,
    /// A plan with new names, and since when it waits for them.
    waiting: Option<(Arc<Plan>, Instant)>,
    parts: Option<Parts>,
    /// Pools whose members changed since the last publication.
    changed: BTreeSet<PoolName>,
    /// When they have to be published: at once, where it is a matter of who receives requests.
    publish_due: Option<Instant>,
    /// When changes were published last.
    published: Option<Instant>,
    /// Of the newest order.
    serial: u64,
    /// Of the newest plan.
    generation: u64,
    /// Of the plan in force.
    adopted: u64,
    epoch: u64,
    /// When a name wants to be looked up, or a plan has waited for long enough.
    names_due: Option<Instant>,
}

impl Control {
    /// Without a plan nothing is published. `workers` is the number of cores that record outcomes; `wake` is given
    /// to every backend; equal seeds make equal decisions.
    pub fn new(workers: usize, seed: u64, wake: Arc<Wake>) -> Self {
        Control {
            roster: Roster::new(workers, wake),
            names: Names::default(),
            agenda: Agenda::default(),
            random: Random::new(seed),
            plan: None,
            waiting: None,
            parts: None,
            changed: BTreeSet::new(),
            publish_due: None,
            published: None,
            serial: 0,
            generation: 0,
            adopted: 0,
            epoch: 0,
            names_due: None,
        }
    }

    /// What the cores saw since the last reading, for [`Input::Reports`]. `all`: of every backend; else of those that
    /// rang the bell.
    pub fn read(&mut self, all: bool) -> Vec<(BackendId, Report)> {
        self.roster.read(all)
    }

    /// Every backend of the plan in force.
    pub fn backends(&self) -> impl Iterator<Item = &BackendId> {
        self.roster.iter().map(|entry| &entry.backend.id)
    }

    /// Folds one input in. `now` never goes backwards.
    pub fn handle(&mut self, input: Input, now: Instant) -> Effects {
        let mut effects = Effects::default();
        match input {
            Input::Plan(plan) => self.take(plan, now, &mut effects),
            Input::Reports(reports) => self.reports(&reports, now, &mut effects),
            Input::Probed { id, serial, result, drain } => {
                self.probed(&id, serial, Answer { result, drain }, now, &mut effects);
            }
            Input::Connected { id, serial, result } => {
                self.connected(&id, serial, result, now, &mut effects);
            }
            Input::Resolved { host, port, result } => self.resolved(host, port, result, now, &mut effects),
            Input::Command(command) => effects.answer = Some(self.obey(&command, now, &mut effects)),
            Input::Tick => {}
        }
        self.tick(now, &mut effects);
        self.publish(now, &mut effects);
        effects.next = self.next();
        effects
    }

    /// All that was seen is taken in before anybody is judged by it: whether others fare better is in the same reports.
    fn reports(&mut self, reports: &[(BackendId, Report)], now: Instant, effects: &mut Effects) {
        let Some(plan) = self.plan.clone() else { return };
        for (id, report) in reports {
            let Some(crew) = self.roster.crews.get_mut(&id.pool) else { continue };
            let policy = &plan.pools[crew.index].health;
            let transition = crew.report(&id.address, report, now, policy);
            effects.notices.extend(transition.map(Notice::Transition));
        }
        let mut pools = BTreeSet::new();
        for (id, _) in reports {
            self.touch(id, now, effects, |entry, policy, random| {
                if entry.health.is_in_doubt(policy) {
                    entry.plan_probe(now, policy, random);
                }
                None
            });
            pools.insert(&id.pool);
        }
        for pool in pools {
            self.look_over(pool, &plan, now, effects);
        }
    }

    /// What concerns a pool as a whole, after news of its members.
    fn look_over(&mut self, pool: &PoolName, plan: &Plan, now: Instant, effects: &mut Effects) {
        let Some(crew) = self.roster.crews.get_mut(pool) else { return };
        let policy = &plan.pools[crew.index].health;
        let convicted = crew.compare(now, policy);
        let suspicion = self.roster.counters.suspicion(pool);
        suspicion.set(crew.suspicion(now, policy));
        if crew.fate.expire(now) {
            let change = FateChange { pool: pool.clone(), cause: None, backends: 0 };
            effects.notices.push(Notice::Fate(change));
        }
        // Whom the proof of another's innocence convicts.
        let failing = crew.entries.iter().filter(|(_, entry)| entry.health.is_failing());
        let failing: Vec<_> = failing.map(|(address, _)| address.clone()).collect();
        for (address, notice) in convicted {
            effects.notices.extend(notice);
            self.touch(&BackendId { pool: pool.clone(), address }, now, effects, |_, _, _| None);
        }
        for address in failing {
            self.touch(&BackendId { pool: pool.clone(), address }, now, effects, |_, _, _| None);
        }
    }

    /// Applies a change to one backend, if it is still there, judges it, and notes what came of it.
    fn touch(
        &mut self,
        id: &BackendId,
        now: Instant,
        effects: &mut Effects,
        change: impl FnOnce(&mut Entry, &Policy, &mut Random) -> Option<Transition>,
    ) {
        let (Some(plan), Some(crew)) = (self.plan.clone(), self.roster.crews.get_mut(&id.pool)) else {
            return;
        };
        let policy = &plan.pools[crew.index].health;
        let Some(entry) = crew.entries.get_mut(&id.address) else { return };
        // First what was due by now: else an input that comes before the tick would have it forgotten.
        entry.expire_hold(now, policy);
        let overdue = entry.step(Event::Tick, now, policy);
        let transition = change(entry, policy, &mut self.random);
        effects.notices.extend(overdue.into_iter().chain(transition).map(Notice::Transition));
        effects.notices.extend(crew.judge(&id.address, now, policy));
        self.settle(id, now, effects);
    }

    /// Publishes and plans anew what a change of one backend made out of date.
    fn settle(&mut self, id: &BackendId, now: Instant, effects: &mut Effects) {
        let (Some(plan), Some((entry, pool))) = (self.plan.clone(), self.roster.get(id)) else { return };
        let policy = &plan.pools[pool].health;
        let before = entry.status;
        let is_changed = entry.refresh(now, policy);
        effects.notices.extend(entry.hold_change(before.hold));
        let is_urgent = is_urgent(&before, &entry.status);
        let due = entry.next(now, policy);
        let planned = std::mem::replace(&mut entry.due, due);
        self.agenda.set(id, planned, due);
        if is_changed {
            self.changed.insert(id.pool.clone());
            let gathered = self.published.map_or(now, |at| (at + GATHERED).max(now));
            let due = if is_urgent { now } else { gathered };
            self.publish_due = Some(self.publish_due.map_or(due, |planned| planned.min(due)));
        }
    }

    /// Lets backends on trial know whether anybody else serves.
    fn after_change(&mut self, pool: &PoolName, now: Instant) {
        let (Some(plan), Some(crew)) = (&self.plan, self.roster.crews.get_mut(pool)) else { return };
        let policy = &plan.pools[crew.index].health;
        let is_alone = !crew.is_served(now);
        for entry in crew.entries.values_mut() {
            if entry.set_alone(is_alone) {
                let due = entry.next(now, policy);
                self.agenda.set(&entry.backend.id, std::mem::replace(&mut entry.due, due), due);
            }
        }
    }

    fn probed(
        &mut self,
        id: &BackendId,
        serial: u64,
        Answer { result, drain }: Answer,
        now: Instant,
        effects: &mut Effects,
    ) {
        let is_awaited = self.roster.get(id).is_some_and(|(entry, _)| entry.probing.is_in_flight(serial));
        let Some(plan) = self.plan.clone().filter(|_| is_awaited) else { return };
        let mut concerns_all = false;
        if let Some(crew) = self.roster.crews.get_mut(&id.pool) {
            crew.probed(&id.address, result, now);
            concerns_all = crew.fate.is_going_on();
        }
        self.touch(id, now, effects, |entry, policy, random| {
            if let Some(how_long) = drain {
                entry.change_hold(now, policy, |holds| holds.ask(how_long, now));
            }
            entry.end_probe(serial, result, now, policy, random)
        });
        if concerns_all {
            self.look_over(&id.pool, &plan, now, effects);
        }
    }

    fn connected(
        &mut self,
        id: &BackendId,
        serial: u64,
        result: Result<(), Cause>,
        now: Instant,
        effects: &mut Effects,
    ) {
        self.touch(id, now, effects, |entry, policy, _| {
            let counts = entry.end_connect(serial, now) && result.err().is_none_or(evenkeel_health::counts);
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

    fn obey(&mut self, command: &Command, now: Instant, effects: &mut Effects) -> Result<Done, CommandError> {
        let id = operator::find(&self.roster, command)?;
        let mut done = Err(CommandError::UnknownBackend(command.backend.clone()));
        let mut told = None;
        self.touch(&id, now, effects, |entry, policy, random| {
            let (transition, is_changed) = operator::apply(entry, command, now, policy);
            entry.plan_probe(now, policy, random);
            told = is_changed.then(|| operator::notice(entry, command));
            done = Ok(operator::done(entry, is_changed, now));
            transition
        });
        effects.notices.extend(told);
        done
    }

    /// Everything that only needs time to pass.
    fn tick(&mut self, now: Instant, effects: &mut Effects) {
        if self.names_due.is_some_and(|due| due <= now) {
            self.tick_names(now, effects);
        }
        for id in self.agenda.take_due(now) {
            self.visit(&id, now, effects);
        }
    }

    /// Publishes what changed, once it is due; whatever else changed goes along.
    fn publish(&mut self, now: Instant, effects: &mut Effects) {
        let is_due = self.publish_due.is_some_and(|due| due <= now) || effects.snapshot.is_some();
        if self.parts.is_none() || self.changed.is_empty() || !is_due {
            return;
        }
        (self.publish_due, self.published) = (None, Some(now));
        let changed = std::mem::take(&mut self.changed);
        changed.iter().for_each(|pool| self.after_change(pool, now));
        let Some(parts) = &mut self.parts else { return };
        changed.iter().for_each(|pool| parts.renew(pool, &self.roster, &self.names));
        // One that this very input made was never seen.
        self.epoch += u64::from(effects.snapshot.is_none());
        effects.snapshot = Some(parts.snapshot(self.adopted, self.epoch));
    }

    fn next(&self) -> Option<Instant> {
        [self.agenda.next(), self.names_due, self.publish_due].into_iter().flatten().min()
    }
}

/// What came of a probe.
#[derive(Clone, Copy, Debug)]
struct Answer {
    result: ProbeResult,
    drain: Option<Duration>,
}

/// Whether a change is about who receives requests, rather than about what is told.
fn is_urgent(before: &Status, after: &Status) -> bool {
    let is_on_trial = |status: &Status| status.phase == Phase::Trial;
    before.is_admitted() != after.is_admitted()
        || is_on_trial(before) != is_on_trial(after)
        || before.hold != after.hold
        || before.kept != after.kept
}
