//! Names with an address of each family, of which only one leads anywhere: `localhost` above all.

use evenkeel_tests::backend::Script;
use evenkeel_tests::client::Client;
use evenkeel_tests::dns::Dns;

use super::place::Port;
use super::{endpoints, expect_good_standing, start, until_at};

const BOTH: [&str; 2] = ["127.0.0.1", "::1"];

/// Asks a backend that listens on one address only, by a name that has both.
fn expect_answers(host: &str, listening: &str) {
    let port = Port::on(&BOTH);
    let backend = port.backend(listening, Script::Echo);
    let dns = Dns::start(&[("both.test", "127.0.0.1"), ("both.test", "::1")]);
    let address = port.of(host);
    let evenkeel = start(&dns, &[("app", &address)], &["connections: { idle: 0s }"]);
    until_at(&evenkeel, &address, &BOTH.map(|address| port.of(address)));
    let mut client = Client::connect(evenkeel.address());
    for number in 0..10 {
        let target = format!("/{number}");
        assert_eq!(client.get(&target).field("x-backend"), Some(listening), "{host} at {listening}");
        assert_eq!(client.post(&target, b"once").status, 200, "{host} at {listening}");
        assert_eq!(backend.deliveries(&target), 2);
    }
    expect_good_standing(&evenkeel, &address);
}

#[test]
fn a_name_of_both_families_works_whichever_is_served() {
    BOTH.iter().for_each(|listening| expect_answers("both.test", listening));
}

#[test]
fn what_ends_in_localhost_is_this_machine_by_both_families() {
    BOTH.iter().for_each(|listening| expect_answers("app.localhost", listening));
}

#[test]
fn localhost_is_where_an_ipv4_server_listens() {
    let port = Port::on(&BOTH);
    let _backend = port.backend("127.0.0.1", Script::Echo);
    let dns = Dns::start(&[]);
    let localhost = port.of("localhost");
    let evenkeel = start(&dns, &[("app", &localhost)], &["connections: { idle: 0s }"]);
    // Whatever else /etc/hosts says.
    assert!(endpoints(&evenkeel, &localhost).contains(&port.of("127.0.0.1")));
    let mut client = Client::connect(evenkeel.address());
    (0..10).for_each(|_| assert_eq!(client.get("/").field("x-backend"), Some("127.0.0.1")));
    expect_good_standing(&evenkeel, &localhost);
    assert_eq!(dns.asked("localhost"), 0);
}
