//! `Retry-After`: who asked to be left alone gets no retry for as long.

use std::time::{Duration, Instant};

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::Client;
use evenkeel_tests::wait;

use super::KEEP;
use crate::named::{start, sum};

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
struct Scene {
    busy: Backend,
    closing: Backend,
    good: Backend,
    evenkeel: Evenkeel,
    client: Client,
}

impl Scene {
    fn new(script: Script, retry: &str) -> Scene {
        let busy = Backend::start("busy", script);
        let closing = Backend::start("closing", Script::CloseOnRequest);
        let good = Backend::start("good", Script::Echo);
        let backends = [("closing", &closing), ("busy", &busy), ("good", &good)];
        let evenkeel = start(&backends, &[KEEP, retry]);
        let client = Client::connect(evenkeel.address());
        let mut scene = Scene { busy, closing, good, evenkeel, client };
        wait::until_true(SOON, "an answer of the busy one", || {
            scene.client.get("/first");
            !scene.busy.requests().is_empty()
        });
        scene
    }

    /// Asks so often, and asserts that no retry is made with the busy one. A retry goes to whoever chance has.
    fn expect_passed_over(&mut self) {
        let before = retries(&self.busy).len();
        for number in 0..24 {
            let target = format!("/{number}");
            let response = self.client.get(&target);
            // Whoever met the busy one first may have met the closing one next.
            let began_with_the_closing_one =
                self.closing.deliveries(&target) == 1 && self.busy.deliveries(&target) == 0;
            assert!(response.status == 200 || !began_with_the_closing_one, "{}", response.text());
        }
        assert_eq!(retries(&self.busy).len(), before, "the busy one was asked again");
        assert!(retries(&self.good).len() >= 8);
    }
}

#[test]
fn a_retry_passes_over_who_asked_to_be_left_alone() {
    let mut scene = Scene::new(busy(60), "");
    scene.expect_passed_over();
    assert!(scene.busy.requests().len() >= 8, "it still gets requests in turn");
    assert_eq!(sum(&scene.evenkeel, "backend_ejections_total", &[]), 0.0);
}

#[test]
fn a_date_is_understood_as_well() {
    let late =
        b"HTTP/1.1 503 Busy\r\nRetry-After: Fri, 31 Dec 2100 23:59:59 GMT\r\nContent-Length: 0\r\n\r\n";
    Scene::new(Script::Reply(late.to_vec()), "").expect_passed_over();
}

#[test]
fn when_its_time_is_over_it_is_asked_again() {
    let mut scene = Scene::new(busy(1), "");
    // It goes on to fail, but does not ask for more time.
    scene.busy.set(Script::Status(503));
    let asked = Instant::now();
    let before = retries(&scene.busy).len();
    wait::until_true(SOON, "a retry with the one that was busy", || {
        scene.client.get("/");
        retries(&scene.busy).len() > before
    });
    assert!(asked.elapsed() > Duration::from_millis(500), "after {:?}", asked.elapsed());
}

#[test]
fn where_it_is_not_heeded_a_retry_asks_anybody() {
    let mut scene = Scene::new(busy(60), "retry: { retry_after: false }");
    let before = retries(&scene.busy).len();
    wait::until_true(SOON, "a retry with the busy one", || {
        scene.client.get("/");
        retries(&scene.busy).len() > before
    });
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
