//! Twenty reloads while clients ask over TLS: no request is lost, and no handshake fails.

use std::time::Duration;

use evenkeel_tests::backend::Script;
use evenkeel_tests::load::Load;

use super::renewals::{presented, rename_over, wait_for};
use super::rig::{Front, NAMES, Place, Words};
use crate::turns::heavy;

/// Of the reloads, those that wait for the watch: it takes seconds.
const WATCHED: [usize; 3] = [5, 12, 20];

#[test]
fn twenty_reloads_and_renewals_under_load_lose_nothing() {
    let _turn = heavy();
    let words = |turn: usize| Words {
        top: "workers: 2",
        listener: ["hsts: true", "limits: { fields: 90 }", ""][turn % 3],
        tls: ["handshakes: 900", "handshakes: 800"][turn % 2],
        ..Words::default()
    };
    let front = Front::at(Place::new(), Script::Echo, words(0));
    let load = |connections, is_fresh, tls| Load {
        connections,
        is_fresh,
        pace: Duration::from_millis(40),
        tls: Some(tls),
        ..Load::on(front.address())
    };
    let crowds = [
        load(16, false, front.client()).start(),
        load(3, true, front.client()).start(),
        load(3, true, front.client().resuming()).start(),
    ];
    crowds.iter().for_each(|crowd| crowd.wait_for(20));
    for turn in 1..=20 {
        let new = front.place.authority.server(&NAMES);
        // Every third reload changes the configuration alone.
        let is_renewed = WATCHED.contains(&turn) || turn % 3 != 0;
        if is_renewed {
            rename_over(&front.place.files.key, &new.key);
            rename_over(&front.place.files.certificate, &new.chain);
        }
        if WATCHED.contains(&turn) {
            wait_for(&front, "edge", &new);
        } else {
            let text = front.place.configuration(&front.backend, words(turn));
            let metrics = front.evenkeel.reload(&text);
            assert_eq!(metrics.sum("evenkeel_config_last_reload_successful", &[]), 1.0, "turn {turn}");
            assert_eq!(presented(&front, "edge") == new.leaf(), is_renewed, "turn {turn}");
        }
        crowds.iter().for_each(|crowd| crowd.wait_for(10));
    }
    for crowd in crowds {
        assert!(crowd.expect_no_failure() >= 220);
    }
    let metrics = front.evenkeel.metrics();
    assert_eq!(metrics.sum("evenkeel_listener_tls_handshake_failures_total", &[]), 0.0);
    assert_eq!(metrics.sum("evenkeel_tls_files_last_reload_successful", &[]), 1.0);
    assert!(front.handshakes("resumed") >= 200.0, "{}", front.handshakes("resumed"));
}
