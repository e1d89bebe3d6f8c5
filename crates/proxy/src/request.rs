//! One request while it walks: what it asks, how far it came, and its one entry in log and metrics.
//!
//! The entry is made when the request is dropped, so that one that is cut anywhere is told all the same.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use evenkeel_http1::{BodyKind, Method, Span, Version};
use evenkeel_model::{Cause, Class, StatusClass};
use evenkeel_routing::{Backend, Route};
use evenkeel_telemetry::{Entry, Try};

use crate::attempt::Attempt;
use crate::core::Core;
use crate::downstream::Client;
use crate::flow::Flow;
use crate::scratch::Scratch;

/// A request and its story.
pub(crate) struct Request {
    pub(crate) core: Rc<Core>,
    pub(crate) client: Rc<Client>,
    scratch: Option<Box<Scratch>>,
    pub(crate) started: Instant,
    /// The clock as last read for this request: what happens in one poll happens at one time.
    pub(crate) now: Instant,
    started_at: Option<SystemTime>,
    pub(crate) route: Option<Arc<Route>>,
    /// The attempt that answered, or the last that failed.
    pub(crate) attempt: Option<Attempt>,
    pub(crate) tries: Vec<PastTry>,
    pub(crate) attempts: u8,
    /// Attempts that proxies before us have made.
    pub(crate) attempts_before: u64,
    /// Whether the budget denied a retry.
    pub(crate) is_denied: bool,
    /// Zero until something was answered.
    pub(crate) status: u16,
    pub(crate) cause: Option<Cause>,
    pub(crate) detail: Option<&'static str>,
    pub(crate) head_after: Option<Duration>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
}

/// An attempt that another one followed, or ran beside.
pub(crate) struct PastTry {
    pub(crate) backend: Arc<Backend>,
    /// `None` if it was only cancelled.
    pub(crate) cause: Option<Cause>,
    pub(crate) class: Class,
    pub(crate) is_reused: bool,
    pub(crate) took: Duration,
}

impl Request {
    /// A request whose first byte arrived at `started`.
    pub(crate) fn new(core: &Rc<Core>, client: &Rc<Client>, started: Instant) -> Self {
        Request {
            core: core.clone(),
            client: client.clone(),
            scratch: Some(core.scratches.take()),
            started,
            now: started,
            started_at: core.log.is_on().then(SystemTime::now),
            route: None,
            attempt: None,
            tries: Vec::new(),
            attempts: 0,
            attempts_before: 0,
            is_denied: false,
            status: 0,
            cause: None,
            detail: None,
            head_after: None,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    #[inline]
    pub(crate) fn scratch(&mut self) -> &mut Scratch {
        self.scratch.as_mut().expect("a request has its scratch until it is dropped")
    }

    #[inline]
    pub(crate) fn heads(&self) -> &Scratch {
        self.scratch.as_ref().expect("a request has its scratch until it is dropped")
    }

    /// The route of a request that is being attempted.
    #[inline]
    pub(crate) fn route(&self) -> &Route {
        self.route.as_ref().expect("a request without a route was answered")
    }

    pub(crate) fn method(&self) -> Method {
        self.heads().request.method
    }

    pub(crate) fn version(&self) -> Version {
        self.heads().request.version
    }

    pub(crate) fn has_body(&self) -> bool {
        !matches!(self.heads().request.body, BodyKind::None | BodyKind::Length(0))
    }

    /// Whether the request may be sent a second time (RFC 9110, section 9.2.2), and can be: what `sending` has taken of
    /// the body is still there.
    pub(crate) fn is_repeatable(&self, sending: &Flow) -> bool {
        self.method().is_idempotent() && sending.can_rewind()
    }

    /// Whether the request can be sent a second time however far it comes.
    pub(crate) fn is_hideable(&self) -> bool {
        let is_kept =
            || matches!(self.heads().request.body, BodyKind::Length(_)) && self.replay_bytes().is_some();
        self.method().is_idempotent() && (!self.has_body() || is_kept())
    }

    /// How much of the request body is worth keeping, to be sent again; `None` if it would be for nothing.
    pub(crate) fn replay_bytes(&self) -> Option<usize> {
        let retry = &self.route.as_ref()?.rule.retry;
        let is_too_large = matches!(self.heads().request.body, BodyKind::Length(length) if length > retry.replay_bytes as u64);
        let is_of_use = self.method().is_idempotent() && retry.attempts > 1 && !is_too_large;
        (is_of_use && retry.replay_bytes > 0).then_some(retry.replay_bytes)
    }

    /// Whether a backend's own 502, 503 or 504 may be hidden by another attempt, or a stall by one beside it.
    pub(crate) fn is_safe(&self) -> bool {
        self.method().is_safe() && !self.has_body()
    }

    /// Whether a proxy before us has repeated the request: then it is not repeated again.
    pub(crate) fn was_repeated(&self) -> bool {
        self.attempts_before > 0
    }

    /// Which attempt the newest one is, over all proxies.
    pub(crate) fn number(&self) -> u64 {
        self.attempts_before.saturating_add(self.attempts.into())
    }

    /// When the attempt in progress was picked.
    pub(crate) fn picked(&self) -> Instant {
        self.attempt.as_ref().map_or(self.started, |attempt| attempt.picked)
    }

    /// Begins an attempt.
    pub(crate) fn begin(&mut self, attempt: Attempt) {
        self.attempt = Some(attempt);
        self.attempts += 1;
    }

    /// The attempt in progress has failed.
    pub(crate) fn fail(&mut self, cause: Cause, class: Class) {
        if let Some(attempt) = &mut self.attempt {
            attempt.fail(cause, class);
        }
    }

    /// The attempt in progress is not needed any more, which says nothing about its backend.
    pub(crate) fn cancel(&mut self, class: Class) {
        if let Some(attempt) = &mut self.attempt {
            attempt.class = Some(class);
        }
    }

    /// Whether a backend's own status is one of the route's `retry.statuses`.
    pub(crate) fn counts_as_failure(&self, status: u16) -> bool {
        self.route.as_ref().is_some_and(|route| route.rule.retry.statuses.contains(&status))
    }

    /// Reads the clock, after a wait.
    #[inline]
    pub(crate) fn read_clock(&mut self) -> Instant {
        self.now = Instant::now();
        self.now
    }

    /// Notes the answer, once its head is about to be written.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = status;
        self.head_after = Some(self.now.saturating_duration_since(self.started));
        let class = StatusClass::of(status).index();
        self.client.counters().responses[class].add(1);
        if let Some(route) = &self.route {
            route.counters[self.core.index].responses[class].add(1);
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
            class: attempt.class.unwrap_or(Class::NotSent),
            is_reused: attempt.is_reused,
            took: self.now.saturating_duration_since(attempt.picked),
        });
    }

    /// What is told of a retry that the budget denied, if the client saw the failure.
    pub(crate) fn shown_denial(&self) -> Option<&'static str> {
        (self.is_denied && self.cause.is_some()).then_some("retry_denied=budget")
    }

    fn close_account(&mut self) {
        if self.status == 0 || self.cause.is_some() {
            self.now = Instant::now();
        }
        let took = self.now.saturating_duration_since(self.started);
        if self.status == 0 {
            self.status = 499;
            self.cause.get_or_insert(Cause::ClientAbort);
        }
        let counters = self.client.counters();
        if self.cause == Some(Cause::ClientAbort) {
            counters.aborted.add(1);
        }
        counters.bytes_in.add(self.bytes_in);
        counters.bytes_out.add(self.bytes_out);
        if let Some(route) = &self.route {
            route.counters[self.core.index].latency.record(took);
        }
        if self.core.log.is_on() {
            self.log(took);
        }
    }

    #[cold]
    fn log(&self, took: Duration) {
        let Scratch { request, head, request_id, .. } = self.heads();
        let tries: Vec<Try<'_>> = self
            .tries
            .iter()
            .map(|failed| Try {
                backend: &failed.backend.label,
                cause: failed.cause,
                class: failed.class,
                reused: failed.is_reused,
                took: failed.took,
            })
            .collect();
        let last = self.attempt.as_ref().map(|attempt| &*attempt.backend().label);
        self.core.log.record(&Entry {
            started: self.started_at.unwrap_or_else(SystemTime::now),
            client: self.client.peer,
            listener: &self.client.listener.rule.name,
            route: self.route.as_ref().map(|route| &*route.label),
            pool: self.route.as_ref().map(|route| route.rule.pool.as_str()),
            backend: last.or(self.tries.last().map(|failed| &*failed.backend.label)),
            method: as_read(request.method_span, head),
            host: as_read(request.authority, head),
            path: as_read(request.target, head),
            protocol: match request.version {
                Version::Http10 => "HTTP/1.0",
                Version::Http11 => "HTTP/1.1",
            },
            status: self.status,
            cause: self.cause,
            attempts: self.attempts,
            tries: &tries,
            reused: self.attempt.as_ref().is_some_and(|attempt| attempt.is_reused),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            took,
            head_after: self.head_after,
            request_id,
            detail: self.detail.or(self.shown_denial()),
            class: self.cause.and(self.attempt.as_ref().and_then(|attempt| attempt.class)),
        });
    }
}

/// Of a request that was refused, not all that was parsed may have been kept.
fn as_read(span: Span, head: &[u8]) -> &[u8] {
    head.get(span.start as usize..span.end as usize).unwrap_or_default()
}

impl Drop for Request {
    fn drop(&mut self) {
        self.close_account();
        if let Some(scratch) = self.scratch.take() {
            self.core.scratches.give(scratch);
        }
    }
}
