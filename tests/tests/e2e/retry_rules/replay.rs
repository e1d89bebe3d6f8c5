//! Bodies that are kept so that they can be sent again.

use std::io::Write;
use std::time::Duration;

use evenkeel_tests::backend::{Backend, Script};
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::Client;
use evenkeel_tests::pattern::{Checksum, Pattern};
use evenkeel_tests::raw::RawBackend;
use evenkeel_tests::response::Response;

use super::KEEP;
use crate::named::{pool, start};

fn send(evenkeel: &Evenkeel, method: &str, target: &str, body: &[u8]) -> Response {
    let mut client = Client::connect(evenkeel.address());
    let head =
        format!("{method} {target} HTTP/1.1\r\nHost: test.example\r\nContent-Length: {}\r\n\r\n", body.len());
    client.send(head);
    let stream = client.stream().try_clone().unwrap();
    std::thread::scope(|scope| {
        // It may be answered before it has been taken whole.
        scope.spawn(|| (&stream).write_all(body));
        let response = client.response(method);
        let _ = stream.shutdown(std::net::Shutdown::Both);
        response
    })
}

/// How many of two requests with this body a pool of one that closes each request and a good one answers.
fn answered(settings: &str, method: &str, length: usize) -> usize {
    let bad = Backend::start("bad", Script::CloseOnRequest);
    let good = Backend::start("good", Script::Echo);
    let evenkeel = start(&[("bad", &bad), ("good", &good)], &[KEEP, settings]);
    let body = Pattern::default().whole(length);
    let answers = ["/0", "/1"].map(|target| {
        let response = send(&evenkeel, method, target, &body);
        if response.status == 200 {
            assert_eq!(response.field("x-body-checksum"), Some(&*Checksum::of(&body)), "{method} {length}");
        }
        response.status == 200
    });
    assert_eq!(bad.requests().len(), 1, "one of two meets it");
    answers.iter().filter(|is_answered| **is_answered).count()
}

#[test]
fn what_is_kept_is_sent_again_and_what_is_not_is_not() {
    for (settings, method, length, expected) in [
        ("", "PUT", 0, 2),
        ("", "PUT", 1, 2),
        ("", "DELETE", 100, 2),
        ("", "PUT", 64 * 1024, 2),
        ("", "PUT", 64 * 1024 + 1, 1),
        ("", "POST", 1, 1),
        ("", "PATCH", 1, 1),
        ("retry: { replay_bytes: 1KiB }", "PUT", 1024, 2),
        ("retry: { replay_bytes: 1KiB }", "PUT", 1025, 1),
        ("retry: { replay_bytes: 1MiB }", "PUT", 1_000_000, 2),
        ("retry: { replay_bytes: 0 }", "PUT", 1, 1),
        ("retry: { replay_bytes: 0 }", "PUT", 0, 2),
    ] {
        assert_eq!(answered(settings, method, length), expected, "{method} of {length} bytes, {settings:?}");
    }
}

#[test]
fn a_chunked_body_is_sent_again_too() {
    let bad = Backend::start("bad", Script::ResetOnRequest);
    let good = Backend::start("good", Script::Echo);
    let evenkeel = start(&[("bad", &bad), ("good", &good)], &[KEEP]);
    for target in ["/0", "/1"] {
        let mut client = Client::connect(evenkeel.address());
        let response = client
            .send(format!("PUT {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"))
            .send("5\r\nhello\r\n6\r\n world\r\n")
            .send("0\r\nX-Trailer: 1\r\n\r\n")
            .response("PUT");
        assert_eq!(response.field("x-body-checksum"), Some(&*Checksum::of(b"hello world")), "{target}");
    }
    assert_eq!(bad.requests().len(), 1);
}

#[test]
fn a_body_that_is_still_on_its_way_goes_on_to_the_next_backend() {
    // Closes before the second half of the body has come.
    let bad = RawBackend::start(|connection| {
        connection.head()?;
        connection.finish()
    });
    let good = Backend::start("good", Script::Echo);
    let addresses = [("bad", bad.address()), ("good", good.address())];
    let evenkeel = Evenkeel::start(&pool(&addresses, &[KEEP]));
    for target in ["/0", "/1"] {
        let mut client = Client::connect(evenkeel.address());
        client.send(format!("PUT {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nfirst"));
        let is_met = || bad.connections() > 0 && bad.open() == 0;
        evenkeel_tests::wait::until_true(Duration::from_secs(10), "an attempt", || {
            is_met() || good.received().ends_with(b"first")
        });
        let response = client.send(" half").response("PUT");
        assert_eq!(response.field("x-body-checksum"), Some(&*Checksum::of(b"first half")), "{target}");
    }
    assert_eq!(bad.connections(), 1);
}

#[test]
fn a_body_that_a_backend_does_not_take_is_sent_to_another_if_all_of_it_is_kept() {
    const LENGTH: usize = 12 << 20;
    let unread = RawBackend::start(|connection| {
        connection.head()?;
        // It reads no more; the test is over before this is.
        evenkeel_tests::wait::pause(Duration::from_secs(2));
        Ok(())
    });
    let good = Backend::start("good", Script::Echo);
    let addresses = [("unread", unread.address()), ("good", good.address())];
    let settings = [KEEP, "timeouts: { write: 300ms }", "retry: { replay_bytes: 16MiB }"];
    let evenkeel = Evenkeel::start(&pool(&addresses, &settings));
    let body = Pattern::default().whole(LENGTH);
    for target in ["/0", "/1"] {
        let response = send(&evenkeel, "PUT", target, &body);
        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.field("x-body-checksum"), Some(&*Checksum::of(&body)));
    }
    assert_eq!(unread.connections(), 1);
}
