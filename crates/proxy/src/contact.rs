//! What one core keeps for one backend, and for one pool, over every snapshot.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use evenkeel_model::Count;
use evenkeel_routing::Cursor;
use evenkeel_upstream::Idle;

/// What this core keeps for one backend.
#[derive(Debug, Default)]
pub(crate) struct Contact {
    pub(crate) idle: Idle,
    /// Until when it has asked to be left alone.
    resting: Cell<Option<Instant>>,
    /// Whether none of its connections is kept.
    is_held: Cell<bool>,
    /// Attempts on it that have stalled and are still open.
    stalls: Cell<usize>,
}

/// What this core keeps for one pool.
#[derive(Debug)]
pub(crate) struct PoolState {
    pub(crate) cursor: RefCell<Cursor>,
    /// Attempts that have stalled and are still open, over all its backends.
    pub(crate) stalls: Cell<usize>,
}

/// An attempt that has stalled and is still open; counted until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenStall {
    contact: Rc<Contact>,
    pool: Rc<PoolState>,
}

impl Contact {
    /// Leaves the backend alone until `until`, as far as retries go.
    pub(crate) fn rest(&self, until: Instant) {
        self.resting.set(Some(until));
    }

    /// It answered without an error.
    #[inline]
    pub(crate) fn has_rested(&self) {
        self.resting.set(None);
    }

    pub(crate) fn is_resting(&self, now: Instant) -> bool {
        self.resting.get().is_some_and(|until| now < until)
    }

    /// Whether somebody keeps new requests from it, or it is no longer configured: idle connections are closed, and
    /// none is kept. `gauge`: the core's idle connections to it.
    pub(crate) fn hold(&self, is_held: bool, gauge: &Count) {
        self.is_held.set(is_held);
        if is_held {
            self.idle.clear(gauge);
        }
    }

    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        self.is_held.get()
    }

    pub(crate) fn is_stalling(&self) -> bool {
        self.stalls.get() > 0
    }
}

impl PoolState {
    /// `seed`: where its picks begin.
    pub(crate) fn new(seed: u64) -> Rc<Self> {
        Rc::new(PoolState { cursor: RefCell::new(Cursor::new(seed)), stalls: Cell::default() })
    }
}

impl OpenStall {
    #[cold]
    pub(crate) fn new(contact: Rc<Contact>, pool: Rc<PoolState>) -> Self {
        contact.stalls.update(|stalls| stalls + 1);
        pool.stalls.update(|stalls| stalls + 1);
        OpenStall { contact, pool }
    }
}

impl Drop for OpenStall {
    fn drop(&mut self) {
        self.contact.stalls.update(|stalls| stalls - 1);
        self.pool.stalls.update(|stalls| stalls - 1);
    }
}
