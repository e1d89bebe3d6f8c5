//! Which route a request takes: the most specific match wins, whatever the order in the file.
//!
//! The host decides before the path; a host whose routes do not match the path gives way to a less specific one.

use std::collections::HashMap;
use std::sync::Arc;

use evenkeel_model::RouteCounters;

use crate::{HostMatch, PathMatch, Rule};

/// Longest host name that can match (RFC 1035, section 2.3.4).
const LONGEST_HOST: usize = 255;

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
    exact: Map<Paths>,
    wildcard: Map<Paths>,
    any: Paths,
}

type Map<T> = HashMap<Box<[u8]>, T, foldhash::fast::RandomState>;

/// The routes of one host, by path.
#[derive(Debug, Default)]
struct Paths {
    exact: Map<Arc<Route>>,
    /// Without the slash at the end.
    prefix: Map<Arc<Route>>,
    any: Option<Arc<Route>>,
}

impl Router {
    /// Indexes the routes; of two that match the same, the first counts.
    pub fn new(routes: Vec<Arc<Route>>) -> Self {
        let mut router = Router::default();
        for route in &routes {
            router.paths(&route.rule.host).insert(route);
        }
        router.routes = routes;
        router
    }

    /// Every route, in configured order.
    pub fn routes(&self) -> &[Arc<Route>] {
        &self.routes
    }

    /// The route for `host`, as the `Host` field has it, and `path`, without its query.
    #[inline]
    pub fn find(&self, host: &[u8], path: &[u8]) -> Option<&Arc<Route>> {
        if self.exact.is_empty() && self.wildcard.is_empty() {
            return self.any.find(path);
        }
        self.find_by_host(host, path).or_else(|| self.any.find(path))
    }

    fn find_by_host(&self, host: &[u8], path: &[u8]) -> Option<&Arc<Route>> {
        let mut lower = [0; LONGEST_HOST];
        let name = without_port(host);
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let lower = &*lower;
        let exact = self.exact.get(lower).and_then(|paths| paths.find(path));
        exact.or_else(|| {
            let dots = (0..lower.len()).filter(|at| lower[*at] == b'.');
            dots.filter_map(|dot| self.wildcard.get(&lower[dot + 1..])).find_map(|paths| paths.find(path))
        })
    }

    fn paths(&mut self, host: &HostMatch) -> &mut Paths {
        match host {
            HostMatch::Any => &mut self.any,
            HostMatch::Wildcard(suffix) => self.wildcard.entry(suffix.as_bytes().into()).or_default(),
            HostMatch::Exact(name) => self.exact.entry(name.as_bytes().into()).or_default(),
        }
    }
}

impl Paths {
    fn insert(&mut self, route: &Arc<Route>) {
        match &route.rule.path {
            PathMatch::Any => {
                self.any.get_or_insert_with(|| route.clone());
            }
            PathMatch::Prefix(prefix) => {
                let prefix = prefix.as_bytes();
                let key = prefix.strip_suffix(b"/").unwrap_or(prefix);
                self.prefix.entry(key.into()).or_insert_with(|| route.clone());
            }
            PathMatch::Exact(path) => {
                self.exact.entry(path.as_bytes().into()).or_insert_with(|| route.clone());
            }
        }
    }

    #[inline]
    fn find(&self, path: &[u8]) -> Option<&Arc<Route>> {
        if self.exact.is_empty() && self.prefix.is_empty() {
            return self.any.as_ref();
        }
        self.exact.get(path).or_else(|| self.longest_prefix(path)).or(self.any.as_ref())
    }

    /// By whole segments: `/v1` first, then `/`, never `/v`.
    fn longest_prefix(&self, path: &[u8]) -> Option<&Arc<Route>> {
        if self.prefix.is_empty() {
            return None;
        }
        let mut front = path;
        loop {
            if let Some(route) = self.prefix.get(front) {
                return Some(route);
            }
            let slash = front.iter().rposition(|byte| *byte == b'/')?;
            front = &front[..slash];
        }
    }
}

/// The host of a `Host` field without its port and without the root's dot.
fn without_port(host: &[u8]) -> &[u8] {
    let name = match host.iter().rposition(|byte| *byte == b':') {
        Some(colon) if !host[colon..].contains(&b']') => &host[..colon],
        _ => host,
    };
    name.strip_suffix(b".").unwrap_or(name)
}
