//! How connections end: said before (close_notify) where all is well, and never where something is missing.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use evenkeel_tests::backend::{Backend, Next, Script, reset};
use evenkeel_tests::balancer::SOON;
use evenkeel_tests::client::{Client, Ending};
use evenkeel_tests::tls_client::{curl, openssl};
use evenkeel_tests::wait;
use rustix::process::Signal;
use rustls::version::{TLS12, TLS13};

use super::rig::{Front, Words};

const HTTP10: &str = "GET / HTTP/1.0\r\nHost: a.test\r\n\r\n";

fn before(script: Script) -> Front {
    Front::before(script, Words { top: "drain_timeout: 2s", ..Words::default() })
}

#[test]
fn a_body_that_the_close_ends_is_ended_by_a_close_notify() {
    let body = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n".to_vec();
    let front = before(Script::Reply(body));
    for version in [&TLS12, &TLS13] {
        let mut client = Client::secure(front.address(), &front.client().version(version));
        // The reader takes an end without it for an error.
        let answer = client.send(HTTP10).response("GET");
        assert_eq!((answer.status, answer.text().as_str()), (200, "body"), "{version:?}");
        assert_eq!(answer.field("content-length"), None);
        assert_eq!(client.ending().unwrap(), Ending::Clean);
    }
    // OpenSSL says "unexpected eof" where it is missing.
    let said = openssl(front.address(), &["-ign_eof"], HTTP10);
    let said = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
    assert!(said.contains("body") && said.contains("closed") && !said.contains("unexpected eof"), "{said}");
}

#[test]
fn a_connection_that_evenkeel_closes_ends_with_a_close_notify() {
    let front = Front::with(Words { listener: "timeouts: { keep_alive: 200ms }", ..Words::default() });
    for version in [&TLS12, &TLS13] {
        let client = front.client().version(version);
        let mut idle = Client::secure(front.address(), &client);
        assert_eq!(idle.get("/").status, 200);
        assert_eq!(idle.ending().unwrap(), Ending::Clean, "idle for too long");
        let mut last = Client::secure(front.address(), &client);
        last.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
        assert!(last.response("GET").closes());
        assert_eq!(last.ending().unwrap(), Ending::Clean);
        let mut malformed = Client::secure(front.address(), &client);
        assert_eq!(malformed.send("nonsense\r\n\r\n").response("GET").status, 400);
        assert_eq!(malformed.ending().unwrap(), Ending::Clean);
        let mut finished = Client::secure(front.address(), &client);
        finished.notify().unwrap();
        assert_eq!(finished.ending().unwrap(), Ending::Clean, "the client closes first");
    }
}

const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n";
const OF_LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbody";

/// A backend that breaks off within a body, by a close or a reset, once the client has its beginning.
fn breaking(beginning: &'static str, is_reset: bool, has_begun: Arc<AtomicBool>) -> Script {
    Script::custom(move |_, socket| {
        socket.write_all(beginning.as_bytes())?;
        wait::until_true(SOON, "the client to have the beginning", || {
            has_begun.swap(false, Ordering::AcqRel)
        });
        if is_reset {
            reset(socket)?;
        }
        Ok(Next::Close)
    })
}

#[test]
fn a_body_that_breaks_off_is_never_ended_by_a_close_notify() {
    let front = before(Script::Echo);
    let has_begun = Arc::new(AtomicBool::new(false));
    for is_reset in [false, true] {
        front.backend.set(breaking(CHUNKED, is_reset, has_begun.clone()));
        for version in [&TLS12, &TLS13] {
            for request in [HTTP10, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"] {
                let mut client = Client::secure(front.address(), &front.client().version(version));
                client.send(request);
                let mut got = Vec::new();
                let whole = client.response_into("GET", |piece| {
                    got.extend_from_slice(piece);
                    has_begun.store(true, Ordering::Release);
                });
                let case = format!("{version:?}, reset: {is_reset}, {request:?}");
                assert!(whole.is_err(), "{case}: {whole:?}");
                assert_eq!(got, b"body", "{case}");
                assert_ne!(client.ending().unwrap(), Ending::Clean, "{case}");
            }
        }
    }
}

#[test]
fn curl_does_not_take_a_body_that_breaks_off_for_whole() {
    let has_begun = Arc::new(AtomicBool::new(false));
    let front = before(breaking(CHUNKED, false, has_begun.clone()));
    let port = front.address().port();
    let (resolve, url) = (format!("a.test:{port}:127.0.0.1"), format!("https://a.test:{port}/"));
    let file = front.place.file("download");
    let arguments =
        ["--http1.0", "-N", "--cacert", front.place.root(), "--resolve", &resolve, "-o", &file, &url];
    let said = thread::scope(|scope| {
        let said = scope.spawn(|| curl(&arguments));
        wait::until_true(SOON, "the beginning", || std::fs::read(&file).is_ok_and(|text| text == b"body"));
        has_begun.store(true, Ordering::Release);
        said.join().unwrap()
    });
    assert!(!said.status.success(), "{said:?}");
}

#[test]
fn a_body_of_known_length_that_breaks_off_is_no_clean_end() {
    let has_begun = Arc::new(AtomicBool::new(false));
    let front = before(breaking(OF_LENGTH, false, has_begun.clone()));
    let mut client = front.connect();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    let whole = client.response_into("GET", |_| has_begun.store(true, Ordering::Release));
    assert!(whole.is_err(), "{whole:?}");
    assert_ne!(client.ending().unwrap(), Ending::Clean);
}

#[test]
fn a_drain_finishes_what_is_in_flight_and_says_goodbye_to_everybody() {
    let body = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789".to_vec();
    let mut front = before(Script::Echo);
    let mut idle = front.connect();
    assert_eq!(idle.get("/").status, 200);
    let mut kept = front.connect();
    assert_eq!(kept.get("/").status, 200);
    front.backend.set(Script::ReplySlowly(body, 20, Duration::from_millis(150)));
    let mut busy = front.connect();
    busy.send("GET /in-flight HTTP/1.1\r\nHost: a.test\r\n\r\n");
    wait_for_delivery(&front.backend);
    let address = front.address();
    front.evenkeel.signal(Signal::TERM);
    wait::until_true(SOON, "the listener to close", || Client::try_connect(address).is_err());
    kept.send("GET /kept HTTP/1.1\r\nHost: a.test\r\n\r\n");
    for client in [&mut busy, &mut kept] {
        let answer = client.response("GET");
        assert_eq!((answer.status, answer.text().as_str()), (200, "0123456789"));
        assert!(answer.closes());
        assert_eq!(client.ending().unwrap(), Ending::Clean);
    }
    assert_eq!(idle.ending().unwrap(), Ending::Clean);
    assert_eq!(front.evenkeel.wait(SOON * 2).code(), Some(0));
}

fn wait_for_delivery(backend: &Backend) {
    wait::until_true(SOON, "the request to arrive", || backend.deliveries("/in-flight") == 1);
}
