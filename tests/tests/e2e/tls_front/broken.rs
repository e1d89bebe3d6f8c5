//! New files that are no good: what was read before serves, and somebody is told what mends them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use evenkeel_tests::backend::Script;
use evenkeel_tests::certificates::{Certificate, Validity, Wish};
use evenkeel_tests::client::Client;
use evenkeel_tests::wait;
use rustix::process::Signal;

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

/// Asks for a reload that has to be refused; the problems of it, which the watch may have logged before.
#[track_caller]
fn refused_reload(front: &Front, words: Words<'_>) -> String {
    let text = front.place.configuration(&front.backend, words);
    let metrics = front.evenkeel.reload(&text);
    assert_eq!(metrics.sum("evenkeel_config_last_reload_successful", &[]), 0.0);
    front.event("configuration refused; the previous one goes on");
    let status = front.evenkeel.status();
    let problems = status["last_reload"]["problems"].as_str();
    problems.unwrap_or_else(|| panic!("it is refused without a reason: {status:#}")).to_owned()
}

#[test]
fn a_pair_of_a_folder_that_is_spoilt_serves_on_until_all_of_it_is_removed() {
    let place = Place::new();
    let folder = place.path().join("certs");
    fs::create_dir(&folder).unwrap();
    for name in ["a.pem", "b.pem"] {
        fs::write(folder.join(name), place.authority.server(&[name]).both()).unwrap();
    }
    let listeners = format!(
        "  - {{ name: folder, address: \"127.0.0.1:0\", tls: {{ certificates: [{{ directory: \"{}\" }}], unknown_name: refuse }} }}\n",
        folder.display()
    );
    let words = Words { listeners: &listeners, ..Words::default() };
    let front = Front::at(place, Script::Echo, words);
    let address = front.evenkeel.listener("folder");
    let serves = |name: &str| Client::try_secure(address, &front.client().name(name)).is_ok();
    assert!(serves("a.pem") && serves("b.pem"));
    // As a full disk leaves it.
    fs::write(folder.join("a.pem"), "").unwrap();
    wait_for_successful(&front, 0.0);
    let told = problem(&front, "a.pem");
    assert!(told.contains("certificates[0].directory: ") && told.contains("it is empty"), "{told}");
    assert!(told.contains("remove what is left of it"), "{told}");
    let end = "evenkeel_tls_certificate_not_after_timestamp_seconds";
    assert!(front.evenkeel.metrics().sum(end, &[("listener", "folder"), ("certificate", "a.pem")]) > 0.0);
    assert!(serves("a.pem") && serves("b.pem"));
    let said = refused_reload(&front, words);
    assert!(said.contains("it is empty") && said.contains("remove what is left of it"), "{said}");
    assert!(serves("a.pem"));
    assert_eq!(front.evenkeel.metrics().sum(SUCCESSFUL, &[]), 0.0);
    fs::remove_file(folder.join("a.pem")).unwrap();
    wait::until_true(IN_TIME, "what was removed to be gone", || !serves("a.pem"));
    wait_for_successful(&front, 1.0);
    assert!(serves("b.pem"));
}

#[test]
fn a_good_certificate_gives_way_to_no_expired_one_neither_by_itself_nor_by_sighup() {
    let front = Front::start("");
    let before = presented(&front, "edge");
    let expired = front.place.authority.sign(&Wish::new(&NAMES).validity(Validity::Expired));
    rename_over(&front.place.files.key, &expired.key);
    rename_over(&front.place.files.certificate, &expired.chain);
    wait_for_successful(&front, 0.0);
    assert!(problem(&front, &front.place.file("site.crt")).contains("; the one that serves is valid"));
    let said = refused_reload(&front, Words::default());
    assert!(said.contains("the new certificate in"), "{said}");
    assert_eq!(presented(&front, "edge"), before);
    assert_eq!(front.evenkeel.metrics().sum(SUCCESSFUL, &[]), 0.0);
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn a_reload_that_hangs_is_refused_and_the_next_one_is_taken() {
    let front = Front::start("");
    let mut open = front.connect();
    let file = front.evenkeel.folder().join("evenkeel.yaml");
    let good = fs::read_to_string(&file).unwrap();
    // Opening it waits for somebody who writes, as a file system that hangs does.
    fs::remove_file(&file).unwrap();
    make_fifo(&file);
    front.evenkeel.signal(Signal::HUP);
    assert_eq!(open.get("/").status, 200);
    wait::until_true(Duration::from_secs(60), "the reload to be given up", || {
        front.evenkeel.metrics().sum("evenkeel_config_last_reload_successful", &[]) == 0.0
    });
    let said = front.evenkeel.output();
    assert!(
        said.contains("the configuration could not be read within 30s; their file system hangs"),
        "{said}"
    );
    assert!(said.contains(&format!("`ls -l` with `{}`, `{}`", file.display(), front.place.path().display())));
    rename_over(&file, &good);
    front.evenkeel.signal(Signal::HUP);
    wait::until_true(IN_TIME, "the next reload", || {
        front.evenkeel.metrics().sum("evenkeel_config_last_reload_successful", &[]) == 1.0
    });
    let new = front.place.authority.server(&NAMES);
    rename_over(&front.place.files.key, &new.key);
    rename_over(&front.place.files.certificate, &new.chain);
    wait_for(&front, "edge", &new);
    assert_eq!(open.get("/").status, 200);
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
