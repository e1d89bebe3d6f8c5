//! Routes: each leads to a pool, each can match, and each pool is led to.

use std::collections::{HashMap, HashSet};

use evenkeel_routing::{HostMatch, PathMatch, Rule};

use super::CheckedPool;
use super::pools::{retry, timeouts};
use crate::document::RouteDocument;
use crate::plan::PoolPlan;
use crate::problem::{Code, Problems};
use crate::tree::Place;
use crate::words::{did_you_mean, listed, quoted};

/// Checks every route; without any, the only pool gets all requests.
pub(super) fn check(
    documents: Option<Vec<RouteDocument>>,
    pools: &[CheckedPool<'_>],
    root: &Place<'_>,
    problems: &mut Problems,
) -> Vec<Rule> {
    let list = root.key("routes");
    if !list.is_written() {
        return implied(pools, root, problems);
    }
    if list.is_empty() {
        let help = "with one pool, leave `routes` out; else write one, like `routes: [{ pool: web }]`";
        problems.at(&list.clone().at_key(), Code::Empty, "there is no route", help);
        return Vec::new();
    }
    let mut seen = HashMap::new();
    let mut rules = Vec::new();
    for (document, place) in documents.unwrap_or_default().into_iter().zip(list.items()) {
        let found = pools.iter().find(|pool| pool.plan.name.as_str() == document.pool.0.0);
        if found.is_none() {
            report_unknown(&document.pool.0.0, &place.key("pool"), root, problems);
        }
        let (host, path) = matches(&document);
        if !place.key("match").is_broken() {
            check_twice(&host, &path, &place, &mut seen, problems);
        }
        if let Some(pool) = found {
            check_tls_timeout(&document, pool, &place, problems);
            rules.push(rule(document, host, path, &pool.plan));
        }
    }
    // A route that is not understood may lead anywhere.
    if !list.is_broken() && rules.len() == list.items().len() {
        check_reachable(&rules, pools, problems);
    }
    rules
}

/// The route that need not be written.
fn implied(pools: &[CheckedPool<'_>], root: &Place<'_>, problems: &mut Problems) -> Vec<Rule> {
    if root.key("pools").keys_as_written().len() > 1 && !root.key("routes").is_broken() {
        let names = root.key("pools").keys_as_written();
        let message = "with several pools, `routes` has to say which requests go where";
        let help = format!(
            "the pools are {}; `routes: [{{ pool: {} }}]` sends every request to the first",
            listed(names.iter().copied()),
            names[0]
        );
        problems.at(&root.key("pools").at_key(), Code::MissingKey, message, help);
    }
    let only = pools.first().map(|pool| Rule {
        host: HostMatch::Any,
        path: PathMatch::Any,
        pool: pool.plan.name.clone(),
        timeouts: pool.plan.rule.timeouts,
        retry: pool.plan.rule.retry.clone(),
    });
    only.into_iter().collect()
}

fn matches(document: &RouteDocument) -> (HostMatch, PathMatch) {
    let written = document.r#match.as_ref();
    let host = written.and_then(|it| it.host.as_ref()).map_or(HostMatch::Any, |host| host.0.0.clone());
    let path = written.and_then(|it| it.path.as_ref()).map_or(PathMatch::Any, |path| path.0.0.clone());
    (host, path)
}

fn rule(document: RouteDocument, host: HostMatch, path: PathMatch, pool: &PoolPlan) -> Rule {
    Rule {
        host,
        path,
        pool: pool.name.clone(),
        timeouts: timeouts(document.timeouts, pool.rule.timeouts),
        retry: retry(document.retry, pool.rule.retry.clone()),
    }
}

fn check_tls_timeout(
    document: &RouteDocument,
    pool: &CheckedPool<'_>,
    place: &Place<'_>,
    problems: &mut Problems,
) {
    let is_written = document.timeouts.as_ref().is_some_and(|timeouts| timeouts.tls.is_some());
    let has_tls = pool.plan.backends.iter().any(|backend| backend.tls.is_some());
    if is_written && !has_tls && !pool.place.is_any_broken(&["backends", "tls"]) {
        let message =
            format!("no backend of the pool {} is spoken to over TLS", quoted(pool.plan.name.as_str()));
        let help = "remove it, or write `https://` before a backend's address";
        problems.at(&place.key("timeouts").key("tls").at_key(), Code::Conflict, message, help);
    }
}

fn report_unknown(name: &str, place: &Place<'_>, root: &Place<'_>, problems: &mut Problems) {
    let known = root.key("pools").keys_as_written();
    // A pool with a problem of its own is known all the same; without any pool, that is the problem.
    if known.is_empty() || known.contains(&name) {
        return;
    }
    let help = format!(
        "{}known pools: {}",
        did_you_mean(name, known.iter().copied()),
        listed(known.iter().copied())
    );
    problems.at(place, Code::UnknownName, format!("there is no pool {}", quoted(name)), help);
}

fn check_twice(
    host: &HostMatch,
    path: &PathMatch,
    place: &Place<'_>,
    seen: &mut HashMap<(HostMatch, PathMatch), String>,
    problems: &mut Problems,
) {
    let Some(first) = seen.get(&(host.clone(), path.clone())) else {
        seen.insert((host.clone(), path.clone()), place.path.clone());
        return;
    };
    let message = format!("it can never match: {first} takes the same requests");
    let at = if place.key("match").is_written() { place.key("match") } else { place.key("pool") };
    problems.at(&at, Code::Unreachable, message, "remove one of the two, or give it another `match`");
}

fn check_reachable(rules: &[Rule], pools: &[CheckedPool<'_>], problems: &mut Problems) {
    let reached: HashSet<&str> = rules.iter().map(|rule| rule.pool.as_str()).collect();
    for pool in pools.iter().filter(|pool| !reached.contains(pool.plan.name.as_str())) {
        let message = format!("no route leads to the pool {}", quoted(pool.plan.name.as_str()));
        let help = "add a route with this `pool`, or remove the pool";
        problems.at(&pool.place.clone().at_key(), Code::Unreachable, message, help);
    }
}
