//! What becomes of a backend on which attempts stall.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use evenkeel_model::{Address, Cause, Fault, Proof};
use evenkeel_routing::{Budget, PoolRule, Retry, Stall};

use super::{OK, faults};
use crate::examples::{Proxy, member, members, pool, server, server_of, wait_until};

/// A pool whose requests stall soon.
fn hasty(budget: Option<Budget>) -> PoolRule {
    let stall = Some(Stall { floor: Duration::from_millis(20), factor: 1 });
    PoolRule { stall, retry: Retry { budget, ..Retry::default() }, ..PoolRule::default() }
}

/// Answers GET once the flag is up, and all else at once; counts the rest.
fn hung(flag: &Arc<AtomicBool>, others: &Arc<AtomicUsize>) -> SocketAddr {
    let (flag, others) = (flag.clone(), others.clone());
    server(move |head, stream| {
        match head.starts_with("GET ") {
            true => wait_until("it may answer", || flag.load(SeqCst)),
            false => _ = others.fetch_add(1, SeqCst),
        }
        stream.write_all(OK.as_bytes()).is_ok()
    })
}

#[test]
fn a_stall_is_held_against_the_backend_when_another_one_answers() {
    let (flag, others) = (Arc::default(), Arc::default());
    let addresses = [hung(&flag, &others), server_of(OK)];
    let mut proxy = Proxy::start(pool(hasty(None), members(&addresses)));
    for _ in 0..2 {
        assert!(proxy.ask("GET", "/").starts_with("HTTP/1.1 200 "));
    }
    let faults = faults(&mut proxy, 0);
    assert!(!faults.is_empty());
    for Fault { cause, proof, .. } in faults {
        assert_eq!((cause, proof), (Cause::Stalled, Proof::Elsewhere));
    }
    flag.store(true, SeqCst);
}

#[test]
fn what_cannot_be_repeated_goes_elsewhere_while_an_attempt_is_stalled() {
    let (here, there): (Arc<AtomicBool>, Arc<AtomicBool>) = Default::default();
    let (posts_here, posts_there): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
    let addresses = [hung(&here, &posts_here), hung(&there, &posts_there)];
    // Nothing is spent on a second attempt, so that the stalls stay open.
    let nothing = Budget { share_percent: 0, at_least: 0, ..Budget::default() };
    let proxy = Proxy::start(pool(hasty(Some(nothing)), members(&addresses)));
    let post = |count: usize| {
        (0..count).for_each(|_| assert!(proxy.ask("POST", "/").starts_with("HTTP/1.1 200 ")));
        (posts_here.swap(0, SeqCst), posts_there.swap(0, SeqCst))
    };
    let clients = [proxy.send("GET", "/"), proxy.send("GET", "/")];
    wait_until("both have stalled", || proxy.pool.counters.sum(|cell| cell.denied.read()) == 2);
    assert_eq!(post(6), (3, 3), "where all stall, each has its turn");
    there.store(true, SeqCst);
    let answers = || proxy.pool.counters.sum(|cell| cell.responses[1].read());
    wait_until("one has answered", || answers() == 7);
    assert_eq!(post(6), (0, 6));
    here.store(true, SeqCst);
    wait_until("the other one has answered", || answers() == 14);
    assert_eq!(post(6), (3, 3));
    drop(clients);
}

#[test]
fn a_name_without_an_address_is_no_help_beside_an_attempt_that_stalls() {
    let flag = Arc::default();
    let slow = hung(&flag, &Arc::default());
    let mut nameless = member("name.test:80".parse().unwrap());
    nameless.unresolved = Some(Cause::DnsTimeout.into());
    let proxy = Proxy::start(pool(hasty(None), vec![member(Address::Ip(slow)), nameless]));
    let nameless = &proxy.pool.members[1].backend.counters;
    // One of them begins here, the other one there.
    let clients = [proxy.send("GET", "/"), proxy.send("GET", "/")];
    wait_until("both have tried it", || {
        nameless.sum(|cell| cell.failures[Cause::DnsTimeout as usize].read()) == 2
    });
    flag.store(true, SeqCst);
    for mut client in clients {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}
