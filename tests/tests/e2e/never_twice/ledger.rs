//! Who got what: every head that a backend read, by request, and what came of the requests.

use std::collections::HashMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

/// Attempts at most, and the fresh connection after a stale one.
const MOST: u32 = 4;
/// Locks, so that backends do not wait for each other.
const SHARDS: usize = 64;

/// A request, wherever it is seen: the seed of its client's conversation, its place there, and the run of the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) seed: u64,
    pub(super) number: u64,
    pub(super) run: u64,
}

impl Id {
    /// From the last segment of a path.
    pub(super) fn of(target: &str) -> Option<Id> {
        let mut words = target.rsplit('/').next()?.split('.');
        let mut word = || words.next()?.parse().ok();
        Some(Id { seed: word()?, number: word()?, run: word()? })
    }

    /// What chance depends on, for the `delivery`th time that a backend has it.
    pub(super) fn chance(self, delivery: u32) -> u64 {
        let mixed =
            self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.number.wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^ u64::from(delivery).wrapping_mul(0xc4ce_b9fe_1a85_ec53)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}.{}", self.seed, self.number, self.run)
    }
}

/// The deliveries of every request, and what was wrong with any.
#[derive(Debug)]
pub(super) struct Ledger {
    deliveries: Vec<Mutex<HashMap<Id, u32>>>,
    complaints: Mutex<Vec<String>>,
}

impl Default for Ledger {
    fn default() -> Self {
        let deliveries = (0..SHARDS).map(|_| Mutex::default()).collect();
        Ledger { deliveries, complaints: Mutex::default() }
    }
}

impl Ledger {
    /// Notes that a backend has read the head of this request; how often that was so by now.
    pub(super) fn deliver(&self, id: Id, method: &str) -> u32 {
        let count = {
            let mut deliveries = self.shard(id).lock().unwrap();
            let count = deliveries.entry(id).or_default();
            *count += 1;
            *count
        };
        let most = if method == "POST" { 1 } else { MOST };
        if count > most {
            self.complain(id, &format!("{method} was delivered for time {count}"));
        }
        count
    }

    pub(super) fn delivered(&self, id: Id) -> u32 {
        self.shard(id).lock().unwrap().get(&id).copied().unwrap_or_default()
    }

    pub(super) fn complain(&self, id: Id, what: &str) {
        let text = format!("{id}: {what}; EVENKEEL_SEED={} repeats it", id.seed);
        self.complaints.lock().unwrap().push(text);
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        self.complaints.lock().unwrap().clone()
    }

    fn shard(&self, id: Id) -> &Mutex<HashMap<Id, u32>> {
        &self.deliveries[(id.chance(0) >> 7) as usize % SHARDS]
    }
}

/// How the requests ended.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The answer of a backend, whole.
    pub(super) answered: AtomicU64,
    /// A backend's own error, whole.
    pub(super) relayed: AtomicU64,
    /// An answer of evenkeel's own, with a cause.
    pub(super) told: AtomicU64,
    /// A response that is visibly not whole.
    pub(super) broken: AtomicU64,
    /// The client left.
    pub(super) left: AtomicU64,
}
