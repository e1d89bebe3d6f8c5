//! No request that is not idempotent is ever delivered twice, no response is stitched from two attempts, and none reaches
//! another client: under random schedules of faults, thousands of seeds a run.
//!
//! `EVENKEEL_FUZZ_SECONDS` says how long, `EVENKEEL_SEED` repeats the conversation of one client over and over.

mod backends;
mod clients;
mod ledger;
mod weather;

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::metrics::Metrics;
use evenkeel_tests::mutate::{Dice, first_seed, time};
use evenkeel_tests::raw::RawBackend;
use evenkeel_tests::tls_backend::TlsBackend;
use evenkeel_tests::tls_client::TlsClient;

use self::clients::converse;
use self::ledger::{Ledger, Tally};
use self::weather::Weather;
use crate::turns::heavy;

/// Clients at once; most of them wait.
const CLIENTS: u64 = 24;
/// Pools, each with idle connections and a budget of its own: a backend that has closed an idle connection early gets
/// no POST on another one for a minute.
const POOLS: usize = 40;
/// Of each of the three configurations.
const SECONDS: u64 = 10;

#[test]
fn whatever_backends_do_nothing_is_delivered_twice_stitched_or_crossed() {
    let metrics = storm("retry: { budget: { share: 5%, at_least: 1 } }", None);
    if first_seed().1 {
        // One conversation need not show all there is.
        return;
    }
    let sum = |name: &str| metrics.sum(name, &[]);
    for name in ["retries", "retries_denied"] {
        assert!(sum(&format!("evenkeel_pool_{name}_total")) > 50.0, "hardly any {name}");
    }
    for cause in ["stale_reuse", "closed_before_response", "eof_in_head", "bad_head", "body_truncated"] {
        let failures = metrics.sum("evenkeel_backend_failures_total", &[("cause", cause)]);
        assert!(failures > 5.0, "hardly a {cause}");
    }
}

#[test]
fn whatever_backends_do_hedges_deliver_nothing_twice_and_cross_nothing() {
    let budget = "retry: { budget: { share: 100%, at_least: 10000 } }";
    let metrics = storm(&format!("stall: {{ floor: 10ms, factor: 1 }}, {budget}"), None);
    let hedges = metrics.sum("evenkeel_pool_hedges_total", &[]);
    let won = metrics.sum("evenkeel_pool_hedges_won_total", &[]);
    println!("{hedges} hedges, {won} won");
    if first_seed().1 {
        return;
    }
    assert!(hedges > 50.0, "{hedges} hedges");
    assert!(won > 5.0 && won < hedges, "{won} of {hedges} hedges won");
}

#[test]
fn whatever_backends_do_about_tls_nothing_is_delivered_twice_stitched_or_crossed() {
    let budget = "retry: { budget: { share: 100%, at_least: 10000 } }";
    let stall = "stall: { floor: 50ms, factor: 1 }";
    let metrics = storm(&format!("{stall}, {budget}"), Some(Weather::new()));
    if first_seed().1 {
        return;
    }
    for cause in
        ["tls_timeout", "tls_protocol", "tls_alert", "tls_certificate", "stale_reuse", "body_truncated"]
    {
        let failures = metrics.sum("evenkeel_backend_failures_total", &[("cause", cause)]);
        assert!(failures > 5.0, "hardly a {cause}");
    }
    for kind in ["full", "resumed"] {
        let handshakes = metrics.sum("evenkeel_backend_tls_handshakes_total", &[("kind", kind)]);
        assert!(handshakes > 50.0, "{handshakes} {kind}");
    }
}

/// Bad weather for a while, over TLS on both sides if there is weather for that, under a pool with these settings; every client and every backend judges what it sees.
fn storm(pool: &str, weather: Option<Weather>) -> Metrics {
    let _turn = heavy();
    let ledger = Arc::new(Ledger::default());
    let backends = [0, 1, 2].map(|number| backends::start(number, &ledger));
    let addresses = backends.each_ref().map(|backend| backend.address());
    let secure = weather.as_ref().map(|weather| weather.before(&addresses));
    let addresses = secure.as_ref().map_or(addresses, |secure| secure.each_ref().map(TlsBackend::url));
    let addresses = addresses.join("\", \"");
    let [of_listener, of_pool, of_timeouts] = weather.as_ref().map_or_else(Default::default, Weather::keys);
    let (mut routes, mut pools) = (String::new(), String::new());
    for number in 0..POOLS {
        routes.push_str(&format!("  - match: {{ path: /{number}/ }}\n    pool: p{number}\n"));
        pools.push_str(&format!(
            "  p{number}: {{ backends: [\"{addresses}\"], health: {{ eject: off }}, timeouts: {{ connect: 1s, \
             {of_timeouts}head: 250ms, body_idle: 400ms, write: 400ms }}, connections: {{ idle: 5s, idle_per_backend: 2 }}, {pool}{of_pool} }}\n"
        ));
    }
    let mut evenkeel = Evenkeel::start(&format!(
        "workers: 2\nlisteners: [{{ name: edge, address: \"127.0.0.1:0\", timeouts: {{ continue: 30ms }}{of_listener} }}]\n\
         routes:\n{routes}pools:\n{pools}"
    ));
    let tally = Tally::default();
    let client = weather.as_ref().map(Weather::client);
    let changes = weather.as_ref().zip(secure.as_ref()).map(|(weather, secure)| weather.change(secure));
    run(evenkeel.address(), client.as_ref(), &ledger, &tally);
    drop(changes);
    println!("{tally:?}");
    assert!(evenkeel.is_running(), "{}", evenkeel.output());
    let metrics = evenkeel.metrics();
    assert_eq!(metrics.sum("evenkeel_listener_panics_total", &[]), 0.0, "{}", evenkeel.output());
    assert!(backends.iter().all(RawBackend::is_accepting), "a backend has ended");
    let complaints = ledger.complaints();
    assert!(complaints.is_empty(), "{} complaints, such as {}", complaints.len(), complaints[0]);
    metrics
}

fn run(address: SocketAddr, tls: Option<&TlsClient>, ledger: &Ledger, tally: &Tally) {
    let (replayed, is_replay) = first_seed();
    let first = if is_replay { Dice::new(replayed).roll() } else { replayed };
    let end = Instant::now() + time(SECONDS);
    let conversations = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let conversations = &conversations;
            scope.spawn(move || {
                let mut seed = first.wrapping_add(number << 32);
                while Instant::now() < end {
                    // What others left behind is part of what went wrong: every other client goes on as chance has it.
                    let seed_and_run = match is_replay && number % 2 == 0 {
                        true => (replayed, conversations.load(Ordering::Relaxed)),
                        false => (seed, 0),
                    };
                    conversations.fetch_add(1, Ordering::Relaxed);
                    let done = std::panic::catch_unwind(AssertUnwindSafe(|| {
                        converse((address, tls), seed_and_run, ledger, tally)
                    }));
                    assert!(done.is_ok(), "EVENKEEL_SEED={} repeats it", seed_and_run.0);
                    seed = seed.wrapping_add(1);
                }
            });
        }
    });
    println!("{} conversations", conversations.into_inner());
}
