//! One attempt, from its connection to its response head; interim heads are relayed on the way.

use std::time::Instant;

use evenkeel_http1::Version;
use evenkeel_model::{Cause, Class, Limit};
use evenkeel_routing::YOUNGEST;

use crate::attempt::{Attempt, Failure};
use crate::connecting::{self, Wanted};
use crate::downstream::Downstream;
use crate::exchange::{Exchange, Heard, Outgoing, Reading};
use crate::flow::Flow;
use crate::headers;
use crate::journey::{Journey, note_drain};
use crate::request::Request;
use crate::retry;
use crate::scratch::Scratch;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What an attempt came to.
enum Answer {
    /// The final head stands in the scratch.
    Head,
    /// None in time; this attempt is to be made beside it.
    Stalled(Attempt),
}

impl Journey<'_> {
    /// One attempt, and once more on a fresh connection if an idle one turned out stale.
    pub(crate) async fn attempt(
        &mut self,
        down: &mut Downstream,
        request: &mut Request,
        sending: &mut Flow,
    ) -> Result<Exchange, (Failure, Class)> {
        // What went wrong on an idle connection once is not tried on another one.
        let is_fresh = self.history.has_refreshed || self.history.has_repeated && !request.was_repeated();
        let is_delicate = !request.is_hideable() || request.was_repeated();
        let mut wanted = Wanted { is_fresh, is_delicate };
        loop {
            let mut exchange = match self.connect(down, request, wanted).await {
                Ok(exchange) => exchange,
                Err(failure) => return Err((failure, Class::NotSent)),
            };
            let (failure, class) = match self.hear(down, request, sending, &mut exchange).await {
                Ok(Answer::Head) => return Ok(exchange),
                // In a box of its own: it is rare, and would make every request's future larger.
                Ok(Answer::Stalled(hedge)) => {
                    return Box::pin(self.race_out(down, request, sending, exchange, hedge)).await;
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
            request.note_refresh(class);
            wanted.is_fresh = true;
            sending.rewind(request.heads().to_backend.len());
        }
    }

    /// The backend closed the connection just as the request came; later, it would be for another reason.
    fn note_stale(&self, request: &Request) {
        let is_of_now = |attempt: &&Attempt| request.now.saturating_duration_since(attempt.picked) < YOUNGEST;
        if let Some(attempt) = request.attempt.as_ref().filter(is_of_now) {
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

    /// Runs attempts side by side, and waits for the final head of the one that won.
    async fn race_out(
        &mut self,
        down: &mut Downstream,
        request: &mut Request,
        sending: &mut Flow,
        stalled: Exchange,
        hedge: Attempt,
    ) -> Result<Exchange, (Failure, Class)> {
        let mut winner = self.race(down, request, sending, stalled, hedge).await?;
        match self.hear(down, request, sending, &mut winner).await {
            Ok(_) => Ok(winner),
            Err(failure) => Err((failure, winner.reached(sending).class())),
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
            let (status, length) = (request.heads().response.status, request.heads().response.length);
            let interim = match (heard, status) {
                (Heard::Stalled, _) => {
                    request.attempt.iter_mut().for_each(|attempt| self.note_stall(attempt));
                    if let Some(hedge) = self.hedge(request, true) {
                        return Ok(Answer::Stalled(hedge));
                    }
                    deadlines.stall = self.ask_again(request);
                    continue;
                }
                (Heard::NoContinue, _) => CONTINUE,
                (Heard::Head, 101) => {
                    note_wishes(request, exchange);
                    return check_upgrade(down, request, exchange).map(|()| Answer::Head);
                }
                (Heard::Head, 408) if exchange.is_reused && is_unsolicited(request) => {
                    return Err(Cause::StaleReuse.into());
                }
                (Heard::Head, 200..) => {
                    note_wishes(request, exchange);
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
                exchange.pass_interim(length, self.core);
            }
        }
    }
}

/// An interim response as the client gets it.
fn interim<'a>(request: &'a mut Request, exchange: &Exchange) -> &'a [u8] {
    let Scratch { response, to_client, .. } = request.scratch();
    headers::interim(response, exchange.input.filled(), to_client);
    to_client
}

/// Notes what the backend wishes for itself in its final head, whatever becomes of the answer.
#[inline]
fn note_wishes(request: &Request, exchange: &Exchange) {
    if let Some(attempt) = &request.attempt {
        note_drain(attempt, &request.heads().response, exchange.input.filled(), request.now);
    }
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
