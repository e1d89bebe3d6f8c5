//! Pools: their rules, and backends that are there once.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use evenkeel_model::{Address, PoolName};
use evenkeel_routing::{Budget, Connections, PoolRule, Retry, Stall, Timeouts};

use super::backend_tls::{self, PoolTls};
use super::{Material, health, require};
use crate::document::{
    BackendDocument, BudgetDocument, ConnectionsDocument, Name, PoolDocument, RetryDocument, StallDocument,
    Switch, TimeoutsDocument,
};
use crate::plan::{BackendPlan, PoolPlan, Resolve};
use crate::problem::{Code, Problems};
use crate::tree::Place;
use crate::words::quoted;

/// A pool, and where it stands.
pub(crate) struct CheckedPool<'a> {
    pub(crate) plan: PoolPlan,
    pub(crate) place: Place<'a>,
}

/// Checks every pool.
pub(super) fn check<'a>(
    documents: Vec<(String, PoolDocument)>,
    root: &Place<'a>,
    material: &mut Material,
    problems: &mut Problems,
) -> Vec<CheckedPool<'a>> {
    let table = root.key("pools");
    require(&table, "pool", "write one, like `pools: { web: { backends: [\"127.0.0.1:3000\"] } }`", problems);
    let pools = documents.into_iter().zip(table.entries());
    pools.map(|((name, document), place)| pool(&name, document, place, material, problems)).collect()
}

fn pool<'a>(
    name: &str,
    document: PoolDocument,
    place: Place<'a>,
    material: &mut Material,
    problems: &mut Problems,
) -> CheckedPool<'a> {
    if let Err(refusal) = name.parse::<Name>() {
        problems.at(&place.clone().at_key(), Code::BadValue, refusal.message, refusal.help);
    }
    let defaults = PoolRule::default();
    let resolve = document.resolve.map_or(Resolve::default(), |word| word.0);
    let has_tls = document.backends.iter().any(|backend| backend.address.is_tls);
    let name = PoolName::new(name);
    let tls = backend_tls::check(document.tls, has_tls, &name, &place, material, problems);
    let backends = backends(document.backends, resolve, &tls, &place.key("backends"), problems);
    check_has_tls(has_tls, &place, problems);
    let when_all_ejected = document.health.as_ref().and_then(|health| health.when_all_ejected);
    let of_pool = health::OfPool { backends: &backends, has_tls, host: tls.host.as_deref() };
    let health = health::check(document.health, of_pool, &place.key("health"), problems);
    let limits = document.limits.as_ref();
    let plan = PoolPlan {
        name,
        rule: PoolRule {
            balance: document.balance.map_or(defaults.balance, |word| word.0),
            timeouts: timeouts(document.timeouts, defaults.timeouts),
            retry: retry(document.retry, defaults.retry),
            stall: document.stall.map_or(defaults.stall, |it| it.on().map(stall)),
            connections: document.connections.map_or(defaults.connections, connections),
            when_all_ejected: when_all_ejected.map_or(defaults.when_all_ejected, |word| word.0),
            count_500: health.eject.is_some_and(|eject| eject.count_500),
            head_bytes: limits
                .and_then(|limits| limits.head_bytes)
                .map_or(defaults.head_bytes, |bytes| bytes.0 as usize),
            informational: limits
                .and_then(|limits| limits.informational)
                .map_or(defaults.informational, |count| count.0 as u16),
            proxy_status_addresses: document
                .proxy_status
                .and_then(|told| told.addresses)
                .map_or(defaults.proxy_status_addresses, |addresses| addresses.on().unwrap_or(false)),
            host: tls.host,
        },
        health,
        backends,
    };
    CheckedPool { plan, place }
}

fn backends(
    documents: Vec<BackendDocument>,
    resolve: Resolve,
    tls: &PoolTls,
    list: &Place<'_>,
    problems: &mut Problems,
) -> Vec<BackendPlan> {
    if list.is_empty() {
        let help = "write at least one, like `backends: [\"127.0.0.1:3000\"]`";
        problems.at(&list.clone().at_key(), Code::Empty, "there is no backend", help);
    }
    let (mut addresses, mut names) = (HashMap::new(), HashSet::new());
    let mut plans = Vec::new();
    for (document, place) in documents.into_iter().zip(list.items()) {
        let written = document.resolve.map(|word| word.0);
        let is_tls = document.address.is_tls;
        let mut plan = backend(document, resolve);
        check_resolve(written, &plan.address, &place, problems);
        let at = if place.key("address").is_written() { place.key("address") } else { place.clone() };
        if is_tls {
            plan.tls = tls.dial(&plan.address, &at, problems);
        }
        let first = addresses.entry(plan.address.clone()).or_insert_with(|| (place.path.clone(), is_tls));
        if first.0 != place.path {
            let shown = quoted(&plan.address.to_string());
            let (message, help) = match (first.1, is_tls) {
                (false, true) => {
                    (format!("{shown} is in this pool already, without TLS"), "keep one of the two")
                }
                (true, false) => {
                    (format!("{shown} is in this pool already, with TLS"), "keep one of the two")
                }
                (true, true) | (false, false) => {
                    let help = "to send it more requests, give it a `weight`";
                    (format!("{shown} is in this pool already"), help)
                }
            };
            problems.at(&at, Code::Conflict, message, format!("{} has it; {help}", first.0));
        }
        let label = plan.name.clone().unwrap_or_else(|| plan.address.to_string().into());
        let is_address_again =
            plan.name.is_none() && plans.iter().any(|other: &BackendPlan| other.address == plan.address);
        if !names.insert(label.clone()) && !is_address_again {
            let message = format!("a second backend with the name {}", quoted(&label));
            let help = "names are how metrics and logs tell backends apart";
            problems.at(&place.key("name"), Code::Conflict, message, help);
        }
        plans.push(plan);
    }
    plans
}

/// The pool's `resolve` concerns names alone; other addresses have the default, so that plans are equal.
fn backend(document: BackendDocument, resolve: Resolve) -> BackendPlan {
    let address = document.address.address;
    let resolve = document.resolve.map_or(resolve, |word| word.0);
    BackendPlan {
        name: document.name.map(|name| name.0.0.into()),
        weight: document.weight.map_or(1, |weight| weight.0 as u16),
        resolve: if is_name(&address) { resolve } else { Resolve::default() },
        tls: None,
        address,
    }
}

fn check_has_tls(has_tls: bool, place: &Place<'_>, problems: &mut Problems) {
    let timeout = place.key("timeouts").key("tls");
    if !has_tls && timeout.is_written() && !place.is_any_broken(&["backends"]) && !timeout.is_broken() {
        let message = "no backend of this pool is spoken to over TLS";
        let help = "remove it, or write `https://` before a backend's address";
        problems.at(&timeout.at_key(), Code::Conflict, message, help);
    }
}

fn check_resolve(written: Option<Resolve>, address: &Address, place: &Place<'_>, problems: &mut Problems) {
    if written == Some(Resolve::Each) && !is_name(address) {
        let message = format!("{} is no name, so there is nothing to resolve", quoted(&address.to_string()));
        problems.at(
            &place.key("resolve"),
            Code::BadValue,
            message,
            "remove it, or write a name as the address",
        );
    }
}

fn is_name(address: &Address) -> bool {
    match address {
        Address::Name { .. } => true,
        Address::Ip(_) | Address::Unix(_) => false,
    }
}

/// What is written, over what holds otherwise.
pub(super) fn timeouts(document: Option<TimeoutsDocument>, base: Timeouts) -> Timeouts {
    let Some(document) = document else { return base };
    Timeouts {
        connect: document.connect.map_or(base.connect, |wait| wait.0),
        tls: document.tls.map_or(base.tls, |wait| wait.0),
        head: document.head.map_or(base.head, |wait| wait.0),
        body_idle: document.body_idle.map_or(base.body_idle, |wait| wait.0),
        write: document.write.map_or(base.write, |wait| wait.0),
        attempt: document.attempt.map_or(base.attempt, |it| it.on().map(|wait| wait.0)),
        total: document.total.map_or(base.total, |it| it.on().map(|wait| wait.0)),
    }
}

/// What is written, over what holds otherwise; `off` is one attempt.
pub(super) fn retry(document: Option<Switch<RetryDocument>>, base: Retry) -> Retry {
    match document {
        None => base,
        Some(Switch::Off) => Retry { attempts: 1, ..base },
        Some(Switch::On(document)) => Retry {
            attempts: document.attempts.map_or(base.attempts, |attempts| attempts.0 as u8),
            statuses: document.statuses.map_or(base.statuses, |it| {
                let mut statuses: Vec<u16> =
                    it.on().unwrap_or_default().into_iter().map(|status| status.0 as u16).collect();
                statuses.sort_unstable();
                statuses.dedup();
                statuses.into()
            }),
            replay_bytes: document
                .replay_bytes
                .map_or(base.replay_bytes, |it| it.on().map_or(0, |bytes| bytes.0 as usize)),
            backoff: document
                .backoff
                .map_or(base.backoff, |it| it.on().map_or(Duration::ZERO, |wait| wait.0)),
            retry_after: document.retry_after.map_or(base.retry_after, |it| it.on().unwrap_or(false)),
            budget: match document.budget {
                None => base.budget,
                Some(written) => written.on().map(|it| budget(&it, base.budget.unwrap_or_default())),
            },
        },
    }
}

fn budget(document: &BudgetDocument, base: Budget) -> Budget {
    Budget {
        share_percent: document.share.map_or(base.share_percent, |share| share.0),
        window: document.window.map_or(base.window, |window| window.0),
        at_least: document.at_least.map_or(base.at_least, |rate| rate.0 as u32),
    }
}

fn stall(document: StallDocument) -> Stall {
    let defaults = Stall::default();
    Stall {
        floor: document.floor.map_or(defaults.floor, |floor| floor.0),
        factor: document.factor.map_or(defaults.factor, |factor| factor.0 as u32),
    }
}

fn connections(document: ConnectionsDocument) -> Connections {
    let defaults = Connections::default();
    Connections {
        idle: document.idle.map_or(defaults.idle, |it| it.on().map_or(Duration::ZERO, |time| time.0)),
        idle_per_backend: document
            .idle_per_backend
            .map_or(defaults.idle_per_backend, |count| count.0 as usize),
    }
}
