//! The schema accepts what loads, refuses what cannot, and describes every key.

use std::sync::LazyLock;

use evenkeel_config::schema;
use serde_json::Value;

use crate::{all_examples, with_listener, with_pool, with_top};

static VALIDATOR: LazyLock<jsonschema::Validator> =
    LazyLock::new(|| jsonschema::validator_for(&schema()).expect("the schema is a schema"));

fn is_valid(text: &str) -> Result<(), String> {
    let document: Value = serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    VALIDATOR.validate(&document).map_err(|error| format!("{}: {error}", error.instance_path()))
}

#[test]
fn every_example_is_valid() {
    for (path, text) in all_examples() {
        assert_eq!(is_valid(&text), Ok(()), "{path}");
    }
}

#[test]
fn what_works_is_valid_and_what_does_not_is_not() {
    for (text, expected) in [
        (with_top("access_log: off"), true),
        (with_top("access_log: false"), true),
        (with_top("admin: { address: off }"), true),
        (with_top("workers: 256"), true),
        (with_top("workers: 257"), false),
        (with_top("workers: many"), false),
        (with_top("drain_timeout: 1m30s"), true),
        (with_top("drain_timeout: 30"), false),
        (with_top("unknown: 1"), false),
        (with_top("dns: off"), false),
        (with_top("dns: { servers: [], timeout: 5s }"), true),
        (with_top("dns: { servers: [10.0.0.2, \"[::1]:5353\"] }"), true),
        (with_top("dns: { servers: 10.0.0.2 }"), false),
        (with_top("admin: { socket: off }"), true),
        (with_top("admin: { socket: /run/a.sock }"), true),
        (with_top("admin: { socket: true }"), false),
        (with_listener("limits: { head_bytes: 64KiB, body_bytes: 0, age: off }"), true),
        (with_listener("limits: { head_bytes: 64k }"), false),
        (with_listener("limits: { fields: 0 }"), false),
        (with_listener("tls: {}"), false),
        (with_listener("tls: off"), true),
        (with_listener("tls: { certificates: [{ certificate: 1 }] }"), false),
        (with_listener("tls: { certificates: [{ pem: /a }] }"), false),
        (with_listener("hsts: off"), true),
        (with_listener("hsts: 365d"), false),
        (with_listener("redirect_to_https: true"), true),
        (with_listener("redirect_to_https: 8443"), true),
        (with_listener("redirect_to_https: 0"), false),
        (with_pool("tls: off"), true),
        (with_pool("tls: { verify: maybe }"), false),
        (with_top("drain_timeout: 1d"), true),
        (with_listener("underscores: pass"), true),
        (with_listener("underscores: keep"), false),
        (with_listener("upgrades: off"), true),
        (with_listener("upgrades: [websocket, irc/6.9]"), true),
        (with_listener("half_close: true, refuse_ambiguous_paths: off"), true),
        (with_listener("half_close: often"), false),
        (with_pool("limits: { informational: 0 }"), true),
        (with_pool("limits: { informational: -1 }"), false),
        (with_listener("protocols: [h2]"), false),
        (with_pool("retry: off"), true),
        (with_pool("retry: { attempts: 11 }"), false),
        (with_pool("retry: { statuses: [404] }"), false),
        (with_pool("balance: fastest"), false),
        (with_pool("health: { probe: { tcp: true }, eject: off }"), true),
        (with_pool("health: { probe: { tcp: false, path: / } }"), true),
        (with_pool("health: { probe: { tcp: { send: \"PING\\r\\n\", expect: +PONG } } }"), true),
        (with_pool("health: { probe: { tcp: { sends: x } } }"), false),
        (with_pool("health: { probe: { tcp: { send: \"\" } } }"), false),
        (with_pool("health: { probe: { path: /, statuses: [200, 300-399, \"204\"] } }"), true),
        (with_pool("health: { probe: { path: /, statuses: [600] } }"), false),
        (with_pool("health: { probe: { path: /, statuses: [2xx] } }"), false),
        (with_pool("health: { probe: { path: /, statuses: 200 } }"), false),
        (with_pool("health: { probe: { path: /, headers: { X-A: \"1\", X-B: \"\" } } }"), true),
        (with_pool("health: { probe: { path: /, headers: { X-A: 1 } } }"), false),
        (with_pool("health: { probe: { path: /, headers: [X-A] } }"), false),
        (with_pool("health: { probe: { path: /, port: 65535, jitter: 50% } }"), true),
        (with_pool("health: { probe: { path: /, port: 0 } }"), false),
        (with_pool("health: { probe: { path: /, jitter: 51% } }"), false),
        (with_pool("health: { initial: serving }"), true),
        (with_pool("health: { initial: dead }"), false),
        (with_pool("health: { eject: { rate: off, gateway_rate: 1%, keep_at_least: 0% } }"), true),
        (with_pool("health: { eject: { rate: 0% } }"), false),
        (with_pool("health: { eject: { deviation: 1.9, latency: 2 } }"), true),
        (with_pool("health: { eject: { deviation: 2, latency: off } }"), true),
        (with_pool("health: { eject: { deviation: 0.9 } }"), false),
        (with_pool("health: { eject: { latency: 1 } }"), false),
        (with_pool("resolve: each"), true),
        (with_pool("resolve: never"), false),
        (with_pool("stall: { floor: 1s, factor: 10 }"), true),
        (with_pool("stall: off"), true),
        (with_pool("stall: { factor: 0 }"), false),
        (with_pool("retry: { replay_bytes: off, backoff: 0s, retry_after: off, budget: off }"), true),
        (with_pool("retry: { budget: { share: 100%, window: 10s, at_least: 10 } }"), true),
        (with_pool("retry: { budget: { share: 101% } }"), false),
        (with_pool("retry: { budget: { share: 20 } }"), false),
        (with_pool("retry: { budget: { share: 0.2 } }"), false),
        (with_pool("retry: { replay_bytes: 17000000 }"), false),
        ("pools: []".into(), false),
        ("listeners: [{}]".into(), false),
    ] {
        assert_eq!(is_valid(&text).is_ok(), expected, "{text}");
        let loads = crate::parse(&text);
        assert_eq!(loads.is_ok(), expected, "{text}: {loads:?}");
    }
}

#[test]
fn every_key_has_a_description() {
    fn walk(value: &Value, at: &str) {
        if let Some(keys) = value.get("properties").and_then(Value::as_object) {
            for (key, schema) in keys {
                let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
                assert!(description.len() > 5, "{at}.{key} has no description: {schema}");
            }
        }
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| walk(value, &format!("{at}.{key}"))),
            Value::Array(items) => items.iter().for_each(|value| walk(value, at)),
            _ => {}
        }
    }
    walk(&schema(), "");
}
