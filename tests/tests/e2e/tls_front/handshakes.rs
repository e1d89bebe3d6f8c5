//! Handshakes that stall: cut in time, displaced when there are too many, and nobody else's trouble.

use std::io::Write;
use std::time::{Duration, Instant};

use evenkeel_tests::balancer::SOON;
use evenkeel_tests::client::{Client, Ending};
use evenkeel_tests::wait;

use super::rig::{Front, Words};

const REACHED: &str = "evenkeel_listener_limits_reached_total";

/// One core, so that those who stall and those who do not share it.
fn one_worker(tls: &str) -> Front {
    Front::with(Words { tls, top: "workers: 1", ..Words::default() })
}

/// Begins a handshake with so many bytes of a ClientHello, and says no more.
fn stall(front: &Front, bytes: usize) -> Client {
    let client = Client::connect(front.address());
    client.stream().write_all(&front.client().hello()[..bytes]).unwrap();
    client
}

fn in_progress(front: &Front) -> f64 {
    front.evenkeel.metrics().sum("evenkeel_listener_tls_handshakes_in_progress", &[("listener", "edge")])
}

fn wait_for_progress(front: &Front, count: f64) {
    wait::until_true(SOON, &format!("{count} handshakes in progress"), || in_progress(front) == count);
}

#[test]
fn a_handshake_that_stalls_is_cut_in_time_and_others_are_served_meanwhile() {
    let front = one_worker("handshake_timeout: 700ms");
    let mut kept = front.connect();
    let begun = Instant::now();
    // Without a word, amid the ClientHello, and amid what comes after it.
    let whole = front.client().hello();
    let mut stalled = [0, 3, 100, whole.len()].map(|bytes| stall(&front, bytes));
    wait_for_progress(&front, 4.0);
    let mut served_meanwhile = 0;
    while in_progress(&front) > 0.0 {
        assert_eq!(kept.get("/").status, 200);
        assert_eq!(front.connect().get("/").status, 200);
        served_meanwhile += u32::from(in_progress(&front) >= 4.0);
        assert!(begun.elapsed() < SOON, "they are not cut");
    }
    assert!(begun.elapsed() >= Duration::from_millis(690), "after {:?}", begun.elapsed());
    assert!(served_meanwhile > 0, "nobody else was served meanwhile");
    for client in &mut stalled {
        assert!(matches!(client.ending(), Ok(Ending::Clean | Ending::Reset)), "it is closed");
    }
    front.expect_failures("timeout", 4);
    let metrics = front.evenkeel.metrics();
    assert_eq!(metrics.sum(REACHED, &[("limit", "tls.handshake_timeout")]), 4.0);
    let event = front.event("TLS handshakes with clients failed");
    assert!(event["last_error"].as_str().unwrap().contains("tls.handshake_timeout"), "{event}");
}

#[test]
fn drops_of_bytes_do_not_put_the_end_off() {
    let front = one_worker("handshake_timeout: 500ms");
    let hello = front.client().hello();
    let client = Client::connect(front.address());
    let begun = Instant::now();
    let sent = hello.iter().take_while(|byte| {
        wait::pause(Duration::from_millis(20));
        client.stream().write_all(&[**byte]).is_ok()
    });
    assert!(sent.count() < hello.len(), "it was let in byte by byte");
    assert!(begun.elapsed() < SOON, "after {:?}", begun.elapsed());
    front.expect_failures("timeout", 1);
}

#[test]
fn beyond_the_cap_the_oldest_that_stalls_makes_room() {
    let front = one_worker("handshakes: 3, handshake_timeout: 60s");
    let mut stalled: Vec<Client> = (0..3)
        .map(|count| {
            let client = stall(&front, 50);
            wait_for_progress(&front, f64::from(count + 1));
            client
        })
        .collect();
    // One more is let in, in place of the first.
    assert_eq!(front.connect().get("/").status, 200);
    assert!(matches!(stalled.remove(0).ending(), Ok(Ending::Clean | Ending::Reset)));
    front.expect_failures("displaced", 1);
    wait_for_progress(&front, 2.0);
    // While there is room, nobody has to go.
    assert_eq!(front.connect().get("/").status, 200);
    front.expect_failures("displaced", 1);
    // The others are still in, and can go on.
    for client in stalled {
        client.stream().write_all(&front.client().hello()[50..60]).unwrap();
    }
    let metrics = front.evenkeel.metrics();
    assert_eq!(metrics.sum(REACHED, &[("limit", "tls.handshakes")]), 1.0);
    let event = front.event("TLS handshakes with clients failed");
    assert_eq!(event["reasons"], "displaced=1", "{event}");
}

#[test]
fn a_flood_of_silent_clients_keeps_nobody_out() {
    let front = one_worker("handshakes: 20, handshake_timeout: 60s");
    let mut kept = front.connect();
    let mut flood = Vec::new();
    for round in 0..10 {
        flood.extend((0..20).map(|_| stall(&front, 30)));
        assert_eq!(kept.get("/").status, 200);
        assert_eq!(front.connect().get("/").status, 200, "round {round}");
        assert!(in_progress(&front) <= 20.0);
    }
    wait::until_true(SOON, "the first ones to be displaced", || front.failures("displaced") >= 180.0);
}
