//! `resolve: each`: every address of a name is a backend of its own, which comes and goes with the name's answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evenkeel_tests::backend::{Backend, Next, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::Client;
use evenkeel_tests::dns::Dns;
use evenkeel_tests::wait;
use serde_json::{Value, json};

use super::place::Port;
use super::{KEPT, load, start, start_with, until_said};

const ONE: &str = "127.0.0.2";
const TWO: &str = "127.0.0.3";
const THREE: &str = "127.0.0.4";

/// The backends of the pool: label and address.
fn backends(evenkeel: &Evenkeel) -> Vec<(String, String)> {
    let status = evenkeel.status();
    let backends = status["pools"][0]["backends"].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut backends: Vec<_> =
        backends.iter().map(|backend| (text(&backend["label"]), text(&backend["address"]))).collect();
    backends.sort();
    backends
}

fn expected(port: &Port, addresses: &[&str]) -> Vec<(String, String)> {
    addresses.iter().map(|address| (format!("app@{}", port.of(address)), port.of(address))).collect()
}

#[track_caller]
fn until_there(evenkeel: &Evenkeel, port: &Port, addresses: &[&str]) {
    let expected = expected(port, addresses);
    wait::until_true(SOON, &format!("{expected:?}"), || backends(evenkeel) == expected);
}

/// The pairs that make dnsmasq answer with these addresses.
fn names<'a>(addresses: &[&'a str]) -> Vec<(&'static str, &'a str)> {
    addresses.iter().map(|address| ("app.test", *address)).collect()
}

/// A pool of one name with these addresses, each of them a backend.
fn expanded(port: &Port, addresses: &[&str]) -> (Dns, Evenkeel) {
    let dns = Dns::start(&names(addresses));
    let evenkeel = start(&dns, &[("app", &port.of("app.test"))], &["resolve: each"]);
    until_there(&evenkeel, port, addresses);
    (dns, evenkeel)
}

#[test]
fn an_address_that_dies_is_ejected_alone() {
    let port = Port::on(&[ONE, TWO]);
    let (one, two) = (port.backend(ONE, Script::Echo), port.backend(TWO, Script::Echo));
    let (_dns, evenkeel) = expanded(&port, &[ONE, TWO]);
    let crowd = load(&evenkeel);
    wait::until_true(SOON, "requests on both", || {
        [&one, &two].iter().all(|backend| !backend.requests().is_empty())
    });
    drop(one);
    wait::until_true(SOON, "an ejection", || evenkeel.phase(&port.of(ONE)) == "ejected");
    crowd.wait_for(50);
    crowd.expect_no_failure();
    assert_eq!(evenkeel.phase(&port.of(TWO)), "serving");
    let ejected: Vec<_> =
        evenkeel.events().into_iter().filter(|event| event["message"] == "backend ejected").collect();
    assert_eq!(ejected.len(), 1, "{ejected:#?}");
    assert_eq!(ejected[0]["backend"], format!("app@{}", port.of(ONE)));
}

#[test]
fn an_address_that_appears_joins_slowly_and_one_that_disappears_leaves() {
    let port = Port::on(&[ONE, TWO, THREE]);
    let running = [ONE, TWO, THREE].map(|address| port.backend(address, Script::Echo));
    let (dns, evenkeel) = expanded(&port, &[ONE, TWO]);
    let crowd = load(&evenkeel);
    crowd.wait_for(50);
    assert_eq!(running[2].requests().len(), 0);

    dns.set(&names(&[ONE, TWO, THREE]));
    until_there(&evenkeel, &port, &[ONE, TWO, THREE]);
    let joined = evenkeel.backend(&port.of(THREE));
    assert!(joined["ramp"].as_f64().unwrap() < 1.0, "{joined:#}");
    wait::until_true(SOON, "requests", || !running[2].requests().is_empty());

    dns.set(&names(&[TWO, THREE]));
    until_there(&evenkeel, &port, &[TWO, THREE]);
    // What was on its way then.
    crowd.wait_for(20);
    let before = running[0].requests().len();
    crowd.wait_for(50);
    assert_eq!(running[0].requests().len(), before);
    wait::until_true(SOON, "its connections to be closed", || running[0].open() == 0);
    crowd.expect_no_failure();
}

#[test]
fn what_is_in_flight_finishes_after_its_address_has_gone() {
    let port = Port::on(&[ONE, TWO]);
    let is_open = Arc::<AtomicBool>::default();
    let gate = is_open.clone();
    let waiting = Script::custom(move |_, socket| {
        wait::until_true(SOON, "the gate", || gate.load(Ordering::Acquire));
        std::io::Write::write_all(socket, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate")?;
        Ok(Next::Continue)
    });
    let leaving = port.backend(ONE, waiting);
    let (dns, evenkeel) = expanded(&port, &[ONE]);
    let mut client = Client::connect(evenkeel.address());
    client.send("POST /late HTTP/1.1\r\nHost: test.example\r\nContent-Length: 1\r\n\r\nx");
    wait::until_true(SOON, "the request", || leaving.deliveries("/late") == 1);
    let _staying = port.backend(TWO, Script::Echo);
    dns.set(&names(&[TWO]));
    until_there(&evenkeel, &port, &[TWO]);
    assert_eq!(Client::connect(evenkeel.address()).get("/").field("x-backend"), Some(TWO));
    is_open.store(true, Ordering::Release);
    let response = client.response("POST");
    assert_eq!((response.status, response.text().as_str()), (200, "late"));
    wait::until_true(SOON, "its connection to be closed", || leaving.open() == 0);
}

#[test]
fn an_outage_keeps_every_address() {
    let port = Port::on(&[ONE, TWO]);
    let running: [Backend; 2] = [ONE, TWO].map(|address| port.backend(address, Script::Echo));
    let mut dns = Dns::start(&names(&[ONE, TWO]));
    let evenkeel = start_with(&dns, "1s", &[("app", &port.of("app.test"))], &["resolve: each"]);
    until_there(&evenkeel, &port, &[ONE, TWO]);
    let crowd = load(&evenkeel);
    dns.kill();
    let line = until_said(&evenkeel, "app.test", 1);
    assert_eq!((&line["message"], &line["endpoints"]), (&json!(KEPT), &json!(2)));
    assert_eq!(backends(&evenkeel), expected(&port, &[ONE, TWO]));
    let before: Vec<_> = running.iter().map(|backend| backend.requests().len()).collect();
    wait::until_true(SOON, "requests on both", || {
        running.iter().zip(&before).all(|(backend, before)| backend.requests().len() > *before)
    });
    crowd.expect_no_failure();
}

#[test]
fn an_expanded_name_without_an_address_stands_for_itself_until_it_has_one() {
    let port = Port::on(&[ONE]);
    let _one = port.backend(ONE, Script::Echo);
    let dns = Dns::start(&[]);
    let app = port.of("app.test");
    let evenkeel = start(&dns, &[("app", &app)], &["resolve: each"]);
    until_said(&evenkeel, "app.test", 1);
    let mut client = Client::connect(evenkeel.address());
    let response = client.get("/");
    assert_eq!(response.status, 502);
    assert!(response.fields("proxy-status").join(", ").contains("rcode=\"NXDOMAIN\""));
    assert_eq!(evenkeel.backend(&app)["unresolved"], "dns_failed (NXDOMAIN)");
    dns.set(&names(&[ONE]));
    until_there(&evenkeel, &port, &[ONE]);
    assert_eq!(client.get("/").field("x-backend"), Some(ONE));
}
