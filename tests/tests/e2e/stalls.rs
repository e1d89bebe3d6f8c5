//! Attempts that stall: a safe request is tried beside them, inside the budget, and the first head wins.

use std::time::{Duration, Instant};

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::Client;
use evenkeel_tests::wait;

use crate::named::{entry, pool, start, sum};

/// Never ejects.
const KEEP: &str = "health: { eject: off }";

/// Answers after so long.
fn slow(after: Duration) -> Script {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow".to_vec();
    let length = answer.len();
    Script::ReplySlowly(answer, length, after)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[test]
fn a_backend_that_hangs_costs_no_get_with_the_smallest_configuration() {
    let hung = Backend::start("hung", Script::Hang);
    let [a, b] = ["a", "b"].map(|name| Backend::start(name, Script::Echo));
    let addresses = [&hung, &a, &b].map(Backend::address).join("\", \"");
    let evenkeel = Evenkeel::start(&format!("pools: {{ web: {{ backends: [\"{addresses}\"] }} }}\n"));
    let address = evenkeel.address();
    std::thread::scope(|scope| {
        for number in 0..6 {
            scope.spawn(move || {
                for turn in 0..5 {
                    let begun = Instant::now();
                    let response = Client::connect(address).get(&format!("/{number}.{turn}"));
                    assert_eq!(response.status, 200, "{}", response.text());
                    assert!(begun.elapsed() < Duration::from_secs(5), "after {:?}", begun.elapsed());
                }
            });
        }
    });
    assert!(!hung.requests().is_empty(), "nobody met it");
    assert!(sum(&evenkeel, "pool_hedges_won_total", &[]) >= 1.0);
    assert!(sum(&evenkeel, "backend_failures_total", &[("cause", "stalled")]) >= 3.0);
    wait::until_true(SOON, "the ejection", || evenkeel.phase(&hung.address()) == "ejected");
}

#[test]
fn who_loses_for_stalling_is_closed_and_struck() {
    let (hung, good) = (Backend::start("hung", Script::Hang), Backend::start("good", Script::Echo));
    let settings = ["stall: { floor: 100ms, factor: 1 }", "health: { eject: { consecutive: 1, wait: 60s } }"];
    let evenkeel = start(&[("hung", &hung), ("good", &good)], &settings);
    let mut client = Client::connect(evenkeel.address());
    let path = ["/0", "/1"].into_iter().find(|path| {
        assert_eq!(client.get(path).status, 200);
        hung.deliveries(path) == 1
    });
    let path = path.expect("one of two requests meets it");
    wait::until_true(SOON, "the loser's connection to close", || hung.open() == 0);
    wait::until_true(SOON, "the ejection", || evenkeel.phase(&hung.address()) == "ejected");
    let stalled = [("backend", "hung"), ("cause", "stalled")];
    assert_eq!(sum(&evenkeel, "backend_failures_total", &stalled), 1.0);
    assert_eq!(sum(&evenkeel, "pool_hedges_total", &[]), 1.0);
    assert_eq!(sum(&evenkeel, "pool_hedges_won_total", &[]), 1.0);
    assert_eq!(sum(&evenkeel, "pool_retries_total", &[]), 1.0, "a hedge is an attempt");
    let entry = entry(&evenkeel, path);
    assert_eq!((&entry["status"], &entry["attempts"]), (&200.into(), &2.into()), "{entry}");
    let tried = &entry["tries"][0];
    assert_eq!((&tried["backend"], &tried["cause"]), (&"hung".into(), &"stalled".into()), "{entry}");
    assert_eq!(tried["class"], "maybe", "{entry}");
    let asked = good.requests().into_iter().find(|request| request.target == path).unwrap();
    assert_eq!(asked.field("x-evenkeel-attempt"), Some("2"));
}

#[test]
fn who_comes_second_without_stalling_is_only_cancelled() {
    let (late, hung) = (Backend::start("late", slow(millis(400))), Backend::start("hung", Script::Hang));
    let addresses = [("late", late.address()), ("hung", hung.address())];
    // A route for each request, so that neither learns from the other.
    let routes =
        "routes:\n  - match: { path: /a/ }\n    pool: web\n  - match: { path: /b/ }\n    pool: web\n";
    let text = pool(&addresses, &["stall: { floor: 250ms, factor: 1 }", KEEP]);
    let evenkeel = Evenkeel::start(&format!("{routes}{text}"));
    let mut client = Client::connect(evenkeel.address());
    for path in ["/a/", "/b/"] {
        assert_eq!(client.get(path).text(), "slow");
    }
    wait::until_true(SOON, "the losers' connections to close", || hung.open() == 0);
    assert_eq!(sum(&evenkeel, "pool_hedges_total", &[]), 2.0);
    assert_eq!(sum(&evenkeel, "pool_hedges_won_total", &[]), 1.0);
    // One began with it, and it stalled; for the other it was the second.
    assert_eq!(sum(&evenkeel, "backend_failures_total", &[]), 1.0);
    let mut causes = ["/a/", "/b/"].map(|path| {
        let entry = entry(&evenkeel, path);
        assert_eq!((&entry["backend"], &entry["tries"][0]["backend"]), (&"late".into(), &"hung".into()));
        entry["tries"][0]["cause"].as_str().map(str::to_owned)
    });
    causes.sort();
    assert_eq!(causes, [None, Some("stalled".into())]);
}

#[test]
fn a_route_that_is_always_slow_is_doubled_at_first_and_then_no_more() {
    let backends = ["a", "b", "c"].map(|name| Backend::start(name, slow(millis(1500))));
    let [a, b, c] = &backends;
    let evenkeel = start(&[("a", a), ("b", b), ("c", c)], &[]);
    let address = evenkeel.address();
    let round = |round: usize| {
        std::thread::scope(|scope| {
            for number in 0..6 {
                scope.spawn(move || {
                    let response = Client::connect(address).get(&format!("/{round}.{number}"));
                    assert_eq!(response.text(), "slow");
                });
            }
        });
        sum(&evenkeel, "pool_hedges_total", &[])
    };
    let hedges = [0, 1, 2].map(round);
    assert!(hedges[0] >= 1.0 && hedges[0] <= 12.0, "{hedges:?}");
    assert_eq!(hedges, [hedges[0]; 3], "it has learned by the first answers");
    let bound = sum(&evenkeel, "route_stall_bound_seconds", &[]);
    assert!((10.0..=30.0).contains(&bound), "{bound}");
    let deliveries: usize = backends.iter().map(|backend| backend.requests().len()).sum();
    assert_eq!(deliveries as f64, 18.0 + hedges[0]);
}

#[test]
fn only_a_safe_request_without_a_body_is_tried_twice_at_once() {
    let backends = ["a", "b"].map(|name| Backend::start(name, slow(millis(400))));
    let addresses = [("a", backends[0].address()), ("b", backends[1].address())];
    let methods = ["POST", "PUT", "DELETE", "PATCH", "GET with a body", "GET", "OPTIONS"];
    // A route for each, so that none learns from another.
    let route = |number| format!("  - match: {{ path: /{number}/ }}\n    pool: web\n");
    let routes: String = (0..methods.len()).map(route).collect();
    let text = pool(&addresses, &["stall: { floor: 50ms, factor: 1 }", KEEP]);
    let evenkeel = Evenkeel::start(&format!("routes:\n{routes}{text}"));
    for (number, name) in methods.into_iter().enumerate() {
        let (method, target) = (name.split(' ').next().unwrap(), format!("/{number}/"));
        let body = match name {
            "GET" | "OPTIONS" | "DELETE" => "\r\n",
            _ => "Content-Length: 4\r\n\r\nbody",
        };
        let request = format!("{method} {target} HTTP/1.1\r\nHost: test.example\r\n{body}");
        let response = Client::connect(evenkeel.address()).send(request).response(method);
        assert_eq!(response.text(), "slow", "{name}");
        let deliveries: usize = backends.iter().map(|backend| backend.deliveries(&target)).sum();
        let expected = if matches!(name, "GET" | "OPTIONS") { 2 } else { 1 };
        assert_eq!(deliveries, expected, "{name}");
    }
}

#[test]
fn where_stalls_are_off_nothing_runs_beside_an_attempt() {
    let (hung, good) = (Backend::start("hung", Script::Hang), Backend::start("good", Script::Echo));
    let settings = ["stall: off", KEEP, "timeouts: { head: 1500ms }"];
    let evenkeel = start(&[("hung", &hung), ("good", &good)], &settings);
    let mut client = Client::connect(evenkeel.address());
    for path in ["/0", "/1"] {
        assert_eq!(client.get(path).status, 200);
    }
    assert_eq!(sum(&evenkeel, "pool_hedges_total", &[]), 0.0);
    assert_eq!(sum(&evenkeel, "backend_failures_total", &[("cause", "head_timeout")]), 1.0);
}

#[test]
fn a_hedge_that_the_budget_denies_is_not_made() {
    let (late, good) = (Backend::start("late", slow(millis(400))), Backend::start("good", Script::Echo));
    let settings =
        ["stall: { floor: 50ms, factor: 1 }", KEEP, "retry: { budget: { share: 0%, at_least: 0 } }"];
    let evenkeel = start(&[("late", &late), ("good", &good)], &settings);
    let mut client = Client::connect(evenkeel.address());
    for path in ["/0", "/1"] {
        assert_eq!(client.get(path).status, 200);
        assert_eq!(late.deliveries(path) + good.deliveries(path), 1, "{path}");
    }
    assert_eq!(late.requests().len(), 1);
    assert_eq!(sum(&evenkeel, "pool_hedges_total", &[]), 0.0);
    assert_eq!(sum(&evenkeel, "pool_retries_denied_total", &[]), 1.0);
}
