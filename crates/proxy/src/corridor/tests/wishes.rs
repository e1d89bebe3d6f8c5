//! Backends that ask to be drained, and those that are held.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use evenkeel_model::Hold;
use evenkeel_routing::PoolRule;

use super::{OK, proxy};
use crate::examples::{Proxy, members, pool, server, wait_until};

#[test]
fn a_backend_may_ask_to_be_drained_and_no_client_hears_of_it() {
    for (answer, seconds) in [
        ("HTTP/1.1 200 OK\r\nX-Evenkeel-Drain: 30\r\nContent-Length: 2\r\n\r\nok", Some(30)),
        ("HTTP/1.1 204 No\r\nx-evenkeel-drain: 7200\r\n\r\n", Some(3600)),
        ("HTTP/1.1 404 No\r\nX-EVENKEEL-DRAIN: 0\r\nContent-Length: 0\r\n\r\n", Some(0)),
        ("HTTP/1.1 200 OK\r\nX-Evenkeel-Drain: soon\r\nContent-Length: 2\r\n\r\nok", None),
        ("HTTP/1.1 103 Hints\r\nX-Evenkeel-Drain: 5\r\nX-Own: a\r\n\r\nHTTP/1.1 204 No\r\n\r\n", None),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Evenkeel-Drain: 5\r\nX-Own: a\r\n\r\n",
            None,
        ),
    ] {
        let mut proxy = proxy(&[answer]);
        let relayed = proxy.ask("GET", "/");
        assert!(!relayed.to_ascii_lowercase().contains("x-evenkeel-drain"), "{relayed}");
        assert_eq!(relayed.contains("X-Own: a"), answer.contains("X-Own: a"), "{relayed}");
        let asked = proxy.report(0).drain.map(|(how_long, _)| how_long);
        assert_eq!(asked, seconds.map(Duration::from_secs), "{answer}");
    }
}

#[test]
fn a_wish_to_be_drained_is_heard_in_an_answer_that_a_retry_hides() {
    let error = "HTTP/1.1 503 Bye\r\nX-Evenkeel-Drain: 30\r\nContent-Length: 0\r\n\r\n";
    let mut proxy = proxy(&[error, OK]);
    for _ in 0..2 {
        assert!(proxy.ask("GET", "/").starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(proxy.report(0).drain.map(|(how_long, _)| how_long), Some(Duration::from_secs(30)));
}

#[test]
fn no_connection_to_a_held_backend_is_kept() {
    let (flag, rest) = (Arc::<AtomicBool>::default(), "x".repeat(100_000));
    let waiting = flag.clone();
    let address = server(move |head: &str, stream: &mut TcpStream| {
        if head.starts_with("GET /long ") {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", rest.len());
            wait_until("the rest may follow", || waiting.load(SeqCst));
            return stream.write_all(rest.as_bytes()).is_ok();
        }
        stream.write_all(OK.as_bytes()).is_ok()
    });
    let mut proxy = Proxy::start(pool(PoolRule::default(), members(&[address])));
    let mut long = proxy.send("GET", "/long");
    long.read_exact(&mut [0; 12]).unwrap();
    proxy.ask("GET", "/");
    wait_until("the connection is idle", || proxy.idle(0) == 1);
    let hold = Hold::Asked { since: Instant::now(), until: None };
    proxy.publish(|members| members[0].status.hold = hold);
    wait_until("the idle connection is closed", || proxy.idle(0) == 0);
    // As a last resort it is still used.
    assert!(proxy.ask("GET", "/").starts_with("HTTP/1.1 200 "));
    flag.store(true, SeqCst);
    long.read_to_end(&mut Vec::new()).unwrap();
    let in_flight = |proxy: &Proxy| proxy.pool.members[0].backend.in_flight();
    wait_until("nothing is in flight", || in_flight(&proxy) == 0);
    assert_eq!(proxy.idle(0), 0);
    proxy.publish(|members| members[0].status.hold = Hold::None);
    assert!(proxy.ask("GET", "/").starts_with("HTTP/1.1 200 "));
    wait_until("a connection is kept again", || proxy.idle(0) == 1);
}
