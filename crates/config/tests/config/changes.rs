//! What a reload tells about health, names and the admin socket: one readable line a change.

use evenkeel_config::Plan;

use crate::certificates::{Authority, Folder, now};
use crate::{parse, with_pool, with_top};

fn plan(text: &str) -> Plan {
    parse(text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn lines(old: &str, new: &str) -> Vec<String> {
    plan(new).diff(&plan(old)).iter().map(str::to_owned).collect()
}

/// What is told about a pool with these keys instead of those.
fn pool_lines(old: &str, new: &str) -> Vec<String> {
    let lines = lines(&with_pool(old), &with_pool(new));
    lines.iter().map(|line| line.trim_start_matches("pool web: ").to_owned()).collect()
}

#[test]
fn every_key_about_ejection_is_told() {
    let new = "health: { eject: { consecutive: 5, rate: 30%, gateway_rate: off, minimum_requests: 50, \
               window: 1m, count_500: true, deviation: 1.9, latency: 10, wait: 5s, longest_wait: 1m, \
               jitter: 0%, trial: 1, keep_at_least: 75% }, initial: serving, slow_start: off, \
               when_all_ejected: fail_open }";
    assert_eq!(
        pool_lines("health: {}", new),
        [
            "health.eject.consecutive 3 -> 5",
            "health.eject.rate 50% -> 30%",
            "health.eject.gateway_rate 25% -> off",
            "health.eject.minimum_requests 20 -> 50",
            "health.eject.window 10s -> 1m",
            "health.eject.count_500 false -> true",
            "health.eject.deviation off -> 1.9",
            "health.eject.latency off -> 10",
            "health.eject.wait 10s -> 5s",
            "health.eject.longest_wait 5m -> 1m",
            "health.eject.jitter 10% -> 0%",
            "health.eject.trial 2 -> 1",
            "health.eject.keep_at_least 50% -> 75%",
            "health.initial unproven -> serving",
            "health.slow_start 10s -> 0s",
            "health.when_all_ejected last_resort -> fail_open",
        ]
    );
}

#[test]
fn every_key_about_probes_is_told() {
    let old = "health: { probe: { path: /healthz } }";
    let new = "health: { probe: { path: /ready, method: POST, host: app, headers: { X-A: \"1\" }, \
               statuses: [200, 204], drain_statuses: [503], body: ok, port: 9000, interval: 4s, \
               fast_interval: 1s, jitter: 0%, timeout: 2s, fall: 1, rise: 1 } }";
    assert_eq!(
        pool_lines(old, new),
        [
            "health.probe.path /healthz -> /ready",
            "health.probe.method GET -> POST",
            "health.probe.host the backend's -> app",
            "health.probe.headers [] -> [X-A]",
            "health.probe.statuses [200-399] -> [200, 204]",
            "health.probe.drain_statuses [] -> [503]",
            "health.probe.body any -> `ok`",
            "health.probe.port the backend's -> 9000",
            "health.probe.interval 2s -> 4s",
            "health.probe.fast_interval 500ms -> 1s",
            "health.probe.jitter 10% -> 0%",
            "health.probe.timeout 1s -> 2s",
            "health.probe.fall 3 -> 1",
            "health.probe.rise 2 -> 1",
        ]
    );
}

#[test]
fn another_kind_of_probe_is_told_once() {
    let (path, tcp) = ("health: { probe: { path: /, body: ok } }", "health: { probe: { tcp: { send: x } } }");
    let times = "every 2s, timeout 1s, fall 3, rise 2";
    assert_eq!(pool_lines(path, tcp), [format!("health.probe GET / {times} -> connect {times}")]);
    assert_eq!(pool_lines(tcp, "health: {}"), [format!("health.probe connect {times} -> off")]);
    let other = "health: { probe: { tcp: { send: xyz, expect: \"+P\\r\" }, address: \"b:80\" } }";
    assert_eq!(
        pool_lines(tcp, other),
        [
            "health.probe.tcp.send 1B -> 3B",
            "health.probe.tcp.expect nothing -> `+P\\r`",
            "health.probe.address the backend's -> b:80",
        ]
    );
}

#[test]
fn a_secret_of_a_probe_is_not_told() {
    let fields = |token: &str| {
        format!("health: {{ probe: {{ path: /, headers: {{ Authorization: \"Bearer {token}\" }} }} }}")
    };
    assert_eq!(pool_lines(&fields("one"), &fields("two")), ["health.probe.headers changed"]);
    let sent = |password: &str| format!("health: {{ probe: {{ tcp: {{ send: \"AUTH {password}\" }} }} }}");
    assert_eq!(pool_lines(&sent("one"), &sent("two")), ["health.probe.tcp.send changed"]);
}

#[test]
fn how_names_are_looked_up_is_told() {
    assert_eq!(
        lines(&with_top(""), &with_top("dns: { servers: [10.0.0.2], timeout: 2s }")),
        ["dns.servers those of /etc/resolv.conf -> [10.0.0.2:53]", "dns.timeout 5s -> 2s"]
    );
    assert_eq!(pool_lines("", "resolve: each"), ["backend a:80: resolve once -> each"]);
}

#[test]
fn another_admin_socket_needs_a_restart() {
    let (usual, off) = (with_top(""), with_top("admin: { socket: off }"));
    let here = with_top("admin: { socket: /run/a.sock }");
    assert_eq!(lines(&usual, &here), ["admin.socket at the usual place -> /run/a.sock"]);
    let expected = "changing `admin.socket` (at the usual place -> /run/a.sock) needs a restart";
    assert_eq!(plan(&here).needs_restart(&plan(&usual)).as_deref(), Some(expected));
    let expected = "changing `admin.socket` (off -> at the usual place) needs a restart";
    assert_eq!(plan(&usual).needs_restart(&plan(&off)).as_deref(), Some(expected));
    assert_eq!(plan(&here).needs_restart(&plan(&here)), None);
}

/// What is told about these two files, whose certificates are in the folder.
fn tls_lines(folder: &Folder, old: &str, new: &str) -> Vec<String> {
    let dir = folder.0.path().to_str().unwrap();
    let plan = |text: &str| {
        let plan = evenkeel_config::parse_at(&text.replace("DIR", dir), "test.yaml", &|_| None, now());
        plan.unwrap_or_else(|problems| panic!("{problems}"))
    };
    plan(new).diff(&plan(old)).iter().map(|line| line.replace(dir, "DIR")).collect()
}

#[test]
fn every_key_about_the_tls_of_a_listener_is_told() {
    let (folder, authority) = (Folder::new(), Authority::new());
    folder.pair("a", &authority.sign(&["a.org"]));
    folder.pair("more/b", &authority.sign(&["b.org", "10.0.0.1"]));
    folder.write("ca.pem", &authority.pem);
    folder.write("other.pem", Authority::new().pem);
    folder.write("list.crl", authority.revocation_list().0);
    let text = |tls: &str| {
        format!(
            "listeners: [{{ name: edge, address: \"127.0.0.1:8443\", {tls} }}]\npools: {{ web: {{ backends: [\"a:80\"] }} }}\n"
        )
    };
    let a = "{ certificate: DIR/a.pem, key: DIR/a.key }";
    let off = text("redirect_to_https: 9443");
    let small = text(&format!("tls: {{ certificates: [{a}] }}"));
    let large = text(&format!(
        "tls: {{ certificates: [{a}, {{ directory: DIR/more }}], default: b.org, policy: modern, unknown_name: refuse, \
         client: {{ ca: DIR/ca.pem, crl: DIR/list.crl }}, handshake_timeout: 1s, handshakes: off }}, \
         hsts: {{ max_age: 1d }}"
    ));
    assert_eq!(
        tls_lines(&folder, &off, &small),
        [
            "listener edge: redirect_to_https 9443 -> off",
            "listener edge: tls off -> on",
            "listener edge: certificate of a.org added (expires 2028-01-01)",
        ]
    );
    assert_eq!(
        tls_lines(&folder, &small, &large),
        [
            "listener edge: hsts off -> `max-age=86400`",
            "listener edge: tls.certificates [DIR/a.pem] -> [DIR/a.pem, DIR/more/]",
            "listener edge: tls.default the first (DIR/a.pem) -> b.org (DIR/more/b.pem)",
            "listener edge: tls.policy intermediate -> modern",
            "listener edge: tls.unknown_name default -> refuse",
            "listener edge: tls.client off -> required",
            "listener edge: tls.client.ca none -> DIR/ca.pem",
            "listener edge: tls.client.crl none -> DIR/list.crl",
            "listener edge: tls.handshake_timeout 5s -> 1s",
            "listener edge: tls.handshakes 1000 -> off",
            "listener edge: certificate of b.org added (expires 2028-01-01)",
        ]
    );
    let other = large.replace("ca.pem", "other.pem").replace(", default: b.org", "");
    assert_eq!(
        tls_lines(&folder, &large, &other),
        [
            "listener edge: tls.default b.org (DIR/more/b.pem) -> the first (DIR/a.pem)",
            "listener edge: tls.client.ca DIR/ca.pem -> DIR/other.pem",
        ]
    );
    assert_eq!(
        tls_lines(&folder, &small, &off).last().map(String::as_str),
        Some("listener edge: certificate of a.org removed")
    );
}

#[test]
fn every_key_about_tls_to_backends_is_told() {
    let (folder, authority) = (Folder::new(), Authority::new());
    folder.pair("me", &authority.sign(&["me.internal"]));
    folder.write("ca.pem", &authority.pem);
    let text = |keys: &str| {
        format!("listeners: [{{ address: \"127.0.0.1:8080\" }}]\npools: {{ web: {{ {keys} }} }}\n")
    };
    let off = text("backends: [\"10.0.0.1:443\"]");
    let small =
        text("backends: [\"https://10.0.0.1\"], tls: { verify: off }, health: { probe: { path: / } }");
    let large = text(
        "backends: [\"https://10.0.0.1\"], timeouts: { tls: 1s }, health: { probe: { path: /, host: a, tls: off } }, \
         tls: { ca: DIR/ca.pem, server_name: app, host: b, certificate: DIR/me.pem, key: DIR/me.key, \
         pins: [\"sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"] }",
    );
    let lines = tls_lines(&folder, &off, &small);
    assert!(lines.contains(&"pool web: tls off -> on".into()), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "pool web: backend 10.0.0.1:443: tls off -> as 10.0.0.1");
    assert_eq!(
        tls_lines(&folder, &small, &large),
        [
            "pool web: timeouts.tls 3s -> 1s",
            "pool web: health.probe.host the backend's -> a",
            "pool web: health.probe.tls the backend's -> off",
            "pool web: tls.ca the system's -> DIR/ca.pem",
            "pool web: tls.host the client's -> b",
            "pool web: tls.certificate none -> DIR/me.pem (expires 2028-01-01)",
            "pool web: tls.key none -> DIR/me.key",
            "pool web: tls.pins [] -> [sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=]",
            "pool web: tls.verify off -> on",
            "pool web: backend 10.0.0.1:443: tls as 10.0.0.1 -> as app",
        ]
    );
}
