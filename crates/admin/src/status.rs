//! `/api/status`: everything that an operator asks first, of one moment. Field names are public API.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use evenkeel_model::{Cause, CoreBackend, Count, PerCore, StatusClass};
use evenkeel_routing::{Member, Pool, Snapshot};
use evenkeel_telemetry::{LastReload, rfc3339};
use serde::Serialize;

use crate::Handles;
use crate::evidence::sentence;
use crate::readiness;

/// The whole answer.
#[derive(Serialize)]
pub(crate) struct Status {
    version: &'static str,
    started: String,
    uptime_seconds: u64,
    ready: bool,
    /// Why not.
    not_ready: Option<String>,
    draining: bool,
    generation: u64,
    epoch: u64,
    last_reload: Reload,
    listeners: Vec<Listener>,
    routes: Vec<Route>,
    pools: Vec<PoolStatus>,
}

#[derive(Serialize)]
struct Reload {
    successful: bool,
    at: String,
    problems: Option<String>,
}

#[derive(Serialize)]
struct Listener {
    name: String,
    /// As bound.
    address: SocketAddr,
    open_connections: u64,
    /// By class.
    responses: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct Route {
    route: String,
    pool: String,
}

#[derive(Serialize)]
struct PoolStatus {
    name: String,
    probed: bool,
    backends: Vec<Backend>,
}

#[derive(Serialize)]
struct Backend {
    label: String,
    address: String,
    endpoints: Vec<String>,
    weight: u16,
    phase: &'static str,
    since: String,
    seconds_in_phase: u64,
    evidence: Cow<'static, str>,
    ejections_in_a_row: u32,
    ramp: f32,
    in_flight: usize,
    /// How long it keeps idle connections, if that is known.
    idle_limit_seconds: Option<f64>,
    /// `announced` or `observed`.
    idle_limit_source: Option<&'static str>,
    counters: Counters,
}

/// Since the backend was first configured.
#[derive(Serialize)]
struct Counters {
    ejections: u64,
    readmissions: u64,
    /// By class.
    responses: BTreeMap<&'static str, u64>,
    /// By cause; only what happened.
    failures: BTreeMap<&'static str, u64>,
    opened_connections: u64,
    reused_connections: u64,
    idle_connections: u64,
    sent_bytes: u64,
    received_bytes: u64,
}

/// The same moment on the clock that measures and on the clock that people read.
#[derive(Clone, Copy)]
struct Clocks {
    now: Instant,
    wall: SystemTime,
}

impl Status {
    /// As of `now`, which is `wall` on the wall clock.
    pub(crate) fn of(handles: &Handles, now: Instant, wall: SystemTime) -> Status {
        let snapshot = handles.view.load_full();
        let draining = handles.draining.load(Relaxed);
        let not_ready = readiness::check(&snapshot, draining).err();
        let uptime = wall.duration_since(handles.started).unwrap_or(Duration::ZERO);
        let clocks = Clocks { now, wall };
        let routes = snapshot.router.routes().iter();
        Status {
            version: handles.version,
            started: rfc3339(handles.started),
            uptime_seconds: uptime.as_secs(),
            ready: not_ready.is_none(),
            not_ready: not_ready.map(|why| why.to_string()),
            draining,
            generation: handles.reload.last().generation,
            epoch: snapshot.epoch,
            last_reload: handles.reload.last().into(),
            listeners: listeners(handles, &snapshot),
            routes: routes
                .map(|route| Route { route: route.label.to_string(), pool: route.rule.pool.to_string() })
                .collect(),
            pools: snapshot.pools.iter().map(|pool| PoolStatus::of(pool, clocks)).collect(),
        }
    }
}

/// What is bound is told even if its rule is gone already: it may still be draining.
fn listeners(handles: &Handles, snapshot: &Snapshot) -> Vec<Listener> {
    let bound = handles.listeners.lock().unwrap_or_else(PoisonError::into_inner);
    let listeners = bound.iter().map(|(name, address)| {
        let counters = snapshot.listener(name).map(|listener| &*listener.counters);
        Listener {
            name: name.clone(),
            address: *address,
            open_connections: counters.map_or(0, |cells| cells.sum(|cell| cell.open.read())),
            responses: counters.map_or_else(BTreeMap::new, |cells| by_class(cells, |cell| &cell.responses)),
        }
    });
    listeners.collect()
}

impl From<LastReload> for Reload {
    fn from(last: LastReload) -> Self {
        Reload {
            successful: last.successful,
            at: rfc3339(last.at),
            problems: last.problems.map(|problems| problems.to_string()),
        }
    }
}

impl PoolStatus {
    fn of(pool: &Pool, clocks: Clocks) -> PoolStatus {
        PoolStatus {
            name: pool.name.to_string(),
            probed: pool.is_probed,
            backends: pool.members.iter().map(|member| Backend::of(member, clocks)).collect(),
        }
    }
}

impl Backend {
    fn of(member: &Member, clocks: Clocks) -> Backend {
        let status = member.status;
        let limit = member.backend.idle_limit.read();
        let in_phase = clocks.now.saturating_duration_since(status.since);
        Backend {
            label: member.backend.label.to_string(),
            address: member.backend.id.address.to_string(),
            endpoints: member.endpoints.iter().map(|endpoint| endpoint.to_string()).collect(),
            weight: member.weight,
            phase: status.phase.as_str(),
            since: rfc3339(clocks.wall - in_phase),
            seconds_in_phase: in_phase.as_secs(),
            evidence: sentence(status.evidence),
            ejections_in_a_row: status.ejections,
            ramp: status.ramp,
            in_flight: member.backend.in_flight(),
            idle_limit_seconds: limit.map(|(limit, _)| limit.as_secs_f64()),
            idle_limit_source: limit.map(|(_, source)| source.as_str()),
            counters: Counters::of(member),
        }
    }
}

impl Counters {
    fn of(member: &Member) -> Counters {
        let cells = &member.backend.counters;
        let sum = |of: fn(&CoreBackend) -> &Count| cells.sum(|cell| of(cell).read());
        let failures = Cause::ALL
            .into_iter()
            .map(|cause| (cause.token(), cells.sum(|cell| cell.failures[cause as usize].read())));
        Counters {
            ejections: member.backend.ejections.read(),
            readmissions: member.backend.readmissions.read(),
            responses: by_class(cells, |cell| &cell.responses),
            failures: failures.filter(|(_, times)| *times > 0).collect(),
            opened_connections: sum(|cell| &cell.opened),
            reused_connections: sum(|cell| &cell.reused),
            idle_connections: sum(|cell| &cell.idle),
            sent_bytes: sum(|cell| &cell.bytes_out),
            received_bytes: sum(|cell| &cell.bytes_in),
        }
    }
}

fn by_class<T>(cells: &PerCore<T>, of: fn(&T) -> &[Count; 5]) -> BTreeMap<&'static str, u64> {
    let classes = StatusClass::LABELS.into_iter().enumerate();
    classes.map(|(index, class)| (class, cells.sum(|cell| of(cell)[index].read()))).collect()
}
