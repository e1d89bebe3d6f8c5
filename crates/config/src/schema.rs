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
    use serde_json::Value;

    use super::*;
    use crate::document::is_not_yet;

    /// Compares every map of the schema with the list; returns how many planned keys there are.
    fn check(schema: &Value) -> usize {
        let mut count = 0;
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            for (key, value) in properties {
                let description = value["description"].as_str().unwrap_or_default();
                let is_later = description.starts_with("Does not work yet");
                assert_eq!(is_later, value.to_string().contains("$comment"), "{key}: {value}");
                assert_eq!(is_later, is_not_yet(key), "{key}");
                count += usize::from(is_later);
            }
        }
        match schema {
            Value::Object(map) => map.values().map(check).sum::<usize>() + count,
            Value::Array(items) => items.iter().map(check).sum(),
            _ => 0,
        }
    }

    #[test]
    fn the_list_of_planned_keys_is_complete_for_every_map() {
        assert!(check(&schema()) >= 5);
    }
}
