//! A name whose address changes, one with several addresses, and how often a name is asked for.

use std::time::{Duration, Instant};

use evenkeel_tests::backend::Script;
use evenkeel_tests::balancer::SOON;
use evenkeel_tests::client::Client;
use evenkeel_tests::dns::Dns;
use evenkeel_tests::wait;

use super::place::Port;
use super::{endpoints, expect_good_standing, failures, load, start, until_at};
use crate::named::entry;

const OLD: &str = "127.0.0.2";
const NEW: &str = "127.0.0.3";

#[test]
fn requests_follow_a_moved_address_without_a_reload() {
    let port = Port::on(&[OLD, NEW]);
    let (old, new) = (port.backend(OLD, Script::Echo), port.backend(NEW, Script::Echo));
    let dns = Dns::start(&[("app.test", OLD)]);
    let app = port.of("app.test");
    let evenkeel = start(&dns, &[("app", &app)], &[]);
    until_at(&evenkeel, &app, &[port.of(OLD)]);
    let crowd = load(&evenkeel);
    crowd.wait_for(50);
    assert_eq!(new.requests().len(), 0);

    dns.set(&[("app.test", NEW)]);
    until_at(&evenkeel, &app, &[port.of(NEW)]);
    // What was on its way then.
    crowd.wait_for(20);
    let before = old.requests().len();
    crowd.wait_for(50);
    assert_eq!(old.requests().len(), before, "requests still go to the address that the name has left");
    assert!(new.requests().len() >= 50);
    crowd.expect_no_failure();
    expect_good_standing(&evenkeel, &app);
    assert_eq!(evenkeel.metrics().sum("evenkeel_config_generation", &[]), 1.0);
}

#[test]
fn a_server_that_leaves_the_old_address_takes_no_request_with_it() {
    let port = Port::on(&[OLD, NEW]);
    let (old, _new) = (port.backend(OLD, Script::Echo), port.backend(NEW, Script::Echo));
    let dns = Dns::start(&[("app.test", OLD)]);
    let app = port.of("app.test");
    let evenkeel = start(&dns, &[("app", &app)], &[]);
    until_at(&evenkeel, &app, &[port.of(OLD)]);
    let crowd = load(&evenkeel);
    crowd.wait_for(50);
    dns.set(&[("app.test", NEW)]);
    until_at(&evenkeel, &app, &[port.of(NEW)]);
    crowd.wait_for(20);
    drop(old);
    crowd.wait_for(50);
    crowd.expect_no_failure();
    assert_eq!(evenkeel.phase(&app), "serving");
}

#[test]
fn one_dead_address_of_a_name_is_no_dead_backend_and_all_of_them_are() {
    let port = Port::on(&[OLD, NEW]);
    let alive = port.backend(NEW, Script::Echo);
    let dns = Dns::start(&[("app.test", OLD), ("app.test", NEW)]);
    let app = port.of("app.test");
    let evenkeel = start(&dns, &[("app", &app)], &["connections: { idle: 0s }"]);
    until_at(&evenkeel, &app, &[port.of(OLD), port.of(NEW)]);
    let mut client = Client::connect(evenkeel.address());
    for number in 0..20 {
        assert_eq!(client.get(&format!("/{number}")).field("x-backend"), Some(NEW));
        assert_eq!(client.post(&format!("/{number}"), b"once").status, 200);
        assert_eq!(alive.deliveries(&format!("/{number}")), 2);
    }
    expect_good_standing(&evenkeel, &app);

    drop(alive);
    let response = client.get("/both-dead");
    assert_eq!(response.status, 502);
    let said = response.fields("proxy-status").join(", ");
    assert!(said.contains("error=connection_refused"), "{said}");
    let entry = entry(&evenkeel, "/both-dead");
    assert_eq!((&entry["status"], &entry["cause"]), (&502.into(), &"connect_refused".into()));
    assert!(failures(&evenkeel, &app)["connect_refused"].as_u64() >= Some(1));
}

#[test]
fn a_name_is_asked_for_once_its_time_to_live_is_over_and_not_before() {
    let port = Port::on(&[OLD]);
    let _backend = port.backend(OLD, Script::Echo);
    let lasting = format!("--host-record=lasting.test,{OLD},60");
    let dns = Dns::start_with(&[("brief.test", OLD)], &[lasting]);
    let (brief, lasting) = (port.of("brief.test"), port.of("lasting.test"));
    let evenkeel = start(&dns, &[("brief", &brief), ("lasting", &lasting)], &[]);
    until_at(&evenkeel, &brief, &[port.of(OLD)]);
    until_at(&evenkeel, &lasting, &[port.of(OLD)]);
    let (since, first) = (Instant::now(), dns.asked("brief.test"));
    wait::until_true(SOON, "four more look-ups", || dns.asked("brief.test") >= first + 4);
    // The first of them may have been due at once.
    assert!(since.elapsed() >= Duration::from_millis(2900), "{:?}", since.elapsed());
    assert_eq!(dns.asked("lasting.test"), 1);
    assert_eq!(endpoints(&evenkeel, &lasting), [port.of(OLD)]);
}
