//! What may change a backend's health, and what an outcome counts for.

use evenkeel_model::{Cause, Outcome, Weight};

use crate::ProbeResult;

/// Something that happened to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Requests sent in turn succeeded.
    Success,
    /// Requests sent in turn failed, one after the other.
    Strikes {
        /// How many, at least one.
        count: u32,
        /// Of the last one.
        cause: Cause,
    },
    /// A request sent as a trial or as a last resort succeeded or failed.
    Trial(Result<(), Cause>),
    /// A probe passed or failed.
    Probe(ProbeResult),
    /// Nothing but time.
    Tick,
}

/// What the outcome of a request sent in turn counts for; `None`: nothing.
pub fn judge(outcome: Outcome) -> Option<Event> {
    match outcome {
        Outcome::Success => Some(Event::Success),
        Outcome::Failed(cause) => match cause.facts().weight {
            Weight::Hard | Weight::Soft => Some(Event::Strikes { count: 1, cause }),
            Weight::None => None,
        },
        Outcome::Abandoned => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_backend_is_to_blame_for_counts() {
        let cause = Cause::ConnectRefused;
        assert_eq!(judge(Outcome::Success), Some(Event::Success));
        assert_eq!(judge(Outcome::Failed(cause)), Some(Event::Strikes { count: 1, cause }));
        assert_eq!(judge(Outcome::Failed(Cause::StaleReuse)), None);
        assert_eq!(judge(Outcome::Failed(Cause::ClientAbort)), None);
        assert_eq!(judge(Outcome::Abandoned), None);
    }
}
