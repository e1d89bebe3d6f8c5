//! Attempts until a backend has answered: pick, connect, exchange, and again where that is legal.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use evenkeel_http1::{BodyDecoder, BodyKind, HeadLimits, Version};
use evenkeel_model::{Cause, Class, Limit, StatusClass};
use evenkeel_routing::{Ask, Connections, Pool, Underscores};
use evenkeel_upstream::Idle;

use crate::attempt::{Attempt, Failure};
use crate::connecting::{self, Wanted};
use crate::core::{Core, CoreView, PoolView};
use crate::downstream::Downstream;
use crate::exchange::{Deadlines, Exchange, Heard, Outgoing, Reading};
use crate::flow::{Coding, Flow};
use crate::headers;
use crate::request::Request;
use crate::retry::{self, History, Next};
use crate::scratch::Scratch;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A backend that has answered: the head stands in the request's scratch, its bytes in the exchange's input.
pub(crate) struct Ready {
    pub(crate) exchange: Exchange,
    pub(crate) sending: Flow,
    pub(crate) deadlines: Deadlines,
    pub(crate) idle: Rc<Idle>,
    pub(crate) connections: Connections,
}

/// What stays the same over a request's attempts.
struct Journey<'a> {
    core: &'a Rc<Core>,
    pool: &'a Arc<Pool>,
    kept: &'a PoolView,
    deadlines: Deadlines,
    history: History,
    tried: Vec<u16>,
}

/// Makes attempts until one is answered or none may follow.
pub(crate) async fn attempts(
    core: &Rc<Core>,
    view: &CoreView,
    down: &mut Downstream,
    request: &mut Request,
) -> Result<Ready, Failure> {
    let mut journey = Journey::new(core, view, request);
    let mut sending = request_flow(down, request);
    let mut next = journey.pick(request).ok_or(Cause::NoHealthyBackend)?;
    loop {
        let (index, deadlines) = (usize::from(next.member), journey.deadlines.of_attempt(next.picked));
        request.attempt = Some(next);
        request.attempts += 1;
        let answered = journey.attempt(down, request, &mut sending, index, &deadlines).await;
        let (failure, exchange) = match answered {
            Ok(exchange) => match journey.hides(request) {
                true => (Cause::UpstreamStatus.into(), Some(exchange)),
                false => return Ok(journey.ready(request, exchange, sending, deadlines, index)),
            },
            Err((failure, class)) => {
                if let Some(attempt) = &mut request.attempt {
                    attempt.fail(failure.cause);
                }
                let next = retry::next(&failure, class, request.is_repeatable(), &mut journey.history);
                match next {
                    Next::Elsewhere => (failure, None),
                    Next::GiveUp => return Err(failure),
                }
            }
        };
        journey.tried.push(index as u16);
        journey.history.has_repeated |= failure.cause == Cause::UpstreamStatus;
        request.read_clock();
        next = match (journey.pick(request), exchange) {
            (Some(next), _) => next,
            // Nobody else is left: a backend's own error is better than one of ours.
            (None, Some(exchange)) => return Ok(journey.ready(request, exchange, sending, deadlines, index)),
            (None, None) => return Err(failure),
        };
        if failure.cause == Cause::UpstreamStatus {
            let class = StatusClass::of(request.heads().response.status).index();
            if let Some(attempt) = &mut request.attempt {
                attempt.counters().responses[class].add(1);
                attempt.fail(Cause::UpstreamStatus);
            }
        }
        journey.pool.counters[core.index].retries.add(1);
        request.try_again(failure.cause);
        if !sending.is_untouched() {
            sending = request_flow(down, request);
        }
    }
}

/// The request as it is sent; its head stands in the scratch.
fn request_flow(down: &Downstream, request: &Request) -> Flow {
    let heads = request.heads();
    let coding = match heads.request.body {
        BodyKind::Chunked => Coding::Chunked,
        BodyKind::None | BodyKind::Length(_) | BodyKind::UntilClose => Coding::Identity,
    };
    let rule = &down.client.listener.rule;
    let most = match rule.limits.body_bytes {
        0 => u64::MAX,
        most => most,
    };
    let mut body = BodyDecoder::new(heads.request.body);
    if rule.underscores != Underscores::Pass {
        body = body.dropping_underscores();
    }
    if heads.request.nominates {
        body = body.dropping(heads.request.nominated(&heads.head));
    }
    let mut flow = Flow::new(heads.to_backend.len(), body, coding, most);
    if heads.request.expect_continue && request.has_body() {
        flow.hold();
    }
    flow
}

impl<'a> Journey<'a> {
    fn new(core: &'a Rc<Core>, view: &'a CoreView, request: &Request) -> Self {
        let route = request.route.as_ref().expect("a request without a route was answered");
        let timeouts = route.rule.timeouts;
        let total = timeouts.total.map(|longest| request.started + longest);
        Journey {
            core,
            pool: &view.snapshot.pools[route.pool],
            kept: &view.pools[route.pool],
            deadlines: Deadlines { timeouts, attempt: None, total },
            history: History { most: route.rule.retry.attempts, ..History::default() },
            tried: Vec::new(),
        }
    }

    /// Picks a backend for the next attempt.
    fn pick(&mut self, request: &Request) -> Option<Attempt> {
        let now = request.now;
        let may_follow = self.history.attempts + 1 < self.history.most && !self.history.has_repeated;
        let hideable = may_follow && request.is_repeatable();
        let ask = Ask { tried: &self.tried, hideable, now };
        let pick = self.pool.pick(&mut self.kept.cursor.borrow_mut(), &ask)?;
        self.history.attempts += 1;
        Some(Attempt::new(self.core, pick, now))
    }

    /// One attempt, and once more on a fresh connection if an idle one turned out stale.
    async fn attempt(
        &mut self,
        down: &mut Downstream,
        request: &mut Request,
        sending: &mut Flow,
        member: usize,
        deadlines: &Deadlines,
    ) -> Result<Exchange, (Failure, Class)> {
        let is_repeatable = request.is_repeatable();
        // What went wrong on an idle connection once is not tried on another one.
        let is_fresh = self.history.has_refreshed || self.history.has_repeated;
        let mut wanted = Wanted { is_fresh, is_delicate: !is_repeatable };
        loop {
            let mut exchange = match self.connect(down, request, member, deadlines, wanted).await {
                Ok(exchange) => exchange,
                Err(failure) => return Err((failure, Class::NotSent)),
            };
            let heard = self.hear(down, request, sending, &mut exchange, deadlines).await;
            let Err(failure) = heard else { return Ok(exchange) };
            let class = exchange.reached(sending).class();
            if !retry::refreshes(&failure, class, is_repeatable, &mut self.history) {
                return Err((failure, class));
            }
            if let Some(attempt) = &request.attempt {
                attempt.counters().failures[Cause::StaleReuse as usize].add(1);
            }
            wanted.is_fresh = true;
            if !sending.is_untouched() {
                *sending = request_flow(down, request);
            }
        }
    }

    async fn connect(
        &self,
        down: &mut Downstream,
        request: &mut Request,
        member: usize,
        deadlines: &Deadlines,
        wanted: Wanted,
    ) -> Result<Exchange, Failure> {
        let attempt = request.attempt.as_mut().expect("an attempt is in progress");
        let idle = &self.kept.idle[member];
        let now = attempt.picked;
        if let Some(exchange) = connecting::reuse(attempt, idle, self.pool.rule.connections, wanted, now) {
            attempt.is_reused = true;
            return Ok(exchange);
        }
        attempt.is_reused = false;
        let now = if wanted.is_fresh { Instant::now() } else { now };
        let member = &self.pool.members[member];
        let exchange = connecting::fresh(self.core, down, attempt, member, deadlines, now).await?;
        request.read_clock();
        Ok(exchange)
    }

    /// Sends the request and waits for the final head; interim ones are relayed on the way.
    async fn hear(
        &self,
        down: &mut Downstream,
        request: &mut Request,
        sending: &mut Flow,
        exchange: &mut Exchange,
        deadlines: &Deadlines,
    ) -> Result<(), Failure> {
        let limits = HeadLimits { head_bytes: self.pool.rule.head_bytes, ..HeadLimits::default() };
        let method = request.method();
        let is_http11 = request.version() == Version::Http11;
        let mut interim_left = self.pool.rule.informational;
        loop {
            let now = request.now;
            let Scratch { to_backend, response, .. } = request.scratch();
            response.clear();
            let mut outgoing = Outgoing { request: sending, head: to_backend };
            let reading = Reading { response, method, limits: &limits };
            let heard = exchange.hear(self.core, down, &mut outgoing, reading, deadlines, now).await;
            request.read_clock();
            let heard = heard?;
            let (status, length) = (request.heads().response.status, request.heads().response.length);
            let interim = match (heard, status) {
                (Heard::NoContinue, _) => CONTINUE,
                (Heard::Head, 101) => return check_upgrade(down, request, exchange),
                (Heard::Head, 408) if exchange.is_reused && is_unsolicited(request) => {
                    return Err(Cause::StaleReuse.into());
                }
                (Heard::Head, 200..) => return Ok(()),
                (Heard::Head, _) if interim_left == 0 => {
                    return Err(Failure::because(Cause::BadHead, "too_many_interim_responses"));
                }
                (Heard::Head, 100) if !sending.is_holding() => b"",
                (Heard::Head, _) if !is_http11 => b"",
                (Heard::Head, _) => interim(request, exchange),
            };
            match heard {
                Heard::NoContinue => down.client.reached(Limit::Continue),
                Heard::Head => interim_left -= 1,
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

    /// Whether a backend's own error is hidden by another attempt, if one can be made.
    fn hides(&self, request: &Request) -> bool {
        request.counts_as_failure(request.heads().response.status)
            && request.is_safe()
            && !self.history.has_repeated
            && self.history.attempts < self.history.most
    }

    /// Takes the answer for good: it is counted, and its status is a verdict.
    fn ready(
        &self,
        request: &mut Request,
        exchange: Exchange,
        sending: Flow,
        deadlines: Deadlines,
        member: usize,
    ) -> Ready {
        let now = request.now;
        let status = request.heads().response.status;
        let is_failure = request.counts_as_failure(status);
        let class = StatusClass::of(status).index();
        let counters = &self.pool.counters[self.core.index];
        counters.responses[class].add(1);
        if let Some(attempt) = &mut request.attempt {
            attempt.counters().responses[class].add(1);
            counters.latency.record(now.saturating_duration_since(attempt.picked));
            if is_failure {
                attempt.fail(Cause::UpstreamStatus);
                request.cause = Some(Cause::UpstreamStatus);
            }
        }
        let connections = self.pool.rule.connections;
        Ready { exchange, sending, deadlines, idle: self.kept.idle[member].clone(), connections }
    }
}

/// An interim response as the client gets it.
fn interim<'a>(request: &'a mut Request, exchange: &Exchange) -> &'a [u8] {
    let Scratch { response, to_client, .. } = request.scratch();
    headers::interim(response, exchange.input.filled(), to_client);
    to_client
}

/// Whether a 408 may be about the idle connection rather than this request, and the request may be sent again to see.
fn is_unsolicited(request: &Request) -> bool {
    !request.heads().response.keep_alive && request.is_repeatable()
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
