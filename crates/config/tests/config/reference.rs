//! `docs/configuration.md` names every key of the schema, and no other; `examples/full.yaml` names every key.

use std::collections::BTreeSet;

use evenkeel_config::schema;
use serde_json::Value;

use crate::example;

/// What is the same as elsewhere, and is not written twice.
const SAME: [&str; 2] = ["routes[].timeouts", "routes[].retry"];

fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let name = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/$defs/"));
    name.map_or(schema, |name| &root["$defs"][name])
}

/// Every key below a schema, as a path like `pools.NAME.timeouts.head`.
fn collect(schema: &Value, root: &Value, path: &str, keys: &mut BTreeSet<String>) {
    let schema = resolve(schema, root);
    for (key, below) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        keys.insert(path.clone());
        if !SAME.contains(&path.as_str()) {
            collect(below, root, &path, keys);
        }
    }
    if let Some(below) = schema.get("additionalProperties").filter(|below| below.is_object()) {
        collect(below, root, &format!("{path}.NAME"), keys);
    }
    if let Some(below) = schema.get("items") {
        collect(below, root, &format!("{path}[]"), keys);
    }
    for choice in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        collect(choice, root, path, keys);
    }
}

fn documented() -> BTreeSet<String> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
    let text = std::fs::read_to_string(file).expect("the reference is there");
    // Keys stand in the first column of tables.
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    cells.map(|(key, _)| key.to_string()).collect()
}

#[test]
fn the_reference_names_every_key_and_no_other() {
    let root = schema();
    let mut keys = BTreeSet::new();
    collect(&root, &root, "", &mut keys);
    let documented = documented();
    let missing: Vec<&String> = keys.difference(&documented).collect();
    let surplus: Vec<&String> = documented.difference(&keys).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing: {missing:#?}\nsurplus: {surplus:#?}");
}

#[test]
fn the_full_example_names_every_key() {
    let root = schema();
    let mut keys = BTreeSet::new();
    collect(&root, &root, "", &mut keys);
    // Keys that stand in for each other are in comments.
    let text = example("full.yaml").replace(['#', '`', '{', ','], " ");
    let words: BTreeSet<&str> = text.split_whitespace().filter_map(|word| word.strip_suffix(':')).collect();
    let name = |key: &str| key.rsplit('.').next().unwrap_or(key).to_string();
    let missing: Vec<String> = keys.into_iter().filter(|key| !words.contains(name(key).as_str())).collect();
    assert!(missing.is_empty(), "missing: {missing:#?}");
}
