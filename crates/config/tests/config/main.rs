//! The configuration as its users meet it: the examples, the reference, and what happens to a file full of slips.
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

mod certificates;
mod changes;
mod examples;
mod folders;
mod health;
mod health_slips;
mod mutations;
mod naming;
mod problems;
mod reference;
mod reread;
mod retries;
mod schema;
mod system;
mod tls;
mod values;

use evenkeel_config::{Plan, Problems};

/// The text as a plan, with an empty environment.
fn parse(text: &str) -> Result<Plan, Problems> {
    evenkeel_config::parse(text, "test.yaml", &|_| None)
}

/// The smallest good file with more keys in the pool `web`, in flow style.
fn with_pool(more: &str) -> String {
    format!(
        "listeners: [{{ address: \"127.0.0.1:8080\" }}]\npools: {{ web: {{ backends: [\"a:80\"], {more} }} }}\n"
    )
}

/// The smallest good file with more keys at the top.
fn with_top(more: &str) -> String {
    format!(
        "{more}\nlisteners: [{{ address: \"127.0.0.1:8080\" }}]\npools: {{ web: {{ backends: [\"a:80\"] }} }}\n"
    )
}

/// The smallest good file with more keys in its listener, in flow style.
fn with_listener(more: &str) -> String {
    format!(
        "listeners: [{{ address: \"127.0.0.1:8080\", {more} }}]\npools: {{ web: {{ backends: [\"a:80\"] }} }}\n"
    )
}

/// Code, path and line of each problem.
fn found(text: &str) -> Vec<(&'static str, String, usize)> {
    let problems = match parse(text) {
        Ok(_) => return Vec::new(),
        Err(problems) => problems,
    };
    problems.iter().map(|problem| (problem.code.as_str(), problem.path.clone(), problem.line)).collect()
}

/// Every example: its name and its text.
fn all_examples() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let files = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path());
    let mut examples: Vec<(String, String)> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).expect("it is text")))
        .collect();
    examples.sort();
    assert!(examples.len() >= 5, "only {} examples in {folder}", examples.len());
    examples
}

/// The text of one example.
fn example(name: &str) -> String {
    let found = all_examples().into_iter().find(|(path, _)| path.ends_with(name));
    found.unwrap_or_else(|| panic!("there is no example {name}")).1
}
