//! What the systemd unit promises, held against the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/evenkeel.service")
}

#[test]
fn systemd_rates_the_unit_as_well_protected() {
    // Exposure times ten, from 0 to 100; a unit without any protection has 96.
    let mut command = Command::new("systemd-analyze");
    command.args(["security", "--offline=true", "--threshold=20"]).arg(unit());
    let output = command.output().expect("needs `apt-get install -y systemd`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_unit_outlives_the_default_drain() {
    let text =
        "listeners: [{ address: \"127.0.0.1:8080\" }]\npools: { web: { backends: [\"127.0.0.1:1\"] } }\n";
    let plan = evenkeel_config::parse(text, "smallest.yaml", &|_| None).unwrap();
    let unit = fs::read_to_string(unit()).unwrap();
    let stop = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec="));
    let seconds: u64 = stop.unwrap().trim_end_matches('s').parse().unwrap();
    assert!(seconds > plan.drain_timeout.as_secs());
}
