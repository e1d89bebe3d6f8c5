//! A pool at one moment: its rule, its members with their standing, and the orders that a pick reads.

use std::sync::Arc;
use std::time::Instant;

use evenkeel_model::{Endpoint, NameFailure, PoolCounters, PoolName, Status};
use evenkeel_tls::Dial;

use crate::order;
use crate::{Backend, Balance, Budget, PoolRule, RetryLedger, Suspicion, WhenAllEjected};

/// A pool, immutable.
#[derive(Debug)]
pub struct Pool {
    /// Its name.
    pub name: PoolName,
    /// Its settings.
    pub rule: PoolRule,
    /// Every backend, whatever its phase, in configured order.
    pub members: Vec<Member>,
    /// Whether probes prove its members.
    pub is_probed: bool,
    /// Kept over reloads, by name.
    pub counters: Arc<PoolCounters>,
    /// What its retries have cost; kept as the counters are.
    pub retries: Arc<RetryLedger>,
    /// Which request may be to blame for a failure; kept as the counters are.
    pub suspicion: Arc<Suspicion>,
    /// Members that receive requests, in smooth weighted order.
    pub(crate) admitted: Box<[u16]>,
    /// Of these, the ones whose share grows no more, likewise; `None` while nobody's grows.
    pub(crate) full: Option<Box<[u16]>>,
    /// Whether a busy member may give way to another; else a pick is spared to look.
    pub(crate) may_give_way: bool,
    /// By member: its weight, as far as it has ramped up, in hundredths.
    pub(crate) shares: Box<[u32]>,
    /// Members on trial.
    pub(crate) on_trial: Box<[u16]>,
    /// Members to try when nobody in service is left, best first.
    pub(crate) last_resort: Box<[order::Resorts]>,
}

/// A backend's place in a pool, at one moment.
#[derive(Clone, Debug)]
pub struct Member {
    /// The backend that all moments share.
    pub backend: Arc<Backend>,
    /// What its address resolves to; empty while a name is unresolved.
    pub endpoints: Arc<[Endpoint]>,
    /// Why there are none.
    pub unresolved: Option<NameFailure>,
    /// How it is spoken to over TLS; `None`: in cleartext.
    pub tls: Option<Arc<Dial>>,
    /// Configured share of requests, 1 to 1000.
    pub weight: u16,
    /// Its standing, by control.
    pub status: Status,
}

impl Pool {
    /// A pool with the orders that its members' standing asks for.
    pub fn new(
        name: PoolName,
        rule: PoolRule,
        members: Vec<Member>,
        is_probed: bool,
        counters: Arc<PoolCounters>,
        retries: Arc<RetryLedger>,
        suspicion: Arc<Suspicion>,
    ) -> Self {
        let mut is_in: fn(&Status) -> bool = Status::is_admitted;
        let mut admitted = order::smooth(&members, |member| is_in(&member.status));
        if admitted.is_empty() && rule.when_all_ejected == WhenAllEjected::FailOpen {
            is_in = Status::is_last_resort;
            admitted = order::smooth(&members, |member| is_in(&member.status));
        }
        let is_full = |member: &Member| member.status.ramp >= 1.0;
        let is_ramping = members.iter().any(|member| is_in(&member.status) && !is_full(member));
        let full =
            is_ramping.then(|| order::smooth(&members, |member| is_in(&member.status) && is_full(member)));
        Pool {
            admitted,
            may_give_way: full.is_some() || rule.balance == Balance::LeastRequests,
            full,
            shares: members.iter().map(order::share).collect(),
            on_trial: order::on_trial(&members),
            last_resort: order::last_resort(&members, rule.when_all_ejected),
            name,
            rule,
            members,
            is_probed,
            counters,
            retries,
            suspicion,
        }
    }

    /// Whether the budget has room for one more retry that gives a backend work; if so, it counts as made.
    pub fn spend_retry(&self, budget: Option<&Budget>, now: Instant) -> bool {
        budget.is_none_or(|rule| self.retries.spend(rule, self.requests(), now))
    }

    /// What has to be done every second, by anybody, so that the budget knows the pool's traffic.
    pub fn note_requests(&self, now: Instant) {
        self.retries.note(self.requests(), now);
    }

    fn requests(&self) -> u64 {
        self.counters.sum(|cell| cell.requests.read())
    }
}
