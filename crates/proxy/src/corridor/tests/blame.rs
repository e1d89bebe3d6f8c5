//! Whom a failure is held against.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use evenkeel_model::{Address, Cause, Fault, NameFailure, Proof, Rcode};
use evenkeel_routing::{PoolRule, Timeouts};

use super::{BAD_GATEWAY, GARBAGE, OK, faults, proxy};
use crate::examples::{Proxy, member, members, pool, server, server_of, wait_until};

/// The faults of a member, as soon as there are any.
fn awaited_faults(proxy: &mut Proxy, member: usize) -> Vec<Fault> {
    let mut found = Vec::new();
    wait_until("something was recorded", || {
        found = faults(proxy, member);
        !found.is_empty()
    });
    found
}

#[test]
fn a_failure_is_proved_by_another_backends_answer() {
    for (answer, cause, status) in [(GARBAGE, Cause::BadHead, 0), (BAD_GATEWAY, Cause::UpstreamStatus, 502)] {
        let mut proxy = proxy(&[answer, OK]);
        for _ in 0..2 {
            assert!(proxy.ask("GET", "/a").starts_with("HTTP/1.1 200 "));
        }
        let faults = faults(&mut proxy, 0);
        assert_eq!(faults.len(), 1, "one of two requests went there");
        let Fault { key, .. } = faults[0];
        assert_eq!(faults[0], Fault { cause, status, tls: None, key, proof: Proof::Elsewhere });
        assert_ne!(key, 0);
    }
}

#[test]
fn a_request_that_fails_everywhere_counts_for_nobody() {
    let mut proxy = proxy(&[GARBAGE, GARBAGE]);
    assert!(proxy.ask("GET", "/poison").starts_with("HTTP/1.1 502 "));
    assert!(faults(&mut proxy, 0).is_empty() && faults(&mut proxy, 1).is_empty());
    let counted = |member: usize| {
        let counters = &proxy.pool.members[member].backend.counters;
        counters.sum(|cell| cell.failures[Cause::BadHead as usize].read())
    };
    assert_eq!((counted(0), counted(1)), (1, 1), "operators see it all the same");
}

#[test]
fn a_failure_that_nobody_else_was_asked_about_stands_alone_under_its_requests_key() {
    let mut proxy = proxy(&[GARBAGE]);
    let mut key_of = |method, path| {
        assert!(proxy.ask(method, path).starts_with("HTTP/1.1 502 "));
        let faults = faults(&mut proxy, 0);
        assert_eq!((faults.len(), faults[0].proof), (1, Proof::Alone));
        faults[0].key
    };
    let key = key_of("GET", "/a?x=1");
    assert_eq!(key, key_of("GET", "/a?x=2"));
    assert_ne!(key, key_of("GET", "/b"));
    assert_ne!(key, key_of("POST", "/a"));
}

#[test]
fn a_500_is_held_against_the_backend_only_where_that_is_asked_for() {
    for count_500 in [true, false] {
        let address = server_of("HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno");
        let mut proxy =
            Proxy::start(pool(PoolRule { count_500, ..PoolRule::default() }, members(&[address])));
        assert!(proxy.ask("GET", "/").starts_with("HTTP/1.1 500 No\r\n"));
        if count_500 {
            let faults = faults(&mut proxy, 0);
            assert_eq!((faults[0].cause, faults[0].status), (Cause::UpstreamStatus, 500));
            assert_eq!(proxy.report(0).successes, 0);
        } else {
            wait_until("the success was recorded", || proxy.report(0).successes == 1);
        }
    }
}

#[test]
fn an_answer_that_breaks_off_stands_alone_and_still_proves_what_failed_before() {
    let cut = server(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
        let _ = stream.write_all(&[b'x'; 500_000]);
        false
    });
    let mut proxy = Proxy::start(pool(PoolRule::default(), members(&[server_of(GARBAGE), cut])));
    for _ in 0..2 {
        assert!(proxy.ask("GET", "/").starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(faults(&mut proxy, 0)[0].proof, Proof::Elsewhere);
    let truncated = awaited_faults(&mut proxy, 1);
    assert_eq!((truncated[0].cause, truncated[0].proof), (Cause::BodyTruncated, Proof::Alone));
}

#[test]
fn a_backend_that_answers_the_suspected_request_vouches_for_it() {
    let mut proxy = proxy(&[GARBAGE]);
    proxy.ask("GET", "/suspect?1");
    let key = faults(&mut proxy, 0)[0].key;
    let mut proxy = self::proxy(&[OK]);
    proxy.ask("GET", "/suspect");
    assert_eq!(proxy.report(0).vouched, None, "nobody wonders");
    proxy.pool.suspicion.set(Some(key));
    proxy.ask("GET", "/other");
    assert_eq!(proxy.report(0).vouched, None);
    proxy.ask("GET", "/suspect");
    assert_eq!(proxy.report(0).vouched, Some(key));
}

#[test]
fn a_success_after_a_failure_that_all_may_share_is_told() {
    // Its queue is full, so that nobody answers.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        queued.push(stream);
    }
    let timeouts = Timeouts { connect: Duration::from_millis(50), ..Timeouts::default() };
    let rule = PoolRule { timeouts, ..PoolRule::default() };
    let mut proxy = Proxy::start(pool(rule, members(&[address, server_of(OK)])));
    for _ in 0..2 {
        assert!(proxy.ask("GET", "/").starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(faults(&mut proxy, 0)[0].cause, Cause::ConnectTimeout);
    assert!(proxy.report(1).rescued, "all may have failed for the network");
    let mut proxy = self::proxy(&[GARBAGE, OK]);
    for _ in 0..2 {
        proxy.ask("GET", "/");
    }
    assert!(!proxy.report(1).rescued, "that is the backend's own");
}

#[test]
fn response_heads_are_counted_with_their_time() {
    let late = server(|_, stream| {
        let begun = Instant::now();
        wait_until("20 ms have passed", || begun.elapsed() >= Duration::from_millis(20));
        stream.write_all(OK.as_bytes()).is_ok()
    });
    let mut proxy = Proxy::start(pool(PoolRule::default(), members(&[late])));
    proxy.ask("GET", "/");
    let report = proxy.report(0);
    assert_eq!(report.heads, 1);
    assert!(report.head_micros >= 20_000, "{}", report.head_micros);
}

#[test]
fn a_name_without_an_address_fails_by_its_own_cause() {
    let rcode = |rcode| NameFailure { cause: Cause::DnsFailed, rcode };
    for (failure, status, error) in [
        (Some(rcode(Some(Rcode::NxDomain))), 502, "error=dns_error; rcode=\"NXDOMAIN\"; next-hop"),
        (Some(rcode(None)), 502, "error=dns_error; next-hop"),
        (Some(Cause::DnsTimeout.into()), 504, "error=dns_timeout; next-hop"),
        (None, 502, "error=dns_error; next-hop"),
    ] {
        let mut nameless = member("name.test:80".parse().unwrap());
        nameless.unresolved = failure;
        let mut proxy = Proxy::start(pool(PoolRule::default(), vec![nameless.clone()]));
        let answer = proxy.ask("GET", "/");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(error), "{answer}");
        assert!(faults(&mut proxy, 0).is_empty(), "that says nothing about the backend");
        // Another backend hides it, whatever the method.
        let with_another = vec![nameless, member(Address::Ip(server_of(OK)))];
        let proxy = Proxy::start(pool(PoolRule::default(), with_another));
        for _ in 0..2 {
            assert!(proxy.ask("POST", "/").starts_with("HTTP/1.1 200 "));
        }
    }
}
