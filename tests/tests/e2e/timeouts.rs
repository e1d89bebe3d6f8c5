//! Waits that end, and what the client is told.

use std::time::{Duration, Instant};

use evenkeel_tests::backend::{Backend, FullQueue, Script};
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::Client;

use crate::forwarding::one_backend_with;

#[track_caller]
fn expect_504(evenkeel: &Evenkeel, cause: &str, at_least: Duration) {
    let begun = Instant::now();
    let response = Client::connect(evenkeel.address()).get("/");
    assert_eq!(response.status, 504, "{}", response.text());
    assert!(response.text().contains(cause), "{}", response.text());
    assert!(begun.elapsed() >= at_least, "after {:?}", begun.elapsed());
    assert!(begun.elapsed() < at_least + Duration::from_secs(5), "after {:?}", begun.elapsed());
}

#[test]
fn a_backend_that_never_answers_is_left() {
    let (_backend, evenkeel) = one_backend_with(Script::Hang, ", timeouts: { head: 300ms }");
    expect_504(&evenkeel, "head_timeout", Duration::from_millis(300));
}

#[test]
fn all_attempts_together_have_an_end() {
    let (_backend, evenkeel) = one_backend_with(Script::Hang, ", timeouts: { total: 300ms }");
    expect_504(&evenkeel, "deadline", Duration::from_millis(300));
}

#[test]
fn one_attempt_has_an_end() {
    let (_backend, evenkeel) = one_backend_with(Script::Hang, ", timeouts: { attempt: 300ms }");
    expect_504(&evenkeel, "per_try_timeout", Duration::from_millis(300));
}

#[test]
fn a_get_leaves_a_hung_backend_for_another() {
    let (hung, good) = (Backend::start("hung", Script::Hang), Backend::start("good", Script::Echo));
    let evenkeel = Evenkeel::start(&format!(
        "workers: 1\npools: {{ web: {{ backends: [\"{}\", \"{}\"], timeouts: {{ head: 300ms }}, health: {{ eject: off }} }} }}\n",
        hung.address(),
        good.address()
    ));
    let mut client = Client::connect(evenkeel.address());
    for _ in 0..4 {
        assert_eq!(client.get("/").status, 200);
    }
    // A retry takes nobody's turn: the hung backend is asked first every other time.
    assert!(hung.requests().len() >= 2);
}

#[test]
fn a_connection_that_is_never_made_is_given_up() {
    let full = FullQueue::default();
    let evenkeel = Evenkeel::start(&format!(
        "pools: {{ web: {{ backends: [\"{}\"], timeouts: {{ connect: 300ms }} }} }}\n",
        full.address()
    ));
    expect_504(&evenkeel, "connect_timeout", Duration::from_millis(300));
}

#[test]
fn a_body_that_stops_is_cut() {
    let stops = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec();
    let (_backend, evenkeel) = one_backend_with(Script::Reply(stops), ", timeouts: { body_idle: 300ms }");
    let mut client = Client::connect(evenkeel.address());
    let failure = client.try_get("/").expect_err("the body never ends");
    assert_ne!(failure.kind(), std::io::ErrorKind::TimedOut, "{failure}");
    let metrics = evenkeel.metrics();
    let failures = metrics.sum("evenkeel_backend_failures_total", &[("cause", "body_idle_timeout")]);
    assert_eq!(failures, 1.0);
}

#[test]
fn a_client_that_never_finishes_its_head_is_told_so() {
    let backend = Backend::start("a", Script::Echo);
    let evenkeel = Evenkeel::start(&format!(
        "listeners: [{{ name: edge, address: \"127.0.0.1:0\", timeouts: {{ head: 300ms }} }}]\n\
         pools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        backend.address()
    ));
    let mut client = Client::connect(evenkeel.address());
    let response = client.send("GET / HTTP/1.1\r\nHost: x\r\n").response("GET");
    assert_eq!(response.status, 408);
    client.expect_close();
    assert!(backend.received().is_empty());
}

#[test]
fn an_idle_client_is_closed() {
    let backend = Backend::start("a", Script::Echo);
    let evenkeel = Evenkeel::start(&format!(
        "listeners: [{{ name: edge, address: \"127.0.0.1:0\", timeouts: {{ keep_alive: 300ms }} }}]\n\
         pools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        backend.address()
    ));
    let mut client = Client::connect(evenkeel.address());
    assert_eq!(client.get("/").status, 200);
    client.wait_at_most(Duration::from_secs(10)).expect_close();
}
