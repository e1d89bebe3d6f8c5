//! Requests that two readers may frame differently: refused, and no byte of them reaches a backend.

use evenkeel_tests::backend::Script;
use evenkeel_tests::client::Client;

use crate::forwarding::one_backend;

/// A second request that must never be seen as one.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n";

#[track_caller]
fn refuse(cases: &[(&str, u16)]) {
    let (backend, evenkeel) = one_backend(Script::Echo);
    for (head, status) in cases {
        let mut client = Client::connect(evenkeel.address());
        let response = client.send(format!("{head}{HIDDEN}")).response("GET");
        assert_eq!(response.status, *status, "{head:?}: {}", response.text());
        assert!(response.closes(), "{head:?}: {}", response.head);
        client.expect_close();
        let received = String::from_utf8_lossy(&backend.received()).into_owned();
        assert_eq!(received, "", "{head:?}");
    }
    // The backend was there to hear it.
    assert_eq!(Client::connect(evenkeel.address()).get("/").status, 200);
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn two_framings_are_refused() {
    refuse(&[
        (
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0, 0\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent_Length: 5\r\nContent-Length: 0\r\n\r\n", 400),
    ]);
}

#[test]
fn lengths_that_are_no_numbers_are_refused() {
    refuse(&[
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n", 400),
    ]);
}

#[test]
fn transfer_codings_that_leave_the_length_unknown_are_refused() {
    refuse(&[
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n0\r\n\r\n", 400),
    ]);
}

#[test]
fn malformed_heads_are_refused() {
    refuse(&[
        ("GET / HTTP/1.1\nHost: x\n\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\nX-A: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n folded\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nX-A: b\0c\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nX-A: b\rc\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: x\r\n: no name\r\n\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET /#fragment HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        ("TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
        ("CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 405),
    ]);
}

#[test]
fn hosts_that_two_readers_may_read_differently_are_refused() {
    refuse(&[
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
        ("GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n", 400),
    ]);
}

#[test]
fn heads_beyond_the_limits_are_refused() {
    let many: String = (0..200).map(|n| format!("X-{n}: v\r\n")).collect();
    let long = "a".repeat(100_000);
    refuse(&[
        (&format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n"), 431),
        (&format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n"), 431),
        (&format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n"), 414),
    ]);
}

#[test]
fn a_malformed_chunk_ends_the_request_before_its_end_is_forwarded() {
    let (backend, evenkeel) = one_backend(Script::Echo);
    for chunks in [
        "\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5;a\n\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    ] {
        let mut client = Client::connect(evenkeel.address());
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{HIDDEN}"
        ));
        let response = client.response("POST");
        assert_eq!(response.status, 400, "{chunks:?}: {}", response.text());
        client.expect_close();
    }
    let whole = backend.requests();
    assert!(whole.is_empty(), "{whole:?}");
}
