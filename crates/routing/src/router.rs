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
    /// Length of the longest prefix, in bytes: no longer part of a path is looked at.
    longest: usize,
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
                self.longest = self.longest.max(key.len());
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
        let mut front = match path.get(..=self.longest) {
            Some(cut) if path.len() > self.longest => &cut[..cut.iter().rposition(|byte| *byte == b'/')?],
            Some(_) | None => path,
        };
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

#[cfg(test)]
mod tests {
    use evenkeel_model::{PerCore, PoolName};

    use super::*;

    fn route(host: &str, path: &str) -> Arc<Route> {
        let host = match host.strip_prefix("*.") {
            _ if host == "*" => HostMatch::Any,
            Some(suffix) => HostMatch::Wildcard(suffix.into()),
            None => HostMatch::Exact(host.into()),
        };
        let path = match path {
            "*" => PathMatch::Any,
            path if path.ends_with('/') => PathMatch::Prefix(path.into()),
            path => PathMatch::Exact(path.into()),
        };
        let pool = PoolName::new("web");
        let rule = Rule { host, path, pool, timeouts: Default::default(), retry: Default::default() };
        let counters = Arc::new(PerCore::new(1));
        Arc::new(Route { label: rule.label().into(), rule, pool: 0, counters })
    }

    fn found(router: &Router, host: &str, path: &str) -> Option<String> {
        router.find(host.as_bytes(), path.as_bytes()).map(|route| route.label.to_string())
    }

    #[test]
    fn the_most_specific_route_wins_whatever_the_order() {
        let mut routes: Vec<_> = [
            ("*", "*"),
            ("*", "/static/"),
            ("*.example.com", "*"),
            ("*.api.example.com", "/v1/"),
            ("www.example.com", "/"),
            ("www.example.com", "/v1/"),
            ("www.example.com", "/v1/users/"),
            ("www.example.com", "/v1/users"),
            ("only.example.com", "/here"),
        ]
        .iter()
        .map(|(host, path)| route(host, path))
        .collect();
        for _ in 0..2 {
            let router = Router::new(routes.clone());
            for (host, path, label) in [
                ("www.example.com", "/v1/users", "www.example.com/v1/users"),
                ("www.example.com", "/v1/users/", "www.example.com/v1/users/"),
                ("www.example.com", "/v1/users/7", "www.example.com/v1/users/"),
                ("www.example.com", "/v1/usersX", "www.example.com/v1/"),
                ("www.example.com", "/v1", "www.example.com/v1/"),
                ("www.example.com", "/v10", "www.example.com/"),
                ("WWW.Example.COM:8080", "/v1/", "www.example.com/v1/"),
                ("www.example.com.", "/", "www.example.com/"),
                ("a.b.example.com", "/v1/", "*.example.com"),
                ("a.api.example.com", "/v1/x", "*.api.example.com/v1/"),
                ("a.api.example.com", "/v2", "*.example.com"),
                ("only.example.com", "/here", "only.example.com/here"),
                ("only.example.com", "/there", "*.example.com"),
                ("example.com", "/", "*"),
                ("example.com", "/static/x.css", "*/static/"),
                ("[::1]:80", "/", "*"),
                ("", "*", "*"),
            ] {
                assert_eq!(found(&router, host, path).as_deref(), Some(label), "{host} {path}");
            }
            routes.reverse();
        }
    }

    #[test]
    fn a_host_that_is_too_long_to_match_takes_any_route() {
        let router = Router::new(vec![route("a.example.com", "*"), route("*", "*")]);
        assert_eq!(found(&router, &"a".repeat(300), "/").as_deref(), Some("*"));
    }

    #[test]
    fn where_nothing_matches_there_is_no_route() {
        let router = Router::new(vec![route("a.example.com", "/v1/"), route("*.example.org", "*")]);
        for (host, path) in
            [("a.example.com", "/"), ("example.org", "/"), ("aexample.org", "/"), ("b", "/v1/")]
        {
            assert_eq!(found(&router, host, path), None, "{host} {path}");
        }
    }
}
