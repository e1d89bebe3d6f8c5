//! What all scenes share: the backends, the program before them, the load, and what the program says of it all.

use std::time::Duration;

use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::fleet::{Action, BACKENDS, Fleet};
use evenkeel_tests::load::{Crowd, Load};
use evenkeel_tests::wait;
use serde_json::Value;

use crate::times;

/// Longest that anything is waited for; how long it took is judged by the program's own times.
const PATIENCE: Duration = Duration::from_secs(30);

/// The backend that is made bad, where it is one.
pub(super) const BAD: usize = 1;

/// Probes twice a second, and as quick as they come to a verdict.
pub(super) const PROBES: &str =
    "probe: { path: /healthz, interval: 500ms, timeout: 400ms, fall: 2, rise: 2 }";

/// A running scene. Fields are dropped in this order: clients first.
pub(super) struct Scene {
    crowd: Option<Crowd>,
    pub(super) evenkeel: Evenkeel,
    pub(super) fleet: Fleet,
}

impl Scene {
    /// Backends, evenkeel with these settings of `health` and else as it is, and some 200 GETs a second.
    pub(super) fn set(health: &str) -> Scene {
        Scene::before(Fleet::start(false), health)
    }

    /// The same before backends that are there.
    pub(super) fn before(fleet: Fleet, health: &str) -> Scene {
        let addresses = fleet.addresses().map(|address| address.to_string());
        let evenkeel = Evenkeel::start(&format!(
            "access_log: {{ path: stdout }}\npools: {{ web: {{ backends: [\"{}\"], health: {{ {health} }} }} }}\n",
            addresses.join("\", \"")
        ));
        let crowd = Load { connections: 10, ..Load::on(evenkeel.address()) }.start();
        let scene = Scene { crowd: Some(crowd), evenkeel, fleet };
        (0..BACKENDS).for_each(|backend| scene.wait_for(backend, "serving"));
        scene.go_on(100);
        scene
    }

    /// Ends the load for good.
    pub(super) fn without_load(mut self) -> Scene {
        self.crowd.take().expect("a scene begins with load").expect_no_failure();
        self
    }

    /// Makes the bad backend bad or well.
    pub(super) fn act(&mut self, action: Action) {
        self.fleet.act(BAD, action);
    }

    pub(super) fn address(&self, backend: usize) -> String {
        self.fleet.addresses()[backend].to_string()
    }

    #[track_caller]
    pub(super) fn wait_for(&self, backend: usize, phase: &str) {
        let address = self.address(backend);
        wait::until_true(PATIENCE, &format!("{address} to be {phase}"), || {
            self.evenkeel.phase(&address) == phase
        });
    }

    /// Lets so many requests be answered.
    #[track_caller]
    pub(super) fn go_on(&self, requests: u64) {
        self.crowd.as_ref().expect("a scene with load").wait_for(requests);
    }

    /// The backend's changes to a phase, in order.
    pub(super) fn changes(&self, backend: usize, to: &str) -> Vec<Value> {
        let address = self.address(backend);
        let mut events = self.evenkeel.events();
        events.retain(|event| event["backend"] == address.as_str() && event["to"] == to);
        events
    }

    /// Its first change to a phase, once it is in the log.
    #[track_caller]
    pub(super) fn change(&self, to: &str) -> Value {
        wait::until(PATIENCE, &format!("an event: {to}"), || self.changes(BAD, to).into_iter().next())
    }

    /// When the first request failed at the bad backend, by the access log: a try begins where the one before it ended.
    pub(super) fn first_strike(&self) -> Option<f64> {
        let bad = self.address(BAD);
        let first = |event: &Value| {
            let mut at = times::seconds(event["time"].as_str()?);
            event["tries"].as_array()?.iter().find_map(|one| {
                at += one["duration_seconds"].as_f64()?;
                (one["backend"] == bad.as_str()).then_some(at)
            })
        };
        self.evenkeel.events().iter().filter_map(first).min_by(f64::total_cmp)
    }

    /// Ends the load; panics if a request failed, or if a backend was ejected that is none of these.
    #[track_caller]
    pub(super) fn end(mut self, ejected: &[usize]) {
        self.go_on(100);
        for backend in (0..BACKENDS).filter(|backend| !ejected.contains(backend)) {
            assert_eq!(self.changes(backend, "ejected"), [] as [Value; 0], "a good backend was ejected");
        }
        self.crowd.take().expect("a scene with load").expect_no_failure();
    }
}
