//! Each way in which TLS fails: what is retried, what the client is told, and whom it is held against.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use evenkeel_model::{Cause, Fault, TlsDetail};
use evenkeel_routing::{PoolRule, Stall, Timeouts};
use evenkeel_tls::{ClientParts, Pin, Roots, Verify};
use rcgen::date_time_ymd;

use super::*;
use crate::tls_backends::{Leaf, dial, listening};

/// Says something once it has heard of its client, and ends.
fn saying(bytes: &'static [u8]) -> SocketAddr {
    listening(move |mut stream: TcpStream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

/// Says nothing.
fn silent() -> SocketAddr {
    listening(|mut stream: TcpStream| drop(stream.read_to_end(&mut Vec::new())))
}

/// That a backend which fails like this is told to the client if it is alone, and is hidden by another one.
fn check(bad: SocketAddr, ca: &Ca, rule: PoolRule, fault: Fault, status: u16, told: &str) {
    let good = secure_server(ca.leaf().server(), answer_ok);
    for method in ["GET", "POST"] {
        let mut proxy = Proxy::start(pool(rule.clone(), secure_members(&[bad], &ca.dial())));
        let answer = proxy.ask(method, "/");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        let proxy_status = format!("Proxy-Status: evenkeel; error={told}\r\n");
        assert!(answer.contains(&proxy_status), "{answer}\nhas no\n{proxy_status}");
        let strikes = faults(&mut proxy, 0);
        assert_eq!(strikes, [Fault { key: strikes[0].key, ..fault }]);

        let mut proxy = Proxy::start(pool(rule.clone(), secure_members(&[bad, good], &ca.dial())));
        for _ in 0..2 {
            assert!(proxy.ask(method, "/").starts_with("HTTP/1.1 200 "));
        }
        let strikes = faults(&mut proxy, 0);
        assert_eq!(strikes, [Fault { key: strikes[0].key, ..fault }], "nothing was sent, so it is to blame");
        assert_eq!(faults(&mut proxy, 1), []);
    }
}

fn check_detail(bad: SocketAddr, ca: &Ca, cause: Cause, detail: TlsDetail) {
    let (error, token) = (cause.facts().proxy_status, cause.token());
    let told = format!("{error}; next-hop=\"web/one\"; details=\"{token}: {detail}\"");
    check(bad, ca, PoolRule::default(), Fault { tls: Some(detail), ..cause.into() }, 502, &told);
}

#[test]
fn a_handshake_that_stalls_is_a_timeout() {
    let timeouts = Timeouts { tls: Duration::from_millis(50), ..Timeouts::default() };
    let rule = PoolRule { timeouts, ..PoolRule::default() };
    let told = "connection_timeout; next-hop=\"web/one\"; details=\"tls_timeout\"";
    check(silent(), &Ca::new(), rule, Cause::TlsTimeout.into(), 504, told);
}

#[test]
fn the_deadlines_of_attempt_and_request_hold_while_hands_are_shaken() {
    let short = Some(Duration::from_millis(50));
    for (attempt, total, cause) in [(short, None, Cause::AttemptTimeout), (None, short, Cause::Deadline)] {
        let timeouts = Timeouts { attempt, total, ..Timeouts::default() };
        let members = secure_members(&[silent()], &Ca::new().dial());
        let proxy = Proxy::start(pool(PoolRule { timeouts, ..PoolRule::default() }, members));
        let answer = proxy.ask("POST", "/");
        assert!(answer.starts_with("HTTP/1.1 504 ") && answer.contains(cause.token()), "{answer}");
    }
}

#[test]
fn a_client_that_leaves_ends_the_handshake() {
    let ended = Arc::<AtomicUsize>::default();
    let noted = ended.clone();
    let address = listening(move |mut stream: TcpStream| {
        let _ = stream.read_to_end(&mut Vec::new());
        noted.fetch_add(1, SeqCst);
    });
    let mut proxy = proxy_to(&[address], &Ca::new().dial());
    let opened = |proxy: &Proxy| proxy.pool.members[0].backend.counters.sum(|cell| cell.opened.read());
    let client = proxy.send("GET", "/");
    wait_until("it is connected", || opened(&proxy) == 1);
    drop(client);
    wait_until("the handshake has ended", || ended.load(SeqCst) == 1);
    assert_eq!(faults(&mut proxy, 0), []);
}

#[test]
fn a_backend_without_tls_is_told_by_what_it_says() {
    let ca = Ca::new();
    for (bytes, detail) in [
        (&b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"[..], TlsDetail::PlaintextPeer),
        (b"\x00\x00\x12\x04\x00\x00\x00", TlsDetail::NotTls),
        (b"", TlsDetail::ClosedInHandshake),
    ] {
        check_detail(saying(bytes), &ca, Cause::TlsProtocol, detail);
    }
}

#[test]
fn an_alert_is_told_with_its_number() {
    let detail = TlsDetail::Alert(112);
    let told = "tls_alert_received; alert-id=112; alert-message=unrecognized_name; next-hop=\"web/one\"; \
                details=\"tls_alert: unrecognized_name\"";
    let fault = Fault { tls: Some(detail), ..Cause::TlsAlert.into() };
    let bad = saying(b"\x15\x03\x03\x00\x02\x02\x70");
    check(bad, &Ca::new(), PoolRule::default(), fault, 502, told);
}

#[test]
fn a_certificate_is_told_by_what_is_wrong_with_it() {
    let ca = Ca::new();
    let expired = ca.leaf_with(|params| params.not_after = date_time_ymd(2021, 1, 1));
    for (leaf, detail) in [
        (expired, TlsDetail::Expired),
        (Ca::named("another CA").leaf(), TlsDetail::UnknownCa),
        (Leaf::self_signed(), TlsDetail::SelfSigned),
    ] {
        let bad = secure_server(leaf.server(), answer_ok);
        check_detail(bad, &ca, Cause::TlsCertificate, detail);
    }
}

#[test]
fn pins_hold_and_who_is_not_to_be_verified_is_believed() {
    let (ca, own) = (Ca::new(), Leaf::self_signed());
    let address = secure_server(own.server(), answer_ok);
    for (pins, status) in [(vec![], 200), (vec![own.pin()], 200), (vec![Pin([1; 32])], 502)] {
        let parts = ClientParts { verify: Verify::Off, pins, ..ca.parts() };
        let answer = proxy_to(&[address], &dial(parts)).ask("GET", "/");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(status == 502, answer.contains("tls_certificate: pin_mismatch"), "{answer}");
    }
}

#[test]
fn a_certificate_is_shown_to_who_wants_one_and_one_that_is_given_is_believed() {
    let (ca, own) = (Ca::new(), Leaf::self_signed());
    let address = secure_server(own.server_for(Some(&ca)), answer_ok);
    let roots = Roots::Given(vec![own.certificate()]);
    let parts = ClientParts { roots, identity: Some(ca.leaf().identity()), ..ca.parts() };
    assert!(proxy_to(&[address], &dial(parts)).ask("POST", "/").starts_with("HTTP/1.1 200 "));
}

/// A backend that wants a certificate of its clients, which TLS 1.3 lets it say after the request was sent.
fn strict(ca: &Ca) -> SocketAddr {
    secure_server(ca.leaf().server_for(Some(ca)), answer_ok)
}

#[test]
fn an_alert_after_the_request_is_hidden_only_if_the_request_can_be_repeated() {
    let ca = Ca::new();
    let addresses = [strict(&ca), secure_server(ca.leaf().server(), answer_ok)];
    for (method, refused) in [("GET", 0), ("POST", 1)] {
        let mut proxy = proxy_to(&addresses, &ca.dial());
        let answers = [proxy.ask(method, "/"), proxy.ask(method, "/")];
        let told = "error=tls_alert_received; alert-id=116; alert-message=certificate_required; ";
        assert_eq!(answers.iter().filter(|answer| answer.contains(told)).count(), refused, "{answers:?}");
        assert_eq!(answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 200 ")).count(), 2 - refused);
        let strikes = faults(&mut proxy, 0);
        assert_eq!((strikes.len(), strikes[0].cause), (1, Cause::TlsAlert));
        assert_eq!(strikes[0].tls, Some(TlsDetail::Alert(116)));
    }
}

#[test]
fn that_every_backend_refuses_is_no_fault_of_the_request() {
    let ca = Ca::new();
    let mut proxy = proxy_to(&[strict(&ca), strict(&ca)], &ca.dial());
    assert!(proxy.ask("GET", "/").starts_with("HTTP/1.1 502 "));
    for member in [0, 1] {
        assert_eq!(faults(&mut proxy, member)[0].tls, Some(TlsDetail::Alert(116)));
    }
}

#[test]
fn a_record_that_is_damaged_before_the_answer_is_a_broken_protocol() {
    let ca = Ca::new();
    let address = secure_server(ca.leaf().server(), |_, stream| {
        let _ = stream.sock.write_all(b"\x17\x03\x03\x00\x20 0123456789 0123456789 0123456789");
        let _ = stream.sock.read_to_end(&mut Vec::new());
        false
    });
    let mut proxy = proxy_to(&[address], &ca.dial());
    let answer = proxy.ask("GET", "/");
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("tls_protocol: malformed"), "{answer}");
    assert_eq!(faults(&mut proxy, 0)[0].tls, Some(TlsDetail::Malformed));
}

#[test]
fn an_end_before_the_answer_is_as_in_cleartext_announced_or_not() {
    for is_announced in [true, false] {
        let ca = Ca::new();
        let address = secure_server(ca.leaf().server(), move |head, stream| {
            if head.starts_with("GET /idle ") {
                return answer_ok(head, stream);
            }
            if is_announced {
                crate::tls_backends::take_leave(stream);
            }
            false
        });
        let mut proxy = proxy_to(&[address], &ca.dial());
        let answer = proxy.ask("POST", "/");
        assert!(answer.contains("details=\"closed_before_response\""), "{answer}");
        assert_eq!(faults(&mut proxy, 0)[0].cause, Cause::ClosedBeforeResponse);
        proxy.ask("GET", "/idle");
        wait_until("the connection is idle", || proxy.idle(0) == 1);
        let answer = proxy.ask("GET", "/");
        assert!(answer.contains("details=\"closed_before_response\""), "a fresh one was tried: {answer}");
        assert_eq!(failures(&proxy, 0, Cause::StaleReuse), 1);
    }
}

#[test]
fn a_stall_is_raced_over_tls_and_a_handshake_in_the_race_has_its_own_deadline() {
    let ca = Ca::new();
    let slow = secure_server(ca.leaf().server(), |head, stream| {
        let begun = Instant::now();
        wait_until("400 ms have passed", || begun.elapsed() >= Duration::from_millis(400));
        answer_ok(head, stream)
    });
    let timeouts = Timeouts { tls: Duration::from_millis(50), ..Timeouts::default() };
    let stall = Some(Stall { floor: Duration::from_millis(20), factor: 1 });
    let rule = PoolRule { stall, timeouts, ..PoolRule::default() };
    // With a new proxy each time, until the slow one has the first turn.
    let raced = |other: SocketAddr, has_come: fn(&Proxy) -> bool| {
        wait_until("it raced", || {
            let members = secure_members(&[slow, other], &ca.dial());
            let proxy = Proxy::start(pool(rule.clone(), members));
            assert!(proxy.ask("GET", "/").starts_with("HTTP/1.1 200 "));
            has_come(&proxy)
        });
    };
    raced(secure_server(ca.leaf().server(), answer_ok), |proxy| {
        failures(proxy, 0, Cause::Stalled) == 1 && handshakes(proxy, 1) == (1, 0)
    });
    // Beside the one that stalls, one that does not shake hands.
    raced(silent(), |proxy| {
        let hedges = proxy.pool.counters.sum(|cell| cell.hedges.read());
        hedges == 1 && failures(proxy, 1, Cause::TlsTimeout) == 1
    });
}
