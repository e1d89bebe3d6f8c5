//! One bad backend of three.

use std::time::Duration;

use evenkeel_tests::fleet::{Action, Flag, Fleet};
use evenkeel_tests::wait;
use serde_json::Value;

use super::stage::{BAD, PROBES, Scene};
use crate::times;

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_else(|| panic!("no {field} in {event}"))
}

/// Bad for requests and probes alike: out within a second of the first failure, back as soon as two probes pass.
#[track_caller]
fn out_and_back(break_it: Action, mend: Action, causes: &[&str]) {
    let mut scene = Scene::set(PROBES);
    scene.act(break_it);
    scene.wait_for(BAD, "ejected");
    let out = scene.change("ejected");
    let evidence = text(&out, "evidence");
    assert!(causes.iter().any(|cause| evidence.contains(cause)), "{out}");
    // So that probes, too, know of it.
    scene.go_on(300);
    scene.act(mend);
    scene.wait_for(BAD, "serving");
    let back = scene.changes(BAD, "serving").pop().unwrap();
    assert_eq!(text(&back, "evidence"), "2 probes in a row passed");
    assert_eq!(scene.changes(BAD, "ejected").len(), 1, "it was ejected again although it is well");
    if let Some(first) = scene.first_strike() {
        let late = times::of(&out) - first;
        assert!(late < 1.0, "ejected {late} s after the first strike");
    }
    scene.end(&[BAD]);
}

#[test]
fn a_killed_backend_leaves_within_a_second_and_returns() {
    // Probes may be the first to know.
    out_and_back(Action::Kill, Action::Start, &["connect_refused", "closed_before_response"]);
}

#[test]
fn a_hung_backend_leaves_within_a_second_and_returns() {
    out_and_back(Action::Freeze, Action::Thaw, &["stalled", "head_timeout"]);
}

#[test]
fn a_backend_that_resets_leaves_within_a_second_and_returns() {
    let flag = Flag::Reset;
    out_and_back(Action::Raise(flag), Action::Lower(flag), &["closed_before_response"]);
}

#[test]
fn a_backend_that_answers_502_leaves_within_a_second_and_returns() {
    let flag = Flag::Status502;
    out_and_back(Action::Raise(flag), Action::Lower(flag), &["upstream_status (502)"]);
}

#[test]
fn a_backend_that_answers_503_leaves_within_a_second_and_returns() {
    let flag = Flag::Status503;
    out_and_back(Action::Raise(flag), Action::Lower(flag), &["upstream_status (503)"]);
}

/// Bad for some requests, while every probe passes: back when its wait is over.
#[track_caller]
fn out_while_probes_pass(mut scene: Scene, flag: Flag, evidence: fn(&str) -> bool) {
    scene.act(Action::Raise(flag));
    scene.wait_for(BAD, "ejected");
    let out = scene.change("ejected");
    assert!(evidence(text(&out, "evidence")), "{out}");
    scene.act(Action::Lower(flag));
    scene.wait_for(BAD, "serving");
    let back = scene.changes(BAD, "serving").pop().unwrap();
    assert!(text(&back, "evidence").ends_with("probes in a row passed"), "{back}");
    let held = times::of(&back) - times::of(&out);
    assert!(held >= 1.95, "back after {held} s, before its wait was over");
    scene.end(&[BAD]);
}

/// A short wait, so that the tests need not wait for long.
fn waiting(eject: &str) -> String {
    format!("{PROBES}, eject: {{ wait: 2s{eject} }}")
}

#[test]
fn a_backend_that_answers_a_third_with_503_leaves() {
    out_while_probes_pass(Scene::set(&waiting("")), Flag::ThirdStatus503, |evidence| {
        evidence.ends_with("requests were answered with 502, 503 or 504")
            || evidence.ends_with("strikes in a row, the last upstream_status (503)")
    });
}

#[test]
fn a_backend_that_closes_a_third_of_the_connections_leaves() {
    out_while_probes_pass(Scene::set(&waiting("")), Flag::ThirdCloses, |evidence| {
        evidence.contains("closed_before_response")
    });
}

#[test]
fn a_backend_fifty_times_slower_leaves_where_that_is_asked_for() {
    let scene = Scene::before(Fleet::start(true), &waiting(", latency: 10"));
    out_while_probes_pass(scene, Flag::Slow, |evidence| {
        evidence.contains("to a response head on average") && evidence.ends_with("for the others")
    });
}

#[test]
fn a_backend_that_is_only_slow_serves() {
    let mut scene = Scene::before(Fleet::start(true), PROBES);
    let before = requests(&scene);
    scene.act(Action::Raise(Flag::Slow));
    scene.go_on(600);
    scene.act(Action::Lower(Flag::Slow));
    assert!(requests(&scene) >= before + 100, "its share was taken from it");
    scene.end(&[]);
}

/// How many the bad backend has answered.
fn requests(scene: &Scene) -> u64 {
    let backend = scene.evenkeel.backend(&scene.address(BAD));
    backend["counters"]["responses"]["2xx"].as_u64().unwrap_or_default()
}

#[test]
fn a_backend_that_comes_and_goes_is_kept_out_for_longer_and_costs_nothing() {
    const PERIODS: usize = 6;
    let half = Duration::from_secs(1);
    let mut scene = Scene::set(PROBES);
    for _ in 0..PERIODS {
        scene.act(Action::Raise(Flag::Status503));
        wait::pause(half);
        scene.act(Action::Lower(Flag::Status503));
        wait::pause(half);
    }
    scene.wait_for(BAD, "serving");
    let ejections = scene.changes(BAD, "ejected");
    assert!((2..PERIODS).contains(&ejections.len()), "{ejections:?}");
    let last = ejections.last().unwrap();
    assert_eq!(last["flapping"], true, "{last}");
    let back = scene.changes(BAD, "serving").pop().unwrap();
    assert_eq!(text(&back, "evidence"), "10 probes in a row passed", "five times as many as usual");
    scene.end(&[BAD]);
}
