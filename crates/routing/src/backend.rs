//! One backend as the cores share it: what is in flight, its trial token, and what they saw of it.
//!
//! It lives as long as its identity is configured, over reloads and changes of health.

use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicUsize, Ordering::AcqRel, Ordering::Relaxed, Ordering::Release,
};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use evenkeel_model::{BackendCounters, BackendId, CoreBackend, Count, Outcome, PerCore, Report, Role};

use crate::cell::Cell;
use crate::trial::Trial;
use crate::wake::Wake;
use crate::{IdleLimit, Readings};

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
    /// Probes that passed, those that asked for a drain included; written by control alone.
    pub probes_passed: Count,
    /// Probes that failed; written by control alone.
    pub probes_failed: Count,
    /// How long it keeps idle connections.
    pub idle_limit: IdleLimit,
    in_flight: CachePadded<AtomicUsize>,
    /// Bumped at each change of phase; an outcome of an earlier term says nothing new.
    term: AtomicU32,
    pub(crate) trial: Trial,
    cells: PerCore<Cell>,
    /// Whether control should read it before long.
    unread: AtomicBool,
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
            probes_passed: Count::default(),
            probes_failed: Count::default(),
            idle_limit: IdleLimit::default(),
            in_flight: CachePadded::default(),
            term: AtomicU32::new(0),
            trial: Trial::default(),
            cells: PerCore::new(workers),
            unread: AtomicBool::new(false),
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
            self.ring();
        }
    }

    /// Notes that a trial request came to no outcome.
    pub(crate) fn trial_abandoned(&self) {
        self.ring();
    }

    /// Notes that the backend asked to be drained for so long; zero: no longer.
    #[cold]
    pub fn ask_to_drain(&self, core: usize, how_long: Duration, now: Instant) {
        self.cells[core].ask_to_drain(how_long, now);
        self.ring();
    }

    /// Notes that a request succeeded here whose key its pool's [`Suspicion`](crate::Suspicion) names.
    #[cold]
    pub fn vouch(&self, core: usize, key: u64) {
        self.cells[core].vouch(key);
        self.ring();
    }

    /// Notes that a request succeeded here after it had failed on another backend of the pool.
    #[cold]
    pub fn rescue(&self, core: usize) {
        self.cells[core].rescue();
        self.ring();
    }

    /// Has control read this backend at once.
    ///
    /// Nothing is lost on the way. What was noted is there before the flag, the flag before the bell, and control goes
    /// the other way: it lowers the bell, then the flag, then it reads. Both sides change the bell by a
    /// read-modify-write, so that one of them is the first and the other sees what came before it. If that is the core,
    /// control sees the flag and what was noted. If it is control, the core finds the bell lowered and rings it again.
    #[cold]
    fn ring(&self) {
        self.unread.store(true, Release);
        self.wake.raise();
    }

    /// Whether any core rang the bell for this backend since it was read. Called by control alone, after it has lowered the
    /// bell; whoever hears "yes" has to read, since the next answer is "no".
    pub fn wants_reading(&self) -> bool {
        // Looked at first, so that asking thousands of quiet backends takes their cache lines from no core.
        self.unread.load(Relaxed) && self.unread.swap(false, AcqRel)
    }

    /// What the cores saw since the last reading. Called by control alone.
    pub fn read(&self, readings: &mut Readings) -> Report {
        self.wants_reading();
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use evenkeel_model::Cause;

    use super::*;
    use crate::TrialToken;
    use crate::examples::backend;

    type Note = fn(&Arc<Backend>, Instant);

    const REFUSED: Cause = Cause::ConnectRefused;

    #[test]
    fn whatever_wants_to_be_read_soon_says_so_once() {
        let now = Instant::now();
        let notes: [(&str, Note); 6] = [
            ("strike", |it, now| it.record(1, 0, Role::Turn, Outcome::Failed(REFUSED.into()), now)),
            ("trial", |it, now| it.record(0, 0, Role::Trial, Outcome::Success, now)),
            ("last resort", |it, now| it.record(0, 0, Role::LastResort, Outcome::Success, now)),
            ("drain", |it, now| it.ask_to_drain(0, Duration::from_secs(9), now)),
            ("vouch", |it, _| it.vouch(0, 7)),
            ("trial abandoned", |it, _| {
                it.arm_trial(true);
                drop(TrialToken::take(it, true));
            }),
        ];
        for (what, note) in notes {
            let backend = backend("a", 2);
            assert!(!backend.wants_reading());
            note(&backend, now);
            assert!(backend.wants_reading(), "{what}");
            assert!(!backend.wants_reading(), "{what}");
            note(&backend, now);
            backend.read(&mut Readings::default());
            assert!(!backend.wants_reading(), "{what}");
        }
    }

    #[test]
    fn what_can_wait_rings_no_bell() {
        let backend = backend("a", 2);
        backend.record(0, 0, Role::Turn, Outcome::Success, Instant::now());
        backend.record(0, 0, Role::Trial, Outcome::Abandoned, Instant::now());
        backend.record(0, 1, Role::Turn, Outcome::Failed(REFUSED.into()), Instant::now());
        assert!(!backend.wants_reading());
    }

    /// Control reads on a bell, and only who rang: still every strike arrives.
    #[test]
    fn no_bell_is_lost() {
        const STRIKES: u64 = 10_000;
        let (bell, bells) = mpsc::channel();
        let wake = Wake::new(Box::new(move || bell.send(()).unwrap()));
        let backends = ["a", "b"].map(|name| {
            let id = BackendId {
                address: format!("{name}.test:80").parse().unwrap(),
                ..backend(name, 2).id.clone()
            };
            Backend::new(id, name.into(), 2, wake.clone())
        });
        let mut readings = [Readings::default(), Readings::default()];
        let mut strikes = 0;
        thread::scope(|scope| {
            for core in 0..2 {
                let backends = &backends;
                scope.spawn(move || {
                    for round in 0..STRIKES {
                        let backend = &backends[(round % 2) as usize];
                        backend.record(core, 0, Role::Turn, Outcome::Success, Instant::now());
                        backend.record(core, 0, Role::Turn, Outcome::Failed(REFUSED.into()), Instant::now());
                    }
                });
            }
            while strikes < 2 * STRIKES {
                bells.recv_timeout(Duration::from_secs(20)).expect("a strike is left, so a bell has to ring");
                wake.lower();
                for (backend, readings) in backends.iter().zip(&mut readings) {
                    if backend.wants_reading() {
                        let report = backend.read(readings);
                        strikes += report.strikes().map(|strike| u64::from(strike.times)).sum::<u64>();
                    }
                }
            }
        });
        assert_eq!(strikes, 2 * STRIKES);
    }
}
