//! Each fault of `--list`, shown to a running evenkeel, gives the cause that the list promises.

use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::client::{self, Client};
use evenkeel_tests::response::Response;
use evenkeel_tests::wait;
use serde_json::Value;

use super::process::{FaultBackend, Listed, list};

/// A body that no two socket buffers hold.
const HUGE_BODY: usize = 48 << 20;

/// Faults that are shown at a time, each to an evenkeel of its own.
const AT_ONCE: usize = 4;

/// Short clocks, one backend and one attempt: what it did is what is reported.
fn before(backend: &FaultBackend) -> Evenkeel {
    Evenkeel::start(&format!(
        "access_log: {{ path: stdout }}\nworkers: 1\npools: {{ web: {{ backends: [\"{}\"], retry: {{ attempts: 1 }}, \
         health: {{ eject: off }}, timeouts: {{ connect: 500ms, write: 500ms, head: 500ms, body_idle: 1s }} }} }}\n",
        backend.address()
    ))
}

/// The line of the access log about a path.
#[track_caller]
fn logged(evenkeel: &Evenkeel, path: &str) -> Value {
    wait::until(SOON, &format!("{path} in the access log"), || {
        evenkeel.events().into_iter().find(|event| event["path"] == path)
    })
}

/// The log has one of the promised causes or, if none is promised, none; an answer of evenkeel's own tells the same.
#[track_caller]
fn expect_promised(row: &Listed, log: &Value, response: Option<&Response>) {
    let cause = log["cause"].as_str();
    match cause {
        None => assert!(row.causes.is_empty(), "{}: {log:#}", row.name),
        Some(cause) => assert!(row.causes.iter().any(|known| known == cause), "{}: {log:#}", row.name),
    }
    let told = response.and_then(|response| response.field("proxy-status"));
    if let (Some(told), Some(cause)) = (told.filter(|told| told.contains("error=")), cause) {
        assert!(told.contains(&format!("details=\"{cause}")), "{}: {told}", row.name);
    }
}

/// The failures of attempts that the metrics have, by cause.
fn failures(evenkeel: &Evenkeel, cause: &str) -> f64 {
    evenkeel.metrics().sum("evenkeel_backend_failures_total", &[("cause", cause)])
}

/// Calls `show` for each row that befalls what is wanted, a few at a time: most of them wait for a clock.
fn each(wanted: impl Fn(&Listed) -> bool, show: impl Fn(&Listed) + Sync) {
    let rows: Vec<_> = list().into_iter().filter(wanted).collect();
    assert!(!rows.is_empty());
    std::thread::scope(|scope| {
        for part in rows.chunks(rows.len().div_ceil(AT_ONCE)) {
            let show = &show;
            scope.spawn(move || part.iter().for_each(show));
        }
    });
}

#[test]
fn each_fault_of_a_request_is_reported_as_promised() {
    let backend = FaultBackend::start(&[]);
    each(
        |row| row.befalls == "request",
        |row| {
            let evenkeel = before(&backend);
            let path = format!("/fault/{}", row.name);
            match row.name.as_str() {
                "stale-close" | "408-idle" => is_hidden_by_a_fresh_connection(row, &evenkeel, &path),
                "idle-close" | "close-after" => shows_only_if_a_request_crosses_it(row, &evenkeel, &path),
                _ => shows(row, &evenkeel, &path),
            }
        },
    );
}

/// The request fails as promised or, if nothing is, is answered as the backend did.
#[track_caller]
fn shows(row: &Listed, evenkeel: &Evenkeel, path: &str) {
    let name = row.name.as_str();
    let response = ask(name, evenkeel, path);
    expect_promised(row, &logged(evenkeel, path), response.as_ref());
    if let [cause] = row.causes.as_slice() {
        assert_eq!(failures(evenkeel, cause), 1.0, "{name}");
    }
    let relayed = match name {
        "early-413" => Some(413),
        "obs-fold" | "space-before-colon" | "drip" => Some(200),
        name => name.strip_prefix("status/").map(|status| status.parse().unwrap()),
    };
    if relayed.is_some() {
        assert_eq!(response.map(|response| response.status), relayed, "{name}");
    }
}

/// The request that this fault needs to show.
fn ask(name: &str, evenkeel: &Evenkeel, path: &str) -> Option<Response> {
    let mut client = Client::connect(evenkeel.address());
    match name {
        "not-reading" => {
            client.send(format!("PUT {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {HUGE_BODY}\r\n\r\n"));
            // It is answered and cut off before its end.
            let _ = client.try_send(&vec![0; HUGE_BODY]);
        }
        "early-413" => {
            let length = 1 << 20;
            client.send(format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"));
            let _ = client.try_send(&vec![0; length]);
        }
        "wrong-upgrade" => {
            client.send(format!(
                "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
            ));
        }
        "many-1xx" => {
            client.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
            while client.try_response("GET").is_ok_and(|response| response.status < 200) {}
            return None;
        }
        _ => return client.try_get(path).ok(),
    }
    client.try_response("GET").ok()
}

/// The GET is sent again on a fresh connection; a POST is not.
#[track_caller]
fn is_hidden_by_a_fresh_connection(row: &Listed, evenkeel: &Evenkeel, path: &str) {
    let mut client = Client::connect(evenkeel.address());
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.get(path).status, 200, "{}", row.name);
    assert_eq!(failures(evenkeel, &row.causes[0]), 1.0, "{}", row.name);
    assert_eq!(evenkeel.metrics().sum("evenkeel_backend_failures_total", &[]), 1.0, "{}", row.name);
}

/// Waits until the connection of the request for `path` is gone; once that is logged, the connection was kept.
#[track_caller]
fn idle_connection_goes(evenkeel: &Evenkeel, path: &str) {
    logged(evenkeel, path);
    wait::until_true(SOON, "the idle connection to go", || {
        evenkeel.metrics().sum("evenkeel_backend_idle_connections", &[]) == 0.0
    });
}

/// The connection is closed while nobody uses it, and nobody notices.
#[track_caller]
fn shows_only_if_a_request_crosses_it(row: &Listed, evenkeel: &Evenkeel, path: &str) {
    let mut client = Client::connect(evenkeel.address());
    assert_eq!(client.get(path).status, 200, "{}", row.name);
    let opened = || evenkeel.metrics().sum("evenkeel_backend_opened_connections_total", &[]);
    idle_connection_goes(evenkeel, path);
    let before = opened();
    assert_eq!(client.get("/").status, 200);
    assert_eq!(opened(), before + 1.0, "{}", row.name);
    let all = evenkeel.metrics().sum("evenkeel_backend_failures_total", &[]);
    assert_eq!(all, failures(evenkeel, &row.causes[0]), "{}", row.name);
}

#[test]
fn each_fault_of_a_connection_or_a_whole_backend_is_reported_as_promised() {
    each(
        |row| row.befalls != "request",
        |row| {
            let backend = FaultBackend::start(&[]);
            let evenkeel = before(&backend);
            let mut client = Client::connect(evenkeel.address());
            // So that there is an idle connection, which must not hide it.
            assert_eq!(client.get("/well").status, 200);
            let order = format!("/control/{}?for=1h", row.name);
            assert_eq!(client::get(backend.address(), &order).status, 200, "{order}");
            idle_connection_goes(&evenkeel, "/well");
            let response = client.get("/ill");
            assert!(response.status >= 500, "{}: {}", row.name, response.text());
            expect_promised(row, &logged(&evenkeel, "/ill"), Some(&response));
        },
    );
}

#[test]
fn a_backend_that_refuses_or_accepts_nobody_is_well_again_on_the_same_port() {
    let backend = FaultBackend::start(&["--listen", "127.0.0.1:0"]);
    for (name, order) in [("fault-1", "refuse"), ("fault-2", "accept-full")] {
        let address = backend.named(name);
        assert_eq!(client::get(address, &format!("/control/{order}?for=500ms")).status, 200);
        wait::until_true(SOON, "an answer", || client::try_get(address, "/").is_ok());
    }
}

#[test]
fn a_standing_fault_befalls_what_comes_through_the_balancer() {
    let backend = FaultBackend::start(&["--fault", "half-head"]);
    let evenkeel = before(&backend);
    let response = client::get(evenkeel.address(), "/any");
    assert_eq!(
        (response.status, response.text().contains("eof_in_head")),
        (502, true),
        "{}",
        response.text()
    );
    assert_eq!(client::get(backend.address(), "/control/ok").status, 200);
    assert_eq!(client::get(evenkeel.address(), "/any").status, 200);
}
