//! How many attempts, how long between them, and until when.

use std::time::{Duration, Instant};

use evenkeel_tests::backend::{Backend, Refusing, Script};
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::Client;

use super::KEEP;
use crate::named::{entry, pool, start, sum};

/// How long requests take that fail everywhere, four at once; each is answered 502.
fn durations(evenkeel: &Evenkeel, rounds: usize) -> Vec<Duration> {
    let address = evenkeel.address();
    let ask = move || {
        let begun = Instant::now();
        let response = Client::connect(address).get("/");
        assert_eq!(response.status, 502, "{}", response.text());
        begun.elapsed()
    };
    let round = |_| {
        std::thread::scope(|scope| {
            let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        })
    };
    (0..rounds).flat_map(round).collect()
}

#[test]
fn the_first_retry_is_made_at_once_and_the_next_ones_wait_longer_and_longer() {
    let refusing: Vec<Refusing> = (0..4).map(|_| Refusing::default()).collect();
    let addresses: Vec<_> =
        ["a", "b", "c", "d"].into_iter().zip(refusing.iter().map(Refusing::address)).collect();
    let at_most = |attempts: usize| {
        let retry = format!("retry: {{ attempts: {attempts}, backoff: 200ms }}");
        durations(&Evenkeel::start(&pool(&addresses, &[&retry, KEEP])), 4)
    };
    let two = at_most(2);
    assert!(two.iter().all(|took| *took < Duration::from_millis(150)), "a first retry waited: {two:?}");
    // Random parts of 200 ms and of 400 ms: together 300 ms in the middle, and 16 times next to nothing never.
    let four = at_most(4);
    let whole: Duration = four.iter().sum();
    assert!(whole > Duration::from_millis(16 * 100), "{four:?}");
    assert!(four.iter().all(|took| *took < Duration::from_millis(600 + 250)), "{four:?}");
}

#[test]
fn a_backoff_of_nothing_waits_for_nobody() {
    let refusing: Vec<Refusing> = (0..4).map(|_| Refusing::default()).collect();
    let addresses: Vec<_> =
        ["a", "b", "c", "d"].into_iter().zip(refusing.iter().map(Refusing::address)).collect();
    let evenkeel = Evenkeel::start(&pool(&addresses, &["retry: { attempts: 4, backoff: 0s }", KEEP]));
    let all = durations(&evenkeel, 1);
    assert!(all.iter().all(|took| *took < Duration::from_millis(150)), "{all:?}");
    assert_eq!(sum(&evenkeel, "pool_retries_total", &[]), 12.0);
}

#[test]
fn a_request_without_time_left_is_not_tried_again() {
    let hung = ["a", "b", "c"].map(|name| Backend::start(name, Script::Hang));
    let [a, b, c] = &hung;
    let settings = ["timeouts: { head: 300ms, total: 450ms }", KEEP];
    let evenkeel = start(&[("a", a), ("b", b), ("c", c)], &settings);
    let begun = Instant::now();
    let response = Client::connect(evenkeel.address()).get("/0");
    let took = begun.elapsed();
    assert_eq!(response.status, 504);
    assert!(response.text().starts_with("504 deadline: "), "{}", response.text());
    assert!(took >= Duration::from_millis(450) && took < Duration::from_millis(1000), "{took:?}");
    let deliveries: usize = hung.iter().map(|backend| backend.deliveries("/0")).sum();
    assert_eq!(deliveries, 2);
    let entry = entry(&evenkeel, "/0");
    assert_eq!(entry["tries"][0]["cause"], "head_timeout", "{entry}");
    assert_eq!(entry["cause"], "deadline", "{entry}");
}

#[test]
fn a_wait_that_would_end_too_late_is_not_begun() {
    let refusing: Vec<Refusing> = (0..5).map(|_| Refusing::default()).collect();
    let addresses: Vec<_> =
        ["a", "b", "c", "d", "e"].into_iter().zip(refusing.iter().map(Refusing::address)).collect();
    let settings = ["timeouts: { total: 300ms }", "retry: { attempts: 5, backoff: 800ms }", KEEP];
    let evenkeel = Evenkeel::start(&pool(&addresses, &settings));
    let begun = Instant::now();
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let address = evenkeel.address();
        let ask = move || Client::connect(address).get("/").status;
        let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|status| [502, 504].contains(status)), "{answers:?}");
    assert!(begun.elapsed() < Duration::from_millis(700), "{:?}", begun.elapsed());
}

#[test]
fn a_route_has_its_own_rules() {
    let bad = Backend::start("bad", Script::Status(503));
    let good = Backend::start("good", Script::Echo);
    let addresses = [("bad", bad.address()), ("good", good.address())];
    let routes = "routes:
  - match: { path: /once/ }
    pool: web
    retry: off
  - match: { path: /own/ }
    pool: web
    retry: { statuses: [500] }
  - match: { path: /one/ }
    pool: web
    retry: { attempts: 1 }
  - pool: web
";
    let evenkeel = Evenkeel::start(&format!("{routes}{}", pool(&addresses, &[KEEP])));
    let mut client = Client::connect(evenkeel.address());
    let mut answers = |path: &str| {
        let mut answers: Vec<u16> = (0..4).map(|_| client.get(path).status).collect();
        answers.sort_unstable();
        answers
    };
    assert_eq!(answers("/"), [200; 4]);
    for path in ["/once/", "/own/", "/one/"] {
        assert_eq!(answers(path), [200, 200, 503, 503], "{path}");
    }
}
