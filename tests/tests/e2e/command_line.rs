//! `check`, `schema`, `--version`, `--help`, and mistakes on the command line.

use std::path::Path;
use std::process::Output;

use evenkeel_tests::balancer;

fn run(arguments: &[&str]) -> Output {
    balancer::command().args(arguments).output().expect("evenkeel runs")
}

fn check(text: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("evenkeel.yaml");
    std::fs::write(&file, text).unwrap();
    run(&["check", "-c", path(&file)])
}

fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_good_file_is_summed_up() {
    let output = check(
        "listeners: [{ address: \"127.0.0.1:8080\" }]\npools: { web: { backends: [\"127.0.0.1:3000\", \"127.0.0.1:3001\"] } }\n",
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.contains("1 listener") && text.contains("2 backends"), "{text}");
}

#[test]
fn a_warning_is_shown_and_refuses_nothing() {
    let output = check(
        "listeners: [{ address: \"127.0.0.1:8080\" }]\npools: { web: { backends: [\"https://127.0.0.1:3000\"], tls: { verify: off } } }\n",
    );
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let warnings = stderr(&output);
    assert!(warnings.starts_with("warning[unverified]: pools.web.tls.verify: "), "{warnings}");
    assert!(warnings.contains("evenkeel.yaml: 1 warning\n"), "{warnings}");
    assert!(stdout(&output).contains("https backends: NOT VERIFIED"), "{}", stdout(&output));
}

#[test]
fn every_problem_is_told_at_once_and_where_it_is() {
    let output = check(
        "listeners:
  - address: 127.0.0.1:8080
    limits: { fields: many }
  - address: 127.0.0.1:8080
routes:
  - pool: wbe
pools:
  web:
    ballance: random
    backends: [\"127.0.0.1:0\", \"127.0.0.1:3000\", \"127.0.0.1:3000\"]
    timeouts: { head: 0s, conect: 1s }
  empty: { backends: [] }
",
    );
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    for wanted in [
        "evenkeel.yaml:3",
        "evenkeel.yaml:4",
        "evenkeel.yaml:6",
        "evenkeel.yaml:9",
        "evenkeel.yaml:10",
        "evenkeel.yaml:11",
        "evenkeel.yaml:12",
        "many",
        "wbe",
        "`web`",
        "ballance",
        "`balance`",
        "conect",
        "`connect`",
        "pools.empty.backends",
        "127.0.0.1:3000",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing in:\n{text}");
    }
}

#[test]
fn a_file_that_is_no_yaml_or_not_there_is_a_problem() {
    let output = check("listeners: [\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("evenkeel.yaml"), "{}", stderr(&output));
    let output = run(&["check", "-c", "/nonexistent/evenkeel.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("/nonexistent/evenkeel.yaml"));
}

#[test]
fn the_schema_is_json() {
    let output = run(&["schema"]);
    assert_eq!(output.status.code(), Some(0));
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for key in ["admin", "listeners", "routes", "pools", "drain_timeout"] {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
}

#[test]
fn version_and_help_are_told() {
    let output = run(&["--version"]);
    assert_eq!(stdout(&output).trim(), concat!("evenkeel ", env!("CARGO_PKG_VERSION")));
    let output = run(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    for word in ["run", "check", "schema", "demo", "fault-backend", "evenkeel run --listen"] {
        assert!(stdout(&output).contains(word), "{word}");
    }
}

#[test]
fn a_mistake_is_named() {
    let output = run(&["runn"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("runn"));
    assert_eq!(run(&["run"]).status.code(), Some(2));
}
