//! Which route a request takes: the most specific match wins, whatever the order in the file.

use std::sync::Arc;

use evenkeel_model::RouteCounters;

use crate::Rule;

/// A route, ready to walk.
#[derive(Debug)]
pub struct Route {
    /// What operators call it: `host path`, for example `api.example.com/v1/` or `*`.
    pub label: Arc<str>,
    /// What it matches and how long it waits.
    pub rule: Rule,
    /// Index of its pool in the snapshot.
    pub pool: usize,
    /// Kept over reloads, by label.
    pub counters: Arc<RouteCounters>,
}

/// Every route of a plan, indexed.
#[derive(Debug, Default)]
pub struct Router {
    routes: Vec<Arc<Route>>,
}
