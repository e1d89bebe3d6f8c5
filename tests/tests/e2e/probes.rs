//! Probes against real sockets: what fails leaves before a client notices, what passes comes back.

use std::time::Duration;

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::Client;
use evenkeel_tests::wait;

const SOON: Duration = Duration::from_secs(10);

/// Two backends with this probe, and ejection on traffic turned off.
fn probed(one: &Backend, other: &Backend, probe: &str) -> Evenkeel {
    Evenkeel::start(&format!(
        "workers: 1\npools: {{ web: {{ backends: [\"{}\", \"{}\"], health: {{ eject: off, slow_start: off, probe: {probe} }} }} }}\n",
        one.address(),
        other.address()
    ))
}

fn until_phase(evenkeel: &Evenkeel, backend: &Backend, phase: &str) {
    wait::until_true(SOON, phase, || evenkeel.phase(&backend.address()) == phase);
}

#[test]
fn a_backend_whose_probe_fails_leaves_and_returns_when_it_passes() {
    let (well, ill) = (Backend::start("well", Script::Echo), Backend::start("ill", Script::Echo));
    let probe = "{ path: /healthz, interval: 100ms, timeout: 100ms, fall: 2, rise: 2 }";
    let evenkeel = probed(&well, &ill, probe);
    until_phase(&evenkeel, &ill, "serving");
    until_phase(&evenkeel, &well, "serving");
    assert!(ill.deliveries("/healthz") >= 1);
    ill.set(Script::Status(503));
    until_phase(&evenkeel, &ill, "ejected");
    let mut client = Client::connect(evenkeel.address());
    for _ in 0..10 {
        assert_eq!(client.get("/").field("x-backend"), Some("well"));
    }
    ill.set(Script::Echo);
    until_phase(&evenkeel, &ill, "serving");
    wait::until_true(SOON, "its share", || client.get("/").field("x-backend") == Some("ill"));
}

#[test]
fn a_backend_that_hangs_fails_its_probes() {
    let (well, ill) = (Backend::start("well", Script::Echo), Backend::start("ill", Script::Hang));
    let probe = "{ path: /healthz, interval: 100ms, timeout: 100ms, fall: 2, rise: 2 }";
    let evenkeel = probed(&well, &ill, probe);
    until_phase(&evenkeel, &ill, "ejected");
    let status = evenkeel.backend(&ill.address());
    assert!(status["evidence"].as_str().unwrap().contains("head_timeout"), "{status}");
}

#[test]
fn a_tcp_probe_asks_for_a_connection_only() {
    let (well, gone) = (Backend::start("well", Script::Hang), Backend::start("gone", Script::Hang));
    let evenkeel = probed(&well, &gone, "{ tcp: true, interval: 100ms, timeout: 100ms, fall: 2, rise: 2 }");
    until_phase(&evenkeel, &well, "serving");
    assert_eq!(well.requests().len(), 0);
    let address = gone.address();
    drop(gone);
    wait::until_true(SOON, "ejected", || evenkeel.phase(&address) == "ejected");
    assert_eq!(evenkeel.phase(&well.address()), "serving");
}

#[test]
fn a_node_is_ready_once_its_probed_pool_has_a_verdict() {
    let (one, other) = (Backend::start("one", Script::Hang), Backend::start("other", Script::Hang));
    let probe = "{ path: /healthz, interval: 5s, timeout: 1s, fall: 2, rise: 2 }";
    let evenkeel = probed(&one, &other, probe);
    let ready = || evenkeel_tests::client::get(evenkeel.admin(), "/readyz").status;
    assert_eq!(ready(), 503);
    wait::until_true(SOON, "a verdict", || ready() == 200);
}

#[test]
fn garbage_costs_no_get_while_another_backend_answers() {
    let good = Backend::start("good", Script::Echo);
    let bad = Backend::start("bad", Script::ReplyThenClose(b"\x00\x01 no HTTP at all\r\n\r\n".to_vec()));
    let evenkeel = Evenkeel::start(&format!(
        "pools: {{ web: {{ backends: [\"{}\", \"{}\"] }} }}\n",
        bad.address(),
        good.address()
    ));
    let mut client = Client::connect(evenkeel.address());
    for _ in 0..20 {
        assert_eq!(client.get("/").status, 200);
    }
    until_phase(&evenkeel, &bad, "ejected");
    let status = evenkeel.backend(&bad.address());
    assert!(status["evidence"].as_str().unwrap().contains("bad_head"), "{status}");
}
