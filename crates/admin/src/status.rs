//! `/api/status`: everything that an operator asks first, of one moment. Field names are public API.

mod backend;
mod tls;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant, SystemTime};

use evenkeel_model::{Count, PerCore, StatusClass};
use evenkeel_routing::{Pool, Snapshot};
use evenkeel_telemetry::{LastReading, LastReload, rfc3339};
use serde::Serialize;

use self::backend::Backend;
use self::tls::ListenerTls;
use crate::{Handles, Warning, readiness};

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
    /// Of certificates, keys, CAs and revocation lists.
    tls_files: Files,
    /// What is worth a look in the configuration that serves.
    warnings: Vec<Warning>,
    /// Where changes are taken.
    admin_socket: Option<String>,
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
struct Files {
    successful: bool,
    /// When all were good, the last time.
    last_success: String,
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Listener {
    name: String,
    /// As bound.
    address: SocketAddr,
    open_connections: u64,
    /// By class.
    responses: BTreeMap<&'static str, u64>,
    tls: Option<ListenerTls>,
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

/// The same moment on the clock that measures and on the clock that people read.
#[derive(Clone, Copy)]
struct Clocks {
    now: Instant,
    wall: SystemTime,
}

impl Clocks {
    /// A moment that has passed, for people.
    fn past(self, moment: Instant) -> String {
        rfc3339(self.wall - self.since(moment))
    }

    /// A moment to come, for people.
    fn to_come(self, moment: Instant) -> String {
        rfc3339(self.wall + moment.saturating_duration_since(self.now))
    }

    fn since(self, moment: Instant) -> Duration {
        self.now.saturating_duration_since(moment)
    }
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
            tls_files: handles.files.last().into(),
            warnings: handles.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            admin_socket: handles.socket.as_ref().map(|path| path.display().to_string()),
            listeners: listeners(handles, &snapshot, wall),
            routes: routes
                .map(|route| Route { route: route.label.to_string(), pool: route.rule.pool.to_string() })
                .collect(),
            pools: snapshot.pools.iter().map(|pool| PoolStatus::of(pool, clocks)).collect(),
        }
    }
}

/// What is bound is told even if its rule is gone already: it may still be draining.
fn listeners(handles: &Handles, snapshot: &Snapshot, wall: SystemTime) -> Vec<Listener> {
    let bound = handles.listeners.lock().unwrap_or_else(PoisonError::into_inner);
    let listeners = bound.iter().map(|(name, address)| {
        let listener = snapshot.listener(name);
        let counters = listener.map(|listener| &*listener.counters);
        Listener {
            name: name.clone(),
            address: *address,
            open_connections: counters.map_or(0, |cells| cells.sum(|cell| cell.open.read())),
            responses: counters.map_or_else(BTreeMap::new, |cells| by_class(cells, |cell| &cell.responses)),
            tls: listener.and_then(|listener| {
                let tls = listener.rule.tls.as_ref()?;
                Some(ListenerTls::of(tls, &listener.counters, wall))
            }),
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

impl From<LastReading> for Files {
    fn from(last: LastReading) -> Self {
        Files {
            successful: last.is_successful(),
            last_success: rfc3339(last.succeeded),
            problems: last.problems.to_vec(),
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

fn by_class<T>(cells: &PerCore<T>, of: fn(&T) -> &[Count; 5]) -> BTreeMap<&'static str, u64> {
    let classes = StatusClass::LABELS.into_iter().enumerate();
    classes.map(|(index, class)| (class, cells.sum(|cell| of(cell)[index].read()))).collect()
}
