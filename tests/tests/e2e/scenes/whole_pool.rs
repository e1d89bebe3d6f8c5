//! All backends go, at once or one after the other.

use std::time::Duration;

use evenkeel_tests::balancer::SOON;
use evenkeel_tests::client;
use evenkeel_tests::fleet::{Action, BACKENDS};
use evenkeel_tests::load::Load;
use evenkeel_tests::wait;

use super::stage::{PROBES, Scene};

#[track_caller]
fn down_and_back(health: &str) {
    let mut scene = Scene::set(health).without_load();
    let address = scene.evenkeel.address();
    (0..BACKENDS).for_each(|backend| scene.fleet.act(backend, Action::Kill));
    // Nobody can answer, and everybody is told so until the program has seen it in every way.
    for _ in 0..50 {
        let status = client::get(address, "/").status;
        assert!((502..=503).contains(&status), "{status}");
        wait::pause(Duration::from_millis(20));
    }
    // From the moment at which one is back, no request fails.
    scene.fleet.act(0, Action::Start);
    let crowd = Load { connections: 10, ..Load::on(address) }.start();
    crowd.wait_for(200);
    (1..BACKENDS).for_each(|backend| scene.fleet.act(backend, Action::Start));
    for backend in 0..BACKENDS {
        scene.wait_for(backend, "serving");
        let backend = scene.address(backend);
        let served = || scene.evenkeel.backend(&backend)["counters"]["responses"]["2xx"].as_u64();
        let before = served();
        wait::until_true(SOON, "its share of the requests", || served() > before);
    }
    crowd.expect_no_failure();
}

#[test]
fn a_pool_that_was_down_serves_as_soon_as_one_backend_does() {
    down_and_back("eject: { wait: 2s }");
}

#[test]
fn a_probed_pool_that_was_down_serves_as_soon_as_one_backend_does() {
    down_and_back(PROBES);
}

/// Restarts all, one after the other, as a service manager does.
fn restart(mut scene: Scene, is_patient: bool) {
    for backend in 0..BACKENDS {
        scene.fleet.act(backend, Action::Stop);
        if is_patient {
            scene.wait_for(backend, "ejected");
        }
        scene.go_on(100);
        scene.fleet.act(backend, Action::Start);
        if is_patient {
            scene.wait_for(backend, "serving");
            scene.go_on(100);
        }
    }
    scene.end(&[0, 1, 2]);
}

#[test]
fn a_rolling_restart_of_all_backends_fails_no_get() {
    restart(Scene::set(PROBES), true);
}

#[test]
fn a_rolling_restart_that_waits_for_nobody_fails_no_get() {
    restart(Scene::set(""), false);
}
