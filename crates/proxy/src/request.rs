//! One request while it walks: what it asks, how far it came, and its one entry in log and metrics.
//!
//! The entry is made when the request is dropped, so that one that is cut anywhere is told all the same.

mod account;
mod tries;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use evenkeel_http1::{BodyKind, Method, Version};
use evenkeel_model::{Cause, StatusClass, TlsDetail};
use evenkeel_routing::Route;

use crate::attempt::Attempt;
use crate::core::Core;
use crate::downstream::Client;
use crate::flow::Flow;
use crate::scratch::Scratch;
use crate::verdicts::Verdicts;

pub(crate) use self::tries::PastTry;

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
    /// What the failed attempts say about their backends.
    verdicts: Verdicts,
    pub(crate) attempts: u8,
    /// Attempts that proxies before us have made.
    pub(crate) attempts_before: u64,
    /// Whether the budget denied a retry.
    pub(crate) is_denied: bool,
    /// Zero until something was answered.
    pub(crate) status: u16,
    pub(crate) cause: Option<Cause>,
    pub(crate) detail: Option<&'static str>,
    /// What was wrong with TLS to a backend, if that is the cause.
    pub(crate) tls: Option<TlsDetail>,
    pub(crate) head_after: Option<Duration>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
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
            verdicts: Verdicts::default(),
            attempts: 0,
            attempts_before: 0,
            is_denied: false,
            status: 0,
            cause: None,
            detail: None,
            tls: None,
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

    /// What is told of a retry that the budget denied, if the client saw the failure.
    pub(crate) fn shown_denial(&self) -> Option<&'static str> {
        (self.is_denied && self.cause.is_some()).then_some("retry_denied=budget")
    }
}
