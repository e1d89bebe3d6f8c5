//! What a scrape answers, and that the manual, the alerts and the dashboard speak of the same metrics.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use evenkeel_model::{
    BackendId, ByOperator, Cause, HandshakeFailure, Hold, Kept, ListenerCounters, NameFailure, Phase,
    PoolCounters, PoolName, RouteCounters, Status,
};
use evenkeel_routing::{
    Backend, ForwardingRule, HostMatch, Listener, ListenerRule, ListenerTls, Member, PathMatch, Pool,
    PoolRule, Retry, Route, Router, Rule, Snapshot, Timeouts, View, Wake,
};
use evenkeel_telemetry::{AccessLog, FilesState, Registry, ReloadState, names};
use evenkeel_tls::{
    Client, ClientParts, Dial, Identity, Policy, Roots, Server, ServerName, ServerParts, UnknownName, Verify,
};

const WORKERS: usize = 2;

#[test]
fn cells_are_summed_over_the_cores() {
    let node = Node::start();
    let member = &node.view.load_full().pools[0].members[0];
    let cells = &member.backend.counters;
    cells[0].responses[1].add(3);
    cells[1].responses[1].add(4);
    cells[1].failures[Cause::ConnectRefused as usize].add(2);
    let text = node.render();
    for line in [
        r#"evenkeel_backend_responses_total{pool="web",backend="blue",class="2xx"} 7"#,
        r#"evenkeel_backend_failures_total{pool="web",backend="blue",cause="connect_refused"} 2"#,
        r#"evenkeel_backend_state{pool="web",backend="blue",phase="ejected"} 1"#,
        r#"evenkeel_backend_state{pool="web",backend="blue",phase="serving"} 0"#,
        r#"evenkeel_config_generation 3"#,
        r#"evenkeel_config_epoch 17"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn a_standing_has_a_series_for_each_word_and_one_of_them_is_1() {
    let node = Node::start();
    let by = ByOperator { uid: 0, since: Instant::now() };
    node.change(|_, green| {
        green.status.hold = Hold::Drained(by);
        green.status.kept = Some(Kept::Floor);
        green.status.is_flapping = true;
    });
    assert_series(
        &node.render(),
        "green \\\"2\\\"\\n",
        &[
            ("state", r#",phase="unproven""#, 0.0),
            ("state", r#",phase="serving""#, 1.0),
            ("hold", r#",hold="asked""#, 0.0),
            ("hold", r#",hold="drained""#, 1.0),
            ("hold", r#",hold="out""#, 0.0),
            ("kept", r#",reason="last_in_service""#, 0.0),
            ("kept", r#",reason="keep_at_least""#, 1.0),
            ("kept", r#",reason="shared_fate""#, 0.0),
            ("kept", r#",reason="no_better""#, 0.0),
            ("flapping", "", 1.0),
        ],
    );
    assert_series(
        &node.render(),
        "blue",
        &[
            ("hold", r#",hold="drained""#, 0.0),
            ("kept", r#",reason="keep_at_least""#, 0.0),
            ("flapping", "", 0.0),
        ],
    );
}

#[test]
fn a_pool_tells_how_many_of_its_backends_requests_go_to() {
    let node = Node::start();
    let in_service = || {
        let text = node.render();
        assert!(text.contains("evenkeel_pool_backends{pool=\"web\"} 2\n"), "{text}");
        let line = text.lines().find(|line| line.starts_with("evenkeel_pool_backends_in_service{"));
        line.unwrap().rsplit(' ').next().unwrap().to_string()
    };
    assert_eq!(in_service(), "1", "one is ejected");
    node.change(|blue, _| blue.status.phase = Phase::Unproven);
    assert_eq!(in_service(), "2");
    node.change(|_, green| green.status.hold = Hold::Asked { since: Instant::now(), until: None });
    assert_eq!(in_service(), "1", "a backend that is held gets none, however well it is");
}

#[test]
fn a_ramp_is_the_share_of_its_weight_that_a_backend_gets() {
    let node = Node::start();
    node.change(|blue, _| blue.status = Status { ramp: 0.3, ..Status::new(Phase::Serving, Instant::now()) });
    assert_series(&node.render(), "blue", &[("ramp", "", 0.3)]);
    node.change(|blue, _| blue.status.phase = Phase::Ejected);
    assert_series(&node.render(), "blue", &[("ramp", "", 0.0)]);
}

#[test]
fn a_name_without_an_address_tells_why_and_an_address_needs_no_name() {
    let node = Node::start();
    node.change(|blue, _| *blue = member("blue", Phase::Serving, "app.test:80"));
    let unresolved = |failed, silent| {
        let series = [(",cause=\"dns_failed\"", failed), (",cause=\"dns_timeout\"", silent)];
        assert_series(&node.render(), "blue", &series.map(|(label, value)| ("unresolved", label, value)));
    };
    unresolved(0.0, 0.0);
    node.change(|blue, _| blue.unresolved = Some(NameFailure::from(Cause::DnsTimeout)));
    unresolved(0.0, 1.0);
    assert_eq!(node.render().matches("evenkeel_backend_unresolved{").count(), 2, "the other is no name");
}

#[test]
fn what_a_backend_took_to_its_heads_is_summed_in_seconds() {
    let node = Node::start();
    let cells = &node.view.load_full().pools[0].members[0].backend.counters;
    cells[0].head_micros.add(1_500_000);
    cells[1].head_micros.add(250_000);
    assert_series(&node.render(), "blue", &[("head_seconds_total", "", 1.75)]);
}

#[test]
fn probes_are_counted_by_result_where_a_pool_is_probed() {
    let node = Node::start();
    assert!(!node.render().contains("evenkeel_backend_probes_total{"));
    node.publish(true, |_, _| {});
    let backend = &node.view.load_full().pools[0].members[0].backend;
    backend.probes_passed.add(5);
    backend.probes_failed.add(2);
    let series = [(",result=\"passed\"", 5.0), (",result=\"failed\"", 2.0)];
    assert_series(&node.render(), "blue", &series.map(|(label, value)| ("probes_total", label, value)));
}

#[test]
fn a_cause_that_never_happened_has_no_series() {
    let text = Node::start().render();
    assert!(!text.contains("evenkeel_backend_failures_total"), "{text}");
    assert!(!text.contains("evenkeel_pool_failed_requests_total"), "{text}");
}

#[test]
fn a_rejected_reload_shows() {
    let node = Node::start();
    assert!(node.render().contains("evenkeel_config_last_reload_successful 1"));
    node.reload.rejected("line 1: no".to_string());
    assert!(node.render().contains("evenkeel_config_last_reload_successful 0"));
}

#[test]
fn certificates_tell_until_when_they_are_good() {
    let identities = vec![identity(&["a.test", "b.test"], 2035), identity(&["a.test"], 2031)];
    let node = Node::with_tls(identities, nobody(Some(identity(&[], 2033))));
    let text = node.render();
    for line in [
        r#"evenkeel_tls_certificate_not_after_timestamp_seconds{listener="tls",certificate="a.test",key="ecdsa"} 1924992000"#,
        r#"evenkeel_pool_tls_certificate_not_after_timestamp_seconds{pool="web",certificate="CN=rcgen self signed cert",key="ecdsa"} 1988150400"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert_eq!(text.matches("evenkeel_tls_certificate_not_after_timestamp_seconds{").count(), 1);
}

#[test]
fn handshakes_are_told_of_who_speaks_tls() {
    let node = Node::with_tls(vec![identity(&["a.test"], 2035)], nobody(None));
    let snapshot = node.view.load_full();
    let listener = &snapshot.listener("tls").unwrap().counters;
    listener[0].handshakes.add(2);
    listener[1].handshakes.add(3);
    listener[1].resumptions.add(7);
    listener[0].handshakes_open.add(1);
    listener[0].handshake_failures[HandshakeFailure::PlainHttp as usize].add(4);
    let backend = &snapshot.pools[0].members[0].backend.counters;
    backend[0].handshakes.add(1);
    backend[1].resumptions.add(9);
    let text = node.render();
    for line in [
        r#"evenkeel_listener_tls_handshakes_total{listener="tls",kind="full"} 5"#,
        r#"evenkeel_listener_tls_handshakes_total{listener="tls",kind="resumed"} 7"#,
        r#"evenkeel_listener_tls_handshakes_in_progress{listener="tls"} 1"#,
        r#"evenkeel_listener_tls_handshake_failures_total{listener="tls",reason="plain_http"} 4"#,
        r#"evenkeel_listener_tls_handshake_failures_total{listener="tls",reason="alert"} 0"#,
        r#"evenkeel_backend_tls_handshakes_total{pool="web",backend="blue",kind="full"} 1"#,
        r#"evenkeel_backend_tls_handshakes_total{pool="web",backend="blue",kind="resumed"} 9"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    for series in
        [r#"tls_handshakes_total{listener="edge""#, r#"tls_handshakes_total{pool="web",backend="green"#]
    {
        assert!(!text.contains(series), "{series} speaks no TLS");
    }
}

#[test]
fn files_that_are_bad_show_until_they_are_good_again() {
    let node = Node::start();
    let successful = |value| {
        let line = format!("evenkeel_tls_files_last_reload_successful {value}\n");
        assert!(node.render().contains(&line), "{line}");
    };
    successful(1);
    let good = node.files.last().succeeded;
    let since = |moment: SystemTime| {
        let text = node.render();
        let mut lines = text.lines();
        let name = "evenkeel_tls_files_last_reload_success_timestamp_seconds ";
        let value = lines.find_map(|line| line.strip_prefix(name)).expect("the series is there");
        let expected = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((value.parse::<f64>().unwrap() - expected).abs() < 1.0, "{value} {expected}");
    };
    node.files.rejected(vec!["a.pem: no certificate".to_string()]);
    successful(0);
    since(good);
    node.files.accepted();
    successful(1);
    since(node.files.last().succeeded);
}

#[test]
fn durations_are_a_histogram_of_route_and_pool() {
    let node = Node::start();
    let snapshot = node.view.load_full();
    let latency = &snapshot.router.routes()[0].counters[1].latency;
    latency.record(Duration::from_millis(3));
    let text = node.render();
    for line in [
        r#"evenkeel_route_duration_seconds_bucket{route="*",pool="web",le="0.002"} 0"#,
        r#"evenkeel_route_duration_seconds_bucket{route="*",pool="web",le="0.004"} 1"#,
        r#"evenkeel_route_duration_seconds_bucket{route="*",pool="web",le="+Inf"} 1"#,
        r#"evenkeel_route_duration_seconds_sum{route="*",pool="web"} 0.003"#,
        r#"evenkeel_route_duration_seconds_count{route="*",pool="web"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[test]
fn what_was_learned_is_shown_and_what_is_unknown_is_absent() {
    let node = Node::busy();
    let snapshot = node.view.load_full();
    let pace = &snapshot.router.routes()[0].counters[0].pace;
    for _ in 0..10 {
        pace.record(Duration::from_millis(900));
    }
    let text = node.render();
    assert!(
        text.contains("evenkeel_backend_idle_limit_seconds{pool=\"web\",backend=\"blue\"} 5\n"),
        "{text}"
    );
    assert_eq!(text.matches("evenkeel_backend_idle_limit_seconds{").count(), 1);
    assert!(text.contains(r#"evenkeel_route_stall_bound_seconds{route="*",pool="web"} 10.24"#), "{text}");
}

#[test]
fn every_name_is_rendered_and_no_other() {
    let text = Node::busy().render();
    let rendered: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .filter(|name| !name.starts_with("process_"))
        .collect();
    let named: BTreeSet<&str> = names::ALL.iter().map(|name| name.name).collect();
    assert_eq!(rendered, named);
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let output = promtool(&["check", "metrics"], &Node::busy().render());
    assert_eq!(output, "");
}

#[test]
fn the_manual_lists_every_metric_as_it_is() {
    let manual = read("docs/metrics.md");
    let rows: Vec<_> = manual.lines().filter(|line| line.starts_with("| `evenkeel_")).collect();
    let expected: Vec<_> = names::ALL.iter().map(|name| row(name)).collect();
    let whole = expected.join("\n");
    assert_eq!(rows, expected, "the table should read:\n{whole}");
}

#[test]
fn the_manual_lists_the_metrics_of_the_process() {
    let manual = read("docs/metrics.md");
    let text = Node::start().render();
    for line in text.lines().filter(|line| line.starts_with("# TYPE process_")) {
        let name = line.split(' ').nth(2).unwrap();
        assert!(manual.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn alerts_and_dashboard_use_only_metrics_that_exist() {
    for file in
        ["deploy/alerts.yml", "deploy/grafana-dashboard.json", "docs/operations.md", "docs/metrics.md"]
    {
        let text = read(file);
        let mut used = 0;
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if word.starts_with("evenkeel_") && !word.ends_with('_') {
                assert!(exists(word), "{file} uses {word}");
                used += 1;
            }
        }
        assert!(used > 0, "{file}");
    }
}

#[test]
fn the_dashboard_has_a_query_in_every_panel_and_promtool_can_read_each() {
    let dashboard: serde_json::Value = serde_json::from_str(&read("deploy/grafana-dashboard.json")).unwrap();
    let mut rules = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel}");
        for target in targets {
            let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
            let record = format!("panel:{}:{}", panel["id"], target["refId"].as_str().unwrap());
            rules.push(serde_json::json!({ "record": record, "expr": query }));
        }
    }
    let groups = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    let file = tempfile::NamedTempFile::with_suffix(".yml").unwrap();
    std::fs::write(file.path(), groups.to_string()).unwrap();
    promtool(&["check", "rules", &file.path().display().to_string()], "");
}

#[test]
fn promtool_accepts_the_alerts_and_the_scrape_configuration() {
    for (what, file) in [("rules", "deploy/alerts.yml"), ("config", "deploy/prometheus.yml")] {
        let path = root().join(file);
        promtool(&["check", what, &path.display().to_string()], "");
    }
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    for file in ["health.yml", "tls.yml", "days.yml"] {
        let path = root().join("crates/telemetry/tests/alerts").join(file);
        promtool(&["test", "rules", &path.display().to_string()], "");
    }
}

/// What a registry reads from, as control would publish it.
struct Node {
    view: View,
    reload: ReloadState,
    files: FilesState,
    registry: Registry,
}

impl Node {
    fn start() -> Node {
        let view: View = Arc::new(ArcSwap::from_pointee(snapshot(two(), false)));
        let reload = ReloadState::new();
        reload.accepted(3);
        let files = FilesState::new();
        let access_log = AccessLog::start(None).unwrap();
        let registry = Registry::new(view.clone(), reload.clone(), files.clone(), access_log);
        Node { view, reload, files, registry }
    }

    /// Publishes the same with the members changed.
    fn change(&self, change: impl FnOnce(&mut Member, &mut Member)) {
        self.publish(self.view.load().pools[0].is_probed, change);
    }

    fn publish(&self, is_probed: bool, change: impl FnOnce(&mut Member, &mut Member)) {
        let mut members = self.view.load().pools[0].members.clone();
        let [blue, green] = &mut members[..] else { panic!("a pool of two") };
        change(blue, green);
        let listeners = self.view.load().listeners.clone();
        self.view.store(Arc::new(Snapshot { listeners, ..snapshot(members, is_probed) }));
    }

    /// One of everything has happened.
    fn busy() -> Node {
        let node = Node::with_tls(
            vec![identity(&["a.test"], 2035), identity(&[], 2035)],
            nobody(Some(identity(&["me.test"], 2035))),
        );
        node.publish(true, |blue, _| {
            *blue = Member { tls: blue.tls.take(), ..member("blue", Phase::Ejected, "app.test:80") };
        });
        let snapshot = node.view.load_full();
        let pool = &snapshot.pools[0];
        for cause in Cause::ALL {
            pool.counters[0].failed[cause as usize].add(1);
            pool.members[0].backend.counters[1].failures[cause as usize].add(1);
        }
        pool.counters[0].latency.record(Duration::from_secs(60));
        pool.members[0].backend.idle_limit.announce(5);
        node
    }

    /// With TLS on both sides.
    fn with_tls(identities: Vec<Arc<Identity>>, client: ClientParts) -> Node {
        let node = Node::start();
        let mut members = two();
        let client = Client::new(client).unwrap();
        let name = ServerName::try_from("app.test").unwrap();
        members[0].tls = Some(Arc::new(Dial::new(client, name)));
        let mut snapshot = snapshot(members, false);
        let server = Server::new(ServerParts {
            identities,
            default: 0,
            policy: Policy::default(),
            unknown_name: UnknownName::default(),
            client: None,
            protocols: vec![b"http/1.1".to_vec()],
        });
        let tls = ListenerTls {
            server: server.unwrap(),
            handshake_timeout: Duration::from_secs(5),
            handshakes: 1000,
        };
        let mut rule = snapshot.listeners[0].rule.clone();
        rule.tls = Some(tls);
        let counters = snapshot.listeners[0].counters.clone();
        snapshot
            .listeners
            .push(Arc::new(Listener { rule: ListenerRule { name: "tls".into(), ..rule }, counters }));
        node.view.store(Arc::new(snapshot));
        node
    }

    fn render(&self) -> String {
        self.registry.render()
    }
}

fn nobody(identity: Option<Arc<Identity>>) -> ClientParts {
    ClientParts { roots: Roots::Given(Vec::new()), verify: Verify::Off, pins: Vec::new(), identity }
}

/// Of 1 January of a year, self-signed.
fn identity(names: &[&str], ends: i32) -> Arc<Identity> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_string()).collect();
    let mut parameters = rcgen::CertificateParams::new(names).unwrap();
    parameters.not_after = rcgen::date_time_ymd(ends, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    Identity::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
}

fn snapshot(members: Vec<Member>, is_probed: bool) -> Snapshot {
    let rule = Rule {
        host: HostMatch::Any,
        path: PathMatch::Any,
        pool: PoolName::new("web"),
        timeouts: Timeouts::default(),
        retry: Retry::default(),
    };
    let route = Route { label: "*".into(), rule, pool: 0, counters: Arc::new(RouteCounters::new(WORKERS)) };
    let listener = Listener {
        rule: ListenerRule::new("edge".into(), SocketAddr::from(([127, 0, 0, 1], 0))),
        counters: Arc::new(ListenerCounters::new(WORKERS)),
    };
    Snapshot {
        generation: 3,
        epoch: 17,
        router: Router::new(vec![Arc::new(route)]).into(),
        pools: vec![Arc::new(pool(members, is_probed))],
        listeners: vec![Arc::new(listener)],
        forwarding: ForwardingRule::default(),
    }
}

fn pool(members: Vec<Member>, is_probed: bool) -> Pool {
    let counters = Arc::new(PoolCounters::new(WORKERS));
    let name = PoolName::new("web");
    Pool::new(name, PoolRule::default(), members, is_probed, counters, Arc::default(), Arc::default())
}

fn two() -> Vec<Member> {
    vec![
        member("blue", Phase::Ejected, "127.0.0.1:3004"),
        member("green \"2\"\n", Phase::Serving, "127.0.0.1:3010"),
    ]
}

fn member(label: &str, phase: Phase, address: &str) -> Member {
    let id = BackendId { pool: PoolName::new("web"), address: address.parse().unwrap() };
    let endpoints = id.address.endpoint().into_iter().collect();
    let wake = Wake::new(Box::new(|| {}));
    Member {
        backend: Backend::new(id, label.into(), WORKERS, wake),
        endpoints,
        unresolved: None,
        tls: None,
        weight: 1,
        status: Status::new(phase, Instant::now()),
    }
}

/// Every one of these series of a backend is in the text: what stands after `evenkeel_backend_`, the labels after its own,
/// and the value.
#[track_caller]
fn assert_series(text: &str, backend: &str, series: &[(&str, &str, f64)]) {
    for (name, labels, value) in series {
        let line = format!("evenkeel_backend_{name}{{pool=\"web\",backend=\"{backend}\"{labels}}} {value}");
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

fn row(name: &names::Name) -> String {
    let kind = match name.kind {
        names::Kind::Counter => "counter",
        names::Kind::Gauge => "gauge",
        names::Kind::Histogram => "histogram",
    };
    let labels = name.labels.join(", ");
    format!("| `{}` | {kind} | {labels} | {} |", name.name, name.help)
}

/// Whether a word of a query is a metric, or one of the series of a histogram.
fn exists(word: &str) -> bool {
    names::ALL.iter().any(|name| {
        let series = ["_bucket", "_sum", "_count"].map(|suffix| format!("{}{suffix}", name.name));
        let is_series = name.kind == names::Kind::Histogram && series.iter().any(|s| s == word);
        name.name == word || is_series
    })
}

/// Runs promtool, which must be content, and returns what it said.
fn promtool(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("timeout")
        .args(["60", "promtool"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A promtool that is missing reads nothing; its status tells.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    assert_ne!(output.status.code(), Some(127), "promtool is missing: apt-get install prometheus");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}
