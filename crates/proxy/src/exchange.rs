//! One request to one backend: it is sent, and the head of the answer read, both at once.
//!
//! What was handed to the socket and what came back is the ledger on which a retry is decided.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Instant;

use evenkeel_http1::{BadResponse, BodyDecoder, BodyKind, HeadLimits, Method, ResponseHead};
use evenkeel_model::{Cause, Limit, Reached};
use evenkeel_upstream::{Connection, TlsFailure};

use crate::attempt::Failure;
use crate::core::Core;
use crate::deadline::{Deadlines, Due, Stage};
use crate::downstream::Downstream;
use crate::flow::{Ends, Flow, FlowError, Waiting};
use crate::input::{Input, LARGE};

/// A connection to a backend with a request on it.
pub(crate) struct Exchange {
    pub(crate) connection: Connection,
    pub(crate) input: Input,
    pub(crate) is_reused: bool,
    /// The request stopped on its way: the backend takes no more of it.
    has_stopped: bool,
    /// The response bytes that the parser has seen.
    parsed: usize,
    /// When the wait for the head is over, once it has begun.
    head_due: Option<Instant>,
    /// Whether an interim head came already.
    has_informed: bool,
}

/// Where the answer's head is read to, and by what.
pub(crate) struct Reading<'a> {
    pub(crate) response: &'a mut ResponseHead,
    pub(crate) method: Method,
    pub(crate) limits: &'a HeadLimits,
}

/// The request on its way, with its head.
pub(crate) struct Outgoing<'a> {
    pub(crate) request: &'a mut Flow,
    pub(crate) head: &'a [u8],
}

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A head, interim or final, stands in the response.
    Head,
    /// The backend did not say whether it wants the body.
    NoContinue,
    /// No head came within the bound; the wait may go on.
    Stalled,
}

impl Exchange {
    pub(crate) fn new(connection: Connection, is_reused: bool) -> Self {
        Exchange {
            connection,
            input: Input::default(),
            is_reused,
            has_stopped: false,
            parsed: 0,
            head_due: None,
            has_informed: false,
        }
    }

    /// How far the request came, as its bytes prove.
    pub(crate) fn reached(&self, request: &Flow) -> Reached {
        if self.has_answered() {
            Reached::Answered
        } else if request.is_untouched() && !self.connection.socket.is_within_write() {
            Reached::Ready
        } else {
            Reached::Sent
        }
    }

    /// Whether the backend still takes the request.
    pub(crate) fn is_sending(&self, request: &Flow) -> bool {
        !self.has_stopped && !request.is_done()
    }

    /// Forgets an interim head of `length` bytes. The final one has no more time for it.
    pub(crate) fn pass_interim(&mut self, length: usize, core: &Core) {
        self.has_informed = true;
        self.consume(length, core);
    }

    /// Whether any byte of an answer came.
    fn has_answered(&self) -> bool {
        self.has_informed || self.parsed > 0 || !self.input.is_empty()
    }

    /// When the wait for a head is over, by its own time-out alone; it begins `now` if it has not yet.
    #[inline]
    pub(crate) fn head_due(&mut self, now: Instant, deadlines: &Deadlines) -> Instant {
        *self.head_due.get_or_insert(now + deadlines.timeouts.head)
    }

    /// Has the next look at the answer begin with its first byte.
    pub(crate) fn read_again(&mut self) {
        self.parsed = 0;
    }

    /// Whether the body of an answer whose head stands in the input is known to be cut short or malformed, before any of
    /// it was forwarded: the backend has closed already.
    #[inline]
    pub(crate) fn check_body(&mut self, response: &ResponseHead) -> Result<(), Failure> {
        let is_open_ended = match response.body {
            BodyKind::None | BodyKind::UntilClose => return Ok(()),
            BodyKind::Length(length) => ((self.input.len() - response.length) as u64) < length,
            BodyKind::Chunked => true,
        };
        // The reactor knows of a close that came with these bytes, so this asks the kernel only then.
        match is_open_ended && self.input.has_ended(&mut self.connection.socket) {
            true => self.judge_body(response),
            false => Ok(()),
        }
    }

    #[cold]
    fn judge_body(&self, response: &ResponseHead) -> Result<(), Failure> {
        let mut body = self.input.filled()[response.length..].to_vec();
        let (mut decoder, mut rest) = (BodyDecoder::new(response.body), &mut body[..]);
        while !decoder.is_done() {
            match decoder.decode(rest) {
                Err(bad) => return Err(Failure::because(Cause::BadChunk, bad.token())),
                Ok(decoded) if decoded.consumed == 0 => return Err(Cause::BodyTruncated.into()),
                Ok(decoded) => rest = &mut rest[decoded.consumed..],
            }
        }
        Ok(())
    }

    /// Forgets `count` bytes of the answer.
    pub(crate) fn consume(&mut self, count: usize, core: &Core) {
        self.input.consume(count, &core.buffers);
        self.parsed = 0;
    }

    /// Sends what is left of the request, and waits for the next head of the answer, from `begun` on.
    pub(crate) async fn hear(
        &mut self,
        core: &Core,
        down: &mut Downstream,
        outgoing: &mut Outgoing<'_>,
        mut reading: Reading<'_>,
        deadlines: &Deadlines,
        begun: Instant,
    ) -> Result<Heard, Failure> {
        let mut timed: Option<(Stage, u64, Due)> = None;
        // What the backend takes its time for is not the client's slowness.
        let (mut charged_from, mut timed_at) = (begun, begun);
        let heard = poll_fn(|cx| {
            if let Poll::Ready(Err(failure)) = self.poll_send(cx, core, down, outgoing) {
                return Poll::Ready(Err(failure));
            }
            match self.poll_head(cx, core, &mut reading) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(Heard::Head)),
                Poll::Ready(Err(failure)) => return Poll::Ready(Err(failure)),
                Poll::Pending => {}
            }
            let request = &*outgoing.request;
            let stage = self.stage(request);
            if stage != Stage::Receiving && down.poll_gone(cx, core) {
                return Poll::Ready(Err(Cause::ClientAbort.into()));
            }
            let progress = request.written() + request.moved() + self.connection.socket.flushed();
            if !timed.is_some_and(|(at, done, _)| (at, done) == (stage, progress)) {
                let now = if timed.is_none() { begun } else { Instant::now() };
                if timed.is_some_and(|(before, ..)| before == Stage::Sending) {
                    charged_from += now.saturating_duration_since(timed_at);
                }
                timed_at = now;
                let head_due = if stage == Stage::Answer { self.head_due(now, deadlines) } else { now };
                let due = stage.due(now, head_due, charged_from, down, request, deadlines);
                match due.cause {
                    Cause::Stalled => down.alarm.set_about(due.at, now),
                    _ => down.alarm.set(due.at, now),
                }
                timed = Some((stage, progress, due));
            }
            match (down.alarm.poll_passed(cx), timed) {
                (true, Some((stage, _, due))) => Poll::Ready(stage.expired(due, down)),
                _ => Poll::Pending,
            }
        });
        let heard = heard.await;
        if timed.is_some() {
            down.alarm.clear();
        }
        heard
    }

    /// Whether the client is what a request still on its way waits for.
    pub(crate) fn waits_for_client(&self, request: &Flow) -> bool {
        self.is_sending(request) && !request.is_holding() && request.waiting() == Waiting::Source
    }

    fn stage(&self, request: &Flow) -> Stage {
        if !self.is_sending(request) {
            Stage::Answer
        } else if request.is_holding() {
            Stage::Asking
        } else {
            match request.waiting() {
                Waiting::Sink => Stage::Sending,
                Waiting::Source => Stage::Receiving,
            }
        }
    }

    /// Moves the request on. A backend that takes no more of it may have answered already, so only the client's
    /// failures end the exchange here.
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        core: &Core,
        down: &mut Downstream,
        outgoing: &mut Outgoing<'_>,
    ) -> Poll<Result<(), Failure>> {
        let Outgoing { request, head } = outgoing;
        if !self.is_sending(request) {
            return Poll::Ready(Ok(()));
        }
        let ends = &mut Ends {
            source: &mut down.socket,
            input: &mut down.input,
            sink: &mut self.connection.socket,
            head,
            buffers: &core.buffers,
        };
        let error = match request.poll(cx, ends) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
            Poll::Ready(Err(error)) => error,
        };
        Poll::Ready(match error {
            FlowError::Write => {
                self.has_stopped = true;
                Ok(())
            }
            FlowError::Read(_) | FlowError::Cut => Err(Cause::ClientAbort.into()),
            FlowError::Body(evenkeel_http1::BadBody::Truncated) => Err(Cause::ClientAbort.into()),
            FlowError::Body(bad) => Err(Failure::of_client(400, bad.token())),
            FlowError::TooLarge => {
                down.client.reached(Limit::BodyBytes);
                Err(Failure::of_client(413, "body_too_large"))
            }
        })
    }

    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        core: &Core,
        reading: &mut Reading<'_>,
    ) -> Poll<Result<(), Failure>> {
        loop {
            if self.input.len() > self.parsed {
                self.parsed = self.input.len();
                match reading.response.parse(self.input.filled_mut(), reading.method, reading.limits) {
                    Ok(true) => return Poll::Ready(Ok(())),
                    Ok(false) => {}
                    Err(BadResponse::TooLarge) => return Poll::Ready(Err(Cause::HeadTooLarge.into())),
                    Err(bad) if bad.is_too_large() => {
                        return Poll::Ready(Err(Failure::because(Cause::HeadTooLarge, bad.token())));
                    }
                    Err(bad) => return Poll::Ready(Err(Failure::because(Cause::BadHead, bad.token()))),
                }
            }
            let most = reading.limits.head_bytes + LARGE;
            match self.input.poll_fill(cx, &mut self.connection.socket, &core.buffers, most) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.closed().into())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.failed(&error))),
            }
        }
    }

    fn failed(&self, error: &io::Error) -> Failure {
        match TlsFailure::of(error) {
            Some(failure) => failure.into(),
            None if error.kind() == io::ErrorKind::TimedOut => {
                Failure::because(Cause::HeadTimeout, "tcp_user_timeout")
            }
            None => self.closed().into(),
        }
    }

    /// What an end of the connection means before the head is complete.
    fn closed(&self) -> Cause {
        match (self.has_answered(), self.is_reused) {
            (true, _) => Cause::EofInHead,
            (false, true) => Cause::StaleReuse,
            (false, false) => Cause::ClosedBeforeResponse,
        }
    }
}
