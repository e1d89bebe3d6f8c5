//! A snapshot's counters as metric families: cells are summed over the cores when a scrape asks.
//!
//! Series exist for what is configured now. Counters are kept over reloads by their owners, so a series never goes
//! backwards while its backend, route or listener stays configured.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use evenkeel_model::{
    ByCause, Cause, CoreBackend, CoreListener, CorePool, Count, Histogram, Limit, PerCore, StatusClass,
    Totals,
};
use evenkeel_routing::{Listener, Member, Pool, Route, Snapshot};
use prometheus::proto::MetricFamily;

use crate::family::{Sample, count, durations, family, number};
use crate::names::{self, Name};
use crate::{AccessLog, FilesState, ReloadState, standing, tls};

type Read<T> = fn(&T) -> &Count;
type ReadMember = fn(&Member) -> u64;

const OF_LISTENER: [(&Name, Read<CoreListener>); 9] = [
    (&names::LISTENER_CONNECTIONS, |cell| &cell.accepted),
    (&names::LISTENER_OPEN, |cell| &cell.open),
    (&names::LISTENER_REFUSED, |cell| &cell.refused),
    (&names::LISTENER_BAD_REQUESTS, |cell| &cell.bad_requests),
    (&names::LISTENER_DROPPED_FIELDS, |cell| &cell.dropped_fields),
    (&names::LISTENER_ABORTED, |cell| &cell.aborted),
    (&names::LISTENER_RECEIVED, |cell| &cell.bytes_in),
    (&names::LISTENER_SENT, |cell| &cell.bytes_out),
    (&names::LISTENER_PANICS, |cell| &cell.panics),
];

const OF_POOL: [(&Name, Read<CorePool>); 5] = [
    (&names::POOL_REQUESTS, |cell| &cell.requests),
    (&names::POOL_RETRIES, |cell| &cell.retries),
    (&names::POOL_DENIED, |cell| &cell.denied),
    (&names::POOL_HEDGES, |cell| &cell.hedges),
    (&names::POOL_HEDGES_WON, |cell| &cell.hedges_won),
];

const OF_BACKEND_CELLS: [(&Name, Read<CoreBackend>); 5] = [
    (&names::BACKEND_OPENED, |cell| &cell.opened),
    (&names::BACKEND_REUSED, |cell| &cell.reused),
    (&names::BACKEND_IDLE, |cell| &cell.idle),
    (&names::BACKEND_SENT, |cell| &cell.bytes_out),
    (&names::BACKEND_RECEIVED, |cell| &cell.bytes_in),
];

const OF_MEMBER: [(&Name, ReadMember); 4] = [
    (&names::BACKEND_EJECTIONS, |member| member.backend.ejections.read()),
    (&names::BACKEND_READMISSIONS, |member| member.backend.readmissions.read()),
    (&names::BACKEND_IN_FLIGHT, |member| member.backend.in_flight() as u64),
    (&names::BACKEND_ENDPOINTS, |member| member.endpoints.len() as u64),
];

/// Every family of ours; those without a series are empty.
pub(crate) fn collect(
    snapshot: &Snapshot,
    reload: &ReloadState,
    files: &FilesState,
    access_log: &AccessLog,
) -> Vec<MetricFamily> {
    let mut families = process(snapshot, reload, access_log);
    families.extend(listeners(snapshot));
    families.extend(routes(snapshot));
    families.extend(pools(snapshot));
    families.extend(backends(snapshot));
    families.extend(standing::families(snapshot));
    families.extend(tls::families(snapshot, files));
    families
}

fn process(snapshot: &Snapshot, reload: &ReloadState, access_log: &AccessLog) -> Vec<MetricFamily> {
    let last = reload.last();
    let at = last.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let one = |name, value| family(name, std::iter::once(number(&[], value)));
    let version = number(&[env!("CARGO_PKG_VERSION")], 1.0);
    vec![
        one(&names::CONFIG_GENERATION, last.generation as f64),
        one(&names::CONFIG_EPOCH, snapshot.epoch as f64),
        one(&names::CONFIG_SUCCESSFUL, f64::from(u8::from(last.successful))),
        one(&names::CONFIG_AT, at.as_secs_f64()),
        one(&names::ACCESS_LOG_DROPPED, access_log.dropped() as f64),
        family(&names::BUILD_INFO, std::iter::once(version)),
    ]
}

fn listeners(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let listeners = || snapshot.listeners.iter();
    let mut families = Vec::new();
    for (name, read) in OF_LISTENER {
        let cells = listeners().map(|listener| count(&[&listener.rule.name], sum(&listener.counters, read)));
        families.push(family(name, cells));
    }
    let responses = listeners()
        .flat_map(|listener| by_class(&[&listener.rule.name], &listener.counters, |cell| &cell.responses));
    families.push(family(&names::LISTENER_RESPONSES, responses));
    families.push(family(&names::LISTENER_LIMITED, listeners().flat_map(limits)));
    families.push(workers(snapshot));
    families
}

fn limits(listener: &Arc<Listener>) -> [Sample; Limit::ALL.len()] {
    Limit::ALL.map(|limit| {
        let times = listener.counters.sum(|cell| cell.limited[limit as usize].read());
        count(&[&listener.rule.name, limit.key()], times)
    })
}

fn workers(snapshot: &Snapshot) -> MetricFamily {
    let cells = |listener: &Arc<Listener>| listener.counters.iter().count();
    let workers = snapshot.listeners.iter().map(cells).max().unwrap_or(0);
    let open = (0..workers).map(|worker| {
        let open = snapshot.listeners.iter().map(|listener| listener.counters[worker].open.read()).sum();
        count(&[&worker.to_string()], open)
    });
    family(&names::WORKER_CONNECTIONS, open)
}

fn routes(snapshot: &Snapshot) -> [MetricFamily; 3] {
    let routes = || {
        let labels = |route: &Route| [route.label.to_string(), route.rule.pool.to_string()];
        let routes = snapshot.router.routes().iter();
        routes.map(move |route| (labels(route), &*route.counters))
    };
    let responses =
        routes().flat_map(|([route, pool], cells)| by_class(&[&route, &pool], cells, |cell| &cell.responses));
    let latency = routes()
        .map(|([route, pool], cells)| durations(&[&route, &pool], totals(cells, |cell| &cell.latency)));
    let bounds = snapshot.router.routes().iter().filter_map(|route| {
        let stall = snapshot.pools.get(route.pool)?.rule.stall?;
        let cores = 0..route.counters.iter().count();
        let bound = cores.map(|core| stall.bound(route.counters.usual_pace(core))).max()?;
        Some(number(&[&route.label, route.rule.pool.as_str()], bound.as_secs_f64()))
    });
    [
        family(&names::ROUTE_RESPONSES, responses),
        family(&names::ROUTE_DURATION, latency),
        family(&names::ROUTE_STALL_BOUND, bounds),
    ]
}

fn pools(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let pools = || snapshot.pools.iter().map(|pool| (pool.name.as_str(), &*pool.counters));
    let responses = pools().flat_map(|(pool, cells)| by_class(&[pool], cells, |cell| &cell.responses));
    let failed = pools().flat_map(|(pool, cells)| by_cause(&[pool], cells, |cell| &cell.failed));
    let latency = pools().map(|(pool, cells)| durations(&[pool], totals(cells, |cell| &cell.latency)));
    let mut families = vec![
        family(&names::POOL_RESPONSES, responses),
        family(&names::POOL_FAILED, failed),
        family(&names::UPSTREAM_HEAD, latency),
    ];
    for (name, read) in OF_POOL {
        families.push(family(name, pools().map(|(pool, cells)| count(&[pool], sum(cells, read)))));
    }
    families
}

fn backends(snapshot: &Snapshot) -> Vec<MetricFamily> {
    let members = || snapshot.pools.iter().flat_map(|pool| members(pool));
    let mut families = Vec::new();
    for (name, read) in OF_MEMBER {
        families.push(family(name, members().map(|(labels, member)| count(&labels, read(member)))));
    }
    for (name, read) in OF_BACKEND_CELLS {
        let cells = members().map(|(labels, member)| count(&labels, sum(&member.backend.counters, read)));
        families.push(family(name, cells));
    }
    let responses = members()
        .flat_map(|(labels, member)| by_class(&labels, &member.backend.counters, |cell| &cell.responses));
    let failures = members()
        .flat_map(|(labels, member)| by_cause(&labels, &member.backend.counters, |cell| &cell.failures));
    families.push(family(&names::BACKEND_RESPONSES, responses));
    families.push(family(&names::BACKEND_FAILURES, failures));
    let heads = members().map(|(labels, member)| {
        let micros = member.backend.counters.sum(|cell| cell.head_micros.read());
        number(&labels, micros as f64 / 1e6)
    });
    families.push(family(&names::BACKEND_HEAD, heads));
    let limits = members().filter_map(|(labels, member)| {
        let (limit, _) = member.backend.idle_limit.read()?;
        Some(number(&labels, limit.as_secs_f64()))
    });
    families.push(family(&names::BACKEND_IDLE_LIMIT, limits));
    families
}

/// The members of a pool, each with its labels.
pub(crate) fn members(pool: &Pool) -> impl Iterator<Item = ([&str; 2], &Member)> {
    let name = pool.name.as_str();
    let members = pool.members.iter();
    members.map(move |member| ([name, &*member.backend.label], member))
}

fn sum<T>(cells: &PerCore<T>, read: Read<T>) -> u64 {
    cells.sum(|cell| read(cell).read())
}

fn totals<T>(cells: &PerCore<T>, of: fn(&T) -> &Histogram) -> Totals {
    let mut totals = Totals::default();
    for cell in cells.iter() {
        of(cell).add_to(&mut totals);
    }
    totals
}

fn by_class<T>(labels: &[&str], cells: &PerCore<T>, of: fn(&T) -> &[Count; 5]) -> Vec<Sample> {
    let classes = StatusClass::LABELS.iter().enumerate();
    classes
        .map(|(index, class)| count(&[labels, &[class]].concat(), cells.sum(|cell| of(cell)[index].read())))
        .collect()
}

/// Only causes that happened: dozens of zeros for each of a thousand backends help nobody.
fn by_cause<T>(labels: &[&str], cells: &PerCore<T>, of: fn(&T) -> &ByCause) -> Vec<Sample> {
    let sum = |cause: Cause| cells.sum(|cell| of(cell)[cause as usize].read());
    let happened = Cause::ALL.into_iter().map(|cause| (cause, sum(cause)));
    happened
        .filter(|(_, times)| *times > 0)
        .map(|(cause, times)| count(&[labels, &[cause.token()]].concat(), times))
        .collect()
}
