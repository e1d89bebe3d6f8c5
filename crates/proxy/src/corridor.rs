//! The one place where the steps of a request meet: route, attempts, answer.

use std::rc::Rc;

use evenkeel_http1::BodyKind;
use evenkeel_model::{Cause, StatusClass};

use crate::answer::{self, After};
use crate::attempt::Failure;
use crate::attempts::attempts;
use crate::core::{Core, CoreView};
use crate::deliver::deliver;
use crate::downstream::Downstream;
use crate::headers;
use crate::request::Request;

/// Walks one request to its end.
pub(crate) async fn walk(core: &Rc<Core>, down: &mut Downstream, request: &mut Request) -> After {
    let view = core.view();
    let is_trusted = down.client.sender.is_trusted(&view.snapshot.forwarding);
    headers::note_request_id(core, request.scratch(), is_trusted);
    if let Err(failure) = admit(&view, down, request) {
        let keep_alive = goes_on(down, request);
        return answer::failure(down, request, failure, keep_alive).await;
    }
    headers::to_backend(request.scratch(), &down.client.sender, is_trusted, view.via.as_ref());
    match attempts(core, &view, down, request).await {
        Ok(ready) => {
            // A long answer holds its backend and the clocks, but no snapshot.
            drop(view);
            deliver(core, down, request, ready).await
        }
        Err(failure) => {
            count_failure(core, &view, request, failure);
            drop(view);
            let keep_alive = goes_on(down, request);
            answer::failure(down, request, failure, keep_alive).await
        }
    }
}

/// Finds the route, and checks what the listener allows.
fn admit(view: &CoreView, down: &Downstream, request: &mut Request) -> Result<(), Failure> {
    #[cfg(test)]
    assert!(!request.heads().head.starts_with(b"GET /panic "), "a test wants this request to panic");
    let heads = request.heads();
    let most = down.client.listener.rule.limits.body_bytes;
    if matches!(heads.request.body, BodyKind::Length(length) if most > 0 && length > most) {
        return Err(Failure::of_client(413, "body_too_large"));
    }
    let host = heads.request.authority.of(&heads.head);
    let path = heads.request.path_without_query(&heads.head);
    let route = view.snapshot.router.find(host, path).ok_or(Cause::NoRoute)?;
    request.route = Some(route.clone());
    Ok(())
}

/// Whether the connection may go on after an answer of evenkeel's own: not with half a request still to come.
fn goes_on(down: &Downstream, request: &Request) -> bool {
    request.heads().request.keep_alive && !request.has_body() && down.may_go_on(request.now)
}

fn count_failure(core: &Core, view: &CoreView, request: &Request, failure: Failure) {
    let Some(route) = &request.route else { return };
    let pool = &view.snapshot.pools[route.pool].counters[core.index];
    pool.failed[failure.cause as usize].add(1);
    if failure.cause != Cause::ClientAbort {
        let status = failure.status.unwrap_or(failure.cause.facts().status);
        pool.responses[StatusClass::of(status).index()].add(1);
    }
}
