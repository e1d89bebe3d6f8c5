//! Probes that go to a name, or to another port of a name's addresses.

use evenkeel_tests::backend::Script;
use evenkeel_tests::balancer::SOON;
use evenkeel_tests::client::Client;
use evenkeel_tests::dns::Dns;
use evenkeel_tests::wait;

use super::place::Port;
use super::{start, until_at};

const OLD: &str = "127.0.0.2";
const NEW: &str = "127.0.0.3";

const PACE: &str = "interval: 200ms, timeout: 200ms, fall: 2, rise: 2";

#[test]
fn a_probe_of_a_name_decides_and_follows_it_when_it_moves() {
    let (port, checks) = (Port::on(&[OLD]), Port::on(&[OLD, NEW]));
    let app = port.backend(OLD, Script::Echo);
    let (old, new) = (checks.backend(OLD, Script::Echo), checks.backend(NEW, Script::Status(503)));
    let dns = Dns::start(&[("app.test", OLD), ("checks.test", OLD)]);
    let address = port.of("app.test");
    let probe = format!(
        "health: {{ probe: {{ path: /healthz, address: \"{}\", {PACE} }} }}",
        checks.of("checks.test")
    );
    let evenkeel = start(&dns, &[("app", &address)], &[&probe]);
    wait::until_true(SOON, "probes that pass", || old.deliveries("/healthz") >= 3);
    wait::until_true(SOON, "service", || evenkeel.phase(&address) == "serving");
    assert_eq!(Client::connect(evenkeel.address()).get("/").field("x-backend"), Some(OLD));

    dns.set(&[("app.test", OLD), ("checks.test", NEW)]);
    wait::until_true(SOON, "failed probes", || evenkeel.phase(&address) == "ejected");
    let before = old.deliveries("/healthz");
    let later = new.deliveries("/healthz") + 3;
    wait::until_true(SOON, "more probes", || new.deliveries("/healthz") >= later);
    assert_eq!(old.deliveries("/healthz"), before);
    new.set(Script::Echo);
    wait::until_true(SOON, "service again", || evenkeel.phase(&address) == "serving");
    assert_eq!(app.deliveries("/healthz"), 0);
}

#[test]
fn a_probe_of_another_port_goes_to_the_name_s_addresses() {
    let (port, checks) = (Port::on(&[OLD, NEW]), Port::on(&[OLD, NEW]));
    let apps = [OLD, NEW].map(|address| port.backend(address, Script::Echo));
    let (old, new) = (checks.backend(OLD, Script::Echo), checks.backend(NEW, Script::Echo));
    let dns = Dns::start(&[("app.test", OLD)]);
    let address = port.of("app.test");
    let probe = format!("health: {{ probe: {{ path: /healthz, port: {}, {PACE} }} }}", checks.number());
    let evenkeel = start(&dns, &[("app", &address)], &[&probe]);
    until_at(&evenkeel, &address, &[port.of(OLD)]);
    wait::until_true(SOON, "probes that pass", || old.deliveries("/healthz") >= 3);
    old.set(Script::Status(503));
    wait::until_true(SOON, "failed probes", || evenkeel.phase(&address) == "ejected");

    // Its next address is probed, and found well.
    dns.set(&[("app.test", NEW)]);
    wait::until_true(SOON, "service at the new address", || evenkeel.phase(&address) == "serving");
    assert!(new.deliveries("/healthz") >= 2);
    assert_eq!(Client::connect(evenkeel.address()).get("/").field("x-backend"), Some(NEW));
    apps.iter().for_each(|app| assert_eq!(app.deliveries("/healthz"), 0));
}

#[test]
fn a_probe_of_a_name_that_does_not_resolve_says_nothing_of_the_backend() {
    let port = Port::on(&[OLD]);
    let _app = port.backend(OLD, Script::Echo);
    let dns = Dns::start(&[("app.test", OLD)]);
    let address = port.of("app.test");
    let probe = format!("health: {{ probe: {{ path: /healthz, address: \"checks.test:80\", {PACE} }} }}");
    let evenkeel = start(&dns, &[("app", &address)], &[&probe]);
    wait::until_true(SOON, "a look-up in vain", || dns.asked("checks.test") > 0);
    assert_eq!(Client::connect(evenkeel.address()).get("/").status, 200);
    wait::until_true(SOON, "a verdict by the request", || evenkeel.phase(&address) == "serving");
}
