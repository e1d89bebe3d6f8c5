//! What stays the same over a request's attempts: who was tried, what is left to spend, and until when.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_http1::{HeadLimits, Known};
use evenkeel_model::{Cause, Class, CorePool, StatusClass};
use evenkeel_routing::{Ask, Pool, Timeouts};

use crate::attempt::{Attempt, Failure};
use crate::attempts::Ready;
use crate::core::{Contact, Core, CoreView, PoolView};
use crate::downstream::Downstream;
use crate::exchange::{Deadlines, Exchange};
use crate::flow::Flow;
use crate::request::Request;
use crate::retry::History;

/// Longest wait before a retry, however many there were.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Longest time that a backend's `Retry-After` is heeded.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// What stays the same over a request's attempts.
pub(crate) struct Journey<'a> {
    pub(crate) core: &'a Rc<Core>,
    pub(crate) pool: &'a Arc<Pool>,
    pub(crate) history: History,
    pub(crate) kept: &'a PoolView,
    timeouts: Timeouts,
    total: Option<Instant>,
    /// Members picked so far.
    tried: Vec<u16>,
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
            tried: Vec::new(),
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

    /// Picks a backend that this request has not tried yet.
    pub(crate) fn pick(&mut self, request: &Request) -> Option<Attempt> {
        let now = request.now;
        let may_follow = self.history.attempts + 1 < self.history.most && !self.history.has_repeated;
        let hideable = may_follow && request.is_hideable();
        let ask = Ask { tried: &self.tried, hideable, now };
        let pick = self.pool.pick(&mut self.kept.cursor.borrow_mut(), &ask)?;
        self.history.attempts += 1;
        self.tried.push(pick.member as u16);
        Some(Attempt::new(self.core, pick, now))
    }

    /// Takes back a pick that is not used.
    pub(crate) fn give_back(&mut self, attempt: &Attempt) {
        self.history.attempts -= 1;
        self.tried.retain(|member| *member != attempt.member);
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

    /// When an attempt picked at `picked` counts as stalled.
    pub(crate) fn bound_from(&self, request: &Request, picked: Instant) -> Option<Instant> {
        let stall = self.pool.rule.stall.as_ref()?;
        Some(picked + stall.bound(request.route().counters.usual_pace(self.core.index)))
    }

    /// Picks a backend for a retry: rather one that has not asked to be left alone. After a backend's own error it has
    /// to be such a one, since that error says as much as another one's.
    pub(crate) fn pick_again(&mut self, request: &Request, after: Cause) -> Option<Attempt> {
        if !request.route().rule.retry.retry_after {
            return self.pick(request);
        }
        let tried = self.tried.len();
        let resting = |contact: &Rc<Contact>| contact.is_resting(request.now);
        let members = self.kept.contacts.iter().enumerate();
        self.tried.extend(members.filter(|(_, contact)| resting(contact)).map(|(member, _)| member as u16));
        let rested = self.tried.len() > tried;
        let picked = self.pick(request);
        if !rested {
            return picked;
        }
        self.tried.truncate(tried);
        match picked {
            Some(attempt) => {
                self.tried.push(attempt.member);
                Some(attempt)
            }
            None if after == Cause::UpstreamStatus => None,
            None => self.pick(request),
        }
    }

    /// Whether the budget has room for a retry that gives a backend work; if so, it counts as made.
    pub(crate) fn spend(&self, request: &mut Request) -> bool {
        let is_left = self.pool.spend_retry(request.route().rule.retry.budget.as_ref(), request.now);
        if !is_left {
            request.is_denied = true;
            self.counters().denied.add(1);
        }
        is_left
    }

    /// Waits before the second retry and each further one. True if the request's time is over by then.
    pub(crate) async fn pause(&self, down: &mut Downstream, request: &mut Request) -> Result<bool, Failure> {
        let retries = u32::from(request.attempts) - 1;
        let backoff = request.route().rule.retry.backoff;
        if retries == 0 || backoff.is_zero() {
            return Ok(self.total.is_some_and(|total| request.now >= total));
        }
        let longest = backoff.saturating_mul(1 << (retries - 1).min(16)).min(LONGEST_PAUSE);
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

    /// Takes the answer for good: it is counted, and its status is a verdict.
    pub(crate) fn ready(&self, request: &mut Request, exchange: Exchange, sending: Flow) -> Ready {
        let status = request.heads().response.status;
        let class = StatusClass::of(status).index();
        let counters = self.counters();
        counters.responses[class].add(1);
        let attempt = request.attempt.as_ref().expect("an attempt was answered");
        let contact = self.contact(attempt).clone();
        let deadlines = self.deadlines(attempt.picked);
        let took = request.now.saturating_duration_since(attempt.picked);
        attempt.counters().responses[class].add(1);
        counters.latency.record(took);
        request.route().counters[self.core.index].pace.record(took);
        if request.counts_as_failure(status) {
            request.fail(Cause::UpstreamStatus, Class::Answered);
            request.cause = Some(Cause::UpstreamStatus);
        }
        Ready { exchange, sending, deadlines, contact, connections: self.pool.rule.connections }
    }

    /// Notes how long the backend wants to be left alone, if its error says so.
    pub(crate) fn note_rest(&self, request: &Request, exchange: &Exchange) {
        let (response, head) = (&request.heads().response, exchange.input.filled());
        if !request.counts_as_failure(response.status) || !request.route().rule.retry.retry_after {
            return;
        }
        let Some(field) = response.fields.iter().find(|field| field.known == Known::RetryAfter) else {
            return;
        };
        if let (Some(rest), Some(attempt)) = (rest(field.value.of(head)), &request.attempt) {
            self.contact(attempt).rest(request.now + rest.min(LONGEST_REST));
        }
    }
}

/// A `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3).
fn rest(value: &[u8]) -> Option<Duration> {
    let text = str::from_utf8(value).ok()?;
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(text).ok()?;
    until.duration_since(std::time::SystemTime::now()).ok()
}
