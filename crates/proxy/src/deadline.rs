//! When each wait of an exchange is over, and what that means.

use std::time::{Duration, Instant};

use evenkeel_model::{Cause, Limit};
use evenkeel_routing::Timeouts;

use crate::attempt::Failure;
use crate::downstream::Downstream;
use crate::exchange::Heard;
use crate::flow::Flow;

/// How long a request body may be slower than `limits.body_rate` on average.
const RATE_GRACE: Duration = Duration::from_secs(10);

/// The deadlines of one attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    pub(crate) timeouts: Timeouts,
    /// Of the attempt, from the pick.
    pub(crate) attempt: Option<Instant>,
    /// Of the request, over all attempts.
    pub(crate) total: Option<Instant>,
    /// Of the response head, if another attempt may then run beside this one.
    pub(crate) stall: Option<Instant>,
}

/// What an exchange is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// For the backend to take more of the request.
    Sending,
    /// For the client to send more of the request body.
    Receiving,
    /// For the backend to ask for the body.
    Asking,
    /// For the response head.
    Answer,
}

/// When a wait is over, and what that means.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) at: Instant,
    pub(crate) cause: Cause,
    /// The client's limit that it is.
    pub(crate) limit: Option<Limit>,
}

impl Deadlines {
    /// The first of the stage's own deadline, the attempt's and the request's.
    pub(crate) fn first(&self, stage: Instant, cause: Cause) -> (Instant, Cause) {
        let mut first = (stage, cause);
        for (due, cause) in [(self.attempt, Cause::AttemptTimeout), (self.total, Cause::Deadline)] {
            if let Some(due) = due.filter(|due| *due < first.0) {
                first = (due, cause);
            }
        }
        first
    }
}

impl Stage {
    pub(crate) fn due(
        self,
        now: Instant,
        head_due: Instant,
        charged_from: Instant,
        down: &Downstream,
        request: &Flow,
        deadlines: &Deadlines,
    ) -> Due {
        let rule = &down.client.listener.rule;
        let timeouts = &deadlines.timeouts;
        let (at, cause, limit) = match self {
            Stage::Sending => (now + timeouts.write, Cause::WriteTimeout, None),
            Stage::Answer => (head_due, Cause::HeadTimeout, None),
            Stage::Asking => (now + rule.timeouts.r#continue, Cause::SlowClient, None),
            Stage::Receiving => {
                let idle = (now + rule.timeouts.body_idle, Cause::SlowClient, Some(Limit::BodyIdle));
                let seconds = request.moved().checked_div(rule.limits.body_rate);
                match seconds.map(|seconds| charged_from + RATE_GRACE + Duration::from_secs(seconds)) {
                    Some(due) if due < idle.0 => (due, Cause::SlowClient, Some(Limit::BodyRate)),
                    _ => idle,
                }
            }
        };
        let (at, cause) = match deadlines.stall.filter(|stall| self == Stage::Answer && *stall < at) {
            Some(stall) => (stall, Cause::Stalled),
            None => (at, cause),
        };
        let (first, first_cause) = deadlines.first(at, cause);
        // Whichever deadline comes first, a client that was waited for is what took the time.
        let cause = if self == Stage::Receiving { cause } else { first_cause };
        Due { at: first, cause, limit: limit.filter(|_| first == at) }
    }

    pub(crate) fn expired(self, due: Due, down: &Downstream) -> Result<Heard, Failure> {
        if let Some(limit) = due.limit {
            down.client.reached(limit);
        }
        match (self, due.cause) {
            (Stage::Asking, Cause::SlowClient) => Ok(Heard::NoContinue),
            (Stage::Answer, Cause::Stalled) => Ok(Heard::Stalled),
            (_, Cause::SlowClient) => Err(Failure::of_client(408, "body_timeout")),
            (_, cause) => Err(cause.into()),
        }
    }
}
