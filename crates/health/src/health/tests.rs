//! Lives of backends as tables: (second, event, expected phase).

use evenkeel_model::Cause::{ConnectRefused, UpstreamStatus};
use evenkeel_model::Phase::{Ejected, Serving, Trial, Unproven};
use evenkeel_model::{Cause, ProbeFailure};
use proptest::prelude::*;

use super::*;
use crate::{Eject, Probe};

const OK: Event = Event::Success { count: 1 };
const PASS: Event = Event::Trial(Ok(()));
const FAIL: Event = Event::Trial(Err(ConnectRefused));
const ALIVE: Event = Event::Probe(ProbeResult::Passed);
const DEAD: Event = Event::Probe(ProbeResult::Failed(ProbeFailure::Status(500)));
const TICK: Event = Event::Tick;

fn strikes(times: u32) -> Event {
    let fault = Fault { cause: ConnectRefused, status: 0, tls: None, key: 1, proof: Proof::Alone };
    Event::Strike { strike: Strike { fault, times, at: Instant::now() }, in_a_row: true }
}

/// Three strikes, ten seconds, five minutes, two trials; no probe, no jitter.
fn traffic() -> Policy {
    Policy { eject: Some(Eject { jitter_percent: 0, ..Eject::default() }), ..Policy::default() }
}

/// As [`traffic`], and a probe: three fall, two rise.
fn probed() -> Policy {
    Policy { probe: Some(Probe::default()), ..traffic() }
}

fn second(start: Instant, second: f64) -> Instant {
    start + Duration::from_secs_f64(second)
}

/// As in a pool where nothing speaks for it.
fn tried(health: Health, event: Event, now: Instant, policy: &Policy) -> Health {
    let health = health.step(event, now, policy);
    match health.charge(now, policy) {
        Some(evidence) => health.step(Event::Eject(evidence), now, policy),
        None => health,
    }
}

/// Lives through a table and returns the health at its end.
fn live(policy: &Policy, table: &[(f64, Event, Phase)]) -> (Instant, Health) {
    let start = Instant::now();
    let mut health = Health::new(start, 0, policy);
    for (row, &(at, event, phase)) in table.iter().enumerate() {
        health = tried(health, event, second(start, at), policy);
        assert_eq!(health.phase(), phase, "row {row}: {event:?} at {at}");
    }
    (start, health)
}

#[test]
fn the_first_success_proves_a_backend() {
    live(&traffic(), &[(0.0, TICK, Unproven), (1.0, OK, Serving)]);
    live(&probed(), &[(0.0, TICK, Unproven), (1.0, ALIVE, Serving)]);
}

#[test]
fn the_first_failed_probe_ejects_an_unproven_backend_but_not_a_serving_one() {
    live(&probed(), &[(0.0, DEAD, Ejected)]);
    live(&probed(), &[(0.0, OK, Serving), (1.0, DEAD, Serving), (3.0, DEAD, Serving), (5.0, DEAD, Ejected)]);
    live(
        &probed(),
        &[
            (0.0, OK, Serving),
            (1.0, DEAD, Serving),
            (3.0, DEAD, Serving),
            (5.0, ALIVE, Serving),
            (7.0, DEAD, Serving),
        ],
    );
}

#[test]
fn three_strikes_in_a_row_eject() {
    let (start, health) = live(
        &traffic(),
        &[
            (0.0, strikes(1), Unproven),
            (0.0, strikes(1), Unproven),
            (0.0, OK, Serving),
            (1.0, strikes(1), Serving),
            (1.0, strikes(1), Serving),
            (1.5, strikes(1), Ejected),
        ],
    );
    let status = health.status(second(start, 2.0), &traffic());
    assert_eq!(status.evidence, Evidence::Strikes { count: 3, cause: ConnectRefused, status: 0, tls: None });
    assert_eq!((status.since, status.ejections), (second(start, 1.5), 1));
}

#[test]
fn strikes_that_are_read_together_count_each() {
    let two = strikes(2);
    live(&traffic(), &[(0.0, strikes(1), Unproven), (0.0, two, Ejected)]);
}

#[test]
fn requests_sent_before_an_ejection_say_nothing_new() {
    live(&traffic(), &[(0.0, strikes(3), Ejected), (1.0, OK, Ejected), (1.0, strikes(1), Ejected)]);
}

/// Ejected at second 0.
fn out() -> (f64, Event, Phase) {
    (0.0, strikes(3), Ejected)
}

#[test]
fn two_successful_trials_readmit() {
    let (start, health) = live(
        &traffic(),
        &[out(), (9.9, TICK, Ejected), (10.0, TICK, Trial), (11.0, PASS, Trial), (12.0, PASS, Serving)],
    );
    let status = health.status(second(start, 12.0), &traffic());
    assert_eq!(status.evidence, Evidence::TrialsPassed { count: 2 });
}

#[test]
fn a_failed_trial_doubles_the_wait() {
    let (start, health) = live(
        &traffic(),
        &[
            out(),
            (10.0, TICK, Trial),
            (10.0, PASS, Trial),
            (10.0, FAIL, Ejected),
            (29.9, TICK, Ejected),
            (30.0, TICK, Trial),
            (30.0, FAIL, Ejected),
            (69.9, TICK, Ejected),
            (70.0, TICK, Trial),
        ],
    );
    assert_eq!(health.status(second(start, 70.0), &traffic()).ejections, 3);
    assert_eq!(health.wait(&traffic()), Duration::from_secs(40));
}

#[test]
fn the_wait_has_a_longest() {
    let (now, policy) = (Instant::now(), traffic());
    let mut health = tried(Health::new(now, 0, &policy), out().1, now, &policy);
    for _ in 0..100 {
        let end = health.since + health.wait(&policy);
        health = health.step(TICK, end, &policy).step(FAIL, end, &policy);
    }
    assert_eq!(health.wait(&policy), Duration::from_secs(300));
}

#[test]
fn an_ejection_soon_after_another_waits_longer_and_a_good_run_is_forgiven() {
    let back = [out(), (10.0, TICK, Trial), (10.0, PASS, Trial), (10.0, PASS, Serving)];
    let (start, health) = live(&traffic(), &back);
    let policy = traffic();
    let soon = tried(health, out().1, second(start, 309.0), &policy);
    assert_eq!(soon.wait(&policy), Duration::from_secs(20));
    let late = tried(health, out().1, second(start, 310.0), &policy);
    assert_eq!(late.wait(&policy), Duration::from_secs(10));
    assert_eq!(health.status(second(start, 310.0), &policy).ejections, 0);
}

#[test]
fn two_successes_as_a_last_resort_readmit_at_once() {
    live(
        &traffic(),
        &[out(), (1.0, PASS, Ejected), (1.0, FAIL, Ejected), (1.0, PASS, Ejected), (1.1, PASS, Serving)],
    );
    live(&probed(), &[out(), (1.0, PASS, Ejected), (1.1, PASS, Serving)]);
}

#[test]
fn a_failed_last_resort_does_not_lengthen_the_wait() {
    live(&traffic(), &[out(), (5.0, FAIL, Ejected), (9.0, FAIL, Ejected), (10.0, TICK, Trial)]);
}

#[test]
fn what_probes_ejected_only_probes_put_back_and_without_a_wait() {
    live(
        &probed(),
        &[
            (0.0, DEAD, Ejected),
            (0.5, PASS, Ejected),
            (0.6, PASS, Ejected),
            (2.0, ALIVE, Ejected),
            (4.0, DEAD, Ejected),
            (6.0, ALIVE, Ejected),
            (8.0, ALIVE, Serving),
        ],
    );
}

#[test]
fn what_traffic_ejected_waits_even_if_probes_pass() {
    live(
        &probed(),
        &[
            out(),
            (2.0, ALIVE, Ejected),
            (4.0, ALIVE, Ejected),
            (6.0, ALIVE, Ejected),
            (9.9, TICK, Ejected),
            (10.0, TICK, Serving),
        ],
    );
    live(
        &probed(),
        &[
            out(),
            (8.0, ALIVE, Ejected),
            (9.0, DEAD, Ejected),
            (10.0, TICK, Ejected),
            (11.0, ALIVE, Ejected),
            (13.0, ALIVE, Serving),
        ],
    );
}

#[test]
fn a_reloaded_policy_applies_at_once() {
    let (start, health) = live(&traffic(), &[out(), (5.0, TICK, Ejected)]);
    let eject = Eject { wait: Duration::from_secs(5), jitter_percent: 0, ..Eject::default() };
    let quick = Policy { eject: Some(eject), ..traffic() };
    assert_eq!(health.step(TICK, second(start, 5.0), &quick).phase(), Trial);
    let off = Policy { eject: None, ..traffic() };
    assert_eq!(health.step(TICK, second(start, 5.0), &off).phase(), Unproven);
    // Probes were removed: the ordinary way back.
    let (start, health) = live(&probed(), &[(0.0, DEAD, Ejected)]);
    assert_eq!(health.step(TICK, second(start, 9.0), &traffic()).phase(), Ejected);
    assert_eq!(health.step(TICK, second(start, 10.0), &traffic()).phase(), Trial);
}

#[test]
fn a_probe_that_was_on_its_way_when_probes_were_turned_off_says_nothing() {
    live(
        &traffic(),
        &[(0.0, DEAD, Unproven), (1.0, ALIVE, Unproven), (2.0, OK, Serving), (3.0, DEAD, Serving)],
    );
}

#[test]
fn whoever_is_out_when_health_is_turned_off_is_in_again() {
    let off = Policy { eject: None, ..traffic() };
    let (start, ejected) = live(&traffic(), &[out()]);
    let on_trial = ejected.step(TICK, second(start, 11.0), &traffic());
    for (out, event) in [(ejected, TICK), (ejected, FAIL), (on_trial, FAIL), (on_trial, TICK)] {
        assert_eq!(out.step(event, second(start, 12.0), &off).phase(), Unproven, "{event:?}");
    }
}

#[test]
fn without_ejection_strikes_change_nothing() {
    let off = Policy { eject: None, ..traffic() };
    let many = strikes(1000);
    live(&off, &[(0.0, many, Unproven), (1.0, OK, Serving), (2.0, many, Serving)]);
}

/// The shares of a backend's weight, from one step to the next, and when the last one was.
fn ramps(mut health: Health, mut now: Instant, policy: &Policy) -> (Vec<f32>, Instant) {
    let mut ramps = vec![health.status(now, policy).ramp];
    while let Some(next) = health.next(now, policy).filter(|_| ramps.last() < Some(&1.0)) {
        now = next;
        health = health.step(TICK, now, policy);
        ramps.push(health.status(now, policy).ramp);
    }
    (ramps, now)
}

const TEN_STEPS: [f32; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

#[test]
fn every_entry_into_service_is_a_slow_start_of_ten_steps() {
    let policy = traffic();
    let start = Instant::now();
    assert_eq!(ramps(Health::new(start, 0, &policy), start, &policy).0, TEN_STEPS);
    let (start, back) = live(&policy, &[out(), (1.0, PASS, Ejected), (1.0, PASS, Serving)]);
    assert_eq!(ramps(back, second(start, 1.0), &policy), (TEN_STEPS.to_vec(), second(start, 10.0)));
    let (start, ready) = live(&policy, &[out(), (2.0, Event::Ready, Serving)]);
    assert_eq!(ramps(ready, second(start, 2.0), &policy), (TEN_STEPS.to_vec(), second(start, 11.0)));
    let (start, held) = live(&policy, &[(0.0, OK, Serving), (30.0, Event::Return, Serving)]);
    assert_eq!(ramps(held, second(start, 30.0), &policy).0, TEN_STEPS);
    let at_once = Policy { slow_start: Duration::ZERO, ..policy };
    assert_eq!(held.status(second(start, 30.0), &at_once).ramp, 1.0);
}

#[test]
fn a_first_success_does_not_begin_the_slow_start_anew() {
    let (start, health) = live(&traffic(), &[(0.0, TICK, Unproven), (5.0, OK, Serving)]);
    assert_eq!(health.status(second(start, 5.0), &traffic()).ramp, 0.6);
}

#[test]
fn a_probe_that_fails_while_requests_have_ejected_makes_the_wait_needless() {
    live(&probed(), &[out(), (0.5, DEAD, Ejected), (1.0, ALIVE, Ejected), (1.5, ALIVE, Serving)]);
}

#[test]
fn what_comes_and_goes_is_flapping_and_its_trials_are_longer() {
    let policy = traffic();
    let mut now = Instant::now();
    let mut health = Health::new(now, 0, &policy);
    let mut passed = Vec::new();
    for _ in 0..4 {
        health = tried(health, strikes(3), now, &policy);
        now += health.wait(&policy);
        health = health.step(TICK, now, &policy);
        let mut count = 0;
        while health.phase() == Trial {
            health = health.step(PASS, now, &policy);
            count += 1;
        }
        passed.push((count, health.status(now, &policy).is_flapping));
    }
    assert_eq!(passed, [(2, false), (2, false), (10, true), (10, true)]);
    let forgiven = now + Duration::from_secs(300);
    assert!(!health.status(forgiven, &policy).is_flapping);
    assert_eq!(tried(health, strikes(3), forgiven, &policy).trials(&policy), 2);
}

#[test]
fn a_backend_that_stays_down_is_not_flapping() {
    let (start, health) = live(
        &traffic(),
        &[out(), (10.0, TICK, Trial), (10.0, FAIL, Ejected), (30.0, TICK, Trial), (30.0, FAIL, Ejected)],
    );
    assert!(!health.status(second(start, 30.0), &traffic()).is_flapping);
    assert_eq!(health.trials(&traffic()), 2);
}

#[test]
fn waits_are_longer_by_a_jitter_that_differs_from_backend_to_backend() {
    let policy = Policy::default();
    let wait = |seed| {
        tried(Health::new(Instant::now(), seed, &policy), strikes(3), Instant::now(), &policy).wait(&policy)
    };
    let waits: Vec<_> = (0..50).map(wait).collect();
    let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(*least >= Duration::from_secs(10) && *most <= Duration::from_secs(11), "{waits:?}");
    assert!(*most - *least > Duration::from_millis(500), "{waits:?}");
}

#[test]
fn a_backend_begins_as_its_policy_says() {
    let start = Instant::now();
    let health = |initial, policy: Policy| Health::new(start, 0, &Policy { initial, ..policy });
    assert_eq!(health(Initial::Serving, probed()).phase(), Serving);
    let proven = health(Initial::Serving, probed());
    assert_eq!(tried(proven, DEAD, start, &probed()).phase(), Serving, "one failed probe is not three");
    let out = health(Initial::Ejected, probed());
    let once = out.step(ALIVE, start, &probed());
    assert_eq!((out.phase(), once.phase()), (Ejected, Ejected));
    assert_eq!(once.step(ALIVE, start, &probed()).phase(), Serving);
    let unprobed = health(Initial::Ejected, traffic());
    assert_eq!(unprobed.step(TICK, start, &traffic()).phase(), Trial, "there is nothing to wait for");
}

fn soft(key: u64, proof: Proof) -> Event {
    let fault = Fault { cause: UpstreamStatus, status: 503, tls: None, key, proof };
    Event::Strike { strike: Strike { fault, times: 1, at: Instant::now() }, in_a_row: true }
}

#[test]
fn one_request_that_fails_again_and_again_convicts_nobody() {
    let alone = soft(7, Proof::Alone);
    let (start, health) = live(&traffic(), &vec![(0.0, alone, Unproven); 40]);
    assert_eq!(health.charge(start, &traffic()), None);
    assert_eq!(health.suspicion(start, &traffic()).map(|(key, _)| key), Some(7));
}

#[test]
fn a_request_that_kills_a_backend_convicts_it_unless_it_has_killed_others() {
    let policy = traffic();
    let now = Instant::now();
    let charge = |cause: Cause, proof| {
        let fault = Fault { key: 7, proof, ..cause.into() };
        let event = Event::Strike { strike: Strike { fault, times: 40, at: now }, in_a_row: true };
        let struck = Health::new(now, 0, &policy).step(event, now, &policy);
        let poisoned = struck.step(Event::Poisoned { key: 7 }, now, &policy);
        [struck, poisoned].map(|health| health.charge(now, &policy).is_some())
    };
    for cause in [Cause::ClosedBeforeResponse, Cause::EofInHead] {
        assert_eq!(charge(cause, Proof::Alone), [true, false], "{cause:?}");
        assert_eq!(charge(cause, Proof::Elsewhere), [true, true], "{cause:?}");
    }
    for cause in [ConnectRefused, Cause::ConnectReset, Cause::ConnectTimeout] {
        assert_eq!(charge(cause, Proof::Alone), [true, true], "it never got the request: {cause:?}");
    }
}

#[test]
fn two_different_requests_that_fail_convict() {
    live(
        &traffic(),
        &[
            (0.0, soft(7, Proof::Alone), Unproven),
            (1.0, soft(7, Proof::Alone), Unproven),
            (2.0, soft(8, Proof::Alone), Ejected),
        ],
    );
    live(
        &traffic(),
        &[
            (0.0, soft(7, Proof::Alone), Unproven),
            (11.0, soft(8, Proof::Alone), Unproven),
            (11.0, soft(8, Proof::Alone), Unproven),
            (12.0, soft(9, Proof::Alone), Ejected),
        ],
    );
}

#[test]
fn a_retry_that_succeeds_elsewhere_is_the_proof() {
    let elsewhere = soft(7, Proof::Elsewhere);
    live(&traffic(), &[(0.0, elsewhere, Unproven), (0.0, elsewhere, Unproven), (0.0, elsewhere, Ejected)]);
}

#[test]
fn so_is_another_backend_that_succeeds_with_the_same_request() {
    let alone = soft(7, Proof::Alone);
    let proven = |key| Event::Proven { key };
    let before = [(0.0, alone, Unproven), (0.0, alone, Unproven), (0.0, alone, Unproven)];
    live(&traffic(), &[&before[..], &[(1.0, proven(8), Unproven)]].concat());
    live(&traffic(), &[&before[..], &[(1.0, proven(7), Ejected)]].concat());
}

/// So many successes and failures, in turn.
fn mixed(policy: &Policy, successes: u32, failures: u32, strike: Event) -> Option<Evidence> {
    let now = Instant::now();
    let mut health = Health::new(now, 0, policy);
    for turn in 0..successes.max(failures) {
        health = if turn < failures { health.step(strike, now, policy) } else { health };
        health = if turn < successes { health.step(OK, now, policy) } else { health };
    }
    health.charge(now, policy)
}

#[test]
fn a_share_of_failures_convicts_from_a_minimum_of_requests_on() {
    let policy = traffic();
    let hard = strikes(1);
    assert_eq!(mixed(&policy, 9, 9, hard), None, "too few");
    assert_eq!(mixed(&policy, 11, 9, hard), None, "too small a share");
    let evidence = Evidence::Rate { failed: 10, requests: 20, cause: ConnectRefused };
    assert_eq!(mixed(&policy, 10, 10, hard), Some(evidence));
}

#[test]
fn gateway_errors_of_its_own_have_their_own_share() {
    let policy = traffic();
    let elsewhere = soft(7, Proof::Elsewhere);
    assert_eq!(mixed(&policy, 40, 13, elsewhere), None);
    let evidence = Evidence::GatewayRate { failed: 10, requests: 40 };
    assert_eq!(mixed(&policy, 30, 10, elsewhere), Some(evidence));
    assert_eq!(mixed(&policy, 30, 10, soft(7, Proof::Alone)), None, "the request may be to blame");
    let off = Policy { eject: policy.eject.map(|eject| Eject { gateway_percent: None, ..eject }), ..policy };
    assert_eq!(mixed(&off, 30, 10, elsewhere), None);
}

#[test]
fn what_is_pardoned_is_not_held_against_it_later() {
    let policy = traffic();
    let now = Instant::now();
    let health = Health::new(now, 0, &policy).step(strikes(5), now, &policy);
    assert!(health.charge(now, &policy).is_some() && health.is_failing());
    let pardoned = health.step(Event::Pardon, now, &policy);
    assert!(pardoned.charge(now, &policy).is_none() && !pardoned.is_failing());
}

#[test]
fn an_operator_who_says_ready_is_believed_until_new_evidence() {
    live(
        &traffic(),
        &[out(), (1.0, Event::Ready, Serving), (1.0, strikes(2), Serving), (1.0, strikes(1), Ejected)],
    );
    let on_trial = [out(), (10.0, TICK, Trial), (10.0, Event::Ready, Serving)];
    let (start, health) = live(&traffic(), &on_trial);
    let status = health.status(second(start, 10.0), &traffic());
    assert_eq!((status.evidence, status.ejections), (Evidence::Operator, 0));
}

#[test]
fn an_answer_of_too_often_is_neither_here_nor_there() {
    let often = Event::Probe(ProbeResult::TooOften);
    live(
        &probed(),
        &[
            (0.0, often, Unproven),
            (1.0, OK, Serving),
            (2.0, DEAD, Serving),
            (2.0, often, Serving),
            (3.0, DEAD, Serving),
            (3.0, DEAD, Ejected),
        ],
    );
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![Just(OK), Just(strikes(1)), Just(PASS), Just(FAIL), Just(ALIVE), Just(DEAD), Just(TICK)]
}

proptest! {
    #[test]
    fn a_backend_that_is_well_again_always_comes_back(
        events in prop::collection::vec((0u64..20_000, any_event()), 0..60), is_probed: bool,
    ) {
        let policy = if is_probed { probed() } else { traffic() };
        let mut now = Instant::now();
        let mut health = Health::new(now, 0, &policy);
        for (millis, event) in events {
            now += Duration::from_millis(millis);
            health = tried(health, event, now, &policy);
        }
        let well = now + health.wait(&policy).max(Duration::from_secs(10)) + Duration::from_secs(10);
        while now < well {
            now += Duration::from_secs(2);
            let proof = if is_probed { ALIVE } else { PASS };
            let proofs = [TICK, proof, if health.phase() == Trial { PASS } else { TICK }];
            health = proofs.into_iter().fold(health, |health, event| health.step(event, now, &policy));
        }
        prop_assert_eq!(health.phase(), Serving);
    }
}
