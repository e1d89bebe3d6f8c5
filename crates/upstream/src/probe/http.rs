//! An HTTP probe: a request whose answer decides, over the connection of the last probe if it still stands.

use std::ops::RangeInclusive;
use std::time::Instant;

use evenkeel_health::{HttpProbe, ProbeResult};
use evenkeel_http1::{HeadWriter, Method, ResponseHead};
use evenkeel_model::{Cause, ProbeFailure};
use memchr::memmem;

use super::answer::{Answer, NoHead};
use super::kept::Kept;
use super::{Asked, Prober, Verdict, drain, fresh, tcp};
use crate::Socket;

const USER_AGENT: &str = concat!("evenkeel/", env!("CARGO_PKG_VERSION"), " (probe)");

const TOO_MANY_REQUESTS: u16 = 429;
const REQUEST_TIMEOUT: ProbeResult = ProbeResult::Failed(ProbeFailure::Status(408));

/// Asks and judges. `waiting` is what a timeout would mean.
pub(super) async fn ask(
    prober: &Prober,
    asked: &Asked<'_>,
    probe: &HttpProbe,
    waiting: &mut Cause,
) -> Result<Verdict, ProbeFailure> {
    let kept = &*prober.kept;
    let exchange = Exchange { kept, asked, probe, request: request(probe, asked.host) };
    if let Some(socket) = kept.take(asked, Instant::now()) {
        match exchange.run(socket, waiting).await {
            // What is said to a connection that was idle for too long is no answer (RFC 9110, 15.5.9).
            Ok(Verdict { result: REQUEST_TIMEOUT, .. }) | Err(Broken::Stale) => {}
            Ok(verdict) => return Ok(verdict),
            Err(Broken::Answer(failure)) => return Err(failure),
        }
    }
    let socket = fresh(asked.endpoints, asked.dial(), &prober.turnstile, waiting).await?;
    exchange.run(socket, waiting).await.map_err(|broken| match broken {
        Broken::Stale => ProbeFailure::Failed(Cause::ClosedBeforeResponse),
        Broken::Answer(failure) => failure,
    })
}

/// One request and where its answer goes.
struct Exchange<'a> {
    kept: &'a Kept,
    asked: &'a Asked<'a>,
    probe: &'a HttpProbe,
    request: Vec<u8>,
}

/// Why there is no verdict.
enum Broken {
    /// The connection ended before any byte of an answer: that says nothing if it had been idle.
    Stale,
    /// The answer is no good.
    Answer(ProbeFailure),
}

impl Exchange<'_> {
    async fn run(&self, socket: Socket, waiting: &mut Cause) -> Result<Verdict, Broken> {
        let mut answer = Answer::over(socket);
        *waiting = Cause::HeadTimeout;
        // Who closes while it is written to may have said why.
        let _ = tcp::send(answer.socket(), &self.request).await;
        let (mut head, method) = (ResponseHead::default(), Method::of(self.probe.method.as_bytes()));
        let bytes = answer.read_head(&mut head, method).await.map_err(|none| match none {
            NoHead::Closed => Broken::Stale,
            NoHead::Failed(failure) => Broken::Answer(failure),
        })?;
        let drain = drain::asked(&head.fields, bytes);
        let result = match self.judge(head.status) {
            // Nothing in the body could change that.
            result @ ProbeResult::Failed(_) => result,
            result @ (ProbeResult::Passed | ProbeResult::Drains | ProbeResult::TooOften) => {
                *waiting = Cause::BodyIdleTimeout;
                let heard = self.hear(answer, &head, result).await;
                heard.map_or_else(ProbeResult::Failed, |()| result)
            }
        };
        Ok(Verdict { result, drain })
    }

    fn judge(&self, status: u16) -> ProbeResult {
        if holds(&self.probe.drain_statuses, status) {
            ProbeResult::Drains
        } else if holds(&self.probe.statuses, status) {
            ProbeResult::Passed
        } else if status == TOO_MANY_REQUESTS {
            ProbeResult::TooOften
        } else {
            ProbeResult::Failed(ProbeFailure::Status(status))
        }
    }

    /// Reads the body, judges it if that is wanted, and keeps the connection if it is fit for more.
    async fn hear(
        &self,
        mut answer: Answer,
        head: &ResponseHead,
        result: ProbeResult,
    ) -> Result<(), ProbeFailure> {
        let wanted = self.probe.body.as_deref().filter(|_| result == ProbeResult::Passed);
        let mut text = wanted.map(|_| Vec::new());
        let is_whole = answer.read_body(head.body, text.as_mut()).await?;
        match answer.into_socket() {
            Some(socket) if is_whole && head.keep_alive => self.kept.park(self.asked, socket, Instant::now()),
            Some(mut socket) => socket.take_leave(),
            None => {}
        }
        match (wanted, text) {
            (Some(wanted), Some(text)) if memmem::find(&text, wanted.as_bytes()).is_none() => {
                Err(ProbeFailure::Body)
            }
            (Some(_) | None, _) => Ok(()),
        }
    }
}

fn holds(ranges: &[RangeInclusive<u16>], status: u16) -> bool {
    ranges.iter().any(|range| range.contains(&status))
}

fn request(probe: &HttpProbe, host: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let mut head = HeadWriter::request(&mut bytes, probe.method.as_bytes(), probe.path.as_bytes());
    head.field(b"Host", probe.host.as_deref().unwrap_or(host).as_bytes());
    if !probe.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("User-Agent")) {
        head.field(b"User-Agent", USER_AGENT.as_bytes());
    }
    for (name, value) in &probe.headers {
        head.field(name.as_bytes(), value.as_bytes());
    }
    // Those who expect a body are told that there is none (RFC 9110, 8.6).
    if let Method::Post | Method::Put | Method::Patch = Method::of(probe.method.as_bytes()) {
        head.number(b"Content-Length", 0);
    }
    head.finish();
    bytes
}
