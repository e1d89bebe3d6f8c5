//! Whether a failed attempt may be followed by another one: by what was sent, never by the kind of error alone.
//!
//! RFC 9110, section 9.2.2: a request that is not idempotent is repeated only where it provably was not processed.

use evenkeel_model::{Cause, Class};

use crate::attempt::Failure;

/// What was done for a request so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct History {
    /// Attempts made.
    pub(crate) attempts: u8,
    /// Most attempts.
    pub(crate) most: u8,
    /// A request that may have been processed was repeated already.
    pub(crate) has_repeated: bool,
    /// A stale connection was replaced already.
    pub(crate) has_refreshed: bool,
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another backend. `costs`: one may have worked on it already, so the budget has a say.
    Elsewhere {
        /// Whether it draws on the budget.
        costs: bool,
    },
    /// The client is told.
    GiveUp,
}

/// Whether a stale connection may be replaced by a fresh one to the same backend: once a request, and it uses up no
/// attempt.
pub(crate) fn refreshes(failure: &Failure, class: Class, is_repeatable: bool, history: &mut History) -> bool {
    let is_legal = class == Class::NotSent || (is_repeatable && class != Class::Forwarded);
    let refreshes = failure.cause == Cause::StaleReuse && is_legal && !history.has_refreshed;
    history.has_refreshed |= refreshes;
    refreshes
}

/// Decides where a request goes after a failure. `is_repeatable`: idempotent, and what was sent of its body is still there.
pub(crate) fn next(failure: &Failure, class: Class, is_repeatable: bool, history: &mut History) -> Next {
    use Cause::*;
    let is_legal = match class {
        Class::NotSent => true,
        Class::Maybe | Class::Answered => is_repeatable && !history.has_repeated,
        Class::Forwarded => false,
    };
    let elsewhere = Next::Elsewhere { costs: class != Class::NotSent };
    let next = match failure.cause {
        _ if class == Class::Forwarded => Next::GiveUp,
        DnsFailed | DnsTimeout | ConnectRefused | ConnectReset | Unroutable | ConnectTimeout
        | LocalPermission | TlsTimeout | TlsProtocol | TlsAlert | TlsCertificate | StaleReuse
        | ClosedBeforeResponse | WriteTimeout | EofInHead | BadHead | HeadTimeout | AttemptTimeout
        | BodyTruncated => elsewhere,
        LocalResource if failure.is_port_shortage => elsewhere,
        // The same request would get the same answer, the time is spent, or the client is to blame.
        LocalResource | HeadTooLarge | UpgradeFailed | TlsTruncated | BodyIdleTimeout | BadChunk
        | Deadline | Stalled | NoRoute | NoHealthyBackend | ClientAbort | ClientError | SlowClient
        | UpstreamStatus | Internal => Next::GiveUp,
    };
    match next {
        Next::Elsewhere { costs } if is_legal && history.attempts < history.most => {
            history.has_repeated |= costs;
            next
        }
        Next::Elsewhere { .. } | Next::GiveUp => Next::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: Next = Next::Elsewhere { costs: false };
    const PAID: Next = Next::Elsewhere { costs: true };

    fn after(cause: Cause, class: Class, is_repeatable: bool) -> Next {
        let mut history = History { attempts: 1, most: 3, ..History::default() };
        next(&cause.into(), class, is_repeatable, &mut history)
    }

    #[test]
    fn what_was_never_sent_goes_elsewhere_whatever_the_method() {
        for cause in [Cause::ConnectRefused, Cause::ConnectTimeout, Cause::DnsFailed, Cause::Unroutable] {
            assert_eq!(after(cause, Class::NotSent, false), FREE, "{cause:?}");
        }
    }

    #[test]
    fn what_may_have_been_processed_is_repeated_only_if_that_is_harmless() {
        for cause in [Cause::ClosedBeforeResponse, Cause::HeadTimeout, Cause::WriteTimeout] {
            assert_eq!(after(cause, Class::Maybe, true), PAID, "{cause:?}");
            assert_eq!(after(cause, Class::Maybe, false), Next::GiveUp, "{cause:?}");
        }
        for cause in [Cause::EofInHead, Cause::BadHead, Cause::BodyTruncated] {
            assert_eq!(after(cause, Class::Answered, true), PAID, "{cause:?}");
            assert_eq!(after(cause, Class::Answered, false), Next::GiveUp, "{cause:?}");
        }
    }

    #[test]
    fn a_repeat_is_not_repeated() {
        let mut history = History { attempts: 1, most: 10, ..History::default() };
        let failure = Cause::HeadTimeout.into();
        assert_eq!(next(&failure, Class::Maybe, true, &mut history), PAID);
        assert_eq!(next(&failure, Class::Maybe, true, &mut history), Next::GiveUp);
        let refused = Cause::ConnectRefused.into();
        assert_eq!(next(&refused, Class::NotSent, true, &mut history), FREE);
    }

    #[test]
    fn a_stale_connection_is_replaced_once_and_leaves_the_repeat_unused() {
        let mut history = History { attempts: 1, most: 3, ..History::default() };
        let stale = Cause::StaleReuse.into();
        assert!(refreshes(&stale, Class::Maybe, true, &mut history));
        assert!(!refreshes(&stale, Class::Maybe, true, &mut history));
        let closed = Cause::ClosedBeforeResponse.into();
        assert_eq!(next(&closed, Class::Maybe, true, &mut history), PAID);
        let mut fresh = History { attempts: 1, most: 3, ..History::default() };
        assert!(!refreshes(&stale, Class::Maybe, false, &mut fresh));
        assert!(refreshes(&stale, Class::NotSent, false, &mut fresh));
    }

    #[test]
    fn nothing_follows_a_head_that_was_forwarded_or_an_answer_that_would_come_again() {
        for cause in Cause::ALL {
            assert_eq!(after(cause, Class::Forwarded, true), Next::GiveUp, "{cause:?}");
        }
        assert_eq!(after(Cause::HeadTooLarge, Class::Answered, true), Next::GiveUp);
    }

    #[test]
    fn the_last_attempt_is_the_last() {
        let mut history = History { attempts: 3, most: 3, ..History::default() };
        assert_eq!(next(&Cause::ConnectRefused.into(), Class::NotSent, true, &mut history), Next::GiveUp);
    }

    #[test]
    fn a_second_stale_connection_still_leaves_one_repeat() {
        let mut history = History { attempts: 1, most: 3, ..History::default() };
        let stale = Cause::StaleReuse.into();
        assert!(refreshes(&stale, Class::Maybe, true, &mut history));
        assert_eq!(next(&Cause::ConnectRefused.into(), Class::NotSent, true, &mut history), FREE);
        assert!(!refreshes(&stale, Class::Maybe, true, &mut history));
        assert_eq!(next(&stale, Class::Maybe, true, &mut history), PAID);
    }
}
