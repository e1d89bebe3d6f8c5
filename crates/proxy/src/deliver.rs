//! A backend's answer on its way to the client, and what becomes of both connections after it.

use evenkeel_http1::{BodyDecoder, BodyKind, Version};
use evenkeel_model::{Cause, Class};
use evenkeel_routing::Connections;
use evenkeel_upstream::Connection;

use crate::answer::After;
use crate::attempt::{Attempt, Failure};
use crate::attempts::Ready;
use crate::contact::Contact;
use crate::core::Core;
use crate::downstream::Downstream;
use crate::exchange::{Exchange, Outgoing};
use crate::flow::{Coding, Flow};
use crate::headers::{self, ToClient};
use crate::journey::Journey;
use crate::proxy_status;
use crate::relay::{self, relay};
use crate::request::Request;
use crate::scratch::Scratch;
use crate::tunnel::tunnel;

/// An answer whose head is written, and the first of its body decoded; nothing of it was forwarded yet.
pub(crate) struct Delivery {
    way: ToClient,
    answer: Flow,
    head_bytes: u64,
}

/// Writes the head for the client. Fails if the body is known to be wrong from the start.
pub(crate) fn prepare(
    core: &Core,
    down: &Downstream,
    request: &mut Request,
    ready: &mut Ready,
) -> Result<Delivery, Failure> {
    let Ready { exchange, sending, .. } = ready;
    let way = way_to_client(down, request, sending.is_done());
    let status = request.heads().response.status;
    let proxy_status = (status >= 500).then(|| proxy_status::of_relayed(request, status));
    let added = (proxy_status.as_deref(), down.client.hsts());
    let Scratch { response, to_client, .. } = request.scratch();
    headers::to_client(core, response, exchange.input.filled(), way, added, to_client);
    let head_bytes = response.length as u64;
    let mut body = BodyDecoder::new(response.body);
    if response.nominates {
        body = body.dropping(response.nominated(exchange.input.filled()));
    }
    exchange.consume(response.length, core);
    let mut answer = Flow::new(to_client.len(), body, way.coding, u64::MAX);
    if let Err(error) = answer.begin(&mut exchange.input, &core.buffers) {
        let failure = relay::failure_of(&error);
        request.fail(failure, Class::Answered);
        return Err(failure);
    }
    Ok(Delivery { way, answer, head_bytes })
}

/// Forwards the answer; from here on nothing is retried.
pub(crate) async fn deliver(
    core: &Core,
    down: &mut Downstream,
    request: &mut Request,
    mut ready: Ready,
    delivery: Delivery,
) -> After {
    let Delivery { way, mut answer, head_bytes } = delivery;
    let Ready { exchange, sending, deadlines, .. } = &mut ready;
    request.answered(request.heads().response.status);
    if matches!(request.heads().response.body, BodyKind::Chunked | BodyKind::UntilClose) {
        // It may go on for as long as its client likes, and a trial cannot wait for that.
        request.attempt.iter_mut().for_each(Attempt::pass_trial);
    }
    let Scratch { to_client, to_backend: sent_head, .. } = request.scratch();
    answer.inline(to_client, &mut exchange.input, &core.buffers);
    down.has_answered = true;
    if way.only_close_ends_it {
        // Cut anywhere, half of this body would look whole, unless the close is a reset.
        down.socket.reset_on_close();
    }
    let outgoing = Outgoing { request: sending, head: sent_head };
    let relayed = relay(core, down, exchange, &mut answer, to_client, outgoing, deadlines).await;

    request.bytes_in = sending.moved();
    request.bytes_out = answer.moved();
    request.read_clock();
    let is_sent = sending.is_done();
    let is_reusable = is_sent && exchange.input.is_empty() && leaves_nothing_behind(request);
    let Some(attempt) = &mut request.attempt else { return After::Abort };
    attempt.counters().bytes_out.add(sending.written());
    attempt.counters().bytes_in.add(head_bytes + answer.moved());
    if let Err(failure) = relayed {
        request.fail(failure, Class::Forwarded);
        (request.cause, request.detail) = (Some(failure.cause), failure.detail);
        return After::Abort;
    }
    attempt.succeed();
    match is_reusable {
        true => park(request, &ready.contact, ready.exchange.connection, ready.connections),
        false => ready.exchange.connection.socket.take_leave(),
    }
    if way.only_close_ends_it {
        down.socket.end_on_close();
    }
    match way.keep_alive {
        true => After::KeepAlive,
        // A client that did not ask for the close may be sending its next request.
        false if !is_sent || request.heads().request.keep_alive || !down.input.is_empty() => After::Linger,
        false => After::Close,
    }
}

/// Keeps the connection of an answer that no client gets, if all of it is there.
pub(crate) fn keep_unread(journey: &Journey<'_>, request: &Request, mut exchange: Exchange, sending: &Flow) {
    let response = &request.heads().response;
    let is_whole = match response.body {
        BodyKind::None => exchange.input.len() == response.length,
        BodyKind::Length(length) => (exchange.input.len() - response.length) as u64 == length,
        BodyKind::Chunked | BodyKind::UntilClose => false,
    };
    let Some(attempt) = &request.attempt else { return };
    if is_whole && sending.is_done() && leaves_nothing_behind(request) {
        exchange.input.clear(&journey.core.buffers);
        park(request, journey.contact(attempt), exchange.connection, journey.pool.rule.connections);
    }
}

/// Keeps a connection that is clean, unless the backend is held or says that it does not keep it; if it says for how
/// long it does, that is noted.
#[inline]
fn park(request: &Request, contact: &Contact, mut connection: Connection, rule: Connections) {
    let announced = request.heads().response.keep_alive_timeout;
    let is_kept = !contact.is_held() && announced != Some(0);
    let Some(attempt) = request.attempt.as_ref().filter(|_| is_kept) else {
        return connection.socket.take_leave();
    };
    if let Some(seconds) = announced {
        attempt.backend().idle_limit.announce(seconds);
    }
    connection.requests += 1;
    let (most, gauge) = (rule.idle_per_backend, &attempt.counters().idle);
    contact.idle.park(connection, announced.is_some(), most, request.now, gauge);
}

/// Whether the backend's connection is clean after this answer. One that announces a body which never follows by
/// rule (RFC 9110, section 6.4.1) is not trusted: a backend that sends it all the same would answer the next request
/// with it.
fn leaves_nothing_behind(request: &Request) -> bool {
    let response = &request.heads().response;
    let announces_body = match response.announced {
        BodyKind::Chunked => true,
        BodyKind::Length(length) => length > 0 && response.status != 304,
        BodyKind::None | BodyKind::UntilClose => false,
    };
    let is_clean = match response.body {
        BodyKind::None => !announces_body,
        BodyKind::Length(_) | BodyKind::Chunked => true,
        BodyKind::UntilClose => false,
    };
    is_clean && response.keep_alive
}

fn way_to_client(down: &Downstream, request: &Request, is_sent: bool) -> ToClient {
    let heads = request.heads();
    let client = heads.request.version;
    let coding = match (heads.response.body, client) {
        (BodyKind::None | BodyKind::Length(_), _) => Coding::Identity,
        (BodyKind::Chunked | BodyKind::UntilClose, Version::Http11) => Coding::Chunked,
        (BodyKind::Chunked | BodyKind::UntilClose, Version::Http10) => Coding::Identity,
    };
    let is_framed =
        coding == Coding::Chunked || matches!(heads.response.body, BodyKind::None | BodyKind::Length(_));
    let keep_alive = heads.request.keep_alive && is_framed && is_sent && down.may_go_on(request.now);
    ToClient { coding, keep_alive, client, only_close_ends_it: !is_framed }
}

/// Opens the tunnel that the backend granted.
pub(crate) async fn upgrade(
    core: &Core,
    down: &mut Downstream,
    request: &mut Request,
    ready: Ready,
) -> After {
    let mut exchange = ready.exchange;
    let Scratch { response, to_client, .. } = request.scratch();
    headers::interim(response, exchange.input.filled(), to_client);
    exchange.consume(response.length, core);
    let head = std::mem::take(to_client);
    request.answered(101);
    if let Some(attempt) = &mut request.attempt {
        attempt.succeed_at_once();
    }
    down.has_answered = true;
    if down.write_all(&head).await.is_err() {
        request.cause = Some(Cause::ClientAbort);
        return After::Abort;
    }
    drop((ready.sending, ready.contact));
    let moved = tunnel(core, down, &mut exchange).await;
    request.read_clock();
    request.bytes_in = moved.from_client;
    request.bytes_out = moved.to_client;
    match moved.is_whole {
        true => After::Close,
        false => After::Abort,
    }
}
