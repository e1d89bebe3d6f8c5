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
