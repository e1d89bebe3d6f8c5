//! When each backend next wants a visit, earliest first: with thousands of them only those that are due are looked at.

use std::collections::BTreeSet;
use std::time::Instant;

use evenkeel_model::{BackendId, PoolName};

/// Every backend that waits for something, by time.
#[derive(Debug, Default)]
pub(crate) struct Agenda(BTreeSet<(Instant, BackendId)>);

impl Agenda {
    /// Moves a backend from `old` to `new`.
    pub(crate) fn set(&mut self, id: &BackendId, old: Option<Instant>, new: Option<Instant>) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.0.remove(&(old, id.clone()));
        }
        if let Some(new) = new {
            self.0.insert((new, id.clone()));
        }
    }

    /// Takes out who is due; each has to be put in again.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<BackendId> {
        let mut due = Vec::new();
        while self.0.first().is_some_and(|(at, _)| *at <= now) {
            due.extend(self.0.pop_first().map(|(_, id)| id));
        }
        due
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Forgets everybody in a pool.
    pub(crate) fn forget(&mut self, pool: &PoolName) {
        self.0.retain(|(_, id)| id.pool != *pool);
    }

    /// Forgets everybody.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
