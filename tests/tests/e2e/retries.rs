//! Failures that a client never sees, and requests that are never sent twice.

use std::collections::HashSet;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use evenkeel_tests::backend::{Backend, Next, Refusing, Script};
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::Client;
use evenkeel_tests::request::Request;

/// A pool that never ejects, so that a bad backend keeps its turn.
fn pool(addresses: &[String]) -> String {
    format!(
        "workers: 1\npools: {{ web: {{ backends: [\"{}\"], health: {{ eject: off }} }} }}\n",
        addresses.join("\", \"")
    )
}

/// A backend with this script beside one that echoes.
fn beside_a_good_one(script: Script) -> (Backend, Backend, Evenkeel) {
    let (bad, good) = (Backend::start("bad", script), Backend::start("good", Script::Echo));
    let evenkeel = Evenkeel::start(&pool(&[bad.address(), good.address()]));
    (bad, good, evenkeel)
}

#[test]
fn what_was_never_sent_goes_elsewhere_whatever_the_method() {
    let refusing = Refusing::default();
    let good = Backend::start("good", Script::Echo);
    let evenkeel = Evenkeel::start(&pool(&[refusing.address(), good.address()]));
    let mut client = Client::connect(evenkeel.address());
    for number in 0..10 {
        let target = format!("/{number}");
        assert_eq!(client.post(&target, b"once").status, 200);
        assert_eq!(client.get(&target).status, 200);
        assert_eq!(good.deliveries(&target), 2);
    }
    let failures = evenkeel.metrics().sum("evenkeel_backend_failures_total", &[("cause", "connect_refused")]);
    assert!(failures >= 5.0, "{failures}");
}

#[test]
fn no_get_fails_before_a_backend_that_fails_each_request() {
    let garbage = b"HTTP/1.1 200 OK\r\nX-Cut".to_vec();
    for (name, script) in [
        ("closes on accept", Script::CloseOnAccept),
        ("closes", Script::CloseOnRequest),
        ("resets", Script::ResetOnRequest),
        ("half a head", Script::ReplyThenClose(garbage)),
        ("502", Script::Status(502)),
        ("503", Script::Status(503)),
        ("504", Script::Status(504)),
    ] {
        let (_bad, _good, evenkeel) = beside_a_good_one(script);
        let mut client = Client::connect(evenkeel.address());
        for number in 0..10 {
            let response = client.get(&format!("/{number}"));
            assert_eq!(response.status, 200, "{name}: {}", response.text());
        }
        let metrics = evenkeel.metrics();
        let retries = metrics.sum("evenkeel_pool_retries_total", &[("pool", "web")]);
        assert!(retries >= 5.0, "{name}: {retries} retries");
    }
}

#[test]
fn no_post_is_delivered_twice() {
    for (name, script) in [
        ("closes", Script::CloseOnRequest),
        ("resets", Script::ResetOnRequest),
        ("half a head", Script::ReplyThenClose(b"HTTP/1.1 2".to_vec())),
        ("502", Script::Status(502)),
        ("503", Script::Status(503)),
    ] {
        let (bad, good, evenkeel) = beside_a_good_one(script);
        let mut statuses = Vec::new();
        for number in 0..10 {
            let target = format!("/{number}");
            let mut client = Client::connect(evenkeel.address());
            statuses.push(client.post(&target, b"at most once").status);
            let deliveries = bad.deliveries(&target) + good.deliveries(&target);
            assert_eq!(deliveries, 1, "{name}: {target}");
        }
        let failed = statuses.iter().filter(|status| **status != 200).count();
        assert_eq!(failed, 5, "{name}: {statuses:?}");
    }
}

#[test]
fn a_post_sees_the_backends_own_502() {
    let answer = b"HTTP/1.1 502 Mine\r\nContent-Length: 7\r\nX-Own: yes\r\n\r\nmy page".to_vec();
    let backend = Backend::start("bad", Script::Reply(answer));
    let evenkeel = Evenkeel::start(&pool(&[backend.address()]));
    let response = Client::connect(evenkeel.address()).post("/", b"x");
    assert_eq!((response.status, response.text().as_str()), (502, "my page"));
    assert_eq!(response.field("x-own"), Some("yes"));
}

/// Answers the first request of each connection and closes at the second one, unanswered: what a reused connection does when
/// its backend closed it just before.
fn stale_after_the_first() -> Script {
    let seen = Mutex::new(HashSet::<SocketAddr>::new());
    Script::custom(move |request: &Request, socket: &mut socket2::Socket| {
        let peer = socket.peer_addr()?.as_socket().unwrap();
        if !seen.lock().unwrap().insert(peer) {
            return Ok(Next::Close);
        }
        let body = &request.target;
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        std::io::Write::write_all(socket, response.as_bytes())?;
        Ok(Next::Continue)
    })
}

#[test]
fn a_stale_connection_is_replaced_and_is_no_strike() {
    let backend = Backend::start("a", stale_after_the_first());
    let evenkeel = Evenkeel::start(&format!(
        "workers: 1\npools: {{ web: {{ backends: [\"{}\"], health: {{ eject: {{ consecutive: 1 }} }} }} }}\n",
        backend.address()
    ));
    let mut client = Client::connect(evenkeel.address());
    for number in 0..10 {
        assert_eq!(client.get(&format!("/{number}")).status, 200);
    }
    let metrics = evenkeel.metrics();
    let stale = metrics.sum("evenkeel_backend_failures_total", &[("cause", "stale_reuse")]);
    assert!(stale >= 5.0, "{stale}");
    assert_eq!(metrics.sum("evenkeel_backend_ejections_total", &[]), 0.0);
}

#[test]
fn a_post_on_a_stale_connection_is_not_repeated() {
    let backend = Backend::start("a", stale_after_the_first());
    let evenkeel = Evenkeel::start(&pool(&[backend.address()]));
    let mut client = Client::connect(evenkeel.address());
    assert_eq!(client.get("/first").status, 200);
    let response = client.post("/second", b"at most once");
    assert_eq!(response.status, 502);
    assert!(response.text().contains("stale_reuse"), "{}", response.text());
    assert_eq!(backend.deliveries("/second"), 1);
}

#[test]
fn an_idle_connection_that_its_backend_closed_is_not_picked() {
    let backend = Backend::start("a", Script::Echo);
    let evenkeel = Evenkeel::start(&pool(&[backend.address()]));
    let mut client = Client::connect(evenkeel.address());
    for number in 1..=5 {
        assert_eq!(client.post("/", b"x").status, 200);
        backend.close_connections();
        evenkeel_tests::wait::until_true(evenkeel_tests::balancer::SOON, "the idle connection to go", || {
            evenkeel.metrics().sum("evenkeel_backend_idle_connections", &[]) == 0.0
        });
        assert_eq!(backend.connections(), number);
    }
}

#[test]
fn one_attempt_means_no_retry() {
    let (bad, good) = (Backend::start("bad", Script::Status(503)), Backend::start("good", Script::Echo));
    let evenkeel = Evenkeel::start(&format!(
        "workers: 1\npools: {{ web: {{ backends: [\"{}\", \"{}\"], retry: {{ attempts: 1 }}, health: {{ eject: off }} }} }}\n",
        bad.address(),
        good.address()
    ));
    let mut client = Client::connect(evenkeel.address());
    let mut statuses: Vec<u16> = (0..10).map(|_| client.get("/").status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [[200; 5], [503; 5]].concat());
}

#[test]
fn what_is_not_http_is_a_bad_head() {
    let backend = Backend::start("a", Script::ReplyThenClose(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec()));
    let evenkeel = Evenkeel::start(&pool(&[backend.address()]));
    let response = Client::connect(evenkeel.address()).get("/");
    assert_eq!(response.status, 502);
    assert!(response.text().contains("bad_head"), "{}", response.text());
}

#[test]
fn a_408_on_an_idle_connection_is_hidden_where_the_request_may_be_sent_again() {
    let connections = Arc::new(Mutex::new(HashSet::new()));
    // The first request of a connection is answered, the second is told that it came too late.
    let backend = Backend::start(
        "a",
        Script::custom(move |_, socket| {
            let is_first = connections.lock().unwrap().insert(socket.peer_addr()?.as_socket());
            match is_first {
                true => socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?,
                false => socket
                    .write_all(b"HTTP/1.1 408 Late\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?,
            }
            Ok(if is_first { Next::Continue } else { Next::Close })
        }),
    );
    let evenkeel = Evenkeel::start(&format!(
        "workers: 1\npools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        backend.address()
    ));
    let mut client = Client::connect(evenkeel.address());
    assert_eq!(client.get("/fresh").status, 200);
    let post = client.post("/once", b"x");
    assert_eq!(post.status, 408, "a request that may not be repeated gets the backend's own answer");
    assert_eq!(backend.deliveries("/once"), 1);
    let mut client = Client::connect(evenkeel.address());
    assert_eq!(client.get("/fresh").status, 200);
    assert_eq!(client.get("/reused").status, 200);
    assert_eq!(backend.deliveries("/reused"), 2);
    // From now on such a request gets a connection of its own.
    assert_eq!(client.post("/safe", b"x").status, 200);
}
