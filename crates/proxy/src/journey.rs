//! What stays the same over a request's attempts: who was tried, what is left to spend, and until when.

mod picks;
mod wishes;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_http1::HeadLimits;
use evenkeel_model::{Cause, Class, CorePool};
use evenkeel_routing::{Pool, Timeouts};

use crate::attempt::{Attempt, Failure};
use crate::attempts::Ready;
use crate::contact::{Contact, OpenStall};
use crate::core::{Core, CoreView, PoolView};
use crate::deadline::Deadlines;
use crate::downstream::Downstream;
use crate::exchange::Exchange;
use crate::flow::Flow;
use crate::request::Request;
use crate::retry::History;
use crate::verdicts::error_of;

pub(crate) use self::wishes::note_drain;

/// Longest wait before a retry, however many there were, unless the first may be longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Most attempts that can be configured.
const MOST_ATTEMPTS: usize = 10;

/// How long after a second attempt was not to be had it is asked for again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// What stays the same over a request's attempts.
pub(crate) struct Journey<'a> {
    pub(crate) core: &'a Rc<Core>,
    pub(crate) pool: &'a Arc<Pool>,
    pub(crate) history: History,
    pub(crate) kept: &'a PoolView,
    timeouts: Timeouts,
    total: Option<Instant>,
    /// Members picked so far.
    tried: [u16; MOST_ATTEMPTS],
    tried_count: usize,
    /// Whether attempts ran side by side already.
    pub(crate) has_raced: bool,
}

impl<'a> Journey<'a> {
    pub(crate) fn new(core: &'a Rc<Core>, view: &'a CoreView, request: &Request) -> Self {
        let route = request.route();
        let pool = &view.snapshot.pools[route.pool];
        pool.counters[core.index].requests.add(1);
        let (most, has_repeated) = (route.rule.retry.attempts, request.was_repeated());
        Journey {
            core,
            pool,
            kept: &view.pools[route.pool],
            total: route.rule.timeouts.total.map(|longest| request.started + longest),
            history: History { most, has_repeated, ..History::default() },
            tried: [0; MOST_ATTEMPTS],
            tried_count: 0,
            has_raced: false,
            timeouts: route.rule.timeouts,
        }
    }

    /// This core's counters of the pool.
    pub(crate) fn counters(&self) -> &CorePool {
        &self.pool.counters[self.core.index]
    }

    pub(crate) fn contact(&self, attempt: &Attempt) -> &Rc<Contact> {
        &self.kept.contacts[usize::from(attempt.member)]
    }

    /// The deadlines of an attempt.
    pub(crate) fn deadlines(&self, picked: Instant) -> Deadlines {
        let timeouts = self.timeouts;
        let attempt = timeouts.attempt.map(|longest| picked + longest);
        Deadlines { timeouts, attempt, total: self.total, stall: None }
    }

    /// When the attempt counts as stalled, if another one may then run beside it: a safe request without a body, which
    /// does not ask for an upgrade, and which no proxy before us has repeated.
    pub(crate) fn stall(&self, request: &Request) -> Option<Instant> {
        let may_race = !self.has_raced
            && request.is_safe()
            && !request.was_repeated()
            && self.history.attempts < self.history.most
            && request.heads().request.upgrade.is_none();
        may_race.then(|| self.bound_from(request, request.picked())).flatten()
    }

    /// The attempt has stalled: requests that cannot be repeated go elsewhere until it is answered or given up.
    pub(crate) fn note_stall(&self, attempt: &mut Attempt) {
        if attempt.stall.is_none() {
            let contact = self.contact(attempt).clone();
            attempt.stall = Some(OpenStall::new(contact, self.kept.state.clone()));
        }
    }

    /// When to ask again for an attempt beside one that stalls, after there was none to be had: the budget fills, and
    /// backends return.
    pub(crate) fn ask_again(&self, request: &Request) -> Option<Instant> {
        (self.history.attempts < self.history.most).then(|| request.now + ASK_AGAIN)
    }

    /// When an attempt picked at `picked` counts as stalled.
    pub(crate) fn bound_from(&self, request: &Request, picked: Instant) -> Option<Instant> {
        let stall = self.pool.rule.stall.as_ref()?;
        Some(picked + stall.bound(request.route().counters.usual_pace(self.core.index)))
    }

    /// Whether the budget has room for a retry that gives a backend work; if so, it counts as made.
    pub(crate) fn spend(&self, request: &mut Request) -> bool {
        let is_left = self.pool.spend_retry(request.route().rule.retry.budget.as_ref(), request.now);
        if !is_left && !request.is_denied {
            self.counters().denied.add(1);
        }
        request.is_denied = !is_left;
        is_left
    }

    /// Waits before the second retry and each further one. True if the request's time is over by then.
    pub(crate) async fn pause(&self, down: &mut Downstream, request: &mut Request) -> Result<bool, Failure> {
        let retries = u32::from(request.attempts) - 1;
        let backoff = request.route().rule.retry.backoff;
        if retries == 0 || backoff.is_zero() {
            return Ok(self.total.is_some_and(|total| request.now >= total));
        }
        let longest = backoff.saturating_mul(1 << (retries - 1).min(16)).min(LONGEST_PAUSE.max(backoff));
        let pause = longest.mul_f64(self.core.random.fraction());
        if self.total.is_some_and(|total| request.now + pause >= total) {
            return Ok(true);
        }
        if down.pause(self.core, request.now + pause, request.now).await {
            return Err(Cause::ClientAbort.into());
        }
        request.read_clock();
        Ok(false)
    }

    pub(crate) fn head_limits(&self) -> HeadLimits {
        HeadLimits { head_bytes: self.pool.rule.head_bytes, ..HeadLimits::default() }
    }

    /// Whether a backend's own error is hidden by another attempt, if one can be made.
    pub(crate) fn hides(&self, request: &Request) -> bool {
        request.counts_as_failure(request.heads().response.status)
            && request.is_safe()
            && !self.history.has_repeated
            && self.history.attempts < self.history.most
    }

    /// Takes the answer for good; its status is a verdict.
    pub(crate) fn ready(&self, request: &mut Request, exchange: Exchange, sending: Flow) -> Ready {
        let status = request.heads().response.status;
        let counts_as_failure = request.counts_as_failure(status);
        let attempt = request.attempt.as_mut().expect("an attempt was answered");
        attempt.stall = None;
        let contact = self.contact(attempt).clone();
        let deadlines = self.deadlines(attempt.picked);
        if counts_as_failure {
            request.fail(error_of(status), Class::Answered);
            request.cause = Some(Cause::UpstreamStatus);
        } else if status == 500 && self.pool.rule.count_500 {
            request.fail(error_of(status), Class::Answered);
        } else {
            contact.has_rested();
        }
        Ready { exchange, sending, deadlines, contact, connections: self.pool.rule.connections }
    }
}
