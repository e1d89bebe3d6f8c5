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
    /// serves as a trial, if one is due and another member stands by; where a connection stood already, any request
    /// does.
    pub fn pick(&self, cursor: &mut Cursor, ask: &Ask<'_>) -> Option<Pick> {
        let tried = |member: u16| ask.tried.contains(&member);
        // A retry has used up what would hide another failure.
        if !self.on_trial.is_empty()
            && (ask.tried.is_empty() || self.admitted.is_empty())
            && let Some(pick) = self.trial(ask)
        {
            return Some(pick);
        }
        let in_turn = match self.rule.balance {
            _ if self.admitted.is_empty() => None,
            Balance::RoundRobin => self.in_turn(cursor, ask.tried),
            Balance::Random => self.at_random(cursor, &tried),
            Balance::LeastRequests => self.less_busy(cursor, &tried),
        };
        if let Some(member) = in_turn {
            return Some(self.take(member, Role::Turn, None));
        }
        // Nobody in service, or everybody in service has failed this request.
        let member = self.last_resort.iter().copied().find(|member| !tried(*member))?;
        Some(self.take(member, Role::LastResort, None))
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
    fn in_turn(&self, cursor: &mut Cursor, tried: &[u16]) -> Option<u16> {
        let places = self.admitted.len();
        if tried.is_empty() {
            return Some(self.admitted[cursor.step(places)]);
        }
        // A retry takes nobody's turn: else the one that fails would get every request first, of two. It goes anywhere,
        // so that the neighbour of one that fails is not struck by all its requests.
        let is_fit = |member: &u16| !tried.contains(member);
        let by_chance = (0..4).map(|_| self.admitted[cursor.place(places)]).find(is_fit);
        by_chance.or_else(|| self.admitted.iter().copied().find(is_fit))
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_model::Phase;
    use evenkeel_model::Phase::{Ejected, Serving, Trial};
    use proptest::prelude::*;

    use super::*;
    use crate::WhenAllEjected::{self, FailClosed, FailOpen, LastResort};
    use crate::examples::{members, pool};

    fn ask(tried: &[u16], hideable: bool) -> Ask<'_> {
        Ask { tried, hideable, now: Instant::now() }
    }

    fn turns(phases: &[Phase], when_all_ejected: WhenAllEjected) -> Pool {
        let of: Vec<_> = phases.iter().map(|phase| (*phase, 1)).collect();
        pool(Balance::RoundRobin, when_all_ejected, members(&of))
    }

    fn picked(pool: &Pool, ask: &Ask<'_>) -> Option<(usize, Role)> {
        pool.pick(&mut Cursor::new(1), ask).map(|pick| (pick.member, pick.role))
    }

    #[test]
    fn a_due_trial_comes_before_a_turn_if_its_failure_can_be_hidden() {
        let pool = turns(&[Serving, Trial], LastResort);
        pool.members[1].backend.arm_trial(false);
        assert_eq!(picked(&pool, &ask(&[], false)), Some((0, Role::Turn)));
        let last = picked(&pool, &ask(&[0], true));
        assert_eq!(last, Some((1, Role::LastResort)), "nobody could hide the failure of a trial");
        assert_eq!(picked(&pool, &ask(&[], true)), Some((1, Role::Trial)));
    }

    #[test]
    fn one_trial_at_a_time() {
        let pool = turns(&[Serving, Trial], LastResort);
        pool.members[1].backend.arm_trial(false);
        let _on_trial = pool.pick(&mut Cursor::new(1), &ask(&[], true));
        assert_eq!(picked(&pool, &ask(&[], true)), Some((0, Role::Turn)));
    }

    #[test]
    fn where_a_connection_stood_any_request_is_a_trial_even_with_nobody_in_service() {
        for when_all_ejected in [LastResort, FailClosed] {
            let pool = turns(&[Ejected, Trial], when_all_ejected);
            pool.members[1].backend.arm_trial(true);
            assert_eq!(picked(&pool, &ask(&[], false)), Some((1, Role::Trial)));
        }
    }

    #[test]
    fn with_nobody_in_service_the_rule_decides() {
        let nobody = |rule| turns(&[Ejected, Ejected], rule);
        assert_eq!(picked(&nobody(LastResort), &ask(&[], true)), Some((0, Role::LastResort)));
        assert_eq!(picked(&nobody(LastResort), &ask(&[0], true)), Some((1, Role::LastResort)));
        assert_eq!(picked(&nobody(LastResort), &ask(&[0, 1], true)), None);
        assert_eq!(picked(&nobody(FailClosed), &ask(&[], true)), None);
        assert!(matches!(picked(&nobody(FailOpen), &ask(&[], true)), Some((_, Role::Turn))));
    }

    #[test]
    fn a_request_that_failed_with_everybody_in_service_is_tried_with_the_others() {
        let pool = |rule| turns(&[Serving, Ejected, Ejected], rule);
        assert_eq!(picked(&pool(LastResort), &ask(&[0], true)), Some((1, Role::LastResort)));
        assert_eq!(picked(&pool(LastResort), &ask(&[0, 1], true)), Some((2, Role::LastResort)));
        assert_eq!(picked(&pool(FailClosed), &ask(&[0], true)), None);
    }

    #[test]
    fn a_retry_takes_nobodys_turn() {
        let pool = turns(&[Serving, Serving], LastResort);
        let mut cursor = Cursor::new(3);
        let firsts: Vec<usize> = (0..4)
            .map(|_| {
                let first = pool.pick(&mut cursor, &ask(&[], true)).unwrap().member;
                let second = pool.pick(&mut cursor, &ask(&[first as u16], true)).unwrap().member;
                assert_ne!(first, second);
                first
            })
            .collect();
        assert_eq!(firsts.iter().sum::<usize>(), 2, "{firsts:?}");
    }

    #[test]
    fn the_retries_of_one_that_fails_are_shared_out() {
        let pool = turns(&[Serving; 5], LastResort);
        let mut cursor = Cursor::new(3);
        let mut counts = [0; 5];
        for _ in 0..400 {
            counts[pool.pick(&mut cursor, &ask(&[1], true)).unwrap().member] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!(counts.iter().filter(|count| (70..130).contains(*count)).count() == 4, "{counts:?}");
    }

    #[test]
    fn the_less_busy_of_two_is_chosen() {
        let pool = pool(Balance::LeastRequests, LastResort, members(&[(Serving, 1), (Serving, 1)]));
        let mut cursor = Cursor::new(7);
        let _busy = pool.pick(&mut cursor, &ask(&[1], false)).unwrap();
        for _ in 0..50 {
            assert_eq!(pool.pick(&mut cursor, &ask(&[], false)).unwrap().member, 1);
        }
    }

    fn balances() -> impl Strategy<Value = Balance> {
        prop_oneof![Just(Balance::RoundRobin), Just(Balance::LeastRequests), Just(Balance::Random)]
    }

    fn phases() -> impl Strategy<Value = Phase> {
        prop_oneof![Just(Phase::Unproven), Just(Serving), Just(Ejected), Just(Trial)]
    }

    proptest! {
        /// Nobody is asked twice, nobody who could answer is left out, and every place in flight is given back.
        #[test]
        fn a_request_that_fails_everywhere_walks_the_pool_once(
            balance in balances(),
            of in prop::collection::vec((phases(), 1u16..20), 1..8),
            seed: u64,
            hideable: bool,
        ) {
            let pool = pool(balance, LastResort, members(&of));
            let mut cursor = Cursor::new(seed);
            let (mut tried, mut picks) = (Vec::new(), Vec::new());
            while let Some(pick) = pool.pick(&mut cursor, &ask(&tried, hideable)) {
                let member = pick.member as u16;
                prop_assert!(!tried.contains(&member));
                prop_assert_eq!(pick.in_flight.backend().in_flight(), 1);
                tried.push(member);
                picks.push(pick);
            }
            let in_service = of.iter().filter(|(phase, _)| phase.is_admitted()).count();
            let served_first = tried.iter().take(in_service).all(|member| of[usize::from(*member)].0.is_admitted());
            prop_assert!(served_first, "{:?}", tried);
            prop_assert_eq!(tried.len(), of.len());
            drop(picks);
            prop_assert!(pool.members.iter().all(|member| member.backend.in_flight() == 0));
        }

        /// A round robin serves each member in proportion, to the request.
        #[test]
        fn a_round_gives_each_member_its_share(weights in prop::collection::vec(1u16..30, 1..8), seed: u64) {
            let of: Vec<_> = weights.iter().map(|weight| (Serving, *weight)).collect();
            let pool = pool(Balance::RoundRobin, LastResort, members(&of));
            let mut cursor = Cursor::new(seed);
            let total: u16 = weights.iter().sum();
            let mut counts = vec![0; weights.len()];
            for _ in 0..total {
                counts[pool.pick(&mut cursor, &ask(&[], false)).unwrap().member] += 1;
            }
            prop_assert_eq!(counts, weights);
        }
    }

    #[test]
    fn the_longest_out_is_the_first_resort_and_what_probes_ejected_the_last() {
        use evenkeel_model::{Evidence, ProbeFailure};
        let mut members = members(&[(Ejected, 1), (Ejected, 1), (Ejected, 1)]);
        let now = Instant::now();
        members[0].status.evidence = Evidence::Probes { count: 3, failure: ProbeFailure::Body };
        members[0].status.since = now;
        members[1].status.since = now + Duration::from_secs(2);
        members[2].status.since = now + Duration::from_secs(1);
        let pool = pool(Balance::RoundRobin, LastResort, members);
        let order = [&[][..], &[2], &[1, 2]].map(|tried| picked(&pool, &ask(tried, true)).unwrap().0);
        assert_eq!(order, [2, 1, 0]);
    }
}
