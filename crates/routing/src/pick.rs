//! One pick: a member for a request, with its place in flight taken.

use std::time::Instant;

use evenkeel_model::Role;

use crate::{Balance, Cursor, InFlight, Member, Pool, TrialToken};

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
    /// serves as a trial, if one is due and another member stands by.
    pub fn pick(&self, cursor: &mut Cursor, ask: &Ask<'_>) -> Option<Pick> {
        let tried = |member: u16| ask.tried.contains(&member);
        if !self.on_trial.is_empty()
            && !self.admitted.is_empty()
            && let Some(pick) = self.trial(ask)
        {
            return Some(pick);
        }
        if self.admitted.is_empty() {
            let member = self.last_resort.iter().copied().find(|member| !tried(*member))?;
            return Some(self.take(member, Role::LastResort, None));
        }
        let member = match self.rule.balance {
            Balance::RoundRobin => self.in_turn(cursor, &tried),
            Balance::Random => self.at_random(cursor, &tried),
            Balance::LeastRequests => self.less_busy(cursor, &tried),
        };
        member.map(|member| self.take(member, Role::Turn, None))
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

    #[inline]
    fn in_turn(&self, cursor: &mut Cursor, tried: &impl Fn(u16) -> bool) -> Option<u16> {
        let places = self.admitted.len();
        let start = cursor.step(places);
        let first = self.admitted[start];
        if !tried(first) {
            return Some(first);
        }
        (1..places).map(|further| self.admitted[(start + further) % places]).find(|member| !tried(*member))
    }

    /// A random place, and from there the next one that has not failed this request.
    fn at_random(&self, cursor: &mut Cursor, tried: &impl Fn(u16) -> bool) -> Option<u16> {
        let places = self.admitted.len();
        let start = cursor.place(places);
        (0..places).map(|further| self.admitted[(start + further) % places]).find(|member| !tried(*member))
    }

    /// The power of two choices: nearly as even as asking everybody, and no herd.
    fn less_busy(&self, cursor: &mut Cursor, tried: &impl Fn(u16) -> bool) -> Option<u16> {
        let one = self.at_random(cursor, tried)?;
        let other = self.at_random(cursor, &|member| member == one || tried(member)).unwrap_or(one);
        let load = |member: u16| {
            let Member { backend, weight, .. } = &self.members[usize::from(member)];
            (backend.in_flight() as u64 + 1) * 1000 / u64::from((*weight).max(1))
        };
        Some(if load(other) < load(one) { other } else { one })
    }
}
