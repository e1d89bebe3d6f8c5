//! One of the attempts that run side by side, from its connection to its head.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use evenkeel_http1::{BodyDecoder, BodyKind, HeadLimits, Method, ResponseHead};
use evenkeel_model::{Cause, Class};
use evenkeel_tls::Dial;
use evenkeel_upstream::Connection;

use crate::attempt::{Attempt, Failure};
use crate::connecting::secured;
use crate::core::Core;
use crate::deadline::Deadlines;
use crate::downstream::Downstream;
use crate::exchange::{Exchange, Outgoing, Reading};
use crate::flow::{Coding, Flow};
use crate::journey::note_drain;

/// One of the attempts that run side by side.
pub(super) struct Lane {
    pub(super) attempt: Attempt,
    pub(super) line: Line,
    /// How TLS is to be spoken, until it is.
    pub(super) dial: Option<Arc<Dial>>,
    pub(super) head: Vec<u8>,
    pub(super) sending: Flow,
    pub(super) response: ResponseHead,
    pub(super) deadlines: Deadlines,
    pub(super) due: (Instant, Cause),
    /// Interim heads that may still come.
    pub(super) interim_left: u16,
    /// Whether it is what the others run for.
    pub(super) is_first: bool,
    pub(super) has_stalled: bool,
}

pub(super) enum Line {
    Connecting(Step),
    Securing(Step),
    Waiting(Exchange),
}

/// One step towards a connection.
pub(super) type Step = Pin<Box<dyn Future<Output = Result<Connection, Failure>>>>;

/// A request without a body.
pub(super) fn flow_of(head: usize) -> Flow {
    Flow::new(head, BodyDecoder::new(BodyKind::None), Coding::Identity, u64::MAX)
}

impl Lane {
    /// A backend's own error counts, even if no client sees it, and so does what it wishes for itself.
    pub(super) fn note_error(&self, now: Instant) {
        self.attempt.count_head(self.response.status, now);
        if let Line::Waiting(exchange) = &self.line {
            note_drain(&self.attempt, &self.response, exchange.input.filled(), now);
        }
    }

    pub(super) fn class(&self) -> Class {
        match &self.line {
            Line::Connecting(_) | Line::Securing(_) => Class::NotSent,
            Line::Waiting(exchange) => exchange.reached(&self.sending).class(),
        }
    }

    /// Ready with a connection for the request.
    fn poll_line(&mut self, cx: &mut Context<'_>, core: &Rc<Core>) -> Poll<Result<(), Failure>> {
        loop {
            let connection = match &mut self.line {
                Line::Waiting(_) => return Poll::Ready(Ok(())),
                Line::Connecting(step) => {
                    let connection = ready!(step.as_mut().poll(cx))?;
                    self.attempt.counters().opened.add(1);
                    connection
                }
                Line::Securing(step) => {
                    let connection = ready!(step.as_mut().poll(cx))?;
                    self.attempt.count_handshake(&connection);
                    connection
                }
            };
            let (now, timeouts) = (Instant::now(), &self.deadlines.timeouts);
            let (line, due, cause) = match self.dial.take() {
                Some(dial) => {
                    let securing = Box::pin(secured(core.clone(), connection, dial));
                    (Line::Securing(securing), now + timeouts.tls, Cause::TlsTimeout)
                }
                None => {
                    let exchange = Exchange::new(connection, false);
                    (Line::Waiting(exchange), now + timeouts.head, Cause::HeadTimeout)
                }
            };
            self.line = line;
            self.due = self.deadlines.first(due, cause);
        }
    }

    /// Moves on; ready when the final head stands in the input. Interim ones are not relayed: another may win.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        core: &Rc<Core>,
        down: &mut Downstream,
        method: Method,
        limits: &HeadLimits,
    ) -> Poll<Result<(), (Failure, Class)>> {
        if let Err(failure) = ready!(self.poll_line(cx, core)) {
            return Poll::Ready(Err((failure, Class::NotSent)));
        }
        let Line::Waiting(exchange) = &mut self.line else { return Poll::Pending };
        let mut outgoing = Outgoing { request: &mut self.sending, head: &self.head };
        let sent = exchange.poll_send(cx, core, down, &mut outgoing);
        let heard = match sent {
            Poll::Ready(Err(failure)) => Err(failure),
            Poll::Ready(Ok(())) | Poll::Pending => loop {
                let mut reading = Reading { response: &mut self.response, method, limits };
                match exchange.poll_head(cx, core, &mut reading) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(failure)) => break Err(failure),
                    Poll::Ready(Ok(())) => {}
                }
                match self.response.status {
                    // Nobody who asks for an upgrade comes here.
                    101 => break Err(Failure::because(Cause::UpgradeFailed, "unsolicited_101")),
                    ..200 => match self.interim_left.checked_sub(1) {
                        Some(left) => self.interim_left = left,
                        None => break Err(Failure::because(Cause::BadHead, "too_many_interim_responses")),
                    },
                    _ => break exchange.check_body(&self.response),
                }
                exchange.pass_interim(self.response.length, core);
                self.response.clear();
            },
        };
        Poll::Ready(heard.map_err(|failure| (failure, exchange.reached(&self.sending).class())))
    }
}
