//! What a scrape answers, and that the manual, the alerts and the dashboard speak of the same metrics.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use evenkeel_model::{
    BackendId, Cause, ListenerCounters, Phase, PoolCounters, PoolName, RouteCounters, Status,
};
use evenkeel_routing::{
    Backend, ForwardingRule, HostMatch, Listener, ListenerRule, Member, PathMatch, Pool, PoolRule, Retry,
    Route, Router, Rule, Snapshot, Timeouts, View, Wake,
};
use evenkeel_telemetry::{AccessLog, Registry, ReloadState, names};

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
fn the_dashboard_is_json_with_a_query_in_every_panel() {
    let dashboard: serde_json::Value = serde_json::from_str(&read("deploy/grafana-dashboard.json")).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        let query = panel["targets"][0]["expr"].as_str();
        assert!(query.is_some_and(|query| !query.is_empty()), "{panel}");
    }
}

#[test]
fn promtool_accepts_the_alerts_and_the_scrape_configuration() {
    for (what, file) in [("rules", "deploy/alerts.yml"), ("config", "deploy/prometheus.yml")] {
        let path = root().join(file);
        promtool(&["check", what, &path.display().to_string()], "");
    }
}

/// What a registry reads from, as control would publish it.
struct Node {
    view: View,
    reload: ReloadState,
    registry: Registry,
}

impl Node {
    fn start() -> Node {
        let view: View = Arc::new(ArcSwap::from_pointee(snapshot()));
        let reload = ReloadState::new();
        reload.accepted(3);
        let access_log = AccessLog::start(None).unwrap();
        let registry = Registry::new(view.clone(), reload.clone(), access_log);
        Node { view, reload, registry }
    }

    /// One of everything has happened.
    fn busy() -> Node {
        let node = Node::start();
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

    fn render(&self) -> String {
        self.registry.render()
    }
}

fn snapshot() -> Snapshot {
    let pool = PoolName::new("web");
    let rule = Rule {
        host: HostMatch::Any,
        path: PathMatch::Any,
        pool: pool.clone(),
        timeouts: Timeouts::default(),
        retry: Retry::default(),
    };
    let route = Route { label: "*".into(), rule, pool: 0, counters: Arc::new(RouteCounters::new(WORKERS)) };
    let listener = Listener {
        rule: ListenerRule::new("edge".into(), SocketAddr::from(([127, 0, 0, 1], 0))),
        counters: Arc::new(ListenerCounters::new(WORKERS)),
    };
    let members = vec![member(&pool, "blue", Phase::Ejected), member(&pool, "green \"2\"\n", Phase::Serving)];
    let counters = Arc::new(PoolCounters::new(WORKERS));
    Snapshot {
        generation: 3,
        epoch: 17,
        router: Router::new(vec![Arc::new(route)]),
        pools: vec![Arc::new(Pool::new(
            pool,
            PoolRule::default(),
            members,
            false,
            counters,
            Arc::default(),
            Arc::default(),
        ))],
        listeners: vec![Arc::new(listener)],
        forwarding: ForwardingRule::default(),
    }
}

fn member(pool: &PoolName, label: &str, phase: Phase) -> Member {
    let port = 3000 + label.len();
    let id = BackendId { pool: pool.clone(), address: format!("127.0.0.1:{port}").parse().unwrap() };
    let endpoint = id.address.endpoint().unwrap();
    let wake = Wake::new(Box::new(|| {}));
    Member {
        backend: Backend::new(id, label.into(), WORKERS, wake),
        endpoints: [endpoint].into(),
        unresolved: None,
        weight: 1,
        status: Status::new(phase, Instant::now()),
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
