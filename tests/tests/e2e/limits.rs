//! What a client may send, how much of it and how slowly; and what backends' connections are kept.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::Client;
use evenkeel_tests::wait;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(10);

/// One echoing backend behind a listener with these settings.
fn listener(settings: &str) -> (Backend, Evenkeel) {
    let backend = Backend::start("a", Script::Echo);
    let evenkeel = Evenkeel::start(&format!(
        "access_log: {{ path: stdout }}\nworkers: 1\nlisteners: [{{ name: edge, address: \"127.0.0.1:0\", {settings} }}]\n\
         pools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        backend.address()
    ));
    (backend, evenkeel)
}

/// Asserts that this limit was reached once, and no other.
#[track_caller]
fn expect_reached(evenkeel: &Evenkeel, key: &str) {
    const REACHED: &str = "evenkeel_listener_limits_reached_total";
    wait::until_true(SOON, key, || evenkeel.metrics().sum(REACHED, &[("limit", key)]) == 1.0);
    assert_eq!(evenkeel.metrics().sum(REACHED, &[]), 1.0, "only {key}");
}

/// One request of raw bytes is refused with `status` and `token`, the connection closed, and no backend told.
#[track_caller]
fn expect_refusal(settings: &str, request: &str, status: u16, token: &str, key: &str) {
    let (backend, evenkeel) = listener(settings);
    let mut client = Client::connect(evenkeel.address());
    let response = client.send(request).response("GET");
    assert_eq!(response.status, status, "{}", response.text());
    assert!(response.text().contains(token), "{}", response.text());
    assert!(response.closes());
    client.expect_close();
    assert_eq!(backend.received(), b"", "not one byte reaches a backend");
    expect_reached(&evenkeel, key);
}

#[test]
fn a_head_larger_than_allowed_is_refused() {
    let request = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(3000));
    expect_refusal("limits: { head_bytes: 2KiB }", &request, 431, "head_too_large", "limits.head_bytes");
}

#[test]
fn more_fields_than_allowed_are_refused() {
    let request = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-A: b\r\n".repeat(10));
    expect_refusal("limits: { fields: 10 }", &request, 431, "too_many_fields", "limits.fields");
}

#[test]
fn a_longer_target_than_allowed_is_refused() {
    let request = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(2000));
    expect_refusal("limits: { uri_bytes: 1KiB }", &request, 414, "uri_too_long", "limits.uri_bytes");
}

#[test]
fn a_body_that_announces_too_much_is_refused() {
    let request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000\r\n\r\n";
    expect_refusal("limits: { body_bytes: 1KiB }", request, 413, "body_too_large", "limits.body_bytes");
}

#[test]
fn a_chunked_body_that_grows_too_large_is_cut_and_never_complete_for_the_backend() {
    let (backend, evenkeel) = listener("limits: { body_bytes: 1KiB }");
    let mut client = Client::connect(evenkeel.address());
    client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n200\r\n");
    client.send("x".repeat(0x200)).send("\r\n");
    wait::until_true(SOON, "the first chunk at the backend", || backend.received().len() > 0x200);
    client.send("400\r\n").send("x".repeat(0x400)).send("\r\n0\r\n\r\n");
    let response = client.response("POST");
    assert_eq!(response.status, 413, "{}", response.text());
    wait::until_true(SOON, "the backend's connection to be closed", || backend.open() == 0);
    assert!(!backend.received().ends_with(b"0\r\n\r\n"));
    expect_reached(&evenkeel, "limits.body_bytes");
}

#[test]
fn a_connection_serves_as_many_requests_as_it_may() {
    let (_backend, evenkeel) = listener("limits: { requests: 2 }");
    let mut client = Client::connect(evenkeel.address());
    assert!(!client.get("/").closes());
    assert!(client.get("/").closes());
    client.expect_close();
    expect_reached(&evenkeel, "limits.requests");
}

#[test]
fn an_old_connection_ends_with_its_next_response() {
    let (_backend, evenkeel) = listener("limits: { age: 200ms }");
    let mut client = Client::connect(evenkeel.address());
    let begun = Instant::now();
    let last = wait::until(SOON, "the connection's last response", || {
        Some(client.get("/")).filter(|response| response.closes())
    });
    assert_eq!(last.status, 200);
    assert!(begun.elapsed() >= Duration::from_millis(150), "after {:?}", begun.elapsed());
    client.expect_close();
    expect_reached(&evenkeel, "limits.age");
}

#[test]
fn connections_beyond_the_limit_are_told_so() {
    for limit in ["connections: 2", "connections_per_client: 2"] {
        let (_backend, evenkeel) = listener(&format!("limits: {{ {limit} }}"));
        let mut clients = [Client::connect(evenkeel.address()), Client::connect(evenkeel.address())];
        for client in &mut clients {
            assert_eq!(client.get("/").status, 200);
        }
        let refused = Client::connect(evenkeel.address()).response("GET");
        assert_eq!((refused.status, refused.field("retry-after")), (503, Some("1")), "{limit}");
        let token = limit
            .replace("connections: 2", "connection_limit")
            .replace("connections_per_client: 2", "client_connection_limit");
        assert!(refused.text().contains(&token), "{}", refused.text());
        let counted = || evenkeel.metrics().sum("evenkeel_listener_refused_connections_total", &[]);
        assert_eq!(counted(), 1.0, "{limit}");
        expect_reached(&evenkeel, &format!("limits.{}", limit.trim_end_matches(": 2")));
        // One line in the log, with the id that the client was told.
        let id = refused.field("x-request-id").unwrap().to_owned();
        let of_it = |event: &Value| event["request_id"] == id.as_str();
        let line = wait::until(SOON, "the refusal in the log", || evenkeel.events().into_iter().find(of_it));
        assert_eq!((line["status"].as_u64(), line["detail"].as_str()), (Some(503), Some(&*token)), "{line}");
        drop(clients);
        wait::until_true(SOON, "a place", || {
            Client::connect(evenkeel.address()).try_get("/").is_ok_and(|response| response.status == 200)
        });
    }
}

#[test]
fn a_head_that_never_ends_is_answered_and_closed() {
    let (backend, evenkeel) = listener("timeouts: { head: 300ms }");
    let mut client = Client::connect(evenkeel.address());
    let response = client.send("GET / HTTP/1.1\r\nHost: x\r\n").response("GET");
    assert_eq!(response.status, 408, "{}", response.text());
    client.expect_close();
    assert_eq!(backend.received(), b"");
    expect_reached(&evenkeel, "timeouts.head");
}

#[test]
fn a_connection_on_which_nothing_comes_is_closed() {
    let (_backend, evenkeel) = listener("timeouts: { head: 300ms }");
    Client::connect(evenkeel.address()).expect_close();
    expect_reached(&evenkeel, "timeouts.head");

    let (_backend, evenkeel) = listener("timeouts: { keep_alive: 300ms }");
    let mut client = Client::connect(evenkeel.address());
    assert!(!client.get("/").closes());
    client.expect_close();
    expect_reached(&evenkeel, "timeouts.keep_alive");
}

#[test]
fn a_client_that_stops_reading_is_cut() {
    let (_backend, evenkeel) = listener("timeouts: { body_idle: 300ms }");
    let mut client = Client::connect(evenkeel.address());
    client.send("GET /pattern/100000000 HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_reached(&evenkeel, "timeouts.body_idle");
    let mut received = 0;
    let whole = client.response_into("GET", |piece| received += piece.len());
    assert!(whole.is_err() && received < 100_000_000, "{received}");
}

#[test]
fn a_body_that_stops_is_answered_and_closed() {
    let (backend, evenkeel) = listener("timeouts: { body_idle: 300ms }");
    let mut client = Client::connect(evenkeel.address());
    let response =
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf").response("POST");
    assert_eq!(response.status, 408, "{}", response.text());
    client.expect_close();
    wait::until_true(SOON, "the backend's connection to be closed", || backend.open() == 0);
    expect_reached(&evenkeel, "timeouts.body_idle");
}

#[test]
fn a_body_slower_than_allowed_is_cut_after_its_grace() {
    let (_backend, evenkeel) = listener("limits: { body_rate: 1MiB }");
    let mut client = Client::connect(evenkeel.address());
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx");
    let begun = Instant::now();
    let response = client.wait_at_most(Duration::from_secs(20)).response("POST");
    assert_eq!(response.status, 408, "{}", response.text());
    // Ten seconds of grace, long before the default idle time of a minute.
    assert!((9..18).contains(&begun.elapsed().as_secs()), "after {:?}", begun.elapsed());
    expect_reached(&evenkeel, "limits.body_rate");
}

#[test]
fn a_tunnel_in_which_nobody_speaks_is_closed() {
    let (_backend, evenkeel) = listener("timeouts: { tunnel_idle: 300ms }");
    let mut client = Client::connect(evenkeel.address());
    let upgrade = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(client.send(upgrade).response("GET").status, 101);
    client.send("ping").expect(b"ping");
    client.expect_close();
    expect_reached(&evenkeel, "timeouts.tunnel_idle");
}

#[test]
fn a_backend_that_does_not_ask_for_the_body_gets_it_after_a_while() {
    // The harness's own backends say 100 at once.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let evenkeel = Evenkeel::start(&format!(
        "listeners: [{{ name: edge, address: \"127.0.0.1:0\", timeouts: {{ continue: 200ms }} }}]\n\
         pools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        silent.local_addr().unwrap()
    ));
    let backend = std::thread::spawn(move || {
        let (mut connection, _) = silent.accept().unwrap();
        connection.set_read_timeout(Some(SOON)).unwrap();
        let (mut received, mut buffer) = (Vec::new(), [0; 1024]);
        while !received.ends_with(b"hello") {
            let count = connection.read(&mut buffer).unwrap();
            assert!(count > 0, "the body comes");
            received.extend_from_slice(&buffer[..count]);
        }
        connection.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    });
    let mut client = Client::connect(evenkeel.address());
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    client.send(head).expect(b"HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.send("hello").response("POST").status, 204);
    backend.join().unwrap();
    expect_reached(&evenkeel, "timeouts.continue");
}

#[test]
fn a_request_that_a_backend_does_not_take_is_given_up() {
    let stuck = TcpListener::bind("127.0.0.1:0").unwrap();
    let evenkeel = Evenkeel::start(&format!(
        "pools: {{ web: {{ backends: [\"{}\"], timeouts: {{ write: 300ms }} }} }}\n",
        stuck.local_addr().unwrap()
    ));
    let mut client = Client::connect(evenkeel.address());
    let length = 64 << 20;
    client.send(format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n"));
    let piece = vec![b'x'; 1 << 16];
    let mut sent = 0;
    while sent < length && client.try_send(&piece).is_ok() {
        sent += piece.len();
    }
    let response = client.response("POST");
    assert_eq!(response.status, 504, "{}", response.text());
    assert!(response.text().contains("write_timeout"), "{}", response.text());
}

#[test]
fn idle_connections_are_kept_up_to_the_limit_and_no_longer_than_allowed() {
    let backend = Backend::start("a", Script::Echo);
    let evenkeel = Evenkeel::start(&format!(
        "workers: 1\npools: {{ web: {{ backends: [\"{}\"], connections: {{ idle: 1s, idle_per_backend: 1 }} }} }}\n",
        backend.address()
    ));
    let idle = || evenkeel.metrics().sum("evenkeel_backend_idle_connections", &[]);
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(evenkeel.address())).collect();
    // All three at once, so that each needs a connection of its own.
    for client in &mut clients {
        client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n");
    }
    wait::until_true(SOON, "three connections", || backend.connections() == 3);
    for client in &mut clients {
        assert_eq!(client.send("x").response("POST").status, 200);
    }
    wait::until_true(SOON, "one idle connection", || idle() == 1.0 && backend.open() == 1);
    wait::until_true(SOON, "none, once it is too old", || idle() == 0.0 && backend.open() == 0);
}

#[test]
fn the_access_log_is_reopened_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let (log, rotated) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let backend = Backend::start("a", Script::Echo);
    let evenkeel = Evenkeel::start(&format!(
        "access_log: {{ path: \"{}\" }}\npools: {{ web: {{ backends: [\"{}\"] }} }}\n",
        log.display(),
        backend.address()
    ));
    let mut client = Client::connect(evenkeel.address());
    let lines = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default().lines().count();
    client.get("/before");
    wait::until_true(SOON, "the first line", || lines(&log) == 1);
    std::fs::rename(&log, &rotated).unwrap();
    evenkeel.signal(rustix::process::Signal::USR1);
    wait::until_true(SOON, "a new file", || log.exists());
    client.get("/after");
    wait::until_true(SOON, "a line in the new file", || lines(&log) == 1);
    assert_eq!(lines(&rotated), 1);
}
