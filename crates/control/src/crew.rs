//! The backends of one pool, and what only the pool can say: whether a conviction takes one of them out of service.

use std::collections::BTreeMap;
use std::time::Instant;

use evenkeel_health::{Event, Policy, ProbeResult, Tally};
use evenkeel_model::{Address, Cause, Evidence, Fault, Hold, Kept, ProbeFailure, Proof, Report};

use crate::departed::Departed;
use crate::entry::Entry;
use crate::fate::Fate;
use crate::outliers;
use crate::{FateChange, Keeping, Notice, Transition};

/// So many standard deviations between two shares are not explained by chance.
const DEVIATIONS_OF_LUCK: f64 = 2.5;

/// The backends of one pool.
#[derive(Debug, Default)]
pub(crate) struct Crew {
    /// Its place in the plan.
    pub(crate) index: usize,
    pub(crate) entries: BTreeMap<Address, Entry>,
    /// Addresses and weights, in the plan's order.
    pub(crate) order: Vec<(Address, u16)>,
    pub(crate) fate: Fate,
    /// Who was left out of a name's last answers.
    pub(crate) departed: Departed,
    /// When its members were last compared with each other.
    compared: Option<Instant>,
}

impl Crew {
    /// Takes in what the cores saw of one backend.
    pub(crate) fn report(
        &mut self,
        address: &Address,
        report: &Report,
        now: Instant,
        policy: &Policy,
    ) -> Option<Transition> {
        if self.entries.get(address)?.is_in_service(now) {
            for strike in report.strikes() {
                self.fate.failed(address, strike.fault.cause, now);
            }
        }
        if report.rescued || report.strikes().any(|strike| strike.fault.proof == Proof::Elsewhere) {
            self.refute(now, policy);
        }
        let transition = self.entries.get_mut(address)?.report(report, now, policy);
        if let Some(key) = report.vouched {
            self.prove(address, key, now, policy);
        }
        transition
    }

    /// A probe came to its result.
    pub(crate) fn probed(&mut self, address: &Address, result: ProbeResult, now: Instant) {
        let is_in_service = self.entries.get(address).is_some_and(|entry| entry.is_in_service(now));
        if is_in_service
            && let ProbeResult::Failed(ProbeFailure::Failed(cause) | ProbeFailure::Tls(cause, _)) = result
            && cause != Cause::LocalResource
            && cause != Cause::Internal
        {
            self.fate.failed(address, cause, now);
        }
    }

    /// Ejects a backend for what it is convicted of, unless the pool speaks against it.
    pub(crate) fn judge(&mut self, address: &Address, now: Instant, policy: &Policy) -> Option<Notice> {
        self.clear_of_poison(address, now, policy);
        let entry = self.entries.get(address)?;
        let Some(charge) = entry.health.charge(now, policy) else {
            self.entries.get_mut(address)?.acquit(now);
            return None;
        };
        self.sentence(address, charge, now, policy)
    }

    /// Compares the members of the pool with each other, once in a second, where the policy asks for it. Returns whom it
    /// convicted.
    pub(crate) fn compare(&mut self, now: Instant, policy: &Policy) -> Vec<(Address, Option<Notice>)> {
        let Some(eject) = policy.eject.filter(outliers::are_wanted) else { return Vec::new() };
        if self.compared.is_some_and(|at| now.saturating_duration_since(at) < outliers::EVERY) {
            return Vec::new();
        }
        self.compared = Some(now);
        let admitted = self.entries.iter().filter(|(_, entry)| entry.is_in_service(now));
        let tallies: Vec<_> =
            admitted.map(|(address, entry)| (address.clone(), entry.health.tally(now, policy))).collect();
        let convicted = outliers::find(&tallies, &eject);
        convicted
            .into_iter()
            .map(|(address, charge)| {
                let notice = self.sentence(&address, charge, now, policy);
                (address, notice)
            })
            .collect()
    }

    /// The request that one of them failed, the newest, and that may itself be to blame.
    pub(crate) fn suspicion(&self, now: Instant, policy: &Policy) -> Option<u64> {
        let all = self.entries.values().filter_map(|entry| entry.health.suspicion(now, policy));
        all.max_by_key(|(_, at)| *at).map(|(key, _)| key)
    }

    /// Whether anybody is in service.
    pub(crate) fn is_served(&self, now: Instant) -> bool {
        self.entries.values().any(|entry| entry.is_in_service(now))
    }

    /// A retry has succeeded here: what happens from now on is nobody's shared fate. What most had in common until now was.
    fn refute(&mut self, now: Instant, policy: &Policy) {
        if self.shared_fate(now).is_some() {
            for (_, entry) in self.entries.iter_mut().filter(|(address, _)| self.fate.has_seen(address)) {
                entry.step(Event::Pardon, now, policy);
            }
        }
        self.fate.refute(now);
    }

    /// The fate that its backends share.
    fn shared_fate(&self, now: Instant) -> Option<Cause> {
        let concerned = self
            .entries
            .iter()
            .filter(|(address, entry)| entry.is_in_service(now) || self.fate.has_seen(address));
        self.fate.shared(concerned.count(), now)
    }

    /// A request that fails whoever it reaches is not held against them.
    fn clear_of_poison(&mut self, address: &Address, now: Instant, policy: &Policy) {
        let suspects = self.entries.get(address).map(|entry| entry.health.suspects(now, policy));
        for key in suspects.into_iter().flatten().flatten() {
            let mut others = self.entries.iter().filter(|(other, _)| *other != address);
            let fails_others = others.any(|(_, entry)| entry.health.has_failed(key, now, policy));
            if let Some(entry) = self.entries.get_mut(address).filter(|_| fails_others) {
                // It changes no phase by itself.
                entry.step(Event::Poisoned { key }, now, policy);
            }
        }
    }

    /// Another backend succeeded with a request that some have failed alone.
    fn prove(&mut self, witness: &Address, key: u64, now: Instant, policy: &Policy) {
        for (_, entry) in self.entries.iter_mut().filter(|(address, _)| *address != witness) {
            if entry.health.suspicion(now, policy).is_some_and(|(suspect, _)| suspect == key) {
                // It changes no phase by itself.
                entry.step(Event::Proven { key }, now, policy);
            }
        }
    }

    fn sentence(
        &mut self,
        address: &Address,
        charge: Evidence,
        now: Instant,
        policy: &Policy,
    ) -> Option<Notice> {
        if let Some(until) = self.fate.is_open_until(now).filter(|_| is_of_shared_fate(charge)) {
            self.entries.get_mut(address)?.reconsider = Some(until);
            return None;
        }
        let kept = self.defence(address, charge, now, policy);
        let shared = self.shared_fate(now).filter(|_| kept == Some(Kept::SharedFate));
        let entry = self.entries.get_mut(address)?;
        let Some(kept) = kept else {
            return entry.step(Event::Eject(charge), now, policy).map(Notice::Transition);
        };
        let pool = entry.backend.id.pool.clone();
        if let Some(cause) = shared {
            // What is not its fault is not held against it later either.
            entry.step(Event::Pardon, now, policy);
            entry.keep(kept, now);
            let is_news = !std::mem::replace(&mut self.fate.is_told, true);
            let backends = self.fate.count();
            let change = FateChange { pool, cause: Some(cause), backends };
            return is_news.then_some(Notice::Fate(change));
        }
        let is_news = entry.keep(kept, now);
        let backend = entry.backend.label.clone();
        is_news.then_some(Notice::Kept(Keeping { pool, backend, kept, evidence: charge }))
    }

    /// What speaks against taking a convicted backend out of service.
    fn defence(&self, address: &Address, charge: Evidence, now: Instant, policy: &Policy) -> Option<Kept> {
        if is_of_shared_fate(charge) && self.shared_fate(now).is_some() {
            return Some(Kept::SharedFate);
        }
        if charge.is_by_probes() {
            return None;
        }
        let others = || self.entries.iter().filter(|(other, _)| *other != address);
        let left = others().filter(|(_, entry)| entry.is_in_service(now)).count();
        // Whom an operator took out is nobody that traffic took out.
        let all = 1 + others().filter(|(_, entry)| !is_by_operator(entry.holds.hold(now))).count();
        let keep = policy.eject.map_or(0, |eject| eject.keep_percent as usize);
        if left == 0 {
            Some(Kept::Last)
        } else if left * 100 < all * keep {
            Some(Kept::Floor)
        } else if !self.does_anybody_better(address, charge, now, policy) {
            Some(Kept::NoBetter)
        } else {
            None
        }
    }

    /// Whether requests would fare better with another backend in service: else ejection only moves them.
    fn does_anybody_better(
        &self,
        address: &Address,
        charge: Evidence,
        now: Instant,
        policy: &Policy,
    ) -> bool {
        let others =
            self.entries.iter().filter(|(other, entry)| *other != address && entry.is_in_service(now));
        let mut others = others.map(|(_, entry)| &entry.health);
        let Some(own) = self.entries.get(address).map(|entry| entry.health.tally(now, policy)) else {
            return false;
        };
        match charge {
            Evidence::Strikes { cause, .. } if Fault::from(cause).may_be_poison() => others.any(|other| {
                let share = other.tally(now, policy).raw_failure_share();
                !other.is_failing() && share * 2.0 <= own.raw_failure_share()
            }),
            Evidence::Rate { .. } | Evidence::GatewayRate { .. } => others.any(|other| {
                let tally = other.tally(now, policy);
                tally.raw_failure_share() * 2.0 <= own.raw_failure_share() && !is_luck(&tally, &own)
            }),
            // A connection that is refused is no question of load; the others are comparisons already.
            _ => true,
        }
    }
}

/// Whether chance explains that one of two fails less: so few requests, or so little between them. Nothing else than
/// failures is no luck.
fn is_luck(better: &Tally, worse: &Tally) -> bool {
    let requests =
        |tally: &Tally| f64::from(tally.requests()) + f64::from(tally.alone) + f64::from(tally.killed);
    let (few, many) = (requests(better), requests(worse));
    if few == 0.0 {
        return false;
    }
    let (low, high) = (better.raw_failure_share(), worse.raw_failure_share());
    let mean = (low * few + high * many) / (few + many);
    let spread = (mean * (1.0 - mean) * (1.0 / few + 1.0 / many)).sqrt();
    high - low < DEVIATIONS_OF_LUCK * spread
}

fn is_by_operator(hold: Hold) -> bool {
    matches!(hold, Hold::Drained(_) | Hold::Out(_))
}

/// Whether what a backend is convicted of is something that a pool can have in common.
fn is_of_shared_fate(charge: Evidence) -> bool {
    match charge {
        Evidence::Strikes { cause, .. } | Evidence::Rate { cause, .. } => cause.facts().is_shared,
        Evidence::Probes { failure: ProbeFailure::Failed(cause) | ProbeFailure::Tls(cause, _), .. } => {
            cause.facts().is_shared
        }
        _ => false,
    }
}
