//! SIGTERM and SIGINT: what is in flight finishes, then exit 0; a second signal exits at once.

use std::time::{Duration, Instant};

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::{self, Client};
use evenkeel_tests::wait;
use rustix::process::Signal;

fn start(script: Script, drain_timeout: &str) -> (Backend, Evenkeel) {
    let backend = Backend::start("a", script);
    let evenkeel = Evenkeel::start(&format!(
        "drain_timeout: {drain_timeout}\npools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        backend.address()
    ));
    (backend, evenkeel)
}

/// A client whose request the backend has, without an answer yet.
fn in_flight(backend: &Backend, evenkeel: &Evenkeel) -> Client {
    let mut client = Client::connect(evenkeel.address());
    client.send("GET /in-flight HTTP/1.1\r\nHost: x\r\n\r\n");
    wait::until_true(SOON, "the request to arrive", || backend.deliveries("/in-flight") == 1);
    client
}

fn wait_for_drain(evenkeel: &Evenkeel) {
    wait::until_true(SOON, "the drain to begin", || {
        client::try_get(evenkeel.admin(), "/readyz").map_or(true, |response| response.status == 503)
    });
}

#[test]
fn what_is_in_flight_finishes_before_the_exit() {
    for signal in [Signal::TERM, Signal::INT] {
        let body = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789".to_vec();
        let (backend, mut evenkeel) = start(Script::ReplySlowly(body, 8, Duration::from_millis(150)), "10s");
        let address = evenkeel.address();
        let mut busy = in_flight(&backend, &evenkeel);
        evenkeel.signal(signal);
        wait::until_true(SOON, "the listener to close", || Client::try_connect(address).is_err());
        let response = busy.response("GET");
        assert_eq!((response.status, response.text().as_str()), (200, "0123456789"));
        drop(busy);
        assert_eq!(evenkeel.wait(SOON * 2).code(), Some(0));
    }
}

#[test]
fn an_exit_does_not_wait_for_idle_connections_beyond_the_drain() {
    let (_backend, mut evenkeel) = start(Script::Echo, "1s");
    let mut idle = Client::connect(evenkeel.address());
    assert_eq!(idle.get("/").status, 200);
    evenkeel.signal(Signal::TERM);
    assert_eq!(evenkeel.wait(SOON).code(), Some(0));
    idle.expect_close();
}

#[test]
fn the_drain_timeout_cuts_what_does_not_end() {
    let (backend, mut evenkeel) = start(Script::Hang, "1s");
    let mut stuck = in_flight(&backend, &evenkeel);
    let begun = Instant::now();
    evenkeel.signal(Signal::TERM);
    assert_eq!(evenkeel.wait(SOON).code(), Some(0));
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert!(stuck.try_response("GET").is_err());
}

#[test]
fn a_second_signal_exits_at_once() {
    let (backend, mut evenkeel) = start(Script::Hang, "60s");
    let _stuck = in_flight(&backend, &evenkeel);
    evenkeel.signal(Signal::TERM);
    wait_for_drain(&evenkeel);
    assert!(evenkeel.is_running());
    evenkeel.signal(Signal::TERM);
    evenkeel.wait(Duration::from_secs(5));
}

#[test]
fn responses_during_a_drain_announce_the_end_of_the_connection() {
    let (backend, mut evenkeel) = start(Script::Hang, "3s");
    let mut kept = Client::connect(evenkeel.address());
    // An open request keeps the process from ending while this client asks again.
    let _stuck = in_flight(&backend, &evenkeel);
    backend.set(Script::Echo);
    assert_eq!(kept.get("/").status, 200);
    evenkeel.signal(Signal::TERM);
    wait_for_drain(&evenkeel);
    // The connection may have been closed while it was idle; if it answers, it says that it closes.
    if let Ok(response) = kept.try_get("/") {
        assert_eq!(response.status, 200);
        assert!(response.closes(), "{}", response.head);
        kept.expect_close();
    }
    assert_eq!(evenkeel.wait(SOON).code(), Some(0));
}
