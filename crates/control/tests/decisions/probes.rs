//! When probes are ordered, and what comes of their results.

use std::time::Duration;

use evenkeel_control::{Effects, Input, Next};
use evenkeel_health::ProbeResult;
use evenkeel_model::{Cause, Outcome, Phase, ProbeFailure};
use evenkeel_routing::Backend;

use crate::scene::{FAILED, PROBED, Scene, TWO, probed, transitions};

#[test]
fn probes_begin_soon_and_go_on_one_at_a_time_with_a_tenth_of_jitter() {
    let mut scene = Scene::with(&format!("{TWO}, {PROBED}"));
    let mut began: Vec<Vec<u64>> = vec![Vec::new(), Vec::new()];
    let mut next = Some(scene.now);
    while let Some(at) = next.filter(|at| *at < scene.start + Duration::from_secs(60)) {
        scene.now = at;
        let effects = scene.tell(Input::Tick);
        next = effects.next;
        for order in effects.probes {
            let index = usize::from(order.id == scene.id(1));
            began[index].push((scene.now - scene.start).as_millis() as u64);
            next = scene.tell(probed(order.id, None)).next;
        }
    }
    for began in began {
        assert!(began[0] <= 250 && began.len() > 25, "{began:?}");
        assert!(began.windows(2).all(|pair| (1799..=2201).contains(&(pair[1] - pair[0]))), "{began:?}");
    }
}

#[test]
fn a_probe_in_flight_is_waited_for_and_a_result_nobody_ordered_is_no_news() {
    let mut scene = Scene::with(&format!("{TWO}, {PROBED}"));
    let ordered = |effects: Vec<Effects>| effects.iter().map(|effects| effects.probes.len()).sum::<usize>();
    assert_eq!(ordered(scene.wait_until(300)), 2);
    scene.tell(probed(scene.id(1), Some(Cause::LocalResource)));
    scene.tell(probed(scene.id(1), Some(Cause::ConnectRefused)));
    assert_eq!(scene.phases()[1], Phase::Unproven, "the one that was ordered says nothing about it");
    let others = scene.wait_until(10_000).into_iter().flat_map(|effects| effects.probes);
    assert!(others.map(|order| order.id).eq([scene.id(1)]), "the first backend's is still in flight");
}

#[test]
fn what_probes_ejected_returns_by_probes_without_a_wait() {
    let mut scene = Scene::with(&format!("{TWO}, {PROBED}"));
    let mut phases = Vec::new();
    for (second, result) in [Some(Cause::HeadTimeout), None, None].into_iter().enumerate() {
        scene.wait_until(second as u64 * 2_500 + 300);
        let effects = scene.tell(probed(scene.id(0), result));
        phases.extend(transitions(&effects).iter().map(|transition| (transition.to, transition.next)));
    }
    let wait = Duration::ZERO;
    let slow_start = Next::SlowStart(Duration::from_secs(10));
    assert_eq!(phases, [(Phase::Ejected, Next::Probes { rise: 2, wait }), (Phase::Serving, slow_start)]);
}

/// Answers every probe of the first backend with these results in turn; returns when each of them began.
fn began(scene: &mut Scene, results: &[ProbeResult], between: impl Fn(&mut Scene)) -> Vec<u64> {
    let mut began = Vec::new();
    let mut effects = scene.tell(Input::Tick);
    while began.len() < results.len() {
        let Some(order) = effects.probes.pop() else {
            scene.now = effects.next.unwrap().max(scene.now);
            assert!(scene.now < scene.start + Duration::from_secs(600), "no more probes after {began:?}");
            effects = scene.tell(Input::Tick);
            continue;
        };
        let is_first = order.id == scene.id(0);
        let result = if is_first { results[began.len()] } else { ProbeResult::Passed };
        if is_first {
            began.push((scene.now - scene.start).as_millis() as u64);
        }
        let mut left = std::mem::take(&mut effects.probes);
        effects = scene.tell(Input::Probed { id: order.id, result, drain: None });
        effects.probes.append(&mut left);
        between(scene);
    }
    began
}

const FAILS: ProbeResult = ProbeResult::Failed(ProbeFailure::Status(500));

fn gaps(began: &[u64]) -> Vec<u64> {
    began.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn probes_hurry_while_the_last_one_contradicts_the_phase() {
    let mut scene = Scene::with(&format!("{TWO}, {PROBED}"));
    let results = [ProbeResult::Passed, ProbeResult::Passed, FAILS, FAILS, FAILS, FAILS, ProbeResult::Passed];
    let began = began(&mut scene, &[&results[..], &[ProbeResult::Passed; 2]].concat(), |_| {});
    let is_fast: Vec<bool> = gaps(&began).iter().map(|gap| *gap < 600).collect();
    // The third that fails ejects; the one behind it was planned while that was in doubt.
    assert_eq!(is_fast, [false, false, true, true, true, false, true, false], "{began:?}");
}

#[test]
fn probes_take_their_time_while_requests_prove_the_backend() {
    let mut scene = Scene::with(&format!("{TWO}, {PROBED}"));
    let began = began(&mut scene, &[ProbeResult::Passed; 6], |scene| {
        scene.record(0, &[Outcome::Success]);
    });
    let gaps = gaps(&began);
    assert!(gaps[1..].iter().all(|gap| (3599..=4401).contains(gap)), "{gaps:?}");
}

#[test]
fn a_strike_has_the_next_probe_begin_soon() {
    let mut scene = Scene::with(&format!("{TWO}, {PROBED}"));
    began(&mut scene, &[ProbeResult::Passed; 3], |_| {});
    let struck = scene.now;
    scene.record(0, &[FAILED]);
    let began = began(&mut scene, &[ProbeResult::Passed], |_| {});
    assert!(began[0] - (struck - scene.start).as_millis() as u64 <= 551, "{began:?}");
}

#[test]
fn answers_of_429_slow_the_probes_down_and_say_nothing() {
    let mut scene = Scene::with(&format!("{TWO}, {PROBED}"));
    let began = began(&mut scene, &[ProbeResult::TooOften; 5], |_| {});
    for (gap, usual) in gaps(&began).into_iter().zip([4000, 8000, 16_000, 32_000]) {
        assert!((usual * 9 / 10 - 1..=usual * 11 / 10 + 1).contains(&gap), "{began:?}");
    }
    assert_eq!(scene.phases()[0], Phase::Unproven);
}

#[test]
fn two_proofs_are_never_of_one_instant() {
    let mut scene = Scene::with(&format!("{TWO}, {PROBED}"));
    scene.wait_until(300);
    scene.tell(probed(scene.id(0), Some(Cause::ConnectRefused)));
    let ordered = |effects: &[Effects], id| effects.iter().flat_map(|it| &it.probes).any(|it| it.id == id);
    assert!(ordered(&scene.wait_until(2_600), scene.id(0)), "the next one began");
    // It waited for all of its time, and passed at last.
    scene.wait_until(5_600);
    scene.tell(probed(scene.id(0), None));
    assert!(!ordered(&scene.wait_until(6_000), scene.id(0)), "and the next one is not at once");
    assert!(ordered(&scene.wait_until(6_200), scene.id(0)));
}

#[test]
fn a_probe_goes_where_it_is_sent_and_over_a_new_connection_while_in_doubt() {
    let orders = |probe: &str, backend: &str| {
        let mut scene =
            Scene::with(&format!(r#"backends: ["{backend}"], health: {{ probe: {{ path: /, {probe} }} }}"#));
        let orders: Vec<_> = scene.wait_until(300).into_iter().flat_map(|it| it.probes).collect();
        (orders[0].endpoints[0].to_string(), orders[0].host.to_string(), orders[0].is_fresh)
    };
    let host = "10.0.0.1:80".to_string();
    assert_eq!(orders("", "10.0.0.1:80"), ("10.0.0.1:80".into(), host.clone(), true));
    assert_eq!(orders("port: 9000", "10.0.0.1:80"), ("10.0.0.1:9000".into(), host.clone(), true));
    assert_eq!(orders(r#"address: "10.0.0.9:7""#, "10.0.0.1:80"), ("10.0.0.9:7".into(), host, true));

    let mut scene = Scene::with(&format!("{TWO}, {PROBED}"));
    scene.wait_until(300);
    scene.tell(probed(scene.id(0), None));
    let fresh = |effects: &[Effects]| effects.iter().flat_map(|it| &it.probes).map(|it| it.is_fresh).next();
    assert_eq!(fresh(&scene.wait_until(2_600)), Some(false), "a kept one will do");
    scene.tell(probed(scene.id(0), Some(Cause::ConnectRefused)));
    assert_eq!(fresh(&scene.wait_until(3_500)), Some(true));
}

#[test]
fn probes_are_counted_as_health_takes_them() {
    let mut scene = Scene::with(&format!("{TWO}, {PROBED}"));
    let passed = ProbeResult::Passed;
    let failed = |cause| ProbeResult::Failed(ProbeFailure::Failed(cause));
    let results = [
        passed,
        ProbeResult::Drains,
        ProbeResult::TooOften,
        failed(Cause::HeadTimeout),
        failed(Cause::LocalResource),
    ];
    for (round, result) in results.into_iter().enumerate() {
        // Whatever the wait before it was: 429 makes it longer.
        scene.wait_until(300 + round as u64 * 60_000);
        scene.tell(Input::Probed { id: scene.id(0), result, drain: None });
    }
    let counts = |backend: &Backend| (backend.probes_passed.read(), backend.probes_failed.read());
    assert_eq!(counts(&scene.backend(0)), (2, 1), "429 and this machine's own trouble say nothing about it");
    assert_eq!(counts(&scene.backend(1)), (0, 0));
}
