use std::time::Duration;

use evenkeel_model::Phase::{Ejected, Serving, Trial};
use evenkeel_model::{ByOperator, Hold, Phase};
use proptest::prelude::*;

use super::*;
use crate::Balance;
use crate::WhenAllEjected::{self, FailClosed, FailOpen, LastResort};
use crate::examples::{members, pool};

fn ask(tried: &[u16], hideable: bool) -> Ask<'_> {
    Ask { tried, hideable, now: Instant::now() }
}

fn turns(phases: &[Phase], when_all_ejected: WhenAllEjected) -> Pool {
    let of: Vec<_> = phases.iter().map(|phase| (*phase, 1)).collect();
    pool(Balance::RoundRobin, when_all_ejected, members(&of))
}

/// Each in its phase, and held as said.
fn held(of: &[(Phase, Hold)], when_all_ejected: WhenAllEjected) -> Pool {
    let phases: Vec<_> = of.iter().map(|(phase, _)| (*phase, 1)).collect();
    let mut members = members(&phases);
    for (member, (_, hold)) in members.iter_mut().zip(of) {
        member.status.hold = *hold;
    }
    pool(Balance::RoundRobin, when_all_ejected, members)
}

fn holds() -> [Hold; 3] {
    let by = ByOperator { uid: 0, since: Instant::now() };
    [Hold::Asked { since: by.since, until: None }, Hold::Drained(by), Hold::Out(by)]
}

/// Whom a request visits that fails everywhere.
fn walk(pool: &Pool) -> Vec<(usize, Role)> {
    let mut tried = Vec::new();
    std::iter::from_fn(|| {
        let (member, role) = picked(pool, &ask(&tried, true))?;
        tried.push(member as u16);
        Some((member, role))
    })
    .collect()
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

#[test]
fn a_held_backend_is_the_first_of_the_last_resorts_and_one_taken_out_none() {
    let [asked, drained, out] = holds();
    let of =
        [(Ejected, Hold::None), (Serving, asked), (Ejected, drained), (Serving, drained), (Serving, out)];
    let pool = held(&of, LastResort);
    assert_eq!(walk(&pool), [1, 3, 0, 2].map(|member| (member, Role::LastResort)));
}

#[test]
fn a_held_backend_gets_no_turn_while_another_is_in_service() {
    for hold in holds() {
        let pool = held(&[(Serving, hold), (Serving, Hold::None)], LastResort);
        let walk = walk(&pool);
        assert_eq!(walk[0], (1, Role::Turn));
        assert_eq!(walk.get(1), (!matches!(hold, Hold::Out(_))).then_some(&(0, Role::LastResort)));
    }
}

#[test]
fn a_pool_that_is_only_held_does_not_fail_closed() {
    let [asked, drained, out] = holds();
    let of = [(Ejected, Hold::None), (Serving, asked), (Ejected, drained), (Serving, out)];
    assert_eq!(walk(&held(&of, FailClosed)), [(1, Role::LastResort)]);
}

#[test]
fn where_health_is_ignored_an_operators_word_is_not() {
    let [asked, drained, out] = holds();
    let of = [(Serving, asked), (Ejected, drained), (Ejected, Hold::None), (Serving, out)];
    let mut walk = walk(&held(&of, FailOpen));
    walk.sort_by_key(|(member, _)| *member);
    assert_eq!(walk, [0, 1, 2].map(|member| (member, Role::Turn)));
    assert_eq!(picked(&held(&[(Serving, out); 2], FailOpen), &ask(&[], true)), None);
}

#[test]
fn a_held_backend_is_not_on_trial() {
    for hold in holds() {
        let pool = held(&[(Serving, Hold::None), (Trial, hold)], LastResort);
        pool.members[1].backend.arm_trial(true);
        assert_eq!(picked(&pool, &ask(&[], true)), Some((0, Role::Turn)));
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

    /// Every balance serves idle members in proportion, to the request.
    #[test]
    fn a_round_gives_each_member_its_share(
        balance in balances(),
        weights in prop::collection::vec(1u16..30, 1..8),
        seed: u64,
    ) {
        let of: Vec<_> = weights.iter().map(|weight| (Serving, *weight)).collect();
        let pool = pool(balance, LastResort, members(&of));
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

#[test]
fn those_that_are_only_held_or_out_by_probes_share_what_nobody_else_takes() {
    use evenkeel_model::{Evidence, ProbeFailure};
    let since = Instant::now();
    let asked = Hold::Asked { since, until: None };
    let mut members = members(&[(Ejected, 1); 3]);
    for member in &mut members {
        member.status.evidence = Evidence::Probes { count: 3, failure: ProbeFailure::Body };
    }
    let by_probes = pool(Balance::RoundRobin, LastResort, members);
    for pool in [by_probes, held(&[(Serving, asked); 3], LastResort)] {
        let mut cursor = Cursor::new(5);
        let mut counts = [0; 3];
        for _ in 0..300 {
            counts[pool.pick(&mut cursor, &ask(&[], true)).unwrap().member] += 1;
        }
        assert!(counts.iter().all(|count| (60..140).contains(count)), "{counts:?}");
    }
}
