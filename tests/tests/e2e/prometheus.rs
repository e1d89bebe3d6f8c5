//! A real Prometheus scrapes the metrics and answers with the right numbers.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use evenkeel_tests::backend::Script;
use evenkeel_tests::balancer::Evenkeel;
use evenkeel_tests::client::{self, Client};
use evenkeel_tests::nginx::free_address;
use evenkeel_tests::process::Process;
use evenkeel_tests::tools::tool;
use evenkeel_tests::wait;
use serde_json::Value;

use crate::forwarding::one_backend;

const REQUESTS: usize = 37;

fn busy() -> (evenkeel_tests::backend::Backend, Evenkeel) {
    let (backend, evenkeel) = one_backend(Script::Echo);
    let mut client = Client::connect(evenkeel.address());
    for _ in 0..REQUESTS {
        assert_eq!(client.get("/").status, 200);
    }
    (backend, evenkeel)
}

#[test]
fn prometheus_counts_what_was_asked() {
    let (backend, evenkeel) = busy();
    let folder = tempfile::tempdir().unwrap();
    let configuration = format!(
        "global: {{ scrape_interval: 200ms, scrape_timeout: 200ms }}\n\
         scrape_configs: [{{ job_name: evenkeel, static_configs: [{{ targets: [\"{}\"] }}] }}]\n",
        evenkeel.admin()
    );
    let file = folder.path().join("prometheus.yml");
    std::fs::write(&file, configuration).unwrap();
    let address = free_address();
    let mut command = Command::new(tool("prometheus"));
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address={address}"));
    let _prometheus = Process::start("prometheus", command, folder.path());
    for (query, wanted) in [
        ("up{job=\"evenkeel\"}", 1.0),
        ("sum(evenkeel_listener_responses_total{class=\"2xx\"})", REQUESTS as f64),
        ("sum(evenkeel_backend_responses_total)", REQUESTS as f64),
        ("sum(evenkeel_route_duration_seconds_count)", REQUESTS as f64),
        ("evenkeel_config_last_reload_successful", 1.0),
    ] {
        wait::until_true(Duration::from_secs(30), &format!("{query} == {wanted}"), || {
            value(address, query) == Some(wanted)
        });
    }
    assert_eq!(backend.requests().len(), REQUESTS);
}

/// The only value of an instant query.
fn value(address: SocketAddr, query: &str) -> Option<f64> {
    let response = client::try_get(address, &format!("/api/v1/query?query={}", encoded(query))).ok()?;
    let answer: Value = serde_json::from_slice(&response.body).ok()?;
    answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[test]
fn promtool_has_nothing_to_say_about_the_metrics() {
    let (_backend, evenkeel) = busy();
    let text = client::get(evenkeel.admin(), "/metrics").text();
    let mut promtool = Command::new(tool("promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn health_and_readiness_are_told() {
    let (_backend, evenkeel) = busy();
    assert_eq!(client::get(evenkeel.admin(), "/healthz").status, 200);
    assert_eq!(client::get(evenkeel.admin(), "/readyz").status, 200);
    assert_eq!(client::get(evenkeel.admin(), "/nothing").status, 404);
}
