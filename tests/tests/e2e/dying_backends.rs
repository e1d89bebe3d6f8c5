//! Three nginx backends under load, one of them made bad in every way and brought back: no GET fails.

use std::time::Duration;

use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::load::Load;
use evenkeel_tests::nginx::Nginx;
use evenkeel_tests::wait;
use serde_json::Value;

use crate::times;
use crate::turns::paced;

/// Of the configuration below, in seconds.
const WAIT: f64 = 2.0;
const PROBE_INTERVAL: f64 = 0.5;
/// Longest that a phase is waited for; how long it took is judged by the program's own times.
const PATIENCE: Duration = Duration::from_secs(30);

struct Scene {
    nginx: Vec<Nginx>,
    evenkeel: Evenkeel,
}

fn scene(health: &str) -> Scene {
    let nginx: Vec<Nginx> = ["a", "b", "c"].map(Nginx::start).into();
    let addresses: Vec<String> = nginx.iter().map(Nginx::address).collect();
    let evenkeel = Evenkeel::start(&format!(
        "access_log: {{ path: stdout }}
pools:
  web:
    backends: [\"{}\"]
    timeouts: {{ head: 1s }}
    health: {{ {health} }}
",
        addresses.join("\", \"")
    ));
    Scene { nginx, evenkeel }
}

impl Scene {
    fn bad(&self) -> String {
        self.nginx[1].address()
    }

    fn wait_for(&self, phase: &str) {
        wait::until_true(PATIENCE, &format!("{} to be {phase}", self.bad()), || {
            self.evenkeel.phase(&self.bad()) == phase
        });
    }

    /// When the bad backend entered a phase for the last time, by the program's own event.
    fn entered(&self, phase: &str) -> f64 {
        let bad = self.bad();
        let is_it = |event: &Value| event["backend"] == bad.as_str() && event["to"] == phase;
        let entered = || self.evenkeel.events().into_iter().rfind(is_it);
        times::of(&wait::until(PATIENCE, &format!("an event: {phase}"), entered))
    }

    /// When the last request before `moment` failed at the bad backend, by the access log: the sum of its attempts' times.
    fn last_strike_before(&self, moment: f64) -> f64 {
        let bad = self.bad();
        let failed = |event: &Value| -> Vec<f64> {
            let Some(tries) = event["tries"].as_array() else {
                return Vec::new();
            };
            let mut at = times::seconds(event["time"].as_str().unwrap());
            let mut strikes = Vec::new();
            for one in tries {
                at += one["duration_seconds"].as_f64().unwrap();
                if one["backend"] == bad.as_str() {
                    strikes.push(at);
                }
            }
            strikes
        };
        let events = wait::until(PATIENCE, "requests in the access log", || {
            Some(self.evenkeel.events()).filter(|events| events.iter().any(|event| event["tries"].is_array()))
        });
        let strikes = events.iter().flat_map(failed);
        // The log's times are rounded; what is a hair later is the strike itself.
        let before = strikes.filter(|strike| *strike <= moment + 0.005);
        before.max_by(f64::total_cmp).expect("a strike before the ejection")
    }
}

/// Breaks the second backend under load, mends it as soon as it is ejected, and waits until it serves again.
fn break_and_mend(
    health: &str,
    break_it: impl FnOnce(&mut Nginx),
    mend: impl FnOnce(&mut Nginx),
) -> (Scene, f64, f64) {
    let _turn = paced();
    let mut scene = scene(health);
    let crowd = Load::on(scene.evenkeel.address()).start();
    crowd.wait_for(500);
    scene.wait_for("serving");

    break_it(&mut scene.nginx[1]);
    scene.wait_for("ejected");
    let ejected = scene.entered("ejected");
    mend(&mut scene.nginx[1]);
    scene.wait_for("serving");
    let serving = scene.entered("serving");
    crowd.wait_for(500);
    crowd.expect_no_failure();
    (scene, ejected, serving)
}

/// Ejection by traffic, re-admission by trials on traffic.
fn on_traffic(break_it: impl FnOnce(&mut Nginx), mend: impl FnOnce(&mut Nginx)) {
    let (scene, ejected, serving) = break_and_mend("eject: { wait: 2s }", break_it, mend);
    let late = ejected - scene.last_strike_before(ejected);
    assert!(late < 1.0, "ejected {late} s after the last strike");
    let out = serving - ejected;
    assert!(out >= WAIT - 0.05, "back after {out} s, before its wait was over");
    assert!(out < WAIT + 1.0, "back only after {out} s");
}

/// Ejection by traffic, re-admission by probes: once one of them has failed as well, as soon as two pass; else, as the
/// backend was mended too soon for that, not before the wait is over.
fn with_probes(break_it: impl FnOnce(&mut Nginx), mend: impl FnOnce(&mut Nginx)) {
    let health = "probe: { path: /, interval: 500ms, timeout: 400ms, rise: 2 }, eject: { wait: 2s }";
    let (scene, ejected, serving) = break_and_mend(health, break_it, mend);
    let out = serving - ejected;
    // A tenth of jitter on the wait and on the interval, and a moment for the probe itself.
    let longest = WAIT * 1.1 + PROBE_INTERVAL * 1.1 + 0.4;
    assert!(out < longest, "back only after {out} s");
    let bad = scene.bad();
    let back = |event: &Value| event["backend"] == bad.as_str() && event["to"] == "serving";
    let back = scene.evenkeel.events().into_iter().rfind(back).unwrap();
    let passed: u32 = back["evidence"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(passed == 2 || out >= WAIT - 0.05, "back after {out} s, before its wait was over: {back}");
}

#[test]
fn a_killed_backend_costs_no_get() {
    on_traffic(Nginx::kill, Nginx::run);
}

#[test]
fn a_frozen_backend_costs_no_get() {
    on_traffic(|nginx| nginx.freeze(), |nginx| nginx.thaw());
}

#[test]
fn a_backend_that_answers_502_costs_no_get() {
    on_traffic(|nginx| nginx.answer_with(502), |nginx| nginx.answer_with(200));
}

#[test]
fn a_killed_backend_comes_back_by_its_probes() {
    with_probes(Nginx::kill, Nginx::run);
}

#[test]
fn a_frozen_backend_comes_back_by_its_probes() {
    with_probes(|nginx| nginx.freeze(), |nginx| nginx.thaw());
}

#[test]
fn a_rolling_restart_costs_no_get() {
    let _turn = paced();
    let mut scene = scene("eject: { wait: 500ms }");
    let crowd = Load::on(scene.evenkeel.address()).start();
    crowd.wait_for(300);
    for index in 0..3 {
        scene.nginx[index].kill();
        crowd.wait_for(300);
        scene.nginx[index].run();
        let address = scene.nginx[index].address();
        wait::until_true(PATIENCE, &format!("{address} to serve again"), || {
            let phase = scene.evenkeel.phase(&address);
            phase == "serving" || phase == "unproven"
        });
        crowd.wait_for(300);
    }
    crowd.expect_no_failure();
}
