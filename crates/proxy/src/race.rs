//! Attempts side by side: when one stalls, another backend is asked as well, and the first final head wins.
//!
//! Only safe requests without a body come here, so asking twice does no harm; the budget bounds what it costs.

mod lane;

use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

use evenkeel_http1::{Method, ResponseHead};
use evenkeel_model::{Cause, Class};

use self::lane::{Lane, Line, flow_of};
use crate::attempt::{Attempt, Failure};
use crate::connecting::open;
use crate::downstream::Downstream;
use crate::exchange::Exchange;
use crate::flow::Flow;
use crate::headers;
use crate::journey::Journey;
use crate::request::Request;
use crate::retry::{self, Next};
use crate::verdicts::error_of;

/// What happened to one of the lanes, or to all.
enum Event {
    Answered(usize),
    Failed(usize, Failure, Class),
    ClientLeft,
    TimePassed,
}

impl Journey<'_> {
    /// The attempt to make beside others, if there may be one. `costs`: it draws on the budget.
    pub(crate) fn hedge(&mut self, request: &mut Request, costs: bool) -> Option<Attempt> {
        if self.history.attempts >= self.history.most {
            return None;
        }
        let attempt = self.pick_again(request, Cause::Stalled)?;
        // Who is out of service is no better than who is slow.
        if !attempt.is_in_turn() || costs && !self.spend(request) {
            self.give_back(Some(attempt));
            return None;
        }
        self.counters().retries.add(1);
        self.counters().hedges.add(1);
        request.attempts += 1;
        Some(attempt)
    }

    /// Runs the attempt that stalled and others beside it until one has its final head, or none is left. The winner becomes the
    /// request's attempt, and its head is still to be read from its input.
    pub(crate) async fn race(
        &mut self,
        down: &mut Downstream,
        request: &mut Request,
        sending: &mut Flow,
        stalled: Exchange,
        hedge: Attempt,
    ) -> Result<Exchange, (Failure, Class)> {
        self.has_raced = true;
        let mut stall = self.bound_from(request, hedge.picked);
        let mut lanes = vec![self.first_lane(request, sending, stalled), self.lane(request, hedge)];
        loop {
            let now = request.now;
            let event = self.step(down, request.method(), &mut lanes, stall, now).await;
            let now = request.read_clock();
            match event {
                // While others run, a backend's own error is no more than one that has failed.
                Event::Answered(index)
                    if lanes.len() > 1 && request.counts_as_failure(lanes[index].response.status) =>
                {
                    lanes[index].note_error(now);
                    let failure = Cause::UpstreamStatus.into();
                    self.drop_out(request, sending, &mut lanes, index, failure, Class::Answered)?;
                }
                Event::Answered(index) => {
                    let winner = lanes.remove(index);
                    return Ok(self.finish(request, sending, lanes, winner));
                }
                Event::Failed(index, failure, class) => {
                    self.drop_out(request, sending, &mut lanes, index, failure, class)?;
                }
                Event::ClientLeft => {
                    self.cancel(request, lanes.split_off(1));
                    request.attempt = lanes.pop().map(|lane| lane.attempt);
                    return Err((Cause::ClientAbort.into(), Class::Maybe));
                }
                Event::TimePassed => {
                    // The youngest first, so that a request's deadline ends with who had the longest time.
                    while let Some(index) = lanes.iter().rposition(|lane| lane.due.0 <= now) {
                        let (failure, class) = (lanes[index].due.1.into(), lanes[index].class());
                        self.drop_out(request, sending, &mut lanes, index, failure, class)?;
                    }
                    if stall.is_some_and(|stall| stall <= now) {
                        for lane in &mut lanes {
                            lane.has_stalled = true;
                            self.note_stall(&mut lane.attempt);
                        }
                        stall = match self.hedge(request, true) {
                            Some(hedge) => {
                                lanes.push(self.lane(request, hedge));
                                self.bound_from(request, now)
                            }
                            None => self.ask_again(request),
                        };
                    }
                }
            }
        }
    }

    fn first_lane(&self, request: &mut Request, sending: &mut Flow, mut stalled: Exchange) -> Lane {
        let attempt = request.attempt.take().expect("an attempt stalled");
        let deadlines = self.deadlines(attempt.picked);
        let due = deadlines.first(stalled.head_due(request.now, &deadlines), Cause::HeadTimeout);
        Lane {
            attempt,
            line: Line::Waiting(stalled),
            dial: None,
            head: request.heads().to_backend.clone(),
            sending: std::mem::replace(sending, flow_of(0)),
            response: ResponseHead::default(),
            deadlines,
            due,
            interim_left: self.pool.rule.informational,
            is_first: true,
            has_stalled: true,
        }
    }

    fn lane(&self, request: &mut Request, attempt: Attempt) -> Lane {
        let number = request.number();
        let scratch = request.scratch();
        headers::number_attempt(scratch, number);
        let head = scratch.to_backend.clone();
        let deadlines = self.deadlines(attempt.picked);
        let now = request.now;
        let member = &self.pool.members[usize::from(attempt.member)];
        let (endpoints, unresolved) = (member.endpoints.clone(), member.unresolved);
        let connecting = Box::pin(async move { open(&endpoints, unresolved, now).await });
        Lane {
            attempt,
            line: Line::Connecting(connecting),
            dial: member.tls.clone(),
            sending: flow_of(head.len()),
            head,
            response: ResponseHead::default(),
            due: deadlines.first(now + deadlines.timeouts.connect, Cause::ConnectTimeout),
            deadlines,
            interim_left: self.pool.rule.informational,
            is_first: false,
            has_stalled: false,
        }
    }

    async fn step(
        &self,
        down: &mut Downstream,
        method: Method,
        lanes: &mut [Lane],
        stall: Option<Instant>,
        now: Instant,
    ) -> Event {
        let limits = self.head_limits();
        let mut timed = None;
        // Dropped with the request at any point: every connection is closed with it.
        let event = poll_fn(|cx| {
            for (index, lane) in lanes.iter_mut().enumerate() {
                match lane.poll(cx, self.core, down, method, &limits) {
                    Poll::Ready(Ok(())) => return Poll::Ready(Event::Answered(index)),
                    Poll::Ready(Err((failure, class))) => {
                        return Poll::Ready(Event::Failed(index, failure, class));
                    }
                    Poll::Pending => {}
                }
            }
            if down.poll_gone(cx, self.core) {
                return Poll::Ready(Event::ClientLeft);
            }
            let due = lanes.iter().map(|lane| lane.due.0).chain(stall).min().unwrap_or(now);
            if timed.replace(due) != Some(due) {
                down.alarm.set(due, now);
            }
            match down.alarm.poll_passed(cx) {
                true => Poll::Ready(Event::TimePassed),
                false => Poll::Pending,
            }
        })
        .await;
        down.alarm.clear();
        event
    }

    /// One lane has failed. Another backend takes its place if it may; the last one's failure is the request's.
    fn drop_out(
        &mut self,
        request: &mut Request,
        sending: &mut Flow,
        lanes: &mut Vec<Lane>,
        index: usize,
        failure: Failure,
        class: Class,
    ) -> Result<(), (Failure, Class)> {
        let lane = lanes.remove(index);
        let fault = match failure.cause {
            Cause::UpstreamStatus => error_of(lane.response.status),
            _ => failure.into(),
        };
        request.attempt = Some(lane.attempt);
        if lanes.is_empty() {
            request.scratch().to_backend = lane.head;
            *sending = lane.sending;
            return Err((failure, class));
        }
        if failure.cause == Cause::Deadline && !lane.has_stalled {
            // The time was spent before its turn came.
            request.cancel(class);
            request.try_again(None);
            return Ok(());
        }
        request.fail(fault, class);
        request.try_again(Some(failure.cause));
        let next = match failure.cause {
            Cause::UpstreamStatus if self.history.has_repeated => Next::GiveUp,
            Cause::UpstreamStatus => Next::Elsewhere { costs: true },
            _ => retry::next(&failure, class, true, &mut self.history),
        };
        if let Next::Elsewhere { costs } = next {
            let hedge = self.hedge(request, costs);
            lanes.extend(hedge.map(|hedge| self.lane(request, hedge)));
        }
        Ok(())
    }

    /// Ends attempts that are not needed any more, which says nothing about their backends.
    fn cancel(&self, request: &mut Request, lanes: Vec<Lane>) {
        for lane in lanes {
            let class = lane.class();
            request.attempt = Some(lane.attempt);
            request.cancel(class);
            request.try_again(None);
        }
    }

    /// The winner goes on alone; who stalled has failed, and who came later is only cancelled.
    fn finish(&self, request: &mut Request, sending: &mut Flow, losers: Vec<Lane>, winner: Lane) -> Exchange {
        let (stalled, others): (Vec<_>, Vec<_>) = losers.into_iter().partition(|lane| lane.has_stalled);
        for loser in stalled {
            let class = loser.class();
            request.attempt = Some(loser.attempt);
            request.fail(Cause::Stalled, class);
            request.try_again(Some(Cause::Stalled));
        }
        self.cancel(request, others);
        self.counters().hedges_won.add(u64::from(!winner.is_first));
        let Line::Waiting(mut exchange) = winner.line else {
            unreachable!("only a connection has a head");
        };
        exchange.read_again();
        request.attempt = Some(winner.attempt);
        request.scratch().to_backend = winner.head;
        *sending = winner.sending;
        exchange
    }
}
