//! The attempts of one request: each begins, and fails, is cancelled, or answers, and that may decide what others say.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::{Cause, Class, Fault, TlsDetail, Weight};
use evenkeel_routing::{Backend, Suspicion};

use super::Request;
use crate::attempt::Attempt;
use crate::key;
use crate::scratch::Scratch;

/// An attempt that another one followed, or ran beside.
pub(crate) struct PastTry {
    pub(crate) backend: Arc<Backend>,
    /// `None` if it was only cancelled.
    pub(crate) cause: Option<Cause>,
    /// What was wrong with TLS, if that is what failed.
    pub(crate) tls: Option<TlsDetail>,
    pub(crate) class: Class,
    pub(crate) is_reused: bool,
    pub(crate) took: Duration,
}

impl Request {
    /// Begins an attempt.
    pub(crate) fn begin(&mut self, attempt: Attempt) {
        self.attempt = Some(attempt);
        self.attempts += 1;
    }

    /// The attempt in progress has failed.
    #[cold]
    pub(crate) fn fail(&mut self, fault: impl Into<Fault>, class: Class) {
        let Some(attempt) = &mut self.attempt else { return };
        if let Some(mut verdict) = attempt.fail(fault.into(), class) {
            verdict.fault.key = self.key();
            self.verdicts.fail(self.core.index, verdict);
        }
    }

    /// The attempt in progress is not needed any more, which says nothing about its backend.
    pub(crate) fn cancel(&mut self, class: Class) {
        if let Some(attempt) = &mut self.attempt {
            attempt.class = Some(class);
        }
    }

    /// The connection of the attempt in progress was stale; it goes on with a fresh one.
    #[cold]
    pub(crate) fn note_refresh(&mut self, class: Class) {
        let Some(attempt) = &self.attempt else { return };
        attempt.counters().failures[Cause::StaleReuse as usize].add(1);
        self.tries.push(PastTry {
            backend: attempt.backend().clone(),
            cause: Some(Cause::StaleReuse),
            tls: None,
            class,
            is_reused: true,
            took: self.now.saturating_duration_since(attempt.picked),
        });
    }

    /// Gives up the attempt in progress, to make or to go on with another one.
    pub(crate) fn try_again(&mut self, cause: Option<Cause>) {
        let Some(attempt) = self.attempt.take() else { return };
        self.tries.push(PastTry {
            backend: attempt.backend().clone(),
            cause,
            tls: attempt.tls,
            class: attempt.class.unwrap_or(Class::NotSent),
            is_reused: attempt.is_reused,
            took: self.now.saturating_duration_since(attempt.picked),
        });
    }

    /// The head of the last attempt's answer is about to be forwarded, so that nothing follows: whom earlier failures
    /// blame is known.
    #[inline]
    pub(crate) fn decide(&mut self, suspicion: &Suspicion) {
        let Some(attempt) = self.attempt.as_ref().filter(|attempt| !attempt.has_failed()) else {
            return self.give_up();
        };
        self.verdicts.answer(self.core.index, attempt.backend());
        if !self.tries.is_empty() {
            self.note_rescue(attempt.backend());
        }
        if let Some(suspect) = suspicion.key() {
            self.vouch(suspect);
        }
    }

    /// What may be this machine's fault with all backends is none, once one of them has succeeded with the same request.
    #[cold]
    fn note_rescue(&self, by: &Arc<Backend>) {
        let counts = |cause: Cause| cause.facts().is_shared && cause.facts().weight != Weight::None;
        let is_shared = |failed: &PastTry| failed.cause.is_some_and(counts);
        if self.tries.iter().any(|failed| is_shared(failed) && !Arc::ptr_eq(&failed.backend, by)) {
            by.rescue(self.core.index);
        }
    }

    /// No attempt follows, and none has succeeded.
    pub(crate) fn give_up(&mut self) {
        self.verdicts.end(self.core.index);
    }

    /// The attempt in progress has succeeded: if this is the request that is suspected, it is not to blame.
    #[cold]
    fn vouch(&self, suspect: u64) {
        if let Some(attempt) = &self.attempt
            && self.key() == suspect
        {
            attempt.backend().vouch(self.core.index, suspect);
        }
    }

    /// Which request this is, for the verdicts on its failures.
    #[cold]
    fn key(&self) -> u64 {
        let Scratch { request, head, .. } = self.heads();
        let route = self.route.as_ref().map_or("", |route| &route.label);
        key::of(route, request.method_span.of(head), request.path_without_query(head))
    }
}
