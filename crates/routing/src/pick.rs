//! One pick: a member for a request, with its place in flight taken.

use std::time::Instant;

use evenkeel_model::Role;

use crate::order::Resorts;
use crate::{Cursor, InFlight, Pool, TrialToken};

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

impl Pool {
    /// Chooses a member that has not failed this request yet. A request whose failure could be hidden first
    /// serves as a trial, if one is due and another member stands by; where a connection stood already, any request
    /// does.
    pub fn pick(&self, cursor: &mut Cursor, ask: &Ask<'_>) -> Option<Pick> {
        // A retry has used up what would hide another failure.
        if !self.on_trial.is_empty()
            && (ask.tried.is_empty() || self.admitted.is_empty())
            && let Some(pick) = self.trial(ask)
        {
            return Some(pick);
        }
        let in_turn = self.turn(cursor, ask.tried);
        if let Some(member) = in_turn {
            return Some(self.take(member, Role::Turn, None));
        }
        // Nobody in service, or everybody in service has failed this request.
        let member = self.resort(cursor, ask.tried)?;
        Some(self.take(member, Role::LastResort, None))
    }

    /// Those that may all be well share their requests: else one of them would get everything.
    fn resort(&self, cursor: &mut Cursor, tried: &[u16]) -> Option<u16> {
        self.last_resort.iter().find_map(|Resorts { members, is_shared }| {
            let start = if *is_shared { cursor.place(members.len()) } else { 0 };
            let (before, behind) = members.split_at(start);
            behind.iter().chain(before).copied().find(|member| !tried.contains(member))
        })
    }

    fn trial(&self, ask: &Ask<'_>) -> Option<Pick> {
        let others = self.admitted.iter().any(|member| !ask.tried.contains(member));
        let hideable = ask.hideable && others;
        self.on_trial.iter().copied().filter(|member| !ask.tried.contains(member)).find_map(|member| {
            let backend = &self.members[usize::from(member)].backend;
            let token = TrialToken::take(backend, hideable)?;
            Some(self.take(member, Role::Trial, Some(token)))
        })
    }

    #[inline]
    fn take(&self, member: u16, role: Role, trial: Option<TrialToken>) -> Pick {
        let member = usize::from(member);
        let backend = &self.members[member].backend;
        let term = backend.term();
        Pick { member, in_flight: backend.take_place(), trial, role, term }
    }
}

#[cfg(test)]
mod tests;
