//! Attempts until a backend has answered: pick, connect, exchange, and again where that is legal.

use std::rc::Rc;

use evenkeel_http1::{BodyDecoder, BodyKind};
use evenkeel_model::{Cause, Class};
use evenkeel_routing::{Connections, Underscores};

use crate::attempt::Failure;
use crate::contact::Contact;
use crate::core::{Core, CoreView};
use crate::deadline::Deadlines;
use crate::deliver;
use crate::downstream::Downstream;
use crate::exchange::Exchange;
use crate::flow::{Coding, Flow};
use crate::headers;
use crate::journey::Journey;
use crate::request::Request;
use crate::retry::{self, Next};
use crate::verdicts::error_of;

/// A backend that has answered: the head stands in the request's scratch, its bytes in the exchange's input.
pub(crate) struct Ready {
    pub(crate) exchange: Exchange,
    pub(crate) sending: Flow,
    pub(crate) deadlines: Deadlines,
    pub(crate) contact: Rc<Contact>,
    pub(crate) connections: Connections,
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
    match answered(&mut journey, down, request, &mut sending).await {
        Ok(exchange) => Ok(journey.ready(request, exchange, sending)),
        Err(failure) => {
            request.bytes_in = sending.moved();
            Err(failure)
        }
    }
}

async fn answered(
    journey: &mut Journey<'_>,
    down: &mut Downstream,
    request: &mut Request,
    sending: &mut Flow,
) -> Result<Exchange, Failure> {
    let mut next = journey.pick(request).ok_or(Cause::NoHealthyBackend)?;
    loop {
        request.begin(next);
        let answered = journey.attempt(down, request, sending).await;
        let (failure, exchange, costs) = match answered {
            Ok(exchange) => {
                journey.note_rest(request, &exchange);
                match journey.hides(request) {
                    true => (Cause::UpstreamStatus.into(), Some(exchange), true),
                    false => return Ok(exchange),
                }
            }
            Err((failure, class)) => {
                request.fail(failure, class);
                let is_repeatable = request.is_repeatable(sending);
                match retry::next(&failure, class, is_repeatable, &mut journey.history) {
                    Next::Elsewhere { costs } => (failure, None, costs),
                    Next::GiveUp => return Err(failure),
                }
            }
        };
        request.read_clock();
        let mut picked = journey.pick_again(request, failure.cause);
        picked = picked.filter(|_| !costs || journey.spend(request));
        if picked.is_some() && journey.pause(down, request).await? {
            picked = None;
        }
        next = match (picked, exchange) {
            (Some(next), Some(exchange)) => {
                deliver::keep_unread(journey, request, exchange, sending);
                next
            }
            (Some(next), None) => next,
            // Nobody else is left: a backend's own error is better than one of ours.
            (None, Some(exchange)) => return Ok(exchange),
            (None, None) => return Err(failure),
        };
        if failure.cause == Cause::UpstreamStatus {
            hide(request);
            journey.history.has_repeated = true;
        }
        next.picked = request.now;
        try_again(journey, request, sending, failure.cause);
    }
}

/// A backend's own error counts, even if no client sees it.
fn hide(request: &mut Request) {
    let status = request.heads().response.status;
    if let Some(attempt) = &request.attempt {
        attempt.count_head(status, request.now);
    }
    request.fail(error_of(status), Class::Answered);
}

/// Gives the attempt up and makes the request ready for another one.
fn try_again(journey: &Journey<'_>, request: &mut Request, sending: &mut Flow, cause: Cause) {
    journey.counters().retries.add(1);
    request.try_again(Some(cause));
    let number = request.number().saturating_add(1);
    headers::number_attempt(request.scratch(), number);
    sending.rewind(request.heads().to_backend.len());
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
    if request.has_body() {
        if heads.request.expect_continue {
            flow.hold();
        }
        if let Some(most) = request.replay_bytes() {
            flow.keep(most);
        }
    }
    flow
}
