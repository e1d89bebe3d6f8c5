//! `Retry-After`: who asked to be left alone gets no retry for as long.

use std::io::Write;

use evenkeel_tests::backend::{Backend, Next, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::Client;
use evenkeel_tests::wait;

use super::KEEP;
use crate::named::start;

/// Says that it is busy for so many seconds.
fn busy(seconds: u64) -> Script {
    let answer = format!("HTTP/1.1 503 Busy\r\nRetry-After: {seconds}\r\nContent-Length: 4\r\n\r\nbusy");
    Script::Reply(answer.into_bytes())
}

/// The targets of the retries that a backend got.
fn retries(backend: &Backend) -> Vec<String> {
    let requests = backend.requests().into_iter();
    let retries = requests.filter(|request| request.field("x-evenkeel-attempt") == Some("2"));
    retries.map(|request| request.target).collect()
}

/// One that is busy, one that closes each request, and one that answers.
fn scene(seconds: u64, retry: &str) -> ([Backend; 3], Evenkeel) {
    let backends = [
        Backend::start("busy", busy(seconds)),
        Backend::start("closing", Script::CloseOnRequest),
        Backend::start("good", Script::Echo),
    ];
    let [a, b, c] = &backends;
    // In an order in which a retry after the closing one would come to the busy one next.
    let evenkeel = start(&[("closing", b), ("busy", a), ("good", c)], &[KEEP, retry]);
    (backends, evenkeel)
}

#[test]
fn a_retry_passes_over_who_asked_to_be_left_alone() {
    let (backends, evenkeel) = scene(60, "");
    let mut client = Client::connect(evenkeel.address());
    wait::until_true(SOON, "an answer of the busy one", || {
        client.get("/first");
        !backends[0].requests().is_empty()
    });
    let before = retries(&backends[0]).len();
    for number in 0..12 {
        let response = client.get(&format!("/{number}"));
        assert_eq!(response.status, 200, "{}", response.text());
    }
    assert_eq!(retries(&backends[0]).len(), before, "the busy one was asked again");
    assert!(retries(&backends[2]).len() >= 4);
    assert!(backends[0].requests().len() > 4, "it still gets requests in turn");
}

#[test]
fn when_its_time_is_over_it_is_asked_again() {
    let (backends, evenkeel) = scene(1, "");
    let mut client = Client::connect(evenkeel.address());
    wait::until_true(SOON, "a retry with the busy one, when it is not busy any more", || {
        let is_first = backends[0].requests().is_empty();
        client.get("/");
        // Each answer of its own makes it busy for another second.
        let script = if is_first { busy(1) } else { Script::Echo };
        backends[0].set(script);
        !retries(&backends[0]).is_empty() && backends[0].requests().len() > 2
    });
}

#[test]
fn where_it_is_not_heeded_a_retry_asks_whoever_is_next() {
    let (backends, evenkeel) = scene(60, "retry: { retry_after: false }");
    let mut client = Client::connect(evenkeel.address());
    for number in 0..12 {
        client.get(&format!("/{number}"));
    }
    assert!(retries(&backends[0]).len() >= 3);
}

#[test]
fn if_nobody_else_is_left_the_backends_own_answer_is_relayed() {
    let [a, b] = ["a", "b"].map(|name| Backend::start(name, busy(30)));
    let evenkeel = start(&[("a", &a), ("b", &b)], &[KEEP]);
    let mut client = Client::connect(evenkeel.address());
    for number in 0..4 {
        let target = format!("/{number}");
        let response = client.get(&target);
        assert_eq!((response.status, response.text().as_str()), (503, "busy"));
        assert_eq!(response.field("retry-after"), Some("30"));
        let status = response.field("proxy-status").unwrap_or_default();
        assert!(status.contains("received-status=503"), "{status}");
        let deliveries = a.deliveries(&target) + b.deliveries(&target);
        assert!(deliveries <= 2 && (number < 2 || deliveries == 1), "{target}: {deliveries}");
    }
}

#[test]
fn a_date_is_understood_as_well() {
    // A long way off, and capped at a minute.
    let late =
        b"HTTP/1.1 503 Busy\r\nRetry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n";
    let dated = Backend::start("dated", Script::Reply(late.to_vec()));
    let closing = Backend::start("closing", Script::CloseOnRequest);
    let good = Backend::start(
        "good",
        Script::custom(|_, socket| {
            socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")?;
            Ok(Next::Continue)
        }),
    );
    let evenkeel = start(&[("closing", &closing), ("dated", &dated), ("good", &good)], &[KEEP]);
    let mut client = Client::connect(evenkeel.address());
    wait::until_true(SOON, "its answer", || {
        client.get("/first");
        !dated.requests().is_empty()
    });
    for number in 0..6 {
        assert_eq!(client.get(&format!("/{number}")).status, 200);
    }
}
