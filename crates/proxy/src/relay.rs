//! The answer on its way to the client, with what is left of the request still going the other way.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

use evenkeel_http1::BadBody;
use evenkeel_model::{Cause, Limit};

use crate::attempt::Failure;
use crate::core::Core;
use crate::deadline::Deadlines;
use crate::downstream::Downstream;
use crate::exchange::{Exchange, Outgoing};
use crate::flow::{Ends, Flow, FlowError, Waiting};

/// Relays the answer to its last byte.
pub(crate) async fn relay(
    core: &Core,
    down: &mut Downstream,
    exchange: &mut Exchange,
    answer: &mut Flow,
    head: &[u8],
    mut outgoing: Outgoing<'_>,
    deadlines: &Deadlines,
) -> Result<(), Failure> {
    let mut timed = None;
    let relayed = poll_fn(|cx| {
        let ends = &mut Ends {
            source: &mut exchange.connection.socket,
            input: &mut exchange.input,
            sink: &mut down.socket,
            head,
            buffers: &core.buffers,
        };
        if let Poll::Ready(result) = answer.poll(cx, ends) {
            return Poll::Ready(result.map_err(|error| failure_of(&error)));
        }
        // The answer has begun: what becomes of the rest of the request no longer changes it.
        let sent = exchange.poll_send(cx, core, down, &mut outgoing);
        if matches!(sent, Poll::Ready(Err(_))) {
            return Poll::Ready(Err(Cause::ClientAbort.into()));
        }
        let waiting = answer.waiting();
        let is_client_slow = waiting == Waiting::Sink || exchange.waits_for_client(outgoing.request);
        if waiting == Waiting::Source && !is_client_slow && down.poll_gone(cx, core) {
            return Poll::Ready(Err(Cause::ClientAbort.into()));
        }
        let flushed = down.socket.flushed() + exchange.connection.socket.flushed();
        let progress = answer.written() + outgoing.request.written() + flushed;
        if timed != Some((is_client_slow, progress)) {
            let now = Instant::now();
            let longest = match is_client_slow {
                false => deadlines.timeouts.body_idle,
                true => down.client.listener.rule.timeouts.body_idle,
            };
            down.alarm.set(now + longest, now);
            timed = Some((is_client_slow, progress));
        }
        match (down.alarm.poll_passed(cx), is_client_slow) {
            (false, _) => Poll::Pending,
            (true, false) => Poll::Ready(Err(Cause::BodyIdleTimeout.into())),
            (true, true) => {
                down.client.reached(Limit::BodyIdle);
                Poll::Ready(Err(Cause::SlowClient.into()))
            }
        }
    });
    let relayed = relayed.await;
    if timed.is_some() {
        down.alarm.clear();
    }
    relayed
}

pub(crate) fn failure_of(error: &FlowError) -> Failure {
    match error {
        FlowError::Read(Some(tls)) => Failure { cause: Cause::BodyTruncated, ..(*tls).into() },
        FlowError::Read(None) | FlowError::Body(BadBody::Truncated) => Cause::BodyTruncated.into(),
        FlowError::Cut => Cause::TlsTruncated.into(),
        FlowError::Body(bad) => Failure::because(Cause::BadChunk, bad.token()),
        FlowError::TooLarge => Cause::BadChunk.into(),
        FlowError::Write => Cause::ClientAbort.into(),
    }
}
