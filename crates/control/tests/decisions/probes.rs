//! When probes are ordered, and what comes of their results.

use std::time::Duration;

use evenkeel_control::{Effects, Input, Next};
use evenkeel_health::ProbeResult;
use evenkeel_model::{Cause, Phase, ProbeFailure};
use evenkeel_routing::Backend;

use crate::scene::{PROBED, Scene, TWO, probed, transitions};

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
