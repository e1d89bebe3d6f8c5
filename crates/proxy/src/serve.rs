//! One client's connection, request by request.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use evenkeel_model::Cause;

use crate::answer::{self, After};
use crate::core::Core;
use crate::corridor::walk;
use crate::downstream::{Arrival, Downstream};
use crate::request::Request;

/// Serves a connection to its end.
pub(crate) async fn serve(core: &Rc<Core>, down: &mut Downstream) {
    loop {
        let after = match down.arrival(core).await {
            Arrival::Nothing => return,
            Arrival::Request(mut request) => {
                let after = guarded_walk(core, down, &mut request).await;
                down.since = request.now;
                after
            }
            Arrival::Refused(mut request, refusal) => answer::refusal(down, &mut request, refusal).await,
            Arrival::TooSlow(mut request) => answer::too_slow(down, &mut request).await,
        };
        match after {
            After::KeepAlive => {}
            After::Close => return down.leave().await,
            After::Abort => return,
            After::Linger => return down.linger(core).await,
        }
    }
}

/// A panic in the corridor is a bug of ours: it ends this connection, and nobody else notices.
async fn guarded_walk(core: &Rc<Core>, down: &mut Downstream, request: &mut Request) -> After {
    let walked = {
        let mut walking = pin!(walk(core, down, request));
        poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| walking.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        })
        .await
    };
    match walked {
        Ok(after) => after,
        Err(_) => {
            request.client.counters().panics.add(1);
            if down.has_answered {
                request.cause = Some(Cause::Internal);
                down.socket.reset_on_close();
                return After::Abort;
            }
            answer::failure(down, request, Cause::Internal.into(), false).await
        }
    }
}
