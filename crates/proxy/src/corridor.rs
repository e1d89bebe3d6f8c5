//! The one place where the steps of a request meet: route, attempts, answer.

use std::rc::Rc;

use evenkeel_http1::{BodyKind, Known, Method};
use evenkeel_model::{Cause, Limit, StatusClass};
use evenkeel_routing::Underscores;

use crate::ambiguous::is_ambiguous;
use crate::answer::{self, After, MISDIRECTED};
use crate::attempt::Failure;
use crate::attempts::attempts;
use crate::core::{Core, CoreView};
use crate::deliver::{self, deliver};
use crate::downstream::Downstream;
use crate::headers::{self, ToBackend};
use crate::redirect;
use crate::request::Request;
use crate::scratch::Scratch;

/// Walks one request to its end.
pub(crate) async fn walk(core: &Rc<Core>, down: &mut Downstream, request: &mut Request) -> After {
    let view = core.view();
    let is_trusted = down.client.sender.is_trusted(&view.snapshot.forwarding);
    headers::note_request_id(core, request.scratch(), is_trusted);
    request.attempts_before = headers::attempts_before(request.heads(), is_trusted);
    match admit(&view, down, request, is_trusted) {
        Ok(Admission::Forward) => {}
        Ok(Admission::Options) => {
            let keep_alive = goes_on(down, request);
            return answer::options(down, request, keep_alive).await;
        }
        Ok(Admission::Redirect(port)) => {
            let keep_alive = goes_on(down, request);
            return redirect::answer(down, request, port, keep_alive).await;
        }
        Err(failure) => {
            let keep_alive = goes_on(down, request);
            return answer::failure(down, request, failure, keep_alive).await;
        }
    }
    let unnamed = request.heads().request.authority.is_empty().then(|| down.socket.local_authority());
    let way = ToBackend {
        client: &down.client,
        is_trusted,
        via: view.via.as_ref(),
        unnamed: unnamed.as_deref(),
        host: view.snapshot.pools[request.route().pool].rule.host.as_deref(),
        number: request.attempts_before.saturating_add(1),
    };
    headers::to_backend(request.scratch(), way);
    // A long answer holds its backend and the clocks, but no snapshot.
    let failure = match attempts(core, &view, down, request).await {
        Ok(ready) if request.heads().response.status == 101 => {
            count_answer(core, &view, request);
            drop(view);
            return deliver::upgrade(core, down, request, ready).await;
        }
        Ok(mut ready) => match deliver::prepare(core, down, request, &mut ready) {
            Ok(delivery) => {
                count_answer(core, &view, request);
                drop(view);
                return deliver(core, down, request, ready, delivery).await;
            }
            Err(failure) => failure,
        },
        Err(failure) => failure,
    };
    count_failure(core, &view, request, failure);
    drop(view);
    let keep_alive = goes_on(down, request);
    answer::failure(down, request, failure, keep_alive).await
}

/// What becomes of a request that is let in.
enum Admission {
    /// A backend gets it.
    Forward,
    /// It asks what evenkeel itself can do.
    Options,
    /// It belongs to this port, over HTTPS.
    Redirect(u16),
}

/// Checks what the listener allows, and finds the route.
fn admit(
    view: &CoreView,
    down: &Downstream,
    request: &mut Request,
    is_trusted: bool,
) -> Result<Admission, Failure> {
    #[cfg(test)]
    assert!(!request.heads().head.starts_with(b"GET /panic "), "a test wants this request to panic");
    let heads = request.heads();
    let rule = &down.client.listener.rule;
    if let Some(port) = rule.redirect_to_https
        && !headers::came_by_https(heads, is_trusted)
    {
        return match heads.request.method == Method::Options && is_for_evenkeel(heads)? {
            true => Ok(Admission::Options),
            false => redirect::check(heads).map(|()| Admission::Redirect(port)),
        };
    }
    let most = rule.limits.body_bytes;
    if matches!(heads.request.body, BodyKind::Length(length) if most > 0 && length > most) {
        down.client.reached(Limit::BodyBytes);
        return Err(Failure::of_client(413, "body_too_large"));
    }
    if heads.request.underscored > 0 {
        match rule.underscores {
            Underscores::Drop => down.client.counters().dropped_fields.add(heads.request.underscored.into()),
            Underscores::Pass => {}
            Underscores::Refuse => return Err(Failure::of_client(400, "underscored_field_name")),
        }
    }
    if heads.request.method == Method::Options && is_for_evenkeel(heads)? {
        return Ok(Admission::Options);
    }
    let host = heads.request.authority.of(&heads.head);
    if let Some(secure) = &down.client.secure
        && !is_trusted
        && !secure.serves(host)
    {
        return Err(Failure { status: Some(421), ..Failure::because(Cause::NoRoute, MISDIRECTED) });
    }
    let path = heads.request.path_without_query(&heads.head);
    if rule.refuse_ambiguous_paths && is_ambiguous(path) {
        return Err(Failure::of_client(400, "ambiguous_path"));
    }
    let route = view.snapshot.router.find(host, path).ok_or(Cause::NoRoute)?;
    request.route = Some(route.clone());
    Ok(Admission::Forward)
}

/// Whether an OPTIONS asks about the server as a whole, or may be forwarded no further (RFC 9110, sections 9.3.7
/// and 7.6.2).
#[cold]
fn is_for_evenkeel(heads: &Scratch) -> Result<bool, Failure> {
    let bad = || Failure::of_client(400, "bad_max_forwards");
    let Scratch { request, head, .. } = heads;
    let mut limits = request.fields.iter().filter(|field| field.known == Known::MaxForwards);
    let hops = match (limits.next(), limits.next()) {
        (None, _) => None,
        (Some(only), None) => Some(headers::hops(only.value.of(head)).ok_or_else(bad)?),
        (Some(_), Some(_)) => return Err(bad()),
    };
    let is_of_server = request.path.of(head) == b"*" || request.path_prefix(head) == b"*";
    Ok(is_of_server || hops == Some(0))
}

/// Whether the connection may go on after an answer of evenkeel's own: not with half a request still to come.
fn goes_on(down: &Downstream, request: &Request) -> bool {
    request.heads().request.keep_alive && !request.has_body() && down.may_go_on(request.now)
}

/// Counts a backend's answer that is about to be forwarded, and decides what that says about others.
fn count_answer(core: &Core, view: &CoreView, request: &mut Request) {
    let (Some(route), Some(attempt)) = (&request.route, &request.attempt) else { return };
    let status = request.heads().response.status;
    let took = request.now.saturating_duration_since(attempt.picked);
    let pool = &view.snapshot.pools[route.pool];
    let counters = &pool.counters[core.index];
    counters.responses[StatusClass::of(status).index()].add(1);
    counters.latency.record(took);
    attempt.count_head(status, request.now);
    // Of a request with a body, the client may be what takes the time.
    if request.is_safe() {
        route.counters[core.index].pace.record(took);
    }
    request.decide(&pool.suspicion);
}

fn count_failure(core: &Core, view: &CoreView, request: &mut Request, failure: Failure) {
    request.give_up();
    let Some(route) = &request.route else { return };
    let pool = &view.snapshot.pools[route.pool].counters[core.index];
    pool.failed[failure.cause as usize].add(1);
    if failure.cause != Cause::ClientAbort {
        let status = failure.status.unwrap_or(failure.cause.facts().status);
        pool.responses[StatusClass::of(status).index()].add(1);
    }
}

#[cfg(test)]
mod tests;
