//! The connection of an attempt: an idle one if one is fit, else a fresh one, in time.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use evenkeel_model::{Cause, Endpoint, NameFailure};
use evenkeel_routing::{Connections, Member};
use evenkeel_tls::Dial;
use evenkeel_upstream::{Connection, Idle, Keeping, Taken, connect, secure};

use crate::attempt::{Attempt, Failure};
use crate::core::Core;
use crate::deadline::Deadlines;
use crate::downstream::Downstream;
use crate::exchange::Exchange;

/// What a connection is wanted for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// No idle connection will do.
    pub(crate) is_fresh: bool,
    /// The request cannot be repeated: worth a system call to see that an idle connection still stands.
    pub(crate) is_delicate: bool,
}

/// An idle connection of this core, if one is fit.
pub(crate) fn reuse(
    attempt: &Attempt,
    idle: &Idle,
    rule: Connections,
    wanted: Wanted,
    now: Instant,
) -> Option<Taken> {
    if wanted.is_fresh || attempt.needs_fresh_connection() {
        return None;
    }
    let counters = attempt.counters();
    let limit = &attempt.backend().idle_limit;
    let keeping = Keeping { longest: rule.idle, limit, gauge: &counters.idle };
    let taken = idle.take(keeping, wanted.is_delicate, now)?;
    counters.reused.add(1);
    Some(taken)
}

/// Makes a connection, unless the client leaves first.
pub(crate) async fn fresh(
    core: &Rc<Core>,
    down: &mut Downstream,
    attempt: &Attempt,
    member: &Member,
    deadlines: &Deadlines,
    now: Instant,
) -> Result<Exchange, Failure> {
    let due = deadlines.first(now + deadlines.timeouts.connect, Cause::ConnectTimeout);
    let opening = pin!(open(&member.endpoints, member.unresolved, now));
    let mut connection = in_time(core, down, opening, due, now).await?;
    attempt.counters().opened.add(1);
    if let Some(dial) = &member.tls {
        let now = Instant::now();
        let due = deadlines.first(now + deadlines.timeouts.tls, Cause::TlsTimeout);
        // Boxed, so that those in cleartext need no room for it.
        let mut securing = Box::pin(secured(core.clone(), connection, dial.clone()));
        connection = in_time(core, down, securing.as_mut(), due, now).await?;
        attempt.count_handshake(&connection);
    }
    Ok(Exchange::new(connection, false))
}

/// Waits for a step towards a connection, until its time is up or the client has left.
async fn in_time(
    core: &Core,
    down: &mut Downstream,
    mut step: Pin<&mut impl Future<Output = Result<Connection, Failure>>>,
    (due, cause): (Instant, Cause),
    now: Instant,
) -> Result<Connection, Failure> {
    let mut is_timed = false;
    // Dropped at any point, it closes what it has opened.
    let done = poll_fn(|cx| {
        if let Poll::Ready(done) = step.as_mut().poll(cx) {
            return Poll::Ready(done);
        }
        if down.poll_gone(cx, core) {
            return Poll::Ready(Err(Cause::ClientAbort.into()));
        }
        if !is_timed {
            is_timed = true;
            down.alarm.set(due, now);
        }
        match down.alarm.poll_passed(cx) {
            true => Poll::Ready(Err(cause.into())),
            false => Poll::Pending,
        }
    });
    let done = done.await;
    if is_timed {
        down.alarm.clear();
    }
    done
}

/// Connects to the first endpoint that answers, unless the name has none. Has no deadline of its own: the caller drops it.
pub(crate) async fn open(
    endpoints: &[Endpoint],
    unresolved: Option<NameFailure>,
    now: Instant,
) -> Result<Connection, Failure> {
    if endpoints.is_empty() {
        return Err(unresolved.unwrap_or(Cause::DnsFailed.into()).into());
    }
    connect(endpoints, now).await.map_err(Failure::from)
}

/// Speaks TLS over a new connection, each step in its turn. Has no deadline of its own, either.
pub(crate) async fn secured(
    core: Rc<Core>,
    connection: Connection,
    dial: Arc<Dial>,
) -> Result<Connection, Failure> {
    let Connection { socket, opened, requests } = connection;
    let socket = secure(socket, &dial, || core.dialling.turn()).await?;
    Ok(Connection { socket, opened, requests })
}
