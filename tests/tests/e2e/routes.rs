//! Which pool answers, and what is answered when none does.

use evenkeel_tests::backend::{Backend, Refusing, Script};
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::{self, Client};

fn who(client: &mut Client, host: &str, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let response = client.send(request).response("GET");
    match response.field("x-backend") {
        Some(name) => name.to_owned(),
        None => response.status.to_string(),
    }
}

#[test]
fn the_most_specific_route_wins_whatever_the_order() {
    let names = ["any", "api", "exact", "sub", "v1"];
    let backends = names.map(|name| Backend::start(name, Script::Echo));
    let pools: Vec<String> = names
        .iter()
        .zip(&backends)
        .map(|(name, backend)| format!("{name}: {{ backends: [\"{}\"] }}", backend.address()))
        .collect();
    let evenkeel = Evenkeel::start(&format!(
        "routes:
  - match: {{ path: /api/ }}
    pool: any
  - match: {{ host: api.example.com, path: /v1/ }}
    pool: v1
  - match: {{ host: api.example.com }}
    pool: api
  - match: {{ host: \"*.example.com\" }}
    pool: sub
  - match: {{ host: api.example.com, path: /v1/exact }}
    pool: exact
pools: {{ {} }}
",
        pools.join(", ")
    ));
    let mut client = Client::connect(evenkeel.address());
    for (host, path, wanted) in [
        ("api.example.com", "/v1/exact", "exact"),
        ("api.example.com", "/v1/exact?query", "exact"),
        ("API.Example.COM:8080", "/v1/other", "v1"),
        ("api.example.com", "/v1", "v1"),
        ("api.example.com", "/v12", "api"),
        ("www.example.com", "/v1/exact", "sub"),
        ("a.b.example.com", "/", "sub"),
        ("other.test", "/api/x", "any"),
        ("other.test", "/", "404"),
        ("example.com", "/", "404"),
    ] {
        assert_eq!(who(&mut client, host, path), wanted, "{host}{path}");
    }
}

#[test]
fn a_request_without_a_route_is_told_so() {
    let backend = Backend::start("a", Script::Echo);
    let evenkeel = Evenkeel::start(&format!(
        "routes: [{{ match: {{ host: known.example }}, pool: web }}]\npools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        backend.address()
    ));
    let response = client::get(evenkeel.address(), "/");
    assert_eq!(response.status, 404);
    assert!(response.text().contains("no_route"), "{}", response.text());
    assert!(response.field("x-request-id").is_some());
    assert!(backend.received().is_empty());
}

#[test]
fn backends_take_turns_by_their_weights() {
    let [a, b] = ["a", "b"].map(|name| Backend::start(name, Script::Echo));
    let evenkeel = Evenkeel::start(&format!(
        "workers: 1\npools: {{ web: {{ backends: [\"{}\", {{ address: \"{}\", weight: 3 }}] }} }}\n",
        a.address(),
        b.address()
    ));
    let mut client = Client::connect(evenkeel.address());
    for _ in 0..40 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!((a.requests().len(), b.requests().len()), (10, 30));
}

#[test]
fn every_kind_of_balance_answers() {
    let [a, b] = ["a", "b"].map(|name| Backend::start(name, Script::Echo));
    for balance in ["round_robin", "least_requests", "random"] {
        let evenkeel = Evenkeel::start(&format!(
            "pools: {{ web: {{ balance: {balance}, backends: [\"{}\", \"{}\"] }} }}\n",
            a.address(),
            b.address()
        ));
        let mut client = Client::connect(evenkeel.address());
        let mut names: Vec<String> = (0..50).map(|_| who(&mut client, "x.example", "/")).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names, ["a", "b"], "{balance}");
    }
}

#[test]
fn a_unix_socket_is_a_backend() {
    let folder = tempfile::tempdir().unwrap();
    let backend = Backend::start_unix("unix", &folder.path().join("app.sock"), Script::Echo);
    let evenkeel =
        Evenkeel::start(&format!("pools: {{ web: {{ backends: [\"{}\"] }} }}\n", backend.address()));
    let mut client = Client::connect(evenkeel.address());
    assert_eq!(who(&mut client, "x.example", "/"), "unix");
    assert_eq!(client.post("/", b"body").field("x-body-bytes"), Some("4"));
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_backend_by_name_is_resolved() {
    let backend = Backend::start("a", Script::Echo);
    let address = backend.address().replace("127.0.0.1", "localhost");
    let evenkeel = Evenkeel::start(&format!("pools: {{ web: {{ backends: [\"{address}\"] }} }}\n"));
    // The name is resolved beside the start, not before it.
    evenkeel_tests::wait::until_true(evenkeel_tests::balancer::SOON, "localhost to resolve", || {
        client::get(evenkeel.address(), "/").status == 200
    });
}

#[test]
fn without_a_healthy_backend_the_client_is_told_when_to_come_back() {
    let refusing = Refusing::default();
    // Requests alone never take the last backend out of service.
    let evenkeel = Evenkeel::start(&format!(
        "pools: {{ web: {{ backends: [\"{}\"], health: {{ probe: {{ tcp: true, interval: 100ms, timeout: 100ms }}, when_all_ejected: fail_closed }} }} }}\n",
        refusing.address()
    ));
    evenkeel_tests::wait::until_true(evenkeel_tests::balancer::SOON, "the ejection", || {
        evenkeel.phase(&refusing.address()) == "ejected"
    });
    let response = client::get(evenkeel.address(), "/");
    assert_eq!(response.status, 503);
    assert!(response.text().contains("no_healthy_backend"), "{}", response.text());
    let seconds: u64 = response.field("retry-after").unwrap().parse().unwrap();
    assert!(seconds >= 1);
}
