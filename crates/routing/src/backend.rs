//! One backend as the cores share it: what is in flight, its trial token, and what they saw of it.
//!
//! It lives as long as its identity is configured, over reloads and changes of health.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use evenkeel_model::{BackendCounters, BackendId, CoreBackend, Count, Outcome, PerCore, Report, Role};

use crate::IdleLimit;
use crate::cell::{Cell, Readings};
use crate::trial::Trial;
use crate::wake::Wake;

/// A backend, shared by all cores.
#[derive(Debug)]
pub struct Backend {
    /// Who it is.
    pub id: BackendId,
    /// What operators call it: its configured name, else its address.
    pub label: Arc<str>,
    /// What the cores count, for metrics.
    pub counters: BackendCounters,
    /// How often it was ejected; written by control alone.
    pub ejections: Count,
    /// How often it was re-admitted; written by control alone.
    pub readmissions: Count,
    /// How long it keeps idle connections.
    pub idle_limit: IdleLimit,
    in_flight: CachePadded<AtomicUsize>,
    /// Bumped at each change of phase; an outcome of an earlier term says nothing new.
    term: AtomicU32,
    pub(crate) trial: Trial,
    cells: PerCore<Cell>,
    wake: Arc<Wake>,
}

/// One request in flight; counts down when dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Backend>);

impl Backend {
    /// A backend that nobody has used yet, for as many cores as there are `workers`.
    pub fn new(id: BackendId, label: Arc<str>, workers: usize, wake: Arc<Wake>) -> Arc<Self> {
        Arc::new(Backend {
            id,
            label,
            counters: PerCore::new(workers),
            ejections: Count::default(),
            readmissions: Count::default(),
            idle_limit: IdleLimit::default(),
            in_flight: CachePadded::default(),
            term: AtomicU32::new(0),
            trial: Trial::default(),
            cells: PerCore::new(workers),
            wake,
        })
    }

    /// Requests in flight, over all cores.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// The current term; a pick carries it.
    pub fn term(&self) -> u32 {
        self.term.load(Relaxed)
    }

    /// Begins a new phase: outcomes of requests sent before say nothing new, and a trial token is armed no more.
    pub fn begin_term(&self) {
        self.term.fetch_add(1, Relaxed);
        self.trial.disarm();
    }

    /// Lets one request through as a trial; `any_method`: even one whose failure the client would see.
    pub fn arm_trial(&self, any_method: bool) {
        self.trial.arm(any_method);
    }

    /// Notes how a request of `term` went. Called by a worker, with its own `core`.
    #[inline]
    pub fn record(&self, core: usize, term: u32, role: Role, outcome: Outcome, now: Instant) {
        if term == self.term() && self.cells[core].record(role, outcome, now) {
            self.wake.raise();
        }
    }

    /// Notes that a trial request came to no outcome.
    pub(crate) fn trial_abandoned(&self) {
        self.wake.raise();
    }

    /// Notes that the backend asked to be drained for so long; zero: no longer.
    #[cold]
    pub fn ask_to_drain(&self, core: usize, how_long: Duration, now: Instant) {
        self.cells[core].ask_to_drain(how_long, now);
        self.wake.raise();
    }

    /// Notes that a request succeeded here whose key its pool's [`Suspicion`](crate::Suspicion) names.
    #[cold]
    pub fn vouch(&self, core: usize, key: u64) {
        self.cells[core].vouch(key);
        self.wake.raise();
    }

    /// Notes that a request succeeded here after it had failed on another backend of the pool.
    #[cold]
    pub fn rescue(&self, core: usize) {
        self.cells[core].rescue();
        self.wake.raise();
    }

    /// What the cores saw since the last reading. Called by control alone.
    pub fn read(&self, readings: &mut Readings) -> Report {
        let mut report = readings.read(&self.cells);
        let sum = |of: fn(&CoreBackend) -> u64| self.counters.sum(of);
        let heads = sum(|cell| cell.responses.iter().map(Count::read).fold(0, u64::wrapping_add));
        readings.note_heads(&mut report, heads, sum(|cell| cell.head_micros.read()));
        report
    }

    pub(crate) fn take_place(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(self.clone())
    }
}

impl InFlight {
    /// The backend it is in flight to.
    pub fn backend(&self) -> &Arc<Backend> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
