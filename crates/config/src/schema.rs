//! The JSON schema of a configuration file, for editors.

use schemars::schema_for;

use crate::document::Document;

/// A JSON schema (2020-12) with a description for every key. It knows shapes, words and ranges; what concerns
/// several values at once, only `evenkeel check` knows.
pub fn schema() -> serde_json::Value {
    let mut schema = schema_for!(Document);
    schema.insert("title".into(), "evenkeel".into());
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::document::NOT_YET;

    /// Keys that are marked as not working yet, and the others.
    fn split(value: &Value, later: &mut BTreeSet<String>, working: &mut BTreeSet<String>) {
        for (key, schema) in value.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let is_later =
                schema["description"].as_str().unwrap_or_default().starts_with("Does not work yet");
            assert_eq!(is_later, schema.to_string().contains("$comment"), "{key}: {schema}");
            let _ = if is_later { later.insert(key.clone()) } else { working.insert(key.clone()) };
        }
        match value {
            Value::Object(map) => map.values().for_each(|value| split(value, later, working)),
            Value::Array(items) => items.iter().for_each(|value| split(value, later, working)),
            _ => {}
        }
    }

    #[test]
    fn the_list_of_planned_keys_is_complete() {
        let (mut later, mut working) = (BTreeSet::new(), BTreeSet::new());
        split(&schema(), &mut later, &mut working);
        let listed: Vec<&str> = later.iter().map(String::as_str).collect();
        let twofold: Vec<&String> = later.intersection(&working).collect();
        // `tls` and the others are nowhere a key that works, so the name alone tells.
        assert_eq!((listed.as_slice(), twofold), (NOT_YET, Vec::new()));
    }
}
