//! What an operator decided, validated: everything after this trusts it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_health::Policy;
use evenkeel_model::{Address, PoolName};
use evenkeel_routing::{ForwardingRule, ListenerRule, PoolRule, Rule};
use evenkeel_tls::Dial;

use crate::{Files, Problems};

/// A whole configuration; two plans that are equal behave the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The operator's door.
    pub admin: AdminRule,
    /// Worker threads; `None` is one per core. Needs a restart to change.
    pub workers: Option<usize>,
    /// Where requests are logged; `None` logs none.
    pub access_log: Option<AccessLogRule>,
    /// Longest life of what is in flight when a listener closes or the process stops.
    pub drain_timeout: Duration,
    /// How names are looked up.
    pub dns: DnsRule,
    /// Forwarding fields.
    pub forwarding: ForwardingRule,
    /// At least one.
    pub listeners: Vec<ListenerRule>,
    /// At least one; each names a pool that exists.
    pub routes: Vec<Rule>,
    /// At least one.
    pub pools: Vec<PoolPlan>,
    /// Where certificates, keys and the like come from.
    pub files: Files,
    /// What is worth a look, though it works.
    pub warnings: Warnings,
}

/// What is worth a look in a configuration, though it works. It changes nothing, so that any two are equal.
#[derive(Clone, Debug)]
pub struct Warnings(pub Problems);

impl PartialEq for Warnings {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The operator's door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminRule {
    /// Where the read-only HTTP API listens; `None` opens none.
    pub address: Option<SocketAddr>,
    /// Where the socket that takes changes is.
    pub socket: AdminSocket,
}

/// Where the admin socket is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum AdminSocket {
    /// Nowhere.
    Off,
    /// `admin.sock` in `$RUNTIME_DIRECTORY`, else in `$XDG_RUNTIME_DIR/evenkeel`, else in `/run/evenkeel`.
    #[default]
    Usual,
    /// At this absolute path.
    At(PathBuf),
}

/// How names are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsRule {
    /// Whom to ask, in order; empty: whom `/etc/resolv.conf` names.
    pub servers: Vec<SocketAddr>,
    /// Longest wait for an answer, over all servers and tries.
    pub timeout: Duration,
}

/// Where requests are logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogRule {
    /// Standard output.
    Stdout,
    /// A file, appended to, reopened on SIGUSR1.
    File(PathBuf),
}

/// A pool with its backends.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolPlan {
    /// Unique.
    pub name: PoolName,
    /// Settings for the request path.
    pub rule: PoolRule,
    /// Settings for health.
    pub health: Policy,
    /// At least one; no address twice.
    pub backends: Vec<BackendPlan>,
}

/// A backend as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendPlan {
    /// What operators call it; `None`: its address.
    pub name: Option<Box<str>>,
    /// Where it is.
    pub address: Address,
    /// Share of requests, 1 to 1000.
    pub weight: u16,
    /// What the addresses of a name are; of no meaning for other addresses.
    pub resolve: Resolve,
    /// How it is spoken to over TLS; `None`: in cleartext.
    pub tls: Option<Arc<Dial>>,
}

/// What the addresses of a name are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Resolve {
    /// Ways to one backend.
    #[default]
    Once,
    /// Each a backend of its own.
    Each,
}

impl Default for DnsRule {
    fn default() -> Self {
        DnsRule { servers: Vec::new(), timeout: Duration::from_secs(5) }
    }
}
