//! Names of backends: when each is looked up, and its last good answer, which stays in use whatever comes after it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_config::Plan;
use evenkeel_health::Target;
use evenkeel_model::{Address, Endpoint, NameFailure};

use crate::{Effects, NameChange, Notice, ResolveOrder, Resolved};

/// Between two look-ups of a name at least, whatever its time to live.
const SHORTEST: Duration = Duration::from_secs(1);

/// Between two look-ups of a name at most, whatever its time to live.
const LONGEST: Duration = Duration::from_secs(300);

/// Between two look-ups at most of a name that never had an answer.
const SLOWEST: Duration = Duration::from_secs(30);

/// After a failure of a name that has a last good answer.
const AGAIN: Duration = Duration::from_secs(5);

/// Every name of the plan in force, and of one that waits.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<(Arc<str>, u16), Name>);

#[derive(Debug)]
struct Name {
    /// The last good answer; empty while there was none.
    endpoints: Arc<[Endpoint]>,
    /// Of the newest answer.
    failure: Option<NameFailure>,
    is_asked: bool,
    is_answered: bool,
    /// How often in a row it had no answer, and never had one.
    in_vain: u32,
    due: Instant,
}

impl Names {
    /// Takes up the names of `plan`; new ones are due at once.
    pub(crate) fn add(&mut self, plan: &Plan, now: Instant) {
        for key in keys(plan) {
            self.0.entry(key).or_insert_with(|| Name {
                endpoints: [].into(),
                failure: None,
                is_asked: false,
                is_answered: false,
                in_vain: 0,
                due: now,
            });
        }
    }

    /// Has every name be looked up at once: somebody else is asked from now on.
    pub(crate) fn ask_anew(&mut self, now: Instant) {
        self.0.values_mut().for_each(|name| name.due = now);
    }

    /// Forgets every name that `plan` has not.
    pub(crate) fn retain(&mut self, plan: &Plan) {
        let wanted: std::collections::BTreeSet<_> = keys(plan).collect();
        self.0.retain(|key, _| wanted.contains(key));
    }

    /// Whether every name of `plan` was looked up once, in vain or not.
    pub(crate) fn has_answers(&self, plan: &Plan) -> bool {
        keys(plan).all(|key| self.0.get(&key).is_some_and(|name| name.is_answered))
    }

    /// Orders the look-ups that are due. Returns when the next one is.
    pub(crate) fn order(&mut self, now: Instant, effects: &mut Effects) -> Option<Instant> {
        for ((host, port), name) in &mut self.0 {
            if !name.is_asked && name.due <= now {
                name.is_asked = true;
                effects.resolves.push(ResolveOrder { host: host.clone(), port: *port });
            }
        }
        self.0.values().filter(|name| !name.is_asked).map(|name| name.due).min()
    }

    /// Takes an answer. Returns whether what is published of the name is another thing now.
    pub(crate) fn answer(
        &mut self,
        host: Arc<str>,
        port: u16,
        result: Result<Resolved, NameFailure>,
        now: Instant,
    ) -> (bool, Option<Notice>) {
        let Some(name) = self.0.get_mut(&(host.clone(), port)) else { return (false, None) };
        let before = name.failure;
        let is_changed = name.take(result, now);
        let is_news = before != name.failure;
        let change = NameChange { host, port, failure: name.failure, endpoints: name.endpoints.len() };
        let is_published = is_changed || (is_news && name.endpoints.is_empty());
        (is_published, is_news.then_some(Notice::Name(change)))
    }

    /// Where `address` is, or why nobody knows; `Ok` and empty while it is being looked up for the first time.
    pub(crate) fn endpoints(&self, address: &Address) -> Result<Arc<[Endpoint]>, NameFailure> {
        if let Some(endpoint) = address.endpoint() {
            return Ok([endpoint].into());
        }
        let name = key(address).and_then(|key| self.0.get(&key));
        match name {
            Some(Name { endpoints, failure: Some(failure), .. }) if endpoints.is_empty() => Err(*failure),
            Some(name) => Ok(name.endpoints.clone()),
            None => Ok([].into()),
        }
    }
}

impl Name {
    fn take(&mut self, result: Result<Resolved, NameFailure>, now: Instant) -> bool {
        self.is_asked = false;
        self.is_answered = true;
        self.failure = result.as_ref().err().copied();
        let (endpoints, wait) = match result {
            Ok(Resolved { endpoints, ttl }) => (endpoints, ttl.clamp(SHORTEST, LONGEST)),
            Err(_) if self.endpoints.is_empty() => {
                let wait = SHORTEST.saturating_mul(1 << self.in_vain.min(5)).min(SLOWEST);
                self.in_vain = self.in_vain.saturating_add(1);
                (self.endpoints.clone(), wait)
            }
            Err(_) => (self.endpoints.clone(), AGAIN),
        };
        self.due = now + wait;
        // Resolvers rotate their answers; the same set in another order is no news.
        let is_changed = sorted(&endpoints) != sorted(&self.endpoints);
        if is_changed {
            self.endpoints = endpoints;
        }
        is_changed
    }
}

fn sorted(endpoints: &[Endpoint]) -> Vec<&Endpoint> {
    let mut sorted: Vec<_> = endpoints.iter().collect();
    sorted.sort_unstable();
    sorted
}

/// Names of backends, and of places that only probes go to.
fn keys(plan: &Plan) -> impl Iterator<Item = (Arc<str>, u16)> {
    let backends = plan.pools.iter().flat_map(|pool| &pool.backends).map(|backend| &backend.address);
    let probes = plan.pools.iter().filter_map(|pool| match &pool.health.probe.as_ref()?.target {
        Target::Address(address) => Some(address),
        Target::Same | Target::Port(_) => None,
    });
    backends.chain(probes).filter_map(key)
}

fn key(address: &Address) -> Option<(Arc<str>, u16)> {
    match address {
        Address::Name { host, port } => Some((host.clone(), *port)),
        Address::Ip(_) | Address::Unix(_) => None,
    }
}
