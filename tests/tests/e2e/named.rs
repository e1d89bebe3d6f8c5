//! Configurations with one pool, `web`, of backends that have names.

use evenkeel_tests::backend::Backend;
use evenkeel_tests::balancer::{Evenkeel, SOON};
use evenkeel_tests::wait;
use serde_json::Value;

/// One worker, an access log, and these backends by name and address; `settings` are lines of the pool.
pub(crate) fn pool(backends: &[(&str, String)], settings: &[&str]) -> String {
    let named = |(name, address): &(&str, String)| format!("{{ name: {name}, address: \"{address}\" }}");
    let backends: Vec<String> = backends.iter().map(named).collect();
    let mut text = format!(
        "access_log: {{ path: stdout }}\nworkers: 1\npools:\n  web:\n    backends: [{}]\n",
        backends.join(", ")
    );
    settings.iter().for_each(|line| text.push_str(&format!("    {line}\n")));
    text
}

/// As [`pool`], of scripted backends, running.
pub(crate) fn start(backends: &[(&str, &Backend)], settings: &[&str]) -> Evenkeel {
    let addresses: Vec<_> = backends.iter().map(|(name, backend)| (*name, backend.address())).collect();
    Evenkeel::start(&pool(&addresses, settings))
}

/// The access log's entry for a path, once it is there.
#[track_caller]
pub(crate) fn entry(evenkeel: &Evenkeel, path: &str) -> Value {
    wait::until(SOON, &format!("{path} in the access log"), || {
        evenkeel.events().into_iter().find(|event| event["path"] == path)
    })
}

/// The sum of a metric of the pool, without its prefix `evenkeel_`.
pub(crate) fn sum(evenkeel: &Evenkeel, name: &str, labels: &[(&str, &str)]) -> f64 {
    evenkeel.metrics().sum(&format!("evenkeel_{name}"), &[&[("pool", "web")], labels].concat())
}
