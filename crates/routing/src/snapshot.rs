//! The one thing that is published to the request path: routes, pools and listeners, all of one moment.

use std::sync::Arc;

use arc_swap::ArcSwap;
use evenkeel_model::ListenerCounters;

use crate::{ForwardingRule, ListenerRule, Pool, Router};

/// Where workers find the newest snapshot; written by control alone.
pub type View = Arc<ArcSwap<Snapshot>>;

/// Everything that the request path reads, immutable.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Counts accepted plans.
    pub generation: u64,
    /// Counts every publication, changes of health included.
    pub epoch: u64,
    /// Which route a request takes.
    pub router: Arc<Router>,
    /// Every pool; routes point here by index.
    pub pools: Vec<Arc<Pool>>,
    /// Every listener.
    pub listeners: Vec<Arc<Listener>>,
    /// Forwarding fields.
    pub forwarding: ForwardingRule,
}

/// A listener's rule with the counters that outlive it.
#[derive(Debug)]
pub struct Listener {
    /// What the operator decided.
    pub rule: ListenerRule,
    /// Kept over reloads, by name.
    pub counters: Arc<ListenerCounters>,
}

impl Snapshot {
    /// The listener of this name.
    pub fn listener(&self, name: &str) -> Option<&Arc<Listener>> {
        self.listeners.iter().find(|listener| &*listener.rule.name == name)
    }
}
