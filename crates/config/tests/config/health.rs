//! What `health` comes to.

use std::time::Duration;

use evenkeel_health::{Eject, HttpProbe, Initial, Policy, Probe, ProbeKind, Target, TcpProbe};
use evenkeel_routing::PoolRule;

use crate::{found, parse, with_pool};

fn policy(health: &str) -> Policy {
    let text = with_pool(&format!("health: {{ {health} }}"));
    parse(&text).unwrap_or_else(|problems| panic!("{problems}")).pools[0].health.clone()
}

fn probe(keys: &str) -> Probe {
    policy(&format!("probe: {{ {keys} }}")).probe.expect("it is on")
}

fn eject(keys: &str) -> Eject {
    policy(&format!("eject: {{ {keys} }}")).eject.expect("it is on")
}

#[test]
fn what_is_left_out_has_its_default() {
    for health in ["", "eject: {}", "probe: off", "initial: unproven", "slow_start: 10s"] {
        assert_eq!(policy(health), Policy::default(), "{health}");
    }
    let expected = Probe { kind: ProbeKind::Http(HttpProbe::get("/healthz")), ..Probe::default() };
    assert_eq!(probe("path: /healthz"), expected);
    assert_eq!(probe("path: /healthz, tcp: off, headers: {}, drain_statuses: []"), expected);
    for tcp in ["true", "{}", "{ send: }"] {
        assert_eq!(probe(&format!("tcp: {tcp}")), Probe::default(), "{tcp}");
    }
}

#[test]
fn every_key_of_an_http_probe_arrives() {
    let written = probe(
        "path: /ready, method: POST, host: \"app.internal:8080\", headers: { X-Probe: \"1\", accept: text/plain }, \
         statuses: [204, 301-302, 200, 300], drain_statuses: [503, \"429\"], body: \"ok\", port: 9000, \
         interval: 4s, fast_interval: 300ms, jitter: 25%, timeout: 2s, fall: 4, rise: 5",
    );
    let http = HttpProbe {
        method: "POST".into(),
        path: "/ready".into(),
        host: Some("app.internal:8080".into()),
        headers: [("X-Probe".into(), "1".into()), ("accept".into(), "text/plain".into())].into(),
        statuses: [200..=200, 204..=204, 300..=302].into(),
        drain_statuses: [429..=429, 503..=503].into(),
        body: Some("ok".into()),
    };
    let expected = Probe {
        is_cleartext: false,
        kind: ProbeKind::Http(http),
        target: Target::Port(9000),
        interval: Duration::from_secs(4),
        fast_interval: Duration::from_millis(300),
        jitter_percent: 25,
        timeout: Duration::from_secs(2),
        fall: 4,
        rise: 5,
    };
    assert_eq!(written, expected);
}

#[test]
fn every_key_of_a_tcp_probe_arrives() {
    let written = probe("tcp: { send: \"PING\\r\\n\", expect: +PONG }, address: \"10.0.0.9:9000\"");
    let tcp = TcpProbe { send: (*b"PING\r\n").into(), expect: (*b"+PONG").into() };
    let target = Target::Address("10.0.0.9:9000".parse().unwrap());
    assert_eq!(written, Probe { kind: ProbeKind::Tcp(tcp), target, ..Probe::default() });
    for address in ["app.internal:80", "unix:/run/health.sock"] {
        let written = probe(&format!("path: /, address: \"{address}\""));
        assert_eq!(written.target, Target::Address(address.parse().unwrap()));
    }
}

#[test]
fn the_fast_interval_follows_the_interval() {
    for (keys, expected) in [
        ("interval: 8s", 2_000),
        ("interval: 100ms", 50),
        ("interval: 20ms", 20),
        ("interval: 8s, fast_interval: 8s", 8_000),
        ("interval: 8s, fast_interval: 1ms", 1),
    ] {
        let written = probe(&format!("path: /, {keys}"));
        assert_eq!(written.fast_interval, Duration::from_millis(expected), "{keys}");
    }
}

#[test]
fn every_key_of_eject_arrives() {
    let written = eject(
        "consecutive: 5, rate: 30%, gateway_rate: 15%, minimum_requests: 50, window: 30s, count_500: true, \
         deviation: 1.9, latency: 10, wait: 5s, longest_wait: 1m, jitter: 20%, trial: 3, keep_at_least: 75%",
    );
    let expected = Eject {
        consecutive: 5,
        rate_percent: Some(30),
        gateway_percent: Some(15),
        minimum_requests: 50,
        window: Duration::from_secs(30),
        count_500: true,
        deviation_tenths: Some(19),
        latency_factor: Some(10),
        wait: Duration::from_secs(5),
        longest_wait: Duration::from_secs(60),
        jitter_percent: 20,
        trial: 3,
        keep_percent: 75,
    };
    assert_eq!(written, expected);
}

#[test]
fn the_ends_of_every_range_are_good() {
    let least = eject(
        "rate: 1%, gateway_rate: 1%, minimum_requests: 1, window: 1s, deviation: 1, latency: 2, jitter: 0%, \
         keep_at_least: 0%",
    );
    assert_eq!((least.rate_percent, least.deviation_tenths, least.keep_percent), (Some(1), Some(10), 0));
    let most = eject(
        "rate: 100%, gateway_rate: 100%, minimum_requests: 1000000, window: 10m, deviation: 10.0, latency: 1000, \
         jitter: 100%, keep_at_least: 100%",
    );
    assert_eq!((most.minimum_requests, most.deviation_tenths), (1_000_000, Some(100)));
    assert_eq!((most.latency_factor, most.jitter_percent), (Some(1000), 100));
    assert_eq!(probe("path: /, jitter: 0%, port: 1, statuses: [100-599]").jitter_percent, 0);
    assert_eq!(probe("path: /, jitter: 50%, port: 65535").target, Target::Port(65_535));
    let text = "a".repeat(4096);
    assert!(
        matches!(probe(&format!("tcp: {{ send: {text} }}")).kind, ProbeKind::Tcp(tcp) if tcp.send.len() == 4096)
    );
}

#[test]
fn off_turns_each_of_them_off() {
    for off in ["off", "false", "\"off\""] {
        let written = eject(&format!(
            "rate: {off}, gateway_rate: {off}, deviation: {off}, latency: {off}, count_500: {off}"
        ));
        let expected = Eject { rate_percent: None, gateway_percent: None, ..Eject::default() };
        assert_eq!(written, expected, "{off}");
    }
}

#[test]
fn a_backend_begins_as_it_is_told() {
    assert_eq!(policy("initial: serving").initial, Initial::Serving);
    assert_eq!(policy("initial: ejected").initial, Initial::Ejected);
    assert_eq!(policy("initial: ejected, eject: off, probe: { tcp: true }").initial, Initial::Ejected);
}

#[test]
fn the_request_path_knows_whether_a_500_counts() {
    let rule = |health: &str| {
        let text = with_pool(&format!("health: {{ {health} }}, retry: {{ statuses: off }}"));
        parse(&text).unwrap_or_else(|problems| panic!("{problems}")).pools[0].rule.clone()
    };
    assert!(rule("eject: { count_500: true, gateway_rate: 5% }").count_500);
    assert!(!rule("eject: { count_500: false }").count_500);
    assert!(!rule("eject: off").count_500);
    assert_eq!(PoolRule { retry: Default::default(), ..rule("") }, PoolRule::default());
}

#[test]
fn values_of_the_environment_are_read_alike() {
    let environment = |name: &str| match name {
        "STATUS" => Some("204".to_string()),
        "TOKEN" => Some("12345".to_string()),
        "RATE" => Some("7%".to_string()),
        "DEVIATION" => Some("2.5".to_string()),
        _ => None,
    };
    let text = with_pool(
        "health: { probe: { path: /, statuses: [\"${STATUS}\"], headers: { X-Token: \"${TOKEN}\" } }, \
         eject: { rate: \"${RATE}\", deviation: \"${DEVIATION}\", latency: \"${LATENCY:-off}\" } }",
    );
    let plan = evenkeel_config::parse(&text, "test.yaml", &environment).unwrap_or_else(|it| panic!("{it}"));
    let Policy { probe, eject, .. } = &plan.pools[0].health;
    let ProbeKind::Http(http) = &probe.as_ref().unwrap().kind else { panic!("{probe:?}") };
    assert_eq!(&*http.statuses, [204..=204]);
    assert_eq!(&*http.headers, [("X-Token".into(), "12345".into())]);
    let eject = eject.unwrap();
    assert_eq!((eject.rate_percent, eject.deviation_tenths, eject.latency_factor), (Some(7), Some(25), None));
    assert_eq!(found(&text)[0].0, "unset-variable");
}
