//! What stays the same over a request's attempts, and one attempt from its pick to its response head.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_http1::{HeadLimits, Known, Version};
use evenkeel_model::{Cause, Class, CorePool, Limit, StatusClass};
use evenkeel_routing::{Ask, Pool, Route};

use crate::attempt::{Attempt, Failure};
use crate::attempts::Ready;
use crate::connecting::{self, Wanted};
use crate::core::{Contact, Core, CoreView, PoolView};
use crate::downstream::Downstream;
use crate::exchange::{Deadlines, Exchange, Heard, Outgoing, Reading};
use crate::flow::Flow;
use crate::headers;
use crate::request::Request;
use crate::retry::{self, History};
use crate::scratch::Scratch;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Longest wait before a retry, however many there were.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Longest time that a backend's `Retry-After` is heeded.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// What stays the same over a request's attempts.
pub(crate) struct Journey<'a> {
    pub(crate) core: &'a Rc<Core>,
    pub(crate) pool: &'a Arc<Pool>,
    pub(crate) history: History,
    pub(crate) route: Arc<Route>,
    kept: &'a PoolView,
    total: Option<Instant>,
    /// Members picked so far.
    tried: Vec<u16>,
    /// Whether attempts ran side by side already.
    pub(crate) has_raced: bool,
}

impl<'a> Journey<'a> {
    pub(crate) fn new(core: &'a Rc<Core>, view: &'a CoreView, request: &Request) -> Self {
        let route = request.route.clone().expect("a request without a route was answered");
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
            route,
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
        let timeouts = self.route.rule.timeouts;
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
    fn stall(&self, request: &Request) -> Option<Instant> {
        let may_race = !self.has_raced
            && request.is_safe()
            && !request.was_repeated()
            && self.history.attempts < self.history.most
            && request.heads().request.upgrade.is_none();
        may_race.then(|| self.bound_from(request.picked())).flatten()
    }

    /// When an attempt picked at `picked` counts as stalled.
    pub(crate) fn bound_from(&self, picked: Instant) -> Option<Instant> {
        let stall = self.pool.rule.stall.as_ref()?;
        Some(picked + stall.bound(self.route.counters.usual_pace(self.core.index)))
    }

    /// Picks a backend for a retry: rather one that has not asked to be left alone. After a backend's own error it has
    /// to be such a one, since that error says as much as another one's.
    pub(crate) fn pick_again(&mut self, request: &Request, after: Cause) -> Option<Attempt> {
        if !self.route.rule.retry.retry_after {
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
        let is_left = self.pool.spend_retry(self.route.rule.retry.budget.as_ref(), request.now);
        if !is_left {
            request.is_denied = true;
            self.counters().denied.add(1);
        }
        is_left
    }

    /// Waits before the second retry and each further one. True if the request's time is over by then.
    pub(crate) async fn pause(&self, down: &mut Downstream, request: &mut Request) -> Result<bool, Failure> {
        let retries = u32::from(request.attempts) - 1;
        let backoff = self.route.rule.retry.backoff;
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

    /// One attempt, and once more on a fresh connection if an idle one turned out stale.
    pub(crate) async fn attempt(
        &mut self,
        down: &mut Downstream,
        request: &mut Request,
        sending: &mut Flow,
    ) -> Result<Exchange, (Failure, Class)> {
        let is_repeatable = request.is_repeatable(sending);
        // What went wrong on an idle connection once is not tried on another one.
        let is_fresh = self.history.has_refreshed || self.history.has_repeated && !request.was_repeated();
        let mut wanted = Wanted { is_fresh, is_delicate: !is_repeatable };
        loop {
            let mut exchange = match self.connect(down, request, wanted).await {
                Ok(exchange) => exchange,
                Err(failure) => return Err((failure, Class::NotSent)),
            };
            let (failure, class) = match self.hear(down, request, sending, &mut exchange).await {
                Ok(Answer::Head) => return Ok(exchange),
                Ok(Answer::Stalled(hedge)) => {
                    match self.race(down, request, sending, exchange, hedge).await {
                        Ok(winner) => match self.hear_out(down, request, sending, winner).await {
                            Ok(exchange) => return Ok(exchange),
                            Err(failed) => return Err(failed),
                        },
                        Err(failed) => return Err(failed),
                    }
                }
                Err(failure) => (failure, exchange.reached(sending).class()),
            };
            if failure.cause == Cause::StaleReuse {
                self.note_stale(request);
            }
            let is_repeatable = request.is_repeatable(sending);
            if !retry::refreshes(&failure, class, is_repeatable, &mut self.history) {
                return Err((failure, class));
            }
            if let Some(attempt) = &request.attempt {
                attempt.counters().failures[Cause::StaleReuse as usize].add(1);
            }
            wanted.is_fresh = true;
            sending.rewind(request.heads().to_backend.len());
        }
    }

    /// The backend closed the connection just as the request came.
    fn note_stale(&self, request: &Request) {
        if let Some(attempt) = &request.attempt {
            let limit = &attempt.backend().idle_limit;
            self.contact(attempt).idle.note_stale(limit, attempt.idle, request.now);
        }
    }

    async fn connect(
        &self,
        down: &mut Downstream,
        request: &mut Request,
        wanted: Wanted,
    ) -> Result<Exchange, Failure> {
        let attempt = request.attempt.as_mut().expect("an attempt is in progress");
        let (now, member) = (attempt.picked, usize::from(attempt.member));
        let idle = &self.kept.contacts[member].idle;
        if let Some(taken) = connecting::reuse(attempt, idle, self.pool.rule.connections, wanted, now) {
            attempt.is_reused = true;
            attempt.idle = taken.idle;
            return Ok(Exchange::new(taken.connection, true));
        }
        attempt.is_reused = false;
        let now = if wanted.is_fresh { Instant::now() } else { now };
        let (member, deadlines) = (&self.pool.members[member], self.deadlines(attempt.picked));
        let exchange = connecting::fresh(self.core, down, attempt, member, &deadlines, now).await?;
        request.read_clock();
        Ok(exchange)
    }

    /// Waits for the final head of the attempt that won a race.
    async fn hear_out(
        &mut self,
        down: &mut Downstream,
        request: &mut Request,
        sending: &mut Flow,
        mut exchange: Exchange,
    ) -> Result<Exchange, (Failure, Class)> {
        match self.hear(down, request, sending, &mut exchange).await {
            Ok(_) => Ok(exchange),
            Err(failure) => Err((failure, exchange.reached(sending).class())),
        }
    }

    /// Sends the request and waits for the final head; interim ones are relayed on the way. Where the wait is too long
    /// and another backend may be asked as well, its attempt is returned.
    async fn hear(
        &mut self,
        down: &mut Downstream,
        request: &mut Request,
        sending: &mut Flow,
        exchange: &mut Exchange,
    ) -> Result<Answer, Failure> {
        let limits = self.head_limits();
        let method = request.method();
        let is_http11 = request.version() == Version::Http11;
        let mut interim_left = self.pool.rule.informational;
        let mut deadlines = self.deadlines(request.picked());
        deadlines.stall = self.stall(request);
        loop {
            let now = request.now;
            let Scratch { to_backend, response, .. } = request.scratch();
            response.clear();
            let mut outgoing = Outgoing { request: sending, head: to_backend };
            let reading = Reading { response, method, limits: &limits };
            let heard = exchange.hear(self.core, down, &mut outgoing, reading, &deadlines, now).await;
            request.read_clock();
            let heard = heard?;
            deadlines.stall = None;
            let (status, length) = (request.heads().response.status, request.heads().response.length);
            let interim = match (heard, status) {
                (Heard::Stalled, _) => match self.hedge(request) {
                    Some(hedge) => return Ok(Answer::Stalled(hedge)),
                    None => continue,
                },
                (Heard::NoContinue, _) => CONTINUE,
                (Heard::Head, 101) => return check_upgrade(down, request, exchange).map(|()| Answer::Head),
                (Heard::Head, 408) if exchange.is_reused && is_unsolicited(request) => {
                    return Err(Cause::StaleReuse.into());
                }
                (Heard::Head, 200..) => {
                    return exchange.check_body(&request.heads().response).map(|()| Answer::Head);
                }
                (Heard::Head, _) if interim_left == 0 => {
                    return Err(Failure::because(Cause::BadHead, "too_many_interim_responses"));
                }
                (Heard::Head, 100) if !sending.is_holding() => b"",
                (Heard::Head, _) if !is_http11 => b"",
                (Heard::Head, _) => interim(request, exchange),
            };
            match heard {
                Heard::NoContinue => down.client.reached(Limit::Continue),
                Heard::Head | Heard::Stalled => interim_left -= 1,
            }
            if heard == Heard::NoContinue || status == 100 {
                sending.release();
            }
            if down.write_all(interim).await.is_err() {
                return Err(Cause::ClientAbort.into());
            }
            if heard == Heard::Head {
                exchange.consume(length, self.core);
            }
        }
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
        self.route.counters[self.core.index].pace.record(took);
        if request.counts_as_failure(status) {
            request.fail(Cause::UpstreamStatus, Class::Answered);
            request.cause = Some(Cause::UpstreamStatus);
        }
        Ready { exchange, sending, deadlines, contact, connections: self.pool.rule.connections }
    }

    /// Notes how long the backend wants to be left alone, if its error says so.
    pub(crate) fn note_rest(&self, request: &Request, exchange: &Exchange) {
        let (response, head) = (&request.heads().response, exchange.input.filled());
        if !request.counts_as_failure(response.status) || !self.route.rule.retry.retry_after {
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

/// What an attempt came to.
enum Answer {
    /// The final head stands in the scratch.
    Head,
    /// None in time; this attempt is to be made beside it.
    Stalled(Attempt),
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

/// An interim response as the client gets it.
fn interim<'a>(request: &'a mut Request, exchange: &Exchange) -> &'a [u8] {
    let Scratch { response, to_client, .. } = request.scratch();
    headers::interim(response, exchange.input.filled(), to_client);
    to_client
}

/// Whether a 408 may be about the idle connection rather than this request, and the request may be sent again to see.
fn is_unsolicited(request: &Request) -> bool {
    !request.heads().response.keep_alive && request.is_hideable()
}

/// A 101 is valid only as the answer to this very upgrade (RFC 9110, section 15.2.2).
fn check_upgrade(down: &Downstream, request: &Request, exchange: &Exchange) -> Result<(), Failure> {
    let heads = request.heads();
    let asked = headers::upgrade(&heads.request, &heads.head, &down.client.listener.rule.upgrades);
    let granted = heads.response.upgrade.map(|protocol| protocol.of(exchange.input.filled()));
    match (asked, granted) {
        (Some(asked), Some(granted)) if asked.eq_ignore_ascii_case(granted) => Ok(()),
        (None, _) => Err(Failure::because(Cause::UpgradeFailed, "unsolicited_101")),
        (Some(_), _) => Err(Failure::because(Cause::UpgradeFailed, "another_protocol")),
    }
}
