//! Backends that ask to be drained, in an answer or by their probes: they get nothing new, and no request fails.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use evenkeel_tests::backend::{Backend, Next, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::Client;
use evenkeel_tests::load::Load;
use evenkeel_tests::raw::{Connection, RawBackend};
use evenkeel_tests::wait;
use serde_json::Value;

use crate::named;
use crate::times;

/// What the backend asks for, in seconds.
const DRAIN: f64 = 2.0;

/// How long after it asked it still takes requests.
const GRACE: Duration = Duration::from_millis(300);

/// From the moment at which control knows of a hold until every core does, in seconds.
const SPREADS_WITHIN: f64 = 0.1;

/// Answers, and asks to be drained once it is told to; soon after that it refuses connections for a second.
fn leaves_once(is_told: Arc<AtomicBool>) -> RawBackend {
    RawBackend::start(move |connection: &mut Connection| -> io::Result<()> {
        while let Some(mut request) = connection.head()? {
            connection.body(&mut request)?;
            if !is_told.swap(false, Ordering::AcqRel) {
                connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")?;
                continue;
            }
            connection.send("HTTP/1.1 200 OK\r\nX-Evenkeel-Drain: 2\r\nContent-Length: 1\r\n\r\nA")?;
            wait::pause(GRACE);
            connection.refuse_for(Duration::from_secs(1));
        }
        Ok(())
    })
}

/// The program's own words about a hold.
const ASKED: &str = "backend asked to be drained";
const OVER: &str = "backend takes requests again: its drain is over";

/// When an event with this message was first logged, once it is.
#[track_caller]
fn logged(evenkeel: &Evenkeel, message: &str) -> f64 {
    let is_it = |event: &Value| event["message"] == message;
    times::of(&wait::until(SOON, message, || evenkeel.events().into_iter().find(is_it)))
}

#[test]
fn a_backend_that_asks_in_an_answer_gets_nothing_new_until_its_time_is_over() {
    let is_told = Arc::new(AtomicBool::new(false));
    let a = leaves_once(is_told.clone());
    let [b, c] = ["b", "c"].map(|name| Backend::start(name, Script::Echo));
    let backends = [("a", a.address()), ("b", b.address()), ("c", c.address())];
    let evenkeel = Evenkeel::start(&named::pool(&backends, &[]));
    let gets = Load { connections: 8, pace: Duration::from_millis(20), ..Load::on(evenkeel.address()) };
    // What was sent of a POST would not be sent again: a backend that leaves too early would cost some.
    let posts = Load { is_post: true, ..gets.clone() };
    let (gets, posts) = (gets.start(), posts.start());
    wait::until_true(SOON, "the backend to serve", || evenkeel.phase(&a.address()) == "serving");
    gets.wait_for(200);

    is_told.store(true, Ordering::Release);
    let mut client = Client::connect(evenkeel.address());
    let mut heads = Vec::new();
    wait::until_true(SOON, "the backend to ask", || {
        heads.push(client.get("/").head);
        evenkeel.backend(&a.address())["hold"] == "asked"
    });
    let status = evenkeel.backend(&a.address());
    assert_eq!((&status["phase"], &status["in_service"]), (&"serving".into(), &false.into()), "{status}");
    wait::until_true(GRACE, "its idle connections to close", || a.open() <= 1);

    let (asked, over) = (logged(&evenkeel, ASKED), logged(&evenkeel, OVER));
    assert!((DRAIN - 0.1..DRAIN + 0.5).contains(&(over - asked)), "drained for {} s", over - asked);
    let ramp = evenkeel.backend(&a.address())["ramp"].as_f64().unwrap();
    assert!(ramp < 1.0, "it came back with its whole share: {ramp}");
    let requests = || evenkeel.events().into_iter().filter(|event| event["backend"] == "a").filter_map(begun);
    wait::until_true(SOON, "requests to come back", || requests().any(|begun| begun > over));
    let late: Vec<_> =
        requests().filter(|begun| (asked + SPREADS_WITHIN..over - 0.01).contains(begun)).collect();
    assert!(late.is_empty(), "requests while it was drained: {late:?}, asked at {asked}");
    assert_eq!(evenkeel.phase(&a.address()), "serving", "it was never ill");
    gets.expect_no_failure();
    posts.expect_no_failure();
    assert!(heads.iter().all(|head| !head.to_ascii_lowercase().contains("drain")), "{heads:?}");
}

/// When a request of the access log began.
fn begun(entry: Value) -> Option<f64> {
    entry["time"].as_str().map(times::seconds)
}

#[test]
fn the_client_never_sees_what_a_backend_asks_for() {
    for value in ["2", "0", "never", "1, 2"] {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nX-Evenkeel-Drain: {value}\r\nX-Own: yes\r\nContent-Length: 0\r\n\r\n"
        );
        let backend = Backend::start("a", Script::Reply(answer.into_bytes()));
        let evenkeel = named::start(&[("a", &backend)], &[]);
        let mut client = Client::connect(evenkeel.address());
        // The only one there is goes on serving, drained or not.
        for _ in 0..3 {
            let response = client.get("/");
            assert_eq!((response.status, response.field("x-own")), (200, Some("yes")));
            assert_eq!(response.field("x-evenkeel-drain"), None);
        }
        let hold = evenkeel.backend(&backend.address())["hold"].clone();
        assert_eq!(hold == "asked", value == "2", "{value}: {hold}");
    }
}

/// Well for requests; its probes are told 503 while it leaves. A request for `/slow` takes until it is released.
#[derive(Clone, Default)]
struct Leaving {
    is_leaving: Arc<AtomicBool>,
    is_released: Arc<AtomicBool>,
}

impl Leaving {
    fn start(&self, name: &str) -> Backend {
        let (own, state) = (name.to_owned(), self.clone());
        let answer = Script::custom(move |request, socket| {
            let is_probe = request.target == "/healthz";
            let status = if is_probe && state.is_leaving.load(Ordering::Acquire) { 503 } else { 200 };
            if request.target == "/slow" {
                wait::until_true(SOON, "a release", || state.is_released.load(Ordering::Acquire));
            }
            let head = format!("HTTP/1.1 {status} Own\r\nX-Backend: {own}\r\nContent-Length: 0\r\n\r\n");
            io::Write::write_all(socket, head.as_bytes())?;
            Ok(Next::Continue)
        });
        Backend::start(name, answer)
    }
}

const DRAINED_BY_PROBES: &str = "health: { slow_start: off, probe: { path: /healthz, interval: 200ms, timeout: 200ms, drain_statuses: [503] } }";

fn until_hold(evenkeel: &Evenkeel, backend: &Backend, hold: Value) {
    wait::until_true(SOON, &format!("hold: {hold}"), || evenkeel.backend(&backend.address())["hold"] == hold);
}

#[test]
fn a_backend_whose_probes_ask_is_drained_and_not_ejected() {
    let (leaving, staying) = (Leaving::default(), Leaving::default());
    let (a, b) = (leaving.start("a"), staying.start("b"));
    let evenkeel = named::start(&[("a", &a), ("b", &b)], &[DRAINED_BY_PROBES]);
    let serving = || [&a, &b].iter().all(|one| evenkeel.phase(&one.address()) == "serving");
    wait::until_true(SOON, "both to serve", serving);
    let gets = Load { connections: 8, pace: Duration::from_millis(20), ..Load::on(evenkeel.address()) };
    let posts = Load { is_post: true, ..gets.clone() };
    let (gets, posts) = (gets.start(), posts.start());
    gets.wait_for(100);
    // In flight, and no GET, for which another backend could stand in.
    let mut slow = Vec::new();
    while a.deliveries("/slow") == 0 {
        let mut client = Client::connect(evenkeel.address());
        client.send("POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        slow.push(client);
        let arrived = || a.deliveries("/slow") + b.deliveries("/slow");
        wait::until_true(SOON, "the slow request to arrive", || arrived() == slow.len());
    }

    leaving.is_leaving.store(true, Ordering::Release);
    until_hold(&evenkeel, &a, "asked".into());
    assert_eq!(evenkeel.phase(&a.address()), "serving");
    // Of those that are left, one is its probes', and one has the request that is in flight.
    wait::until_true(SOON, "its idle connections to close", || a.open() <= 2);
    let ordinary = || a.requests().iter().filter(|request| request.target != "/healthz").count();
    let before = ordinary();
    gets.wait_for(100);
    posts.wait_for(100);
    assert_eq!(ordinary(), before, "it got requests while it was drained");
    leaving.is_released.store(true, Ordering::Release);
    staying.is_released.store(true, Ordering::Release);
    let mut answered = Vec::new();
    for mut client in slow {
        answered.push(client.wait_at_most(SOON).response("POST").field("x-backend").map(str::to_owned));
    }
    assert!(answered.contains(&Some("a".to_owned())), "{answered:?}");

    leaving.is_leaving.store(false, Ordering::Release);
    until_hold(&evenkeel, &a, Value::Null);
    wait::until_true(SOON, "requests to come back", || ordinary() > before);
    gets.expect_no_failure();
    posts.expect_no_failure();
    assert_eq!(evenkeel.metrics().sum("evenkeel_backend_ejections_total", &[]), 0.0);
}

#[test]
fn when_all_drain_they_serve_nevertheless() {
    let leaving = Leaving::default();
    let backends = ["a", "b"].map(|name| leaving.start(name));
    let evenkeel = named::start(&[("a", &backends[0]), ("b", &backends[1])], &[DRAINED_BY_PROBES]);
    let crowd = Load { connections: 4, ..Load::on(evenkeel.address()) }.start();
    leaving.is_leaving.store(true, Ordering::Release);
    backends.iter().for_each(|backend| until_hold(&evenkeel, backend, "asked".into()));
    crowd.wait_for(100);
    assert_eq!(Client::connect(evenkeel.address()).post("/", b"order").status, 200);
    crowd.expect_no_failure();
}
