//! Lives of backends as tables: (second, event, expected phase).

use evenkeel_model::Cause::ConnectRefused;
use evenkeel_model::Phase::{Ejected, Serving, Trial, Unproven};
use evenkeel_model::ProbeFailure;
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
    let fault = Fault { cause: ConnectRefused, status: 0, key: 1, proof: Proof::Alone };
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
    assert_eq!(status.evidence, Evidence::Strikes { count: 3, cause: ConnectRefused, status: 0 });
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

#[test]
fn a_slow_start_has_ten_steps_and_a_process_start_has_none() {
    let policy = traffic();
    let (start, fresh) = live(&policy, &[(0.0, OK, Serving)]);
    assert_eq!(fresh.status(start, &policy).ramp, 1.0);
    assert_eq!(fresh.next(start, &policy), None);

    let (start, mut health) = live(&policy, &[out(), (1.0, PASS, Ejected), (1.0, PASS, Serving)]);
    let (mut now, mut ramps) = (second(start, 1.0), Vec::new());
    while let Some(next) = health.next(now, &policy).filter(|next| *next <= second(start, 11.0)) {
        ramps.push(health.status(now, &policy).ramp);
        health = health.step(TICK, next, &policy);
        now = next;
    }
    assert_eq!(ramps, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]);
    assert_eq!((health.status(now, &policy).ramp, now), (1.0, second(start, 10.0)));
    let at_once = Policy { slow_start: Duration::ZERO, ..policy };
    assert_eq!(health.status(second(start, 1.0), &at_once).ramp, 1.0);
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
