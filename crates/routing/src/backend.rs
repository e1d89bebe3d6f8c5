//! One backend as the cores share it: what is in flight, its trial token, and what they saw of it.
//!
//! It lives as long as its identity is configured, over reloads and changes of health.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crossbeam_utils::CachePadded;
use evenkeel_model::{
    BackendCounters, BackendId, Count, Outcome, PerCore, Report, Role, Strike, Weight,
};

/// Most trial outcomes that a cell keeps until control reads them.
const TRIALS_KEPT: usize = 16;

const UNARMED: u8 = 0;
const ARMED: u8 = 1;
const ARMED_FOR_ANY: u8 = 2;
const TAKEN: u8 = 3;
const TAKEN_FOR_ANY: u8 = 4;

/// Calls control when there is something to read.
pub struct Wake {
    raised: AtomicBool,
    notify: Box<dyn Fn() + Send + Sync>,
}

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
    in_flight: CachePadded<AtomicUsize>,
    /// Bumped at each change of phase; an outcome of an earlier term says nothing new.
    term: AtomicU32,
    trial: AtomicU8,
    cells: PerCore<Cell>,
    wake: Arc<Wake>,
}

/// What one core saw.
#[derive(Debug, Default)]
struct Cell {
    successes: Count,
    failures: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    total: u64,
    /// Since the last success on this core.
    in_a_row: u32,
    /// The core's success count at the newest strike.
    mark: u64,
    last: Option<Strike>,
    trials: Vec<Result<(), Strike>>,
    trial_abandoned: bool,
}

/// What control read last, kept beside its [`Backend`].
#[derive(Debug, Default)]
pub struct Readings {
    successes: Vec<u64>,
    in_a_row: u32,
}

/// One request in flight; counts down when dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Backend>);

/// The one trial request in flight. Dropped without an outcome, it lets the next request try.
#[derive(Debug)]
pub struct TrialToken {
    backend: Arc<Backend>,
    back_to: u8,
    spent: bool,
}
