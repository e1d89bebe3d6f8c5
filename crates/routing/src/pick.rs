//! One pick: a member for a request, with its place in flight taken.

use std::time::Instant;

use evenkeel_model::Role;

use crate::{InFlight, TrialToken};

/// What a pick has to know of its request.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Members that failed this request already.
    pub tried: &'a [u16],
    /// Whether a failure could be hidden from the client: idempotent, and its body can be sent again.
    pub hideable: bool,
    /// When.
    pub now: Instant,
}

/// A chosen member.
#[derive(Debug)]
pub struct Pick {
    /// Its index in the pool.
    pub member: usize,
    /// Counted before connecting, so that a slow connect also looks busy to the next pick.
    pub in_flight: InFlight,
    /// The trial token, if this request is a trial.
    pub trial: Option<TrialToken>,
    /// Why it was chosen.
    pub role: Role,
    /// The backend's term at the pick.
    pub term: u32,
}
