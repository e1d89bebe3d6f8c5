//! New files that are no good: what was read before serves, and somebody is told what mends them.

use std::time::Duration;

use evenkeel_tests::backend::Script;
use evenkeel_tests::certificates::Certificate;
use evenkeel_tests::wait;

use super::renewals::{presented, rename_over, wait_for};
use super::rig::{Front, NAMES, Place, Words};

const IN_TIME: Duration = Duration::from_secs(20);
const SUCCESSFUL: &str = "evenkeel_tls_files_last_reload_successful";

fn wait_for_successful(front: &Front, value: f64) {
    wait::until_true(IN_TIME, &format!("{SUCCESSFUL} {value}"), || {
        front.evenkeel.metrics().sum(SUCCESSFUL, &[]) == value
    });
}

/// The problem in the log that names this file.
#[track_caller]
fn problem(front: &Front, file: &str) -> String {
    let message = "a certificate file is no good; what was read before serves";
    wait::until(IN_TIME, &format!("a word about {file} in the log"), || {
        let events = front.evenkeel.events();
        let mut problems = events.iter().filter(|event| event["message"] == message);
        let problem = problems.find_map(|event| event["problem"].as_str().filter(|text| text.contains(file)));
        problem.map(str::to_owned)
    })
}

#[test]
fn bad_new_files_keep_the_old_ones_serving_until_they_are_mended() {
    let place = Place::new();
    place.authority.server(&NAMES).write(place.path(), "other");
    let listeners = format!(
        "  - {{ name: other, address: \"127.0.0.1:0\", tls: {{ certificates: [{}] }} }}\n",
        place.entry("other")
    );
    let front = Front::at(place, Script::Echo, Words { listeners: &listeners, ..Words::default() });
    assert_eq!(front.evenkeel.metrics().sum(SUCCESSFUL, &[]), 1.0);
    let before = ["edge", "other"].map(|listener| presented(&front, listener));
    let [site, other] = [(); 2].map(|()| front.place.authority.server(&NAMES));
    let path = |name: &str| front.place.path().join(name);

    // Half written, and with the key of another one.
    rename_over(&path("site.crt"), &site.chain[..site.chain.len() / 2]);
    rename_over(&path("other.crt"), &other.chain);
    wait_for_successful(&front, 0.0);
    let [truncated, mismatch] =
        ["site.crt", "other.key"].map(|name| problem(&front, &front.place.file(name)));
    assert!(truncated.starts_with("listeners[0].tls.certificates[0].certificate: "), "{truncated}");
    assert!(mismatch.starts_with("listeners[1].tls.certificates[0].key: "), "{mismatch}");
    assert!(mismatch.contains("openssl x509 -in"), "{mismatch}");
    let status = front.evenkeel.status();
    assert_eq!(status["tls_files"]["successful"], false, "{status:#}");
    assert_eq!(status["tls_files"]["problems"].as_array().map(Vec::len), Some(2), "{status:#}");
    assert_eq!(["edge", "other"].map(|listener| presented(&front, listener)), before);

    // A reload refuses them: all of it or nothing.
    let text = front.place.configuration(&front.backend, Words { listeners: &listeners, ..Words::default() });
    let metrics = front.evenkeel.reload(&text);
    assert_eq!(metrics.sum("evenkeel_config_last_reload_successful", &[]), 0.0);
    assert_eq!(["edge", "other"].map(|listener| presented(&front, listener)), before);

    let mend = |name: &str, certificate: &Certificate| {
        rename_over(&path(&format!("{name}.key")), &certificate.key);
        rename_over(&path(&format!("{name}.crt")), &certificate.chain);
    };
    mend("site", &site);
    mend("other", &other);
    wait_for(&front, "edge", &site);
    wait_for(&front, "other", &other);
    wait_for_successful(&front, 1.0);
    front.event("every certificate file is good again");
}

#[test]
fn one_bad_file_keeps_no_other_from_being_renewed() {
    let place = Place::new();
    place.authority.server(&["other.test"]).write(place.path(), "other");
    let tls = format!("certificates: [{}, {}]", place.entry("site"), place.entry("other"));
    let listeners = format!("  - {{ name: both, address: \"127.0.0.1:0\", tls: {{ {tls} }} }}\n");
    let front = Front::at(place, Script::Echo, Words { listeners: &listeners, ..Words::default() });
    let new = front.place.authority.server(&NAMES);
    rename_over(&front.place.path().join("other.crt"), "no certificate at all\n");
    rename_over(&front.place.files.key, &new.key);
    rename_over(&front.place.files.certificate, &new.chain);
    wait_for(&front, "both", &new);
    assert_eq!(front.evenkeel.metrics().sum(SUCCESSFUL, &[]), 0.0);
    assert!(problem(&front, &front.place.file("other.crt")).contains("holds no certificate"));
}
