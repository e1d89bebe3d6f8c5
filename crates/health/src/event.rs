//! What may change a backend's health.

use evenkeel_model::{Cause, Evidence, Strike, Weight};

use crate::ProbeResult;

/// Something that happened to a backend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// Requests sent in turn succeeded.
    Success {
        /// How many, at least one.
        count: u64,
    },
    /// Requests sent in turn failed.
    Strike {
        /// How, and how many.
        strike: Strike,
        /// Whether no success came between them and those before, nor since.
        in_a_row: bool,
    },
    /// Another backend of the pool succeeded with a request that this one has failed.
    Proven {
        /// Of the request.
        key: u64,
    },
    /// A request that it has failed has failed with another backend of the pool as well, lately.
    Poisoned {
        /// Of the request.
        key: u64,
    },
    /// A request sent as a trial or as a last resort succeeded or failed.
    Trial(Result<(), Cause>),
    /// A probe came to its result.
    Probe(ProbeResult),
    /// Its charge holds, and nothing in its pool speaks against it.
    Eject(Evidence),
    /// What is held against it does not count.
    Pardon,
    /// What kept it from requests, beside its health, is over.
    Return,
    /// An operator says that it is ready.
    Ready,
    /// Nothing but time.
    Tick,
}

/// Whether a failure with this cause may be held against the backend.
pub fn counts(cause: Cause) -> bool {
    match cause.facts().weight {
        Weight::Hard | Weight::Soft => true,
        Weight::None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_backend_may_be_to_blame_for_counts() {
        assert!(counts(Cause::ConnectRefused) && counts(Cause::UpstreamStatus));
        assert!(!counts(Cause::StaleReuse) && !counts(Cause::ClientAbort) && !counts(Cause::DnsFailed));
    }
}
