//! Plans, and the names in them: what is adopted when, and who is there then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_config::{Plan, PoolPlan};
use evenkeel_model::{Address, BackendId, NameFailure, PoolName};

use super::Control;
use crate::compose::Parts;
use crate::{Effects, Resolved};

/// Longest time that a plan waits for the first answer about its names.
const FIRST_ANSWERS: Duration = Duration::from_secs(1);

impl Control {
    /// A plan with names that nobody looked up yet waits a moment, so that its first requests find an endpoint.
    pub(super) fn take(&mut self, plan: Arc<Plan>, now: Instant, effects: &mut Effects) {
        // Each plan is a generation, also one that the next overtakes.
        self.generation += 1;
        self.waiting = None;
        self.names.add(&plan, now);
        if self.plan.as_ref().is_some_and(|old| old.dns != plan.dns) {
            self.names.ask_anew(now);
        }
        if self.names.has_answers(&plan) {
            self.adopt(plan, now, effects);
        } else {
            self.waiting = Some((plan, now));
        }
        self.names_due = Some(now);
    }

    fn adopt(&mut self, plan: Arc<Plan>, now: Instant, effects: &mut Effects) {
        self.adopted = self.generation;
        self.plan = Some(plan.clone());
        self.names.retain(&plan);
        self.roster.adopt(&plan, &self.names, now, &mut self.random);
        self.agenda.clear();
        let pools: Vec<PoolName> = plan.pools.iter().map(|pool| pool.name.clone()).collect();
        pools.iter().for_each(|pool| self.call_the_roll(pool, now, effects));
        self.parts = Some(Parts::new(plan, &self.roster, &self.names));
        (self.changed, self.publish_due) = (BTreeSet::new(), None);
        self.epoch += 1;
        effects.snapshot = self.parts.as_ref().map(|parts| parts.snapshot(self.adopted, self.epoch));
    }

    /// Looks at everybody in a pool whose members are others now.
    fn call_the_roll(&mut self, pool: &PoolName, now: Instant, effects: &mut Effects) {
        let Some(crew) = self.roster.crews.get_mut(pool) else { return };
        let addresses: Vec<Address> = crew.entries.keys().cloned().collect();
        for address in addresses {
            let id = BackendId { pool: pool.clone(), address };
            if let Some((entry, _)) = self.roster.get(&id) {
                entry.due = None;
            }
            self.touch(&id, now, effects, |_, _, _| None);
        }
        self.after_change(pool, now);
    }

    /// A name was looked up.
    pub(super) fn resolved(
        &mut self,
        host: Arc<str>,
        port: u16,
        result: Result<Resolved, NameFailure>,
        now: Instant,
        effects: &mut Effects,
    ) {
        let (is_changed, notice) = self.names.answer(host.clone(), port, result, now);
        effects.notices.extend(notice);
        self.names_due = Some(now);
        let Some(plan) = self.plan.clone().filter(|_| is_changed) else { return };
        for (index, pool) in plan.pools.iter().enumerate().filter(|(_, pool)| is_in(pool, &host, port)) {
            self.roster.renew(index, pool, &self.names, now, &mut self.random);
            self.agenda.forget(&pool.name);
            self.call_the_roll(&pool.name, now, effects);
            self.changed.insert(pool.name.clone());
            self.publish_due = Some(now);
        }
    }

    /// What names and a plan that waits for them want by now.
    pub(super) fn tick_names(&mut self, now: Instant, effects: &mut Effects) {
        if let Some((plan, since)) = self.waiting.take() {
            let is_over = now.saturating_duration_since(since) >= FIRST_ANSWERS;
            if is_over || self.names.has_answers(&plan) {
                self.adopt(plan, now, effects);
            } else {
                self.waiting = Some((plan, since));
            }
        }
        let due = self.names.order(now, effects);
        let waiting = self.waiting.as_ref().map(|(_, since)| *since + FIRST_ANSWERS);
        self.names_due = due.into_iter().chain(waiting).min();
    }
}

/// Whether a pool has a backend of this name.
fn is_in(pool: &PoolPlan, host: &str, port: u16) -> bool {
    let is_it = |address: &Address| matches!(address, Address::Name { host: it, port: of } if **it == *host && *of == port);
    pool.backends.iter().any(|backend| is_it(&backend.address))
}
