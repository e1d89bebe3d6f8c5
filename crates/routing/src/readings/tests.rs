use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use evenkeel_model::{Cause, Fault, Outcome, Proof, Role};
use proptest::prelude::*;

use super::*;
use crate::Backend;
use crate::examples::backend;

fn refused() -> Outcome {
    Outcome::Failed(Cause::ConnectRefused.into())
}

fn record(backend: &Arc<Backend>, core: usize, role: Role, outcome: Outcome) {
    backend.record(core, backend.term(), role, outcome, Instant::now());
}

fn times(strikes: &[Strike]) -> u32 {
    strikes.iter().map(|strike| strike.times).sum()
}

/// The streak after each reading; a reading is marked by a bar.
fn streaks(story: &str) -> Vec<u32> {
    let backend = backend("a", 2);
    let mut readings = Readings::default();
    let (mut streak, mut streaks) = (0, Vec::new());
    for word in story.split_whitespace() {
        match word {
            "|" => {
                let report = backend.read(&mut readings);
                streak = if report.streak_is_new { 0 } else { streak } + times(&report.in_a_row);
                streaks.push(streak);
            }
            word => {
                let core = usize::from(word.starts_with('1'));
                let outcome = if word.ends_with('+') { Outcome::Success } else { refused() };
                record(&backend, core, Role::Turn, outcome);
            }
        }
    }
    streaks
}

#[test]
fn strikes_stand_in_a_row_until_a_success() {
    for (story, expected) in [
        ("0- 0- | 0- |", vec![2, 3]),
        ("0- 0- | 0+ |", vec![2, 0]),
        ("0- 0+ 0- |", vec![1]),
        ("0- 0- 0+ |", vec![0]),
        ("0- 1- | 1- |", vec![2, 3]),
        // Which came first is not known, so the success is taken to have come in between.
        ("0- | 0- 1+ | 0- |", vec![1, 0, 1]),
        ("0+ 1+ 0- 1- | 0- 1- |", vec![1, 3]),
    ] {
        assert_eq!(streaks(story), expected, "{story}");
    }
}

#[test]
fn what_says_nothing_is_not_reported() {
    let backend = backend("a", 1);
    record(&backend, 0, Role::Turn, Outcome::Abandoned);
    record(&backend, 0, Role::Turn, Outcome::Failed(Cause::StaleReuse.into()));
    assert_eq!(backend.read(&mut Readings::default()), Report::default());
}

#[test]
fn an_outcome_of_an_earlier_term_is_not_reported() {
    let backend = backend("a", 1);
    let term = backend.term();
    backend.begin_term();
    backend.record(0, term, Role::Turn, refused(), Instant::now());
    assert_eq!(backend.read(&mut Readings::default()), Report::default());
}

#[test]
fn trials_are_told_apart_and_one_that_proves_nothing_is_known() {
    let backend = backend("a", 1);
    record(&backend, 0, Role::Trial, Outcome::Success);
    record(&backend, 0, Role::LastResort, refused());
    record(&backend, 0, Role::Trial, Outcome::Failed(Cause::LocalResource.into()));
    let report = backend.read(&mut Readings::default());
    assert_eq!(report.trials.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
    assert!(report.trial_abandoned);
}

#[test]
fn nothing_is_lost_between_cores_and_control() {
    let backend = backend("a", 2);
    let (mut successes, mut failures) = (0, 0);
    let mut readings = Readings::default();
    thread::scope(|scope| {
        let cores = [0, 1].map(|core| {
            let backend = &backend;
            scope.spawn(move || {
                for _ in 0..20_000 {
                    record(backend, core, Role::Turn, Outcome::Success);
                    record(backend, core, Role::Turn, refused());
                }
            })
        });
        let mut is_over = false;
        while !is_over {
            is_over = cores.iter().all(|core| core.is_finished());
            let report = backend.read(&mut readings);
            successes += report.successes;
            failures += report.strikes().map(|strike| u64::from(strike.times)).sum::<u64>();
        }
    });
    assert_eq!((successes, failures), (40_000, 40_000));
}

fn of_request(key: u64) -> Outcome {
    Outcome::Failed(Fault { key, ..Fault::from(Cause::HeadTimeout) })
}

#[test]
fn strikes_of_one_kind_are_one_with_their_number_and_the_newest_time() {
    let backend = backend("a", 1);
    let start = Instant::now();
    let at = |millis| start + Duration::from_millis(millis);
    for (millis, key) in [(0, 1), (1, 1), (2, 1), (3, 2), (4, 1)] {
        backend.record(0, 0, Role::Turn, of_request(key), at(millis));
    }
    let report = backend.read(&mut Readings::default());
    let strikes = report.in_a_row.iter().map(|strike| (strike.fault.key, strike.times, strike.at));
    assert!(strikes.eq([(1, 3, at(2)), (2, 1, at(3)), (1, 1, at(4))]));
}

#[test]
fn who_is_to_blame_is_a_kind_of_its_own() {
    let backend = backend("a", 1);
    for proof in [Proof::Alone, Proof::Elsewhere] {
        let fault = Fault { proof, ..Fault::from(Cause::HeadTimeout) };
        record(&backend, 0, Role::Turn, Outcome::Failed(fault));
    }
    assert_eq!(backend.read(&mut Readings::default()).in_a_row.len(), 2);
}

#[test]
fn of_too_many_kinds_the_number_is_known_and_the_memory_bounded() {
    let backend = backend("a", 1);
    for key in 1..=500 {
        record(&backend, 0, Role::Turn, of_request(key));
    }
    let in_a_row = backend.read(&mut Readings::default()).in_a_row;
    assert_eq!((times(&in_a_row), in_a_row.len()), (500, 32));
    for key in 1..=500 {
        record(&backend, 0, Role::Turn, of_request(key));
        record(&backend, 0, Role::Turn, Outcome::Success);
    }
    let scattered = backend.read(&mut Readings::default()).scattered;
    assert_eq!((times(&scattered), scattered.len() <= 64), (500, true));
}

#[test]
fn every_second_failure_makes_no_streak_however_late_it_is_read() {
    let backend = backend("a", 1);
    for _ in 0..500 {
        record(&backend, 0, Role::Turn, Outcome::Success);
        record(&backend, 0, Role::Turn, refused());
    }
    let report = backend.read(&mut Readings::default());
    assert_eq!((times(&report.in_a_row), times(&report.scattered)), (1, 499));
    assert!(report.strikes().all(|strike| Outcome::Failed(strike.fault) == refused()), "no kind was lost");
}

/// Successes are read before failures; here a core goes on in between.
#[test]
fn a_strike_after_a_success_that_is_yet_to_be_read_begins_the_next_streak() {
    let cells = PerCore::<Cell>::new(1);
    let note = |outcome| cells[0].record(Role::Turn, outcome, Instant::now());
    let mut readings = Readings::default();
    note(refused());
    note(refused());

    let mut first = Report::default();
    let moved = readings.read_successes(&cells, &mut first);
    note(Outcome::Success);
    note(refused());
    readings.read_failures(&cells, &moved, &mut first);
    assert_eq!((first.streak_is_new, times(&first.in_a_row), times(&first.scattered)), (false, 2, 0));

    let second = readings.read(&cells);
    assert_eq!((second.streak_is_new, times(&second.in_a_row), times(&second.scattered)), (true, 1, 0));
    assert!(readings.read(&cells).is_empty());
}

/// As above, and so much comes in between that older strikes have to make room.
#[test]
fn what_makes_room_makes_no_streak_longer() {
    let cells = PerCore::<Cell>::new(1);
    let note = |outcome| cells[0].record(Role::Turn, outcome, Instant::now());
    let mut readings = Readings::default();
    note(refused());
    let mut first = Report::default();
    let moved = readings.read_successes(&cells, &mut first);
    for _ in 0..100 {
        note(Outcome::Success);
        note(refused());
    }
    readings.read_failures(&cells, &moved, &mut first);
    let second = readings.read(&cells);
    assert!(times(&first.in_a_row) <= 1);
    assert_eq!(times(&second.in_a_row), 1);
    let all = [first, second].iter().flat_map(Report::strikes).map(|strike| strike.times).sum::<u32>();
    assert_eq!(all, 101);
}

#[test]
fn the_newest_wish_to_drain_wins_even_one_to_end_it() {
    let backend = backend("a", 2);
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let (long, none) = (Duration::from_secs(60), Duration::ZERO);
    for wishes in [[(0, long, 1), (1, none, 2)], [(1, none, 2), (0, long, 1)], [(0, long, 1), (0, none, 2)]] {
        for (core, how_long, second) in wishes {
            backend.ask_to_drain(core, how_long, at(second));
        }
        let mut readings = Readings::default();
        let report = backend.read(&mut readings);
        assert_eq!(report.drain, Some((none, at(2))));
        assert!(!report.is_empty());
        assert!(backend.read(&mut readings).is_empty(), "it is told once");
    }
}

#[test]
fn a_core_may_vouch_whichever_it_is() {
    for core in 0..2 {
        let backend = backend("a", 2);
        let mut readings = Readings::default();
        backend.vouch(core, 6);
        backend.vouch(core, 7);
        let report = backend.read(&mut readings);
        assert_eq!((report.vouched, report.is_empty()), (Some(7), false));
        assert!(backend.read(&mut readings).is_empty(), "it is told once");
    }
}

#[test]
fn heads_are_added_up_over_the_cores_since_the_last_reading() {
    let backend = backend("a", 2);
    let mut readings = Readings::default();
    for (core, class, micros) in [(0, 1, 500), (1, 4, 700), (1, 2, 10)] {
        backend.counters[core].responses[class].add(1);
        backend.counters[core].head_micros.add(micros);
    }
    let mut heads = || {
        let report = backend.read(&mut readings);
        (report.heads, report.head_micros, report.is_empty())
    };
    assert_eq!(heads(), (3, 1210, false));
    assert_eq!(heads(), (0, 0, true));
    backend.counters[0].responses[1].add(2);
    assert_eq!(heads(), (2, 0, false));
}

proptest! {
    /// Whatever one core saw, and whatever of it had to make room.
    #[test]
    fn a_streak_is_what_came_after_the_last_success_and_no_strike_is_lost(
        story in prop::collection::vec((prop::bool::weighted(0.2), 1u64..60), 0..300),
    ) {
        let backend = backend("a", 1);
        for (is_success, key) in &story {
            let outcome = if *is_success { Outcome::Success } else { of_request(*key) };
            record(&backend, 0, Role::Turn, outcome);
        }
        let report = backend.read(&mut Readings::default());
        let streak = story.iter().rev().take_while(|(is_success, _)| !is_success).count();
        let strikes = story.iter().filter(|(is_success, _)| !is_success).count();
        prop_assert_eq!(times(&report.in_a_row) as usize, streak);
        prop_assert_eq!(times(&report.in_a_row) as usize + times(&report.scattered) as usize, strikes);
    }
}
