//! A snapshot from a plan and the roster.
//!
//! Between two plans only pools change, so routes and listeners are composed once a plan.

use std::collections::HashMap;
use std::sync::Arc;

use evenkeel_config::Plan;
use evenkeel_model::PoolName;
use evenkeel_routing::{Listener, Member, Pool, Route, Router, Snapshot};

use crate::crew::Crew;
use crate::names::Names;
use crate::roster::Roster;

/// What is published, in parts that are exchanged one by one.
#[derive(Debug)]
pub(crate) struct Parts {
    plan: Arc<Plan>,
    router: Arc<Router>,
    listeners: Vec<Arc<Listener>>,
    pools: Vec<Arc<Pool>>,
}

impl Parts {
    /// Everything that `plan` says; the roster has adopted it.
    pub(crate) fn new(plan: Arc<Plan>, roster: &Roster, names: &Names) -> Self {
        let mut parts = Parts {
            router: Arc::new(Router::new(routes(&plan, roster))),
            listeners: listeners(&plan, roster),
            pools: Vec::new(),
            plan,
        };
        let crews = parts.plan.pools.iter().map(|pool| &roster.crews[&pool.name]);
        parts.pools = crews.map(|crew| parts.pool(crew, roster, names)).collect();
        parts
    }

    /// Takes in what changed about the members of one pool.
    pub(crate) fn renew(&mut self, pool: &PoolName, roster: &Roster, names: &Names) {
        if let Some(crew) = roster.crews.get(pool) {
            self.pools[crew.index] = self.pool(crew, roster, names);
        }
    }

    pub(crate) fn snapshot(&self, generation: u64, epoch: u64) -> Arc<Snapshot> {
        Arc::new(Snapshot {
            generation,
            epoch,
            router: self.router.clone(),
            pools: self.pools.clone(),
            listeners: self.listeners.clone(),
            forwarding: self.plan.forwarding.clone(),
        })
    }

    fn pool(&self, crew: &Crew, roster: &Roster, names: &Names) -> Arc<Pool> {
        let pool = &self.plan.pools[crew.index];
        let members = crew.order.iter().map(|(address, weight)| {
            let entry = &crew.entries[address];
            let (endpoints, unresolved) = match names.endpoints(address) {
                Ok(endpoints) => (endpoints, None),
                Err(failure) => ([].into(), Some(failure)),
            };
            let (backend, status) = (entry.backend.clone(), entry.status);
            Member { backend, endpoints, unresolved, weight: *weight, status, tls: entry.tls.clone() }
        });
        let counters = roster.counters.pool(&pool.name);
        let retries = roster.counters.retries(&pool.name);
        let suspicion = roster.counters.suspicion(&pool.name);
        let is_probed = pool.health.probe.is_some();
        let (name, rule) = (pool.name.clone(), pool.rule.clone());
        Arc::new(Pool::new(name, rule, members.collect(), is_probed, counters, retries, suspicion))
    }
}

fn routes(plan: &Plan, roster: &Roster) -> Vec<Arc<Route>> {
    let pools: HashMap<_, _> =
        plan.pools.iter().enumerate().map(|(index, pool)| (&pool.name, index)).collect();
    let route = |rule: &evenkeel_routing::Rule| {
        let label: Arc<str> = rule.label().into();
        let counters = roster.counters.route(&label);
        // `config` has checked that the pool is there.
        let pool = pools.get(&rule.pool).copied()?;
        Some(Arc::new(Route { label, rule: rule.clone(), pool, counters }))
    };
    plan.routes.iter().filter_map(route).collect()
}

fn listeners(plan: &Plan, roster: &Roster) -> Vec<Arc<Listener>> {
    let listener = |rule: &evenkeel_routing::ListenerRule| {
        Arc::new(Listener { rule: rule.clone(), counters: roster.counters.listener(&rule.name) })
    };
    plan.listeners.iter().map(listener).collect()
}
