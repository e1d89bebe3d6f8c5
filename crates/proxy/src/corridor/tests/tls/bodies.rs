//! Bodies whose connection ends with TLS's word for it, without it, or in the middle of a record.

use std::io::{Read, Write};

use evenkeel_model::Cause;

use super::*;
use crate::tls_backends::take_leave;

/// How a backend ends its connection behind the bytes of its answer.
#[derive(Clone, Copy, Debug)]
enum End {
    Announced,
    Silent,
    /// With a record that cannot be decrypted.
    Damaged,
}

/// What a client gets of an answer that ends like this, and for what cause its body broke off.
fn relayed(answer: &'static str, end: End) -> (String, Option<Cause>) {
    let ca = Ca::new();
    let address = secure_server(ca.leaf().server(), move |_, stream| {
        stream.write_all(answer.as_bytes()).unwrap();
        match end {
            End::Announced => take_leave(stream),
            End::Silent => {}
            End::Damaged => {
                let _ = stream.sock.write_all(b"\x17\x03\x03\x00\x20 0123456789 0123456789 0123456789");
                let _ = stream.sock.read_to_end(&mut Vec::new());
            }
        }
        false
    });
    let mut proxy = proxy_to(&[address], &ca.dial());
    let got = proxy.ask("GET", "/");
    let in_flight = |proxy: &Proxy| proxy.pool.members[0].backend.in_flight();
    wait_until("nothing is in flight", || in_flight(&proxy) == 0);
    let cause = Cause::ALL.into_iter().find(|cause| failures(&proxy, 0, *cause) > 0);
    match cause {
        None | Some(Cause::TlsTruncated) => assert_eq!(faults(&mut proxy, 0), [], "that is no strike"),
        Some(cause) => assert_eq!(awaited_faults(&mut proxy, 0)[0].cause, cause),
    }
    (got, cause)
}

#[test]
fn a_body_that_is_framed_is_whole_however_its_connection_ends() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    ] {
        for end in [End::Announced, End::Silent] {
            let (got, cause) = relayed(answer, end);
            assert_eq!(cause, None, "{end:?} {got}");
            assert!(got.contains("\r\n\r\nok") || got.ends_with("2\r\nok\r\n0\r\n\r\n"), "{got}");
        }
    }
}

#[test]
fn a_body_that_is_framed_and_cut_short_is_truncated_however_its_connection_ends() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
    ] {
        for end in [End::Announced, End::Silent, End::Damaged] {
            let (got, cause) = relayed(answer, end);
            assert_eq!(cause, Some(Cause::BodyTruncated), "{end:?} {got}");
            assert!(!got.ends_with("0\r\n\r\n"), "{got}");
        }
    }
}

#[test]
fn a_body_that_only_the_end_shows_is_whole_if_the_end_is_announced() {
    const ANSWER: &str = "HTTP/1.1 200 OK\r\n\r\nok";
    let (got, cause) = relayed(ANSWER, End::Announced);
    assert_eq!(cause, None);
    assert!(got.ends_with("2\r\nok\r\n0\r\n\r\n"), "{got}");
    for (end, expected) in [(End::Silent, Cause::TlsTruncated), (End::Damaged, Cause::BodyTruncated)] {
        let (got, cause) = relayed(ANSWER, end);
        assert_eq!(cause, Some(expected));
        assert!(got.starts_with("HTTP/1.1 200 ") && !got.ends_with("0\r\n\r\n"), "{got}");
    }
}
