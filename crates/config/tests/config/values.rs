//! What the values of keys come to.

use std::time::Duration;

use evenkeel_config::{AccessLogRule, Plan};
use evenkeel_health::{ProbeKind, TcpProbe};
use evenkeel_routing::{Balance, HostMatch, PathMatch, Underscores, WhenAllEjected};

use crate::{with_listener, with_pool, with_top};

fn plan(text: &str) -> Plan {
    crate::parse(text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn off_turns_off_as_text_and_as_a_boolean() {
    for off in ["off", "false", "\"off\""] {
        let top = plan(&with_top(&format!("admin: {{ address: {off} }}\naccess_log: {off}\nvia: {off}")));
        assert_eq!((top.admin.address, top.access_log, top.forwarding.via), (None, None, None));

        let text = with_pool(&format!(
            "health: {{ probe: {off}, eject: {off}, slow_start: {off} }}, retry: {off}, connections: {{ idle: {off} }}, \
             timeouts: {{ attempt: {off}, total: {off} }}, stall: {off}"
        ));
        let pool = &plan(&text).pools[0];
        assert_eq!((&pool.health.probe, &pool.health.eject), (&None, &None));
        assert_eq!((pool.health.slow_start, pool.rule.connections.idle), (Duration::ZERO, Duration::ZERO));
        assert_eq!(pool.rule.retry.attempts, 1);
        assert_eq!((pool.rule.timeouts.attempt, pool.rule.timeouts.total), (None, None));

        let listener = &plan(&with_listener(&format!(
            "limits: {{ body_bytes: {off}, body_rate: {off}, connections: {off}, age: {off} }}, half_close: {off}, \
             upgrades: {off}, refuse_ambiguous_paths: {off}"
        )))
        .listeners[0];
        assert!(listener.upgrades.is_empty() && !listener.half_close && !listener.refuse_ambiguous_paths);
        let limits = listener.limits;
        assert_eq!(
            (limits.body_bytes, limits.body_rate, limits.connections, limits.age),
            (0, 0, 0, Duration::ZERO)
        );
    }
}

#[test]
fn what_is_left_empty_is_as_if_it_were_not_there() {
    let empty = with_top("admin:\nworkers: ~\naccess_log:\nroutes:\nvia:");
    assert_eq!(plan(&empty), plan(&with_top("")));
}

#[test]
fn a_route_overrides_its_pool_key_by_key() {
    let text = r#"
listeners: [{ address: "127.0.0.1:8080" }]
routes:
  - { pool: web, timeouts: { total: 5s }, retry: { attempts: 2 } }
  - { match: { host: "*.Example.COM", path: /v1/ }, pool: web, timeouts: { attempt: off }, retry: off }
pools:
  web:
    backends: ["a:80"]
    timeouts: { head: 7s, attempt: 3s }
    retry: { attempts: 4, statuses: [503, 500, 503] }
"#;
    let plan = plan(text);
    let (first, second) = (&plan.routes[0], &plan.routes[1]);
    assert_eq!((first.timeouts.head, first.timeouts.total), (seconds(7), Some(seconds(5))));
    assert_eq!((first.timeouts.attempt, first.retry.attempts), (Some(seconds(3)), 2));
    assert_eq!(&*first.retry.statuses, [500, 503]);
    assert_eq!(second.host, HostMatch::Wildcard("example.com".into()));
    assert_eq!(second.path, PathMatch::Prefix("/v1/".into()));
    assert_eq!((second.timeouts.attempt, second.timeouts.total), (None, None));
    assert_eq!((second.retry.attempts, &*second.retry.statuses), (1, &[500_u16, 503][..]));
}

#[test]
fn every_kind_of_value_arrives() {
    let pool = &plan(&with_pool(
        "balance: random, health: { probe: { tcp: true, interval: 500ms }, slow_start: 0s, \
         when_all_ejected: fail_open, eject: { wait: 10m } }, limits: { head_bytes: 2048, informational: 0 }, \
         proxy_status: { addresses: true }",
    ))
    .pools[0];
    assert_eq!(pool.rule.balance, Balance::Random);
    assert_eq!(pool.rule.when_all_ejected, WhenAllEjected::FailOpen);
    assert_eq!((pool.rule.head_bytes, pool.rule.informational), (2048, 0));
    assert!(pool.rule.proxy_status_addresses);
    let listener = &plan(&with_listener(
        "underscores: refuse, upgrades: [WebSocket, irc/6.9], half_close: true, refuse_ambiguous_paths: true",
    ))
    .listeners[0];
    assert_eq!(listener.underscores, Underscores::Refuse);
    assert_eq!(listener.upgrades.iter().map(|name| &**name).collect::<Vec<_>>(), ["websocket", "irc/6.9"]);
    assert!(listener.half_close && listener.refuse_ambiguous_paths);
    let probe = pool.health.probe.as_ref().unwrap();
    // A default that no longer fits follows what is written.
    assert_eq!(
        (&probe.kind, probe.timeout),
        (&ProbeKind::Tcp(TcpProbe::default()), Duration::from_millis(500))
    );
    assert_eq!(pool.health.eject.unwrap().longest_wait, seconds(600));

    let top = plan(&with_top(
        "access_log: { path: /var/log/a.log }\ntrusted_networks: [10.0.0.0/8, \"::1\"]\nvia: edge-1",
    ));
    assert_eq!(top.access_log, Some(AccessLogRule::File("/var/log/a.log".into())));
    assert_eq!(top.forwarding.trusted_networks.len(), 2);
    assert_eq!(top.forwarding.via.as_deref(), Some("edge-1"));

    let listener = &plan(&with_listener("limits: { head_bytes: 8KiB }")).listeners[0];
    assert_eq!((listener.limits.head_bytes, listener.limits.uri_bytes), (8192, 8192));
    assert_eq!(&*listener.name, "127.0.0.1:8080");
}

#[test]
fn values_of_the_environment_add_no_structure() {
    let text = with_top("via: ${VIA}");
    let hostile = |_: &str| Some("x\nworkers: 1\nroutes: [".to_string());
    let problems = evenkeel_config::parse(&text, "test.yaml", &hostile).unwrap_err();
    let found: Vec<_> =
        problems.iter().map(|problem| (problem.code.as_str(), problem.path.as_str())).collect();
    assert_eq!(found, [("bad-value", "via")], "{problems}");
}
