//! What one worker owns for its whole life, and its view of the newest snapshot.
//!
//! Everything here stays on one thread: plain cells, no atomics, and no borrow across an `.await`.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::Cache;
use evenkeel_model::{BackendId, Endpoint, Hold, PoolName};
use evenkeel_routing::{Backend, Member, Pool, Snapshot, View};
use evenkeel_telemetry::Recorder;
use evenkeel_tls::Dial;
use evenkeel_upstream::{Keeping, Sweep, Turnstile};

use crate::contact::{Contact, PoolState};
use crate::date::Date;
use crate::headers::Via;
use crate::input::Buffers;
use crate::random::Random;
use crate::scratch::Scratches;

/// One worker's own things.
pub(crate) struct Core {
    pub(crate) index: usize,
    pub(crate) sweep: Rc<Sweep>,
    pub(crate) buffers: Buffers,
    pub(crate) scratches: Scratches,
    pub(crate) random: Random,
    pub(crate) date: Date,
    pub(crate) log: Recorder,
    pub(crate) turnstile: Turnstile,
    /// The same for handshakes with backends, which do not queue behind those of clients.
    pub(crate) dialling: Turnstile,
    newest: RefCell<Cache<View, Arc<Snapshot>>>,
    view: RefCell<Rc<CoreView>>,
    pools: RefCell<HashMap<PoolName, Rc<PoolState>>>,
    contacts: RefCell<HashMap<BackendId, Known>>,
    noted: Cell<Instant>,
}

/// A snapshot with what this core keeps for each of its pools, looked up once.
pub(crate) struct CoreView {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) pools: Vec<PoolView>,
    pub(crate) via: Option<Via>,
}

/// What this core keeps for one pool; cheap to clone.
#[derive(Clone)]
pub(crate) struct PoolView {
    pub(crate) state: Rc<PoolState>,
    /// By member.
    pub(crate) contacts: Rc<[Rc<Contact>]>,
}

/// What is kept for a backend, with the backend that it is kept for, where that is, and who it has to be.
struct Known {
    backend: Arc<Backend>,
    endpoints: Arc<[Endpoint]>,
    tls: Option<Arc<Dial>>,
    contact: Rc<Contact>,
}

/// How often pools are told of their traffic.
const NOTE_EVERY: Duration = Duration::from_secs(1);

impl Core {
    pub(crate) fn new(index: usize, newest: View, log: Recorder, now: Instant) -> Rc<Self> {
        let empty = CoreView { snapshot: Arc::default(), pools: Vec::new(), via: None };
        let core = Rc::new(Core {
            index,
            sweep: Sweep::new(now),
            buffers: Buffers::default(),
            scratches: Scratches::default(),
            random: Random::from_system(),
            date: Date::default(),
            log,
            turnstile: Turnstile::default(),
            dialling: Turnstile::default(),
            newest: RefCell::new(Cache::new(newest)),
            view: RefCell::new(Rc::new(empty)),
            pools: RefCell::default(),
            contacts: RefCell::default(),
            noted: Cell::new(now),
        });
        core.refresh();
        core
    }

    /// The newest snapshot, as this core sees it.
    #[inline]
    pub(crate) fn view(&self) -> Rc<CoreView> {
        if !Arc::ptr_eq(self.newest.borrow_mut().load(), &self.view.borrow().snapshot) {
            self.refresh();
        }
        self.view.borrow().clone()
    }

    #[cold]
    fn refresh(&self) {
        let snapshot = self.newest.borrow_mut().load().clone();
        let before = self.view.borrow().clone();
        let is_same = |index: usize, pool: &Arc<Pool>| {
            before.snapshot.pools.get(index).is_some_and(|before| Arc::ptr_eq(before, pool))
        };
        let view_of = |(index, pool): (usize, &Arc<Pool>)| match is_same(index, pool) {
            true => before.pools[index].clone(),
            false => PoolView {
                state: self.state(&pool.name),
                contacts: pool.members.iter().map(|member| self.contact(member)).collect(),
            },
        };
        let pools = snapshot.pools.iter().enumerate().map(view_of).collect();
        self.retire(&snapshot);
        let via = snapshot.forwarding.via.as_deref().map(Via::new);
        self.view.replace(Rc::new(CoreView { snapshot, pools, via }));
    }

    fn state(&self, pool: &PoolName) -> Rc<PoolState> {
        let mut pools = self.pools.borrow_mut();
        pools.entry(pool.clone()).or_insert_with(|| PoolState::new(self.random.next())).clone()
    }

    fn contact(&self, member: &Member) -> Rc<Contact> {
        let (backend, gauge) = (&member.backend, &member.backend.counters[self.index].idle);
        let mut contacts = self.contacts.borrow_mut();
        let known = contacts.entry(backend.id.clone()).or_insert_with(|| Known::new(member));
        // Removed and configured again between two looks: the same name, another backend.
        let is_another = !Arc::ptr_eq(&known.backend, backend);
        if is_another || known.has_left(&member.endpoints) || known.dials_otherwise(member) {
            known.contact.hold(true, &known.backend.counters[self.index].idle);
            *known = Known::new(member);
        }
        known.endpoints = member.endpoints.clone();
        known.contact.hold(member.status.hold != Hold::None, gauge);
        known.contact.clone()
    }

    /// Closes idle connections to backends that are no longer configured, and forgets pools that are gone.
    fn retire(&self, snapshot: &Snapshot) {
        let members = snapshot.pools.iter().flat_map(|pool| &pool.members);
        let there: HashSet<*const Backend> = members.map(|member| Arc::as_ptr(&member.backend)).collect();
        self.contacts.borrow_mut().retain(|_, known| {
            let stays = there.contains(&Arc::as_ptr(&known.backend));
            if !stays {
                known.contact.hold(true, &known.backend.counters[self.index].idle);
            }
            stays
        });
        let has = |name: &PoolName| snapshot.pools.iter().any(|pool| pool.name == *name);
        self.pools.borrow_mut().retain(|name, _| has(name));
    }

    /// What has to happen now and then: deadlines, idle connections, the log, the newest snapshot.
    pub(crate) fn tick(&self, now: Instant) {
        self.sweep.pass(now);
        self.log.flush();
        self.sweep_idle(now);
        // One core is enough.
        if self.index == 0 && now.saturating_duration_since(self.noted.get()) >= NOTE_EVERY {
            self.noted.set(now);
            self.view().snapshot.pools.iter().for_each(|pool| pool.note_requests(now));
        }
    }

    /// Closes every idle connection to a backend.
    #[cold]
    pub(crate) fn release_idle(&self) {
        for Known { backend, contact, .. } in self.contacts.borrow().values() {
            contact.idle.clear(&backend.counters[self.index].idle);
        }
    }

    fn sweep_idle(&self, now: Instant) {
        let view = self.view();
        for (pool, kept) in view.snapshot.pools.iter().zip(&view.pools) {
            for (member, contact) in pool.members.iter().zip(kept.contacts.iter()) {
                let Backend { idle_limit: limit, counters, .. } = &*member.backend;
                let (longest, gauge) = (pool.rule.connections.idle, &counters[self.index].idle);
                match contact.is_held() {
                    true => contact.idle.clear(gauge),
                    false => contact.idle.sweep(Keeping { longest, limit, gauge }, now),
                }
            }
        }
    }
}

impl Known {
    fn new(member: &Member) -> Known {
        let Member { backend, endpoints, tls, .. } = member;
        Known {
            backend: backend.clone(),
            endpoints: endpoints.clone(),
            tls: tls.clone(),
            contact: Rc::default(),
        }
    }

    /// Whether its name has left an address, so that no connection made before may be kept: nobody can say of the busy
    /// ones which of them lead there, and under load an old one would be used for ever.
    fn has_left(&self, endpoints: &[Endpoint]) -> bool {
        self.endpoints.iter().any(|endpoint| !endpoints.contains(endpoint))
    }

    /// Whether a connection would be made with other TLS now, or with none, or with some: what an old one proved may not be
    /// enough any more.
    fn dials_otherwise(&self, member: &Member) -> bool {
        match (&self.tls, &member.tls) {
            (Some(old), Some(new)) => !Arc::ptr_eq(old, new),
            (None, None) => false,
            (Some(_), None) | (None, Some(_)) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;
    use evenkeel_routing::PoolRule;
    use evenkeel_telemetry::AccessLog;

    use super::*;
    use crate::examples::{listener, member, pool, snapshot};

    #[test]
    fn connections_are_kept_until_a_name_has_left_one_of_its_addresses() {
        let mut app = member("app.test:80".parse().unwrap());
        let mut at = |addresses: &[&str]| {
            let endpoints = addresses.iter().map(|address| Endpoint::Tcp(address.parse().unwrap()));
            app.endpoints = endpoints.collect();
            Arc::new(snapshot(&listener(), Arc::new(pool(PoolRule::default(), vec![app.clone()]))))
        };
        let view: View = Arc::new(ArcSwap::new(at(&["10.0.0.1:80"])));
        let core = Core::new(0, view.clone(), AccessLog::start(None).unwrap().recorder(), Instant::now());
        let contact = || core.view().pools[0].contacts[0].clone();
        let first = contact();
        view.store(at(&["10.0.0.2:80", "10.0.0.1:80"]));
        assert!(Rc::ptr_eq(&first, &contact()) && !first.is_held());
        view.store(at(&["10.0.0.2:80"]));
        assert!(!Rc::ptr_eq(&first, &contact()) && !contact().is_held());
        assert!(first.is_held(), "a request that is on its way does not keep its connection");
    }
}
