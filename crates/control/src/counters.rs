//! Counters by name, kept over reloads; those of what is gone are dropped.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_config::Plan;
use evenkeel_model::{ListenerCounters, PerCore, PoolCounters, PoolName, RouteCounters};
use evenkeel_routing::{RetryLedger, Suspicion};

/// Counters of everything but backends, which carry their own.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pools: BTreeMap<PoolName, Arc<PoolCounters>>,
    retries: BTreeMap<PoolName, Arc<RetryLedger>>,
    suspicions: BTreeMap<PoolName, Arc<Suspicion>>,
    routes: BTreeMap<Arc<str>, Arc<RouteCounters>>,
    listeners: BTreeMap<Arc<str>, Arc<ListenerCounters>>,
}

impl Counters {
    /// Keeps what `plan` names, and begins what is new at zero.
    pub(crate) fn adopt(&mut self, plan: &Plan, workers: usize) {
        self.pools = kept(&self.pools, plan.pools.iter().map(|pool| pool.name.clone()), workers);
        let ledger = |name: &PoolName| self.retries.get(name).cloned().unwrap_or_default();
        self.retries = plan.pools.iter().map(|pool| (pool.name.clone(), ledger(&pool.name))).collect();
        let suspicion = |name: &PoolName| self.suspicions.get(name).cloned().unwrap_or_default();
        self.suspicions = plan.pools.iter().map(|pool| (pool.name.clone(), suspicion(&pool.name))).collect();
        self.routes = kept(&self.routes, plan.routes.iter().map(|rule| rule.label().into()), workers);
        self.listeners = kept(&self.listeners, plan.listeners.iter().map(|rule| rule.name.clone()), workers);
    }

    pub(crate) fn pool(&self, name: &PoolName) -> Arc<PoolCounters> {
        self.pools[name].clone()
    }

    pub(crate) fn retries(&self, pool: &PoolName) -> Arc<RetryLedger> {
        self.retries[pool].clone()
    }

    pub(crate) fn suspicion(&self, pool: &PoolName) -> Arc<Suspicion> {
        self.suspicions[pool].clone()
    }

    pub(crate) fn route(&self, label: &str) -> Arc<RouteCounters> {
        self.routes[label].clone()
    }

    pub(crate) fn listener(&self, name: &str) -> Arc<ListenerCounters> {
        self.listeners[name].clone()
    }
}

fn kept<K: Ord, T: Default>(
    old: &BTreeMap<K, Arc<PerCore<T>>>,
    names: impl Iterator<Item = K>,
    workers: usize,
) -> BTreeMap<K, Arc<PerCore<T>>> {
    let counters = |name: &K| old.get(name).cloned().unwrap_or_else(|| Arc::new(PerCore::new(workers)));
    names.map(|name| (counters(&name), name)).map(|(counters, name)| (name, counters)).collect()
}
