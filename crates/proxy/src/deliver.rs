//! A backend's answer on its way to the client, and what becomes of both connections after it.

use evenkeel_http1::{BodyKind, Version};
use evenkeel_model::{Cause, Outcome};

use crate::answer::After;
use crate::attempts::Ready;
use crate::core::Core;
use crate::downstream::Downstream;
use crate::exchange::Outgoing;
use crate::flow::{Coding, Flow};
use crate::headers::{self, ToClient};
use crate::relay::relay;
use crate::request::Request;
use crate::scratch::Scratch;
use crate::tunnel::tunnel;

/// Forwards the answer; from here on nothing is retried.
pub(crate) async fn deliver(
    core: &Core,
    down: &mut Downstream,
    request: &mut Request,
    mut ready: Ready,
) -> After {
    if request.heads().response.status == 101 {
        return upgrade(core, down, request, ready).await;
    }
    let Ready { exchange, sending, deadlines, .. } = &mut ready;
    let way = way_to_client(down, request, sending.is_done());
    let Scratch { response, to_client, to_backend, .. } = request.scratch();
    headers::to_client(core, response, exchange.input.filled(), way, to_client);
    let head_bytes = response.length as u64;
    exchange.consume(response.length, core);
    down.has_answered = true;
    let mut answer = Flow::new(to_client.len(), response.body, way.coding, u64::MAX);
    let outgoing = Outgoing { request: sending, head: to_backend };
    let relayed = relay(core, down, exchange, &mut answer, to_client, outgoing, deadlines).await;

    let is_until_close = response.body == BodyKind::UntilClose;
    let is_reusable = response.keep_alive && !is_until_close;
    request.bytes_in = sending.moved();
    request.bytes_out = answer.moved();
    let now = request.read_clock();
    let Some(attempt) = &mut request.attempt else { return After::Abort };
    attempt.counters().bytes_out.add(sending.written());
    attempt.counters().bytes_in.add(head_bytes + answer.moved());
    if let Err(cause) = relayed {
        attempt.fail(cause);
        request.cause = Some(cause);
        if is_until_close && way.coding == Coding::Identity {
            // Only the close ends this body, and a clean close would make half of it look whole.
            down.socket.reset_on_close();
        }
        return After::Abort;
    }
    attempt.settle(Outcome::Success);
    let is_sent = sending.is_done();
    if is_reusable && is_sent && exchange.input.is_empty() {
        ready.exchange.connection.requests += 1;
        let (most, gauge) = (ready.connections.idle_per_backend, &attempt.counters().idle);
        ready.idle.park(ready.exchange.connection, most, now, gauge);
    }
    match (way.keep_alive, is_sent) {
        (true, _) => After::KeepAlive,
        (false, true) => After::Close,
        (false, false) => After::Linger,
    }
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
    ToClient { coding, keep_alive, client }
}

/// Opens the tunnel that the backend granted.
async fn upgrade(core: &Core, down: &mut Downstream, request: &mut Request, ready: Ready) -> After {
    let mut exchange = ready.exchange;
    let Scratch { response, to_client, .. } = request.scratch();
    headers::interim(response, exchange.input.filled(), to_client);
    exchange.consume(response.length, core);
    down.has_answered = true;
    let head = std::mem::take(to_client);
    if down.write_all(&head).await.is_err() {
        request.cause = Some(Cause::ClientAbort);
        return After::Abort;
    }
    drop((ready.sending, ready.idle));
    let moved = tunnel(core, down, &mut exchange).await;
    request.read_clock();
    request.bytes_in = moved.from_client;
    request.bytes_out = moved.to_client;
    After::Close
}
