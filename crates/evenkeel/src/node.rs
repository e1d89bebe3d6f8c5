//! A node that runs: its listeners, control, workers and admin listener, started in this order.
//!
//! Whatever can fail does so before the first request is accepted.

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use evenkeel_admin::{Commander, Handles};
use evenkeel_config::{AccessLogRule, Plan};
use evenkeel_control::Handle;
use evenkeel_proxy::{Fleet, FleetOptions, ListenerGroup};
use evenkeel_routing::View;
use evenkeel_telemetry::{AccessLog, AccessLogTarget, FilesState, Registry, ReloadState};
use tokio::task::JoinSet;

use crate::admin_socket::{AdminSocket, SocketFile};
use crate::readings::Readings;
use crate::source::Source;
use crate::warnings::Warnings;
use crate::{admin_socket, descriptors, difference, listening};

/// Longest wait for the access log to write what is left, at the end.
const LAST_LINES: Duration = Duration::from_secs(2);

/// A running node.
pub(crate) struct Node {
    pub(crate) source: Source,
    /// What runs now.
    pub(crate) plan: Arc<Plan>,
    pub(crate) workers: usize,
    pub(crate) control: Handle,
    pub(crate) fleet: Fleet,
    pub(crate) access_log: AccessLog,
    pub(crate) reload_state: ReloadState,
    pub(crate) files_state: FilesState,
    pub(crate) warnings: Warnings,
    pub(crate) readings: Readings,
    /// Where the admin listener really is; port 0 is resolved.
    pub(crate) admin: Option<SocketAddr>,
    /// The admin socket's file; removed with the node.
    socket: Option<SocketFile>,
    bound: Bound,
    draining: Arc<AtomicBool>,
    /// Control, the admin listener and the admin socket; none ends while the node is well.
    tasks: JoinSet<String>,
}

/// Names and addresses of the listeners that are open, as bound.
#[derive(Clone, Default)]
pub(crate) struct Bound(Arc<Mutex<Vec<(String, SocketAddr)>>>);

/// Why a node did not start: one line for each problem.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub(crate) struct StartError(Vec<String>);

impl Node {
    /// Starts everything. On an error nothing is left running.
    pub(crate) async fn start(plan: Plan, source: Source) -> Result<Node, StartError> {
        let descriptors = descriptors::raise_limit();
        let workers = difference::workers(&plan);
        let Opened { groups, admin, socket } = open_sockets(&plan, &source)?;
        let access_log = AccessLog::start(target(&plan).as_ref())
            .map_err(|error| StartError::one(format!("access_log: {error}")))?;

        let mut tasks = JoinSet::new();
        let (control, view) = start_control(workers, &mut tasks);
        let plan = Arc::new(plan);
        let generation = control.publish(plan.clone()).await;
        if generation == 0 {
            return Err(StartError::one("control ended before it published the plan".into()));
        }
        let reload_state = ReloadState::new();
        reload_state.accepted(generation);

        let fleet =
            Fleet::start(FleetOptions { workers, view: view.clone(), access_log: access_log.clone() })
                .map_err(|error| StartError::one(format!("the workers cannot start: {error}")))?;

        let mut node = Node {
            source,
            plan,
            workers,
            control,
            fleet,
            access_log,
            reload_state,
            files_state: FilesState::new(),
            warnings: Warnings::default(),
            readings: Readings::new(),
            admin: admin.as_ref().and_then(|listener| listener.local_addr().ok()),
            socket: None,
            bound: Bound::default(),
            draining: Arc::default(),
            tasks,
        };
        node.open_doors(admin, socket, view);
        node.open(groups);
        node.announce(descriptors);
        node.warnings.tell(&node.plan);
        Ok(node)
    }

    /// Hands opened listeners to the workers.
    pub(crate) fn open(&mut self, groups: Vec<ListenerGroup>) {
        for group in groups {
            tracing::info!(listener = &**group.name(), address = %group.local_address(), "listening");
            self.bound.add(group.name(), group.local_address());
            self.fleet.open(group);
        }
    }

    /// Stops accepting on a listener; what it accepted goes on for the drain timeout at most.
    pub(crate) fn close(&mut self, name: &str, drain: Duration) {
        tracing::info!(listener = name, ?drain, "closing");
        self.bound.remove(name);
        self.fleet.close(name, drain);
    }

    /// Where the listeners are, as bound.
    pub(crate) fn addresses(&self) -> Vec<(String, SocketAddr)> {
        self.bound.all()
    }

    /// Stops accepting, ends what is idle, and lets the rest finish within the drain timeout.
    pub(crate) fn drain(&mut self) {
        self.draining.store(true, Ordering::Relaxed);
        self.fleet.drain(self.plan.drain_timeout);
    }

    /// Resolves when a part ends although nobody asked it to, and says which. Cancelling changes nothing.
    pub(crate) async fn failed(&mut self) -> String {
        tokio::select! {
            Some(ended) = self.tasks.join_next() => ended.unwrap_or_else(|error| error.to_string()),
            () = self.fleet.finished() => "the workers ended".into(),
        }
    }

    /// Writes the last lines of the access log.
    pub(crate) fn finish(&self) {
        if !self.access_log.finish(LAST_LINES) {
            tracing::warn!("the last lines of the access log could not be written in time");
        }
    }

    fn open_doors(&mut self, admin: Option<TcpListener>, socket: Option<AdminSocket>, view: View) {
        let (listener, file) = socket.map(|socket| (socket.listener, socket.file)).unzip();
        self.socket = file;
        let (reload, files) = (self.reload_state.clone(), self.files_state.clone());
        let registry = Registry::new(view.clone(), reload.clone(), files.clone(), self.access_log.clone());
        let handles = Handles {
            view,
            registry: Arc::new(registry),
            reload,
            files,
            warnings: self.warnings.shared(),
            draining: self.draining.clone(),
            listeners: self.bound.0.clone(),
            commander: commander(&self.control),
            socket: self.socket.as_ref().map(|file| Arc::from(file.path())),
            started: SystemTime::now(),
            version: env!("CARGO_PKG_VERSION"),
        };
        if let Some(listener) = admin {
            let serving = evenkeel_admin::serve(listener, handles.clone());
            self.tasks.spawn(async { ended("listener", serving.await) });
        }
        if let Some(listener) = listener {
            let serving = evenkeel_admin::serve_socket(listener, handles);
            self.tasks.spawn(async { ended("socket", serving.await) });
        }
    }

    fn announce(&self, descriptors: Option<u64>) {
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            pid = std::process::id(),
            workers = self.workers,
            admin = self.admin.map_or_else(|| "off".into(), |address| address.to_string()),
            admin_socket =
                self.socket.as_ref().map_or_else(|| "off".into(), |file| file.path().display().to_string()),
            listeners = self.bound.to_string(),
            pools = self.plan.pools.len(),
            descriptors,
            "started"
        );
    }
}

/// Where the access log of this plan goes.
pub(crate) fn target(plan: &Plan) -> Option<AccessLogTarget> {
    plan.access_log.as_ref().map(|rule| match rule {
        AccessLogRule::Stdout => AccessLogTarget::Stdout,
        AccessLogRule::File(path) => AccessLogTarget::File(path.clone()),
    })
}

/// Every socket of a plan.
struct Opened {
    groups: Vec<ListenerGroup>,
    admin: Option<TcpListener>,
    socket: Option<AdminSocket>,
}

fn open_sockets(plan: &Plan, source: &Source) -> Result<Opened, StartError> {
    let rules: Vec<_> = plan.listeners.iter().collect();
    let groups = listening::open(&rules, difference::workers(plan), source);
    let admin = plan.admin.address.map(|address| listening::open_admin(address, source)).transpose();
    let socket = admin_socket::open(&plan.admin.socket, source);
    match (groups, admin, socket) {
        (Ok(groups), Ok(admin), Ok(socket)) => Ok(Opened { groups, admin, socket }),
        (groups, admin, socket) => {
            let listening = groups.err().into_iter().flatten().chain(admin.err());
            let errors = listening.map(|error| error.to_string());
            Err(StartError(errors.chain(socket.err().map(|error| error.to_string())).collect()))
        }
    }
}

/// What became of a part that serves the operator; it should not have ended.
fn ended(what: &str, served: io::Result<()>) -> String {
    match served {
        Ok(()) => format!("the admin {what} ended"),
        Err(error) => format!("the admin {what} failed: {error}"),
    }
}

fn commander(control: &Handle) -> Commander {
    let control = control.clone();
    Commander::new(move |command| {
        let control = control.clone();
        async move { control.command(command).await }
    })
}

fn start_control(workers: usize, tasks: &mut JoinSet<String>) -> (Handle, View) {
    let (handle, view, control) = evenkeel_control::start(workers, seed());
    tasks.spawn(async move {
        control.await;
        "control ended".into()
    });
    (handle, view)
}

/// Spreads probes in time; each process by its own number, from the kernel.
fn seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl StartError {
    fn one(problem: String) -> Self {
        StartError(vec![problem])
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, address)) in self.all().iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(out, "{separator}{name}={address}")?;
        }
        Ok(())
    }
}

impl Bound {
    fn add(&self, name: &str, address: SocketAddr) {
        self.lock().push((name.to_owned(), address));
    }

    fn remove(&self, name: &str) {
        self.lock().retain(|(bound, _)| bound != name);
    }

    fn all(&self) -> Vec<(String, SocketAddr)> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, SocketAddr)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
