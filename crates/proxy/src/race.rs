//! Attempts side by side: when one stalls, another backend is asked as well, and the first head wins.
//!
//! Only safe requests without a body come here, so asking twice does no harm; the budget bounds what it costs.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use evenkeel_http1::{BodyDecoder, BodyKind, HeadLimits, Method, ResponseHead};
use evenkeel_model::{Cause, Class};
use evenkeel_upstream::{ConnectError, Connection, connect};

use crate::attempt::{Attempt, Failure};
use crate::core::Core;
use crate::downstream::Downstream;
use crate::exchange::{Deadlines, Exchange, Outgoing, Reading};
use crate::flow::{Coding, Flow};
use crate::headers;
use crate::journey::Journey;
use crate::request::Request;

/// One of the attempts that run side by side.
struct Lane {
    attempt: Attempt,
    line: Line,
    head: Vec<u8>,
    sending: Flow,
    response: ResponseHead,
    deadlines: Deadlines,
    due: (Instant, Cause),
    /// Whether it is what the others run for.
    is_first: bool,
    has_stalled: bool,
}

enum Line {
    Connecting(Pin<Box<dyn Future<Output = Result<Connection, ConnectError>>>>),
    Waiting(Exchange),
}

/// What happened to one of the lanes, or to all.
enum Event {
    Answered(usize),
    Failed(usize, Failure, Class),
    ClientLeft,
    TimePassed,
}

impl Journey<'_> {
    /// The attempt to make beside one that stalls, if there may be one.
    pub(crate) fn hedge(&mut self, request: &mut Request) -> Option<Attempt> {
        if self.history.attempts >= self.history.most {
            return None;
        }
        let attempt = self.pick_again(request, Cause::Stalled)?;
        // Who is out of service is no better than who is slow.
        if !attempt.is_in_turn() || !self.spend(request) {
            self.give_back(&attempt);
            return None;
        }
        self.counters().retries.add(1);
        self.counters().hedges.add(1);
        request.attempts += 1;
        Some(attempt)
    }

    /// Runs the attempt that stalled and others beside it until one has a head, or none is left. The winner becomes the
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
        let mut lanes = vec![self.first_lane(request, sending, stalled), self.lane(request, hedge)];
        loop {
            let now = request.now;
            let stall = self.next_stall(request, &lanes);
            let due = lanes.iter().map(|lane| lane.due.0).chain(stall).min().unwrap_or(now);
            let event = self.step(down, request.method(), &mut lanes, due, now).await;
            let now = request.read_clock();
            match event {
                Event::Answered(index) => {
                    let winner = lanes.remove(index);
                    return Ok(self.finish(request, sending, lanes, winner));
                }
                Event::Failed(index, failure, class) => {
                    self.drop_out(request, sending, &mut lanes, index, failure, class)?;
                }
                Event::ClientLeft => {
                    request.attempt = Some(lanes.swap_remove(0).attempt);
                    return Err((Cause::ClientAbort.into(), Class::Maybe));
                }
                Event::TimePassed => {
                    while let Some(index) = lanes.iter().position(|lane| lane.due.0 <= now) {
                        let (failure, class) = (lanes[index].due.1.into(), lanes[index].class());
                        self.drop_out(request, sending, &mut lanes, index, failure, class)?;
                    }
                    if stall.is_some_and(|stall| stall <= now) {
                        lanes.iter_mut().for_each(|lane| lane.has_stalled = true);
                        let hedge = self.hedge(request);
                        lanes.extend(hedge.map(|hedge| self.lane(request, hedge)));
                    }
                }
            }
        }
    }

    /// When the youngest lane counts as stalled, too, if another may then be added.
    fn next_stall(&self, request: &Request, lanes: &[Lane]) -> Option<Instant> {
        let youngest = lanes.iter().map(|lane| lane.attempt.picked).max()?;
        let may_follow = lanes.iter().any(|lane| !lane.has_stalled);
        (may_follow && self.history.attempts < self.history.most)
            .then(|| self.bound_from(request, youngest))
            .flatten()
    }

    fn first_lane(&self, request: &mut Request, sending: &mut Flow, stalled: Exchange) -> Lane {
        let attempt = request.attempt.take().expect("an attempt stalled");
        let deadlines = self.deadlines(attempt.picked);
        // The bound ran from the pick; the head's own time from the last byte sent, which a stalled attempt has
        // behind it for nearly as long.
        let due = deadlines.first(attempt.picked + deadlines.timeouts.head, Cause::HeadTimeout);
        Lane {
            attempt,
            line: Line::Waiting(stalled),
            head: request.heads().to_backend.clone(),
            sending: std::mem::replace(sending, flow_of(0)),
            response: ResponseHead::default(),
            deadlines,
            due,
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
        let endpoints = self.pool.members[usize::from(attempt.member)].endpoints.clone();
        let connecting = Box::pin(async move { connect(&endpoints, now).await });
        Lane {
            attempt,
            line: Line::Connecting(connecting),
            sending: flow_of(head.len()),
            head,
            response: ResponseHead::default(),
            due: deadlines.first(now + deadlines.timeouts.connect, Cause::ConnectTimeout),
            deadlines,
            is_first: false,
            has_stalled: false,
        }
    }

    async fn step(
        &self,
        down: &mut Downstream,
        method: Method,
        lanes: &mut [Lane],
        due: Instant,
        now: Instant,
    ) -> Event {
        let limits = self.head_limits();
        down.alarm.set(due, now);
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
        request.attempt = Some(lane.attempt);
        if lanes.is_empty() {
            request.scratch().to_backend = lane.head;
            *sending = lane.sending;
            return Err((failure, class));
        }
        request.fail(failure.cause, class);
        request.try_again(Some(failure.cause));
        if failure.cause != Cause::Deadline {
            let hedge = self.hedge(request);
            lanes.extend(hedge.map(|hedge| self.lane(request, hedge)));
        }
        Ok(())
    }

    /// The winner goes on alone; who stalled has failed, and who came later is only cancelled.
    fn finish(&self, request: &mut Request, sending: &mut Flow, losers: Vec<Lane>, winner: Lane) -> Exchange {
        for loser in losers {
            let (class, cause) = (loser.class(), loser.has_stalled.then_some(Cause::Stalled));
            request.attempt = Some(loser.attempt);
            match cause {
                Some(cause) => request.fail(cause, class),
                None => request.cancel(class),
            }
            request.try_again(cause);
        }
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

/// A request without a body.
fn flow_of(head: usize) -> Flow {
    Flow::new(head, BodyDecoder::new(BodyKind::None), Coding::Identity, u64::MAX)
}

impl Lane {
    fn class(&self) -> Class {
        match &self.line {
            Line::Connecting(_) => Class::NotSent,
            Line::Waiting(exchange) => exchange.reached(&self.sending).class(),
        }
    }

    /// Moves on; ready when a head, interim or final, stands in the input.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        core: &Core,
        down: &mut Downstream,
        method: Method,
        limits: &HeadLimits,
    ) -> Poll<Result<(), (Failure, Class)>> {
        if let Line::Connecting(connecting) = &mut self.line {
            match connecting.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err((error.into(), Class::NotSent))),
                Poll::Ready(Ok(connection)) => {
                    self.attempt.counters().opened.add(1);
                    let now = Instant::now();
                    self.line = Line::Waiting(Exchange::new(connection, false));
                    self.due = self.deadlines.first(now + self.deadlines.timeouts.head, Cause::HeadTimeout);
                }
            }
        }
        let Line::Waiting(exchange) = &mut self.line else { return Poll::Pending };
        let mut outgoing = Outgoing { request: &mut self.sending, head: &self.head };
        let sent = exchange.poll_send(cx, core, down, &mut outgoing);
        let mut reading = Reading { response: &mut self.response, method, limits };
        let heard = match sent {
            Poll::Ready(Err(failure)) => Err(failure),
            Poll::Ready(Ok(())) | Poll::Pending => match exchange.poll_head(cx, core, &mut reading) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(heard) => heard,
            },
        };
        Poll::Ready(heard.map_err(|failure| (failure, exchange.reached(&self.sending).class())))
    }
}
