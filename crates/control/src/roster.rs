//! Who is there: every backend by pool and address, with its health, over all reloads and changes of names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use evenkeel_config::{BackendPlan, Plan, PoolPlan, Resolve};
use evenkeel_model::{Address, BackendId, Endpoint, PoolName, Report};
use evenkeel_routing::{Backend, Wake};
use evenkeel_tls::Dial;

use crate::counters::Counters;
use crate::crew::Crew;
use crate::departed::Departed;
use crate::entry::Entry;
use crate::names::Names;
use crate::random::Random;

/// Every backend of the plan in force.
#[derive(Debug)]
pub(crate) struct Roster {
    workers: usize,
    wake: Arc<Wake>,
    /// Ordered, so that a simulation can be run again.
    pub(crate) crews: BTreeMap<PoolName, Crew>,
    pub(crate) counters: Counters,
}

/// A backend that a plan, together with what its name resolves to, asks for.
struct Wanted {
    address: Address,
    label: Arc<str>,
    /// What requests are addressed to.
    host: Arc<str>,
    weight: u16,
    tls: Option<Arc<Dial>>,
    /// Whether it is one address of a name, each of which is a backend.
    is_of_name: bool,
}

impl Roster {
    pub(crate) fn new(workers: usize, wake: Arc<Wake>) -> Self {
        Roster { workers, wake, crews: BTreeMap::new(), counters: Counters::default() }
    }

    /// Keeps who stays, takes in who is new, and drops who is gone.
    pub(crate) fn adopt(&mut self, plan: &Plan, names: &Names, now: Instant, random: &mut Random) {
        let mut old = std::mem::take(&mut self.crews);
        let probed = plan.pools.iter().filter(|pool| pool.health.probe.is_some());
        let probed = probed.map(|pool| pool.backends.len()).sum();
        for (index, pool) in plan.pools.iter().enumerate() {
            let crew = old.remove(&pool.name).unwrap_or_default();
            let crew = self.staffed(crew, index, (pool, names), now, random);
            self.crews.insert(pool.name.clone(), crew);
        }
        for pool in &plan.pools {
            let Some(crew) = self.crews.get_mut(&pool.name) else { continue };
            crew.entries.values_mut().for_each(|entry| entry.join(&pool.health, probed, now, random));
        }
        self.counters.adopt(plan, self.workers);
    }

    /// Does the same for one pool, whose names have other addresses now.
    pub(crate) fn renew(
        &mut self,
        index: usize,
        pool: &PoolPlan,
        names: &Names,
        now: Instant,
        random: &mut Random,
    ) {
        let Some(crew) = self.crews.remove(&pool.name) else { return };
        let mut crew = self.staffed(crew, index, (pool, names), now, random);
        let backends = crew.entries.len();
        let new = crew.entries.values_mut().filter(|entry| entry.probing.has_stopped());
        new.for_each(|entry| entry.join(&pool.health, backends, now, random));
        self.crews.insert(pool.name.clone(), crew);
    }

    /// A crew with the backends that its pool and the names ask for.
    fn staffed(
        &self,
        mut crew: Crew,
        index: usize,
        (pool, names): (&PoolPlan, &Names),
        now: Instant,
        random: &mut Random,
    ) -> Crew {
        let wanted = wanted(pool, names);
        let mut before = std::mem::take(&mut crew.entries);
        crew.index = index;
        crew.order = wanted.iter().map(|it| (it.address.clone(), it.weight)).collect();
        for it in wanted {
            let id = BackendId { pool: pool.name.clone(), address: it.address.clone() };
            let known = before.remove(&it.address).or_else(|| crew.departed.take(&it.address, now));
            let entry = self.entry(known, id, &it, pool, now, random);
            crew.entries.insert(it.address, entry);
        }
        let may_return = pool.backends.iter().any(|backend| backend.resolve == Resolve::Each);
        if may_return {
            crew.departed.keep(before.into_values().filter(|entry| entry.is_of_name), now);
        } else {
            crew.departed = Departed::default();
        }
        crew
    }

    /// What the cores saw since the last reading; who saw nothing is left out. `all`: else only those that asked for it.
    pub(crate) fn read(&mut self, all: bool) -> Vec<(BackendId, Report)> {
        let entries = self.crews.values_mut().flat_map(|crew| crew.entries.values_mut());
        let read = |entry: &mut Entry| {
            let report = entry.backend.read(&mut entry.readings);
            (!report.is_empty()).then(|| (entry.backend.id.clone(), report))
        };
        entries.filter(|entry| all || entry.backend.wants_reading()).filter_map(read).collect()
    }

    pub(crate) fn get(&mut self, id: &BackendId) -> Option<(&mut Entry, usize)> {
        let crew = self.crews.get_mut(&id.pool)?;
        Some((crew.entries.get_mut(&id.address)?, crew.index))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.crews.values().flat_map(|crew| crew.entries.values())
    }

    /// A label is part of what is counted, so a backend with another name counts from zero; its health goes on.
    fn entry(
        &self,
        old: Option<Entry>,
        id: BackendId,
        wanted: &Wanted,
        pool: &PoolPlan,
        now: Instant,
        random: &mut Random,
    ) -> Entry {
        let label = &wanted.label;
        let fresh = || Backend::new(id, label.clone(), self.workers, self.wake.clone());
        let mut entry = match old {
            Some(entry) if entry.backend.label == *label => entry,
            Some(entry) => entry.renamed(fresh(), now),
            None => Entry::new(fresh(), now, &pool.health, random),
        };
        entry.host = wanted.host.clone();
        entry.tls = wanted.tls.clone();
        entry.is_of_name = wanted.is_of_name;
        entry
    }
}

/// The backends of a pool: as written, or one for each address of a name. Who stands there twice counts once.
fn wanted(pool: &PoolPlan, names: &Names) -> Vec<Wanted> {
    let mut seen = BTreeSet::new();
    let all = pool.backends.iter().flat_map(|plan| each(plan, names));
    // More than routes count members by are no pool.
    all.filter(|it| seen.insert(it.address.clone())).take(usize::from(u16::MAX)).collect()
}

fn each(plan: &BackendPlan, names: &Names) -> Vec<Wanted> {
    let host: Arc<str> = plan.address.to_string().into();
    let label: Arc<str> = plan.name.as_deref().map_or_else(|| host.clone(), Into::into);
    let one = |address, label, is_of_name| Wanted {
        address,
        label,
        host: host.clone(),
        weight: plan.weight,
        tls: plan.tls.clone(),
        is_of_name,
    };
    let is_name = matches!(plan.address, Address::Name { .. });
    let endpoints = match plan.resolve {
        Resolve::Each if is_name => names.endpoints(&plan.address).unwrap_or_else(|_| [].into()),
        Resolve::Each | Resolve::Once => [].into(),
    };
    if endpoints.is_empty() {
        // A name that never had an address still stands for somebody, whose requests fail for the name.
        return vec![one(plan.address.clone(), label, false)];
    }
    let named = endpoints.iter().map(|endpoint| match endpoint {
        Endpoint::Tcp(address) => one(Address::Ip(*address), format!("{label}@{address}").into(), true),
        Endpoint::Unix(path) => one(Address::Unix(path.clone()), label.clone(), true),
    });
    named.collect()
}
