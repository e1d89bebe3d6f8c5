//! The floors of the house: a crate uses only floors below its own.

use std::process::Command;

use evenkeel_tests::balancer::workspace;
use serde_json::Value;

/// From the ground up. Crates of one floor do not see each other.
const FLOORS: [&[&str]; 5] = [
    &["evenkeel-model", "evenkeel-tls"],
    &["evenkeel-health", "evenkeel-routing", "evenkeel-http1"],
    &["evenkeel-config", "evenkeel-telemetry", "evenkeel-upstream"],
    &["evenkeel-control", "evenkeel-proxy", "evenkeel-admin"],
    &["evenkeel"],
];

/// What decides, and the words for it, must not know who carries it out.
const NOT_FOR_DECISIONS: [&str; 6] = ["tokio", "hyper", "hyper-util", "serde", "prometheus", "tracing"];

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(workspace())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&name))
}

fn dependencies(package: &Value) -> Vec<String> {
    let dependencies = package["dependencies"].as_array().unwrap();
    let name = |dependency: &Value| dependency["name"].as_str().unwrap().to_owned();
    dependencies.iter().map(name).collect()
}

#[test]
fn every_crate_has_a_floor() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        assert!(floor(name).is_some() || name == "evenkeel-tests", "{name} has no floor");
    }
}

#[test]
fn a_crate_uses_only_floors_below_its_own() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        let Some(own) = floor(name) else { continue };
        for dependency in dependencies(&package) {
            if let Some(other) = floor(&dependency) {
                assert!(other < own, "{name}, floor {}, uses {dependency}, floor {}", own + 1, other + 1);
            }
        }
        // Tests may use the tests' own words.
        let others = package["dependencies"].as_array().unwrap().iter();
        let mut others = others.filter(|dependency| dependency["name"] == "evenkeel-tests");
        assert!(others.all(|dependency| dependency["kind"] == "dev"), "{name} ships evenkeel-tests");
    }
}

#[test]
fn words_and_decisions_know_no_runtime() {
    for package in packages() {
        let name = package["name"].as_str().unwrap();
        if !matches!(floor(name), Some(0 | 1)) {
            continue;
        }
        for dependency in dependencies(&package) {
            assert!(!NOT_FOR_DECISIONS.contains(&dependency.as_str()), "{name} uses {dependency}");
        }
    }
}
