//! A request that fails for its own sake, whoever gets it: no backend loses its place for that.

use evenkeel_tests::client::Client;
use evenkeel_tests::fleet::BACKENDS;

use super::stage::{PROBES, Scene};

/// How often the poison is asked for.
const TIMES: usize = 60;

/// Asks for one URL that no backend can answer, among others that all can.
#[track_caller]
fn poison(health: &str, path: &str, is_post: bool) {
    let scene = Scene::set(health);
    let mut client = Client::connect(scene.evenkeel.address());
    for _ in 0..TIMES {
        let response = if is_post { client.post(path, b"order") } else { client.get(path) };
        assert!((502..=503).contains(&response.status), "{}", response.head);
        if response.closes() {
            client = Client::connect(scene.evenkeel.address());
        }
        scene.go_on(8);
    }
    for backend in 0..BACKENDS {
        assert_eq!(scene.evenkeel.phase(&scene.address(backend)), "serving");
    }
    scene.end(&[]);
}

#[test]
fn a_get_that_everybody_answers_with_503_ejects_nobody() {
    poison("", "/poison/503", false);
}

#[test]
fn a_get_that_makes_everybody_close_ejects_nobody() {
    poison(PROBES, "/poison/close", false);
}

#[test]
fn a_post_that_everybody_answers_with_503_ejects_nobody() {
    poison(PROBES, "/poison/503", true);
}

#[test]
fn a_post_that_makes_everybody_close_ejects_nobody() {
    poison("", "/poison/close", true);
}
