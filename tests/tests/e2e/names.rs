//! Names of backends, with a real DNS server: addresses that move, several addresses, outages, names that do not resolve.

mod each;
mod families;
mod moves;
mod outages;
mod place;
mod probed;
mod unresolved;

use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::dns::Dns;
use evenkeel_tests::load::{Crowd, Load};
use evenkeel_tests::wait;
use serde_json::{Value, json};

use crate::named;

/// Longest look-up, where nothing is to be slow.
const PATIENT: &str = "5s";

/// What the log says of a name that has a last good answer.
const KEPT: &str = "name does not resolve; the last good answer stays in use";

/// One pool of these backends, by name and address, whose names are looked up at this server. `settings` are lines of
/// the pool.
fn start(dns: &Dns, backends: &[(&str, &str)], settings: &[&str]) -> Evenkeel {
    start_with(dns, PATIENT, backends, settings)
}

/// As [`start`], with a longest look-up.
fn start_with(dns: &Dns, timeout: &str, backends: &[(&str, &str)], settings: &[&str]) -> Evenkeel {
    let backends: Vec<_> = backends.iter().map(|(name, address)| (*name, (*address).to_owned())).collect();
    Evenkeel::start(&(named::pool(&backends, settings) + &dns.setting(timeout)))
}

/// A few clients on keep-alive connections.
fn load(evenkeel: &Evenkeel) -> Crowd {
    Load { connections: 4, ..Load::on(evenkeel.address()) }.start()
}

/// Where a backend is, as the status shows it, sorted.
fn endpoints(evenkeel: &Evenkeel, address: &str) -> Vec<String> {
    let backend = evenkeel.backend(address);
    let endpoints = backend["endpoints"].as_array().expect("a list of endpoints");
    let mut endpoints: Vec<_> = endpoints.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    endpoints.sort();
    endpoints
}

#[track_caller]
fn until_at(evenkeel: &Evenkeel, address: &str, expected: &[String]) {
    wait::until_true(SOON, &format!("{address} at {expected:?}"), || {
        endpoints(evenkeel, address) == expected
    });
}

/// What the log says of a name, in order.
fn said(evenkeel: &Evenkeel, host: &str) -> Vec<Value> {
    let events = evenkeel.events().into_iter();
    events.filter(|event| event["host"] == host && event["message"].is_string()).collect()
}

/// Waits until the log has said this many things of a name; the newest.
#[track_caller]
fn until_said(evenkeel: &Evenkeel, host: &str, times: usize) -> Value {
    wait::until(SOON, &format!("line {times} about {host}"), || {
        let said = said(evenkeel, host);
        assert!(said.len() <= times, "{said:#?}");
        said.get(times - 1).cloned()
    })
}

/// Waits until a backend is known to serve; it never failed, and was never ejected.
#[track_caller]
fn expect_good_standing(evenkeel: &Evenkeel, address: &str) {
    wait::until_true(SOON, &format!("{address} to serve"), || evenkeel.phase(address) == "serving");
    assert_eq!(failures(evenkeel, address), json!({}));
    assert_eq!(evenkeel.backend(address)["counters"]["ejections"], 0);
}

/// How often a backend failed, by cause.
fn failures(evenkeel: &Evenkeel, address: &str) -> Value {
    evenkeel.backend(address)["counters"]["failures"].clone()
}
