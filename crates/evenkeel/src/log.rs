//! The log of events on standard error: text on a terminal, one JSON object a line otherwise.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// What is logged unless the environment says otherwise.
const DEFAULT_FILTER: &str = "info";

/// What the resolver's library has to say about a packet is said better by what came of the look-up.
const LIBRARIES: &str = "hickory_resolver=error,hickory_net=error,hickory_proto=error";

/// Starts the log; a second call does nothing. `EVENKEEL_LOG`, else `RUST_LOG`, filters it; a filter that
/// cannot be read is said so, and the default holds.
pub(crate) fn start() {
    let (filter, mistake) = filter();
    let is_terminal = io::stderr().is_terminal();
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // Only tests start the log twice; the first one stays.
    let _ = if is_terminal {
        builder.with_ansi(true).try_init()
    } else {
        builder.json().flatten_event(true).with_target(true).try_init()
    };
    if let Some(mistake) = mistake {
        tracing::warn!("{mistake}; `{DEFAULT_FILTER}` holds");
    }
}

fn filter() -> (EnvFilter, Option<String>) {
    for name in ["EVENKEEL_LOG", "RUST_LOG"] {
        let Some(text) = std::env::var(name).ok().filter(|text| !text.is_empty()) else {
            continue;
        };
        return match EnvFilter::try_new(format!("{LIBRARIES},{text}")) {
            Ok(filter) => (filter, None),
            Err(error) => (default(), Some(format!("{name} is no log filter: {error}"))),
        };
    }
    (default(), None)
}

fn default() -> EnvFilter {
    EnvFilter::new(format!("{LIBRARIES},{DEFAULT_FILTER}"))
}
