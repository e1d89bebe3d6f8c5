//! One attempt: its place in flight, its trial token, and its verdict on the backend.
//!
//! A success is recorded when the attempt is dropped. A failure is handed out as a verdict, since what it means depends
//! on the attempts that follow. Without either it was abandoned, which says nothing.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_model::{
    Cause, Class, CoreBackend, Fault, NameFailure, Outcome, Rcode, Role, StatusClass, TlsDetail,
};
use evenkeel_routing::{Backend, InFlight, Pick, TrialToken};
use evenkeel_upstream::{ConnectError, Connection, TlsFailure};

use crate::contact::OpenStall;
use crate::core::Core;
use crate::verdicts::Verdict;

/// An attempt in progress.
pub(crate) struct Attempt {
    core: Rc<Core>,
    in_flight: InFlight,
    trial: Option<TrialToken>,
    role: Role,
    /// The backend's term at the pick.
    term: u32,
    word: Word,
    /// While it is one that has stalled and is still open.
    pub(crate) stall: Option<OpenStall>,
    pub(crate) picked: Instant,
    /// Its place in the pool at the pick.
    pub(crate) member: u16,
    pub(crate) is_reused: bool,
    /// How long its connection had been idle.
    pub(crate) idle: Duration,
    /// How far it got, once it has failed or was cancelled.
    pub(crate) class: Option<Class>,
    /// What was wrong with TLS, if that is what has failed.
    pub(crate) tls: Option<TlsDetail>,
}

/// What an attempt has said about its backend. The first word holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Nothing,
    Success,
    Failure,
    /// Success, and that was told.
    Told,
}

/// Why an attempt came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    pub(crate) detail: Option<&'static str>,
    /// What was wrong with TLS, if that is what failed.
    pub(crate) tls: Option<TlsDetail>,
    /// What to answer, where it is not the cause's own status.
    pub(crate) status: Option<u16>,
    /// A local port was missing; another destination may still have one.
    pub(crate) is_port_shortage: bool,
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Failure { cause, detail: None, tls: None, status: None, is_port_shortage: false }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let ConnectError { cause, is_port_shortage, shortage } = error;
        Failure { detail: shortage, is_port_shortage, ..cause.into() }
    }
}

impl From<NameFailure> for Failure {
    fn from(NameFailure { cause, rcode }: NameFailure) -> Self {
        Failure { detail: rcode.map(Rcode::as_str), ..cause.into() }
    }
}

impl From<TlsFailure> for Failure {
    fn from(TlsFailure { cause, detail: tls }: TlsFailure) -> Self {
        Failure { detail: tls.map(TlsDetail::token), tls, ..cause.into() }
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Fault { tls: failure.tls, ..failure.cause.into() }
    }
}

impl Failure {
    pub(crate) fn because(cause: Cause, detail: &'static str) -> Self {
        Failure { detail: Some(detail), ..cause.into() }
    }

    /// The client's own doing.
    pub(crate) fn of_client(status: u16, detail: &'static str) -> Self {
        let cause = if status == 408 { Cause::SlowClient } else { Cause::ClientError };
        Failure { status: Some(status), ..Failure::because(cause, detail) }
    }
}

impl Attempt {
    pub(crate) fn new(core: &Rc<Core>, pick: Pick, now: Instant) -> Self {
        Attempt {
            core: core.clone(),
            member: pick.member as u16,
            in_flight: pick.in_flight,
            trial: pick.trial,
            role: pick.role,
            term: pick.term,
            word: Word::Nothing,
            stall: None,
            picked: now,
            is_reused: false,
            idle: Duration::ZERO,
            class: None,
            tls: None,
        }
    }

    /// Whether it was simply its backend's turn.
    pub(crate) fn is_in_turn(&self) -> bool {
        self.role == Role::Turn
    }

    pub(crate) fn backend(&self) -> &Arc<Backend> {
        self.in_flight.backend()
    }

    /// This core's counters of the backend.
    pub(crate) fn counters(&self) -> &CoreBackend {
        &self.backend().counters[self.core.index]
    }

    /// A trial must prove that new connections can be made.
    pub(crate) fn needs_fresh_connection(&self) -> bool {
        self.trial.is_some()
    }

    /// Counts the handshake of its new connection.
    pub(crate) fn count_handshake(&self, connection: &Connection) {
        let Some(tls) = connection.socket.tls() else { return };
        let CoreBackend { handshakes, resumptions, .. } = self.counters();
        if tls.session().is_resumed() { resumptions } else { handshakes }.add(1);
    }

    /// Counts its response head, which came by `now`.
    #[inline]
    pub(crate) fn count_head(&self, status: u16, now: Instant) {
        let took = now.saturating_duration_since(self.picked);
        self.counters().responses[StatusClass::of(status).index()].add(1);
        self.counters().head_micros.add(took.as_micros() as u64);
    }

    /// It was answered to the end.
    pub(crate) fn succeed(&mut self) {
        if self.word == Word::Nothing {
            self.word = Word::Success;
        }
    }

    /// It was answered, and goes on for as long as its client likes: that says all that there is to say.
    pub(crate) fn succeed_at_once(&mut self) {
        if self.word == Word::Nothing {
            self.word = Word::Told;
            self.tell();
        }
    }

    /// If it is a trial and has not failed, its head has passed it.
    pub(crate) fn pass_trial(&mut self) {
        if self.trial.is_some() {
            self.succeed_at_once();
        }
    }

    /// It has failed. What that says is returned, unless it has said something already, or the client left or is to
    /// blame: that is neither success nor failure.
    pub(crate) fn fail(&mut self, fault: Fault, class: Class) -> Option<Verdict> {
        (self.class, self.tls) = (Some(class), fault.tls);
        self.counters().failures[fault.cause as usize].add(1);
        let is_of_client = matches!(fault.cause, Cause::ClientAbort | Cause::ClientError | Cause::SlowClient);
        if is_of_client || self.word != Word::Nothing {
            return None;
        }
        self.word = Word::Failure;
        let (backend, trial) = (self.backend().clone(), self.trial.take());
        Some(Verdict { backend, term: self.term, role: self.role, trial, fault, class, at: Instant::now() })
    }

    fn tell(&mut self) {
        self.backend().record(self.core.index, self.term, self.role, Outcome::Success, self.picked);
        if let Some(token) = self.trial.take() {
            token.spend();
        }
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.word == Word::Failure
    }

    /// Passes on that the backend asks to be drained; zero: no longer.
    #[cold]
    pub(crate) fn ask_to_drain(&self, how_long: Duration, now: Instant) {
        self.backend().ask_to_drain(self.core.index, how_long, now);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.word == Word::Success {
            self.tell();
        }
    }
}
