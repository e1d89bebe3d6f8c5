//! Backends that speak TLS, and those that should.

mod bodies;
mod rows;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use evenkeel_model::{Cause, Fault};
use evenkeel_routing::{Member, PoolRule};
use evenkeel_tls::Dial;

use super::{OK, faults};
use crate::examples::{Proxy, members, pool, wait_until};
use crate::tls_backends::{Ca, Stream, secure_server};

/// Members that are spoken to over TLS.
fn secure_members(addresses: &[SocketAddr], dial: &Arc<Dial>) -> Vec<Member> {
    let mut members = members(addresses);
    members.iter_mut().for_each(|member| member.tls = Some(dial.clone()));
    members
}

fn proxy_to(addresses: &[SocketAddr], dial: &Arc<Dial>) -> Proxy {
    Proxy::start(pool(PoolRule::default(), secure_members(addresses, dial)))
}

fn answer_ok(_: &str, stream: &mut Stream) -> bool {
    stream.write_all(OK.as_bytes()).is_ok()
}

/// Attempts on a member that failed for this cause.
fn failures(proxy: &Proxy, member: usize, cause: Cause) -> u64 {
    proxy.pool.members[member].backend.counters.sum(|cell| cell.failures[cause as usize].read())
}

/// Handshakes with a member: begun anew, and gone on with.
fn handshakes(proxy: &Proxy, member: usize) -> (u64, u64) {
    let counters = &proxy.pool.members[member].backend.counters;
    (counters.sum(|cell| cell.handshakes.read()), counters.sum(|cell| cell.resumptions.read()))
}

#[test]
fn requests_share_a_connection_and_sessions_are_resumed() {
    let ca = Ca::new();
    let address = secure_server(ca.leaf().server(), |head, stream| {
        answer_ok(head, stream) && !head.starts_with("GET /close ")
    });
    let mut proxy = proxy_to(&[address], &ca.dial());
    for path in ["/a", "/b", "/close"] {
        for method in ["GET", "POST"] {
            assert!(proxy.ask(method, path).starts_with("HTTP/1.1 200 "));
            wait_until("the connection is idle", || proxy.idle(0) == 1);
        }
    }
    // What was closed is noticed, and the next connection goes on with the session.
    let (begun, resumed) = handshakes(&proxy, 0);
    assert_eq!(begun, 1, "{resumed} were resumed");
    assert!(resumed >= 1);
    assert_eq!(faults(&mut proxy, 0), []);
}

#[test]
fn connections_belong_to_the_tls_that_they_were_made_with() {
    let ca = Ca::new();
    let address = secure_server(ca.leaf().server(), answer_ok);
    let mut proxy = proxy_to(&[address], &ca.dial());
    let ask = |proxy: &Proxy| {
        assert!(proxy.ask("GET", "/").starts_with("HTTP/1.1 200 "));
        wait_until("the connection is idle", || proxy.idle(0) == 1);
    };
    ask(&proxy);
    let again = |dial: Option<Arc<Dial>>| move |members: &mut [Member]| members[0].tls = dial;
    let before = proxy.pool.members[0].tls.clone();
    proxy.publish(again(before));
    ask(&proxy);
    assert_eq!(handshakes(&proxy, 0).0, 1, "nothing has changed");
    proxy.publish(again(Some(ca.dial())));
    wait_until("the connection is closed", || proxy.idle(0) == 0);
    ask(&proxy);
    assert_eq!(handshakes(&proxy, 0).0, 2);
    // Whom it does not believe any more it does not ask.
    proxy.publish(again(Some(Ca::named("another CA").dial())));
    assert!(proxy.ask("GET", "/").starts_with("HTTP/1.1 502 "));
}

#[test]
fn what_tls_says_late_leaves_an_idle_connection_fit() {
    let ca = Ca::new();
    let address = secure_server(ca.leaf().server(), |head, stream| {
        let is_answered = answer_ok(head, stream);
        stream.conn.refresh_traffic_keys().unwrap();
        stream.flush().is_ok() && is_answered
    });
    let proxy = proxy_to(&[address], &ca.dial());
    for method in ["GET", "POST", "POST", "GET"] {
        assert!(proxy.ask(method, "/").starts_with("HTTP/1.1 200 "));
        wait_until("the connection is idle", || proxy.idle(0) == 1);
    }
    assert_eq!(handshakes(&proxy, 0), (1, 0));
}

/// The faults of a member, as soon as there are any.
fn awaited_faults(proxy: &mut Proxy, member: usize) -> Vec<Fault> {
    let mut found = Vec::new();
    wait_until("something was recorded", || {
        found = faults(proxy, member);
        !found.is_empty()
    });
    found
}
