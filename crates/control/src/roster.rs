//! Who is there: every backend by identity, with its health, over all reloads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use evenkeel_config::{BackendPlan, Plan};
use evenkeel_model::{Address, BackendId, PoolName, Report};
use evenkeel_routing::{Backend, Wake};

use crate::counters::Counters;
use crate::entry::Entry;
use crate::random::Random;

/// Every backend of the plan in force.
#[derive(Debug)]
pub(crate) struct Roster {
    workers: usize,
    wake: Arc<Wake>,
    /// Ordered, so that a simulation can be run again.
    entries: BTreeMap<BackendId, Entry>,
    pub(crate) counters: Counters,
}

impl Roster {
    pub(crate) fn new(workers: usize, wake: Arc<Wake>) -> Self {
        Roster { workers, wake, entries: BTreeMap::new(), counters: Counters::default() }
    }

    /// Keeps who stays, takes in who is new, and drops who is gone.
    pub(crate) fn adopt(&mut self, plan: &Plan, now: Instant, random: &mut Random) {
        let mut old = std::mem::take(&mut self.entries);
        for (index, pool) in plan.pools.iter().enumerate() {
            for backend in &pool.backends {
                let id = BackendId { pool: pool.name.clone(), address: backend.address.clone() };
                let mut entry = self.entry(old.remove(&id), &id, backend, now);
                entry.join(index, &pool.health, now, random);
                self.entries.insert(id, entry);
            }
        }
        self.counters.adopt(plan, self.workers);
    }

    /// What the cores saw since the last reading; who saw nothing is left out.
    pub(crate) fn read(&mut self) -> Vec<(BackendId, Report)> {
        let read = |(id, entry): (&BackendId, &mut Entry)| {
            let report = entry.backend.read(&mut entry.readings);
            let says_something = report.successes > 0 || report.failures > 0 || report.trial_abandoned;
            says_something.then(|| (id.clone(), report))
        };
        self.entries.iter_mut().filter_map(read).collect()
    }

    pub(crate) fn get(&mut self, id: &BackendId) -> Option<&mut Entry> {
        self.entries.get_mut(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&BackendId, &Entry)> {
        self.entries.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&BackendId, &mut Entry)> {
        self.entries.iter_mut()
    }

    /// A backend of the plan in force.
    pub(crate) fn member(&self, pool: &PoolName, address: &Address) -> &Entry {
        &self.entries[&BackendId { pool: pool.clone(), address: address.clone() }]
    }

    /// A label is part of what is counted, so a backend with another name counts from zero; its health goes on.
    fn entry(&self, old: Option<Entry>, id: &BackendId, plan: &BackendPlan, now: Instant) -> Entry {
        let label: Arc<str> = plan.name.as_deref().map_or_else(|| id.address.to_string().into(), Into::into);
        let fresh = || Backend::new(id.clone(), label.clone(), self.workers, self.wake.clone());
        match old {
            Some(entry) if entry.backend.label == label => entry,
            Some(entry) => entry.renamed(fresh(), now),
            None => Entry::new(fresh(), now),
        }
    }
}
