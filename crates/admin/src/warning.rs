//! What is worth a look in the configuration that serves, though it works.

use serde::Serialize;

/// One such thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The kind of it, stable for scripts.
    pub code: &'static str,
    /// Where in the configuration, like `pools.web.tls.verify`.
    pub path: String,
    /// What it is.
    pub message: String,
    /// How to mend it.
    pub help: Option<String>,
}
