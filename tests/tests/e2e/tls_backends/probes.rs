//! Probes over TLS: what they ask, and what their failures say.

use std::time::Duration;

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::certificates::{Validity, Wish};
use evenkeel_tests::client::Client;
use evenkeel_tests::tls_backend::{Manner, TlsBackend, TlsServer};
use evenkeel_tests::wait;

use super::site::{Scripted, Site, start};

const QUICK: &str = "interval: 500ms, fast_interval: 100ms, timeout: 500ms, fall: 2, rise: 2";

fn probed(backends: &[(&str, String)], tls: &str, probe: &str) -> Evenkeel {
    let health = format!("health: {{ eject: off, slow_start: off, probe: {{ {probe}, {QUICK} }} }}");
    start(backends, tls, &[&health])
}

fn until_phase(evenkeel: &Evenkeel, address: &str, phase: &str) {
    wait::until_true(SOON, phase, || evenkeel.phase(address) == phase);
}

fn evidence(evenkeel: &Evenkeel, address: &str) -> String {
    evenkeel.backend(address)["evidence"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_probe_goes_over_tls_with_the_name_and_host_of_the_pool() {
    let site = Site::new();
    let one = Scripted::new(Script::Echo, &site.authority.server(&["app.test"]));
    let tls = format!("{}, server_name: app.test, host: app.test", site.believes());
    let evenkeel = probed(&[("a", one.tls.address())], &tls, "path: /healthz");
    until_phase(&evenkeel, &one.tls.address(), "serving");
    assert_eq!(one.backend.requests()[0].fields("host"), ["app.test"]);
    assert_eq!(one.tls.seen()[0].name.as_deref(), Some("app.test"));
    // A connection is used again.
    wait::until_true(SOON, "more probes", || one.backend.deliveries("/healthz") > 5);
    assert!(one.tls.connections() <= 3, "{}", one.tls.connections());
    one.backend.set(Script::Status(503));
    until_phase(&evenkeel, &one.tls.address(), "ejected");
    assert!(evidence(&evenkeel, &one.tls.address()).contains("upstream_status (503)"));
    one.backend.set(Script::Echo);
    until_phase(&evenkeel, &one.tls.address(), "serving");
}

#[test]
fn a_certificate_that_expires_ejects_by_probes_and_a_new_one_brings_back() {
    let site = Site::new();
    let [one, other] = [(); 2].map(|()| Scripted::new(Script::Echo, &site.local()));
    let backends = [("a", one.tls.address()), ("b", other.tls.address())];
    for probe in ["path: /healthz", "tcp: true"] {
        let evenkeel = probed(&backends, &site.believes(), probe);
        backends.iter().for_each(|(_, address)| until_phase(&evenkeel, address, "serving"));
        let expired = site.authority.sign(&Wish::new(&["127.0.0.1"]).validity(Validity::Expired));
        one.tls.present(&TlsServer::new(&expired));
        // As a restart does: what stands already is believed.
        one.backend.close_connections();
        until_phase(&evenkeel, &one.tls.address(), "ejected");
        let evidence = evidence(&evenkeel, &one.tls.address());
        assert!(evidence.contains("tls_certificate (expired): renew its certificate"), "{probe}: {evidence}");
        let mut client = Client::connect(evenkeel.address());
        (0..10).for_each(|_| assert_eq!(client.get("/").status, 200));
        one.tls.present(&TlsServer::new(&site.local()));
        until_phase(&evenkeel, &one.tls.address(), "serving");
        assert_eq!(evenkeel.phase(&other.tls.address()), "serving");
    }
}

#[test]
fn a_tcp_probe_shakes_hands_and_says_and_hears_over_tls() {
    let site = Site::new();
    let one = Scripted::new(Script::Echo, &site.local());
    let probe = "tcp: { send: \"GET /tcp HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\", expect: \"HTTP/1.1 200 OK\" }";
    let evenkeel = probed(&[("a", one.tls.address())], &site.believes(), probe);
    until_phase(&evenkeel, &one.tls.address(), "serving");
    assert!(one.backend.deliveries("/tcp") > 0);
    for (manner, told) in [
        (Manner::plain_http(), "tls_protocol (plaintext_peer)"),
        (Manner::Closing, "tls_protocol (closed_in_handshake)"),
        (Manner::Alert(rustls::AlertDescription::HandshakeFailure), "tls_alert (handshake_failure)"),
    ] {
        one.tls.set(manner);
        until_phase(&evenkeel, &one.tls.address(), "ejected");
        let evidence = evidence(&evenkeel, &one.tls.address());
        assert!(evidence.contains(told), "{told}: {evidence}");
        one.tls.set(Manner::Proper);
        until_phase(&evenkeel, &one.tls.address(), "serving");
    }
}

#[test]
fn a_handshake_that_stalls_fails_its_probe() {
    let site = Site::new();
    let one = Scripted::new(Script::Echo, &site.local());
    for probe in ["path: /healthz", "tcp: true"] {
        one.tls.set(Manner::Stalling);
        let evenkeel = probed(&[("a", one.tls.address())], &site.believes(), probe);
        until_phase(&evenkeel, &one.tls.address(), "ejected");
        let evidence = evidence(&evenkeel, &one.tls.address());
        assert!(evidence.contains("tls_timeout"), "{probe}: {evidence}");
        one.tls.set(Manner::Proper);
        until_phase(&evenkeel, &one.tls.address(), "serving");
    }
}

#[test]
fn a_probe_in_cleartext_asks_the_port_that_is_given_and_requests_go_over_tls() {
    let site = Site::new();
    let one = Scripted::new(Script::Echo, &site.local());
    let door = Backend::start("door", Script::Echo);
    let (_, port) = door.address().rsplit_once(':').map(|(_, port)| ((), port.to_owned())).unwrap();
    let backends = [("a", one.tls.address())];
    let evenkeel = probed(&backends, &site.believes(), &format!("path: /healthz, tls: off, port: {port}"));
    until_phase(&evenkeel, &one.tls.address(), "serving");
    assert_eq!((one.tls.connections(), door.deliveries("/healthz") > 0), (0, true));
    assert_eq!(Client::connect(evenkeel.address()).get("/").status, 200);
    assert_eq!((one.tls.connections(), door.deliveries("/")), (1, 0));
    // Without another port it asks a port that speaks TLS alone.
    let evenkeel = probed(&backends, &site.believes(), "path: /healthz, tls: off");
    until_phase(&evenkeel, &one.tls.address(), "ejected");
}

#[test]
fn what_a_probe_finds_is_found_of_a_backend_that_nobody_asks() {
    // From two addresses, so that it is not one machine.
    let site = Site::new();
    let certificate = site.authority.server(&["127.0.0.1", "127.0.0.2"]);
    let backend = Backend::start("a", Script::Echo);
    let hosts = [[127, 0, 0, 1], [127, 0, 0, 2]];
    let both = hosts.map(|host| TlsBackend::on(host, &backend.address(), &TlsServer::new(&certificate)));
    let backends = [("a", both[0].address()), ("b", both[1].address())];
    let evenkeel = probed(&backends, &site.believes(), "path: /healthz");
    backends.iter().for_each(|(_, address)| until_phase(&evenkeel, address, "serving"));
    both[1].present(&TlsServer::new(&site.authority.server(&["elsewhere.test"])));
    backend.close_connections();
    until_phase(&evenkeel, &backends[1].1, "ejected");
    assert!(evidence(&evenkeel, &backends[1].1).contains("tls_certificate (wrong_name)"));
    wait::pause(Duration::from_millis(500));
    assert_eq!(evenkeel.phase(&backends[0].1), "serving");
}
