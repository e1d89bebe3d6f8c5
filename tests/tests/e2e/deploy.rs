//! What is in `deploy/` is accepted by the programs that it is for.

use std::path::Path;
use std::process::Command;

use evenkeel_tests::balancer::{program, workspace};
use evenkeel_tests::tools::tool;

#[track_caller]
fn expect_clean(command: &mut Command) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}:\n{said}");
}

fn deployed(name: &str) -> String {
    let path = workspace().join("deploy").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn systemd_accepts_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("evenkeel.service");
    let text = deployed("evenkeel.service");
    assert!(text.contains("/usr/bin/evenkeel"));
    std::fs::write(&unit, text.replace("/usr/bin/evenkeel", program().to_str().unwrap())).unwrap();
    let mut command = Command::new(tool("systemd-analyze"));
    expect_clean(command.args(["verify", "--man=no", "--recursive-errors=yes"]).arg(&unit));
}

#[test]
fn prometheus_accepts_its_configuration_and_the_alerts() {
    let folder = workspace().join("deploy");
    promtool(&["check", "config"], &folder.join("prometheus.yml"));
    promtool(&["check", "rules"], &folder.join("alerts.yml"));
}

fn promtool(what: &[&str], file: &Path) {
    let mut command = Command::new(tool("promtool"));
    expect_clean(command.args(what).arg(file));
}

#[test]
fn the_dashboard_is_json() {
    let dashboard: serde_json::Value = serde_json::from_str(&deployed("grafana-dashboard.json")).unwrap();
    assert!(dashboard["panels"].is_array());
}
