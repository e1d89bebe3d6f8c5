//! What control is told, and what it orders.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_config::Plan;
use evenkeel_health::{Probe, ProbeResult};
use evenkeel_model::{BackendId, Cause, Command, CommandError, Done, Endpoint, NameFailure, Report};
use evenkeel_routing::Snapshot;
use evenkeel_tls::Dial;

use crate::Notice;

/// Something that control has to know.
#[derive(Clone, Debug)]
pub enum Input {
    /// The operator decided anew.
    Plan(Arc<Plan>),
    /// What the cores saw, by backend; those that saw nothing may be left out.
    Reports(Vec<(BackendId, Report)>),
    /// A probe that control ordered came to its verdict.
    Probed {
        /// Whose.
        id: BackendId,
        /// Of the order.
        serial: u64,
        /// The verdict.
        result: ProbeResult,
        /// How long it asked to be drained; zero: no longer.
        drain: Option<Duration>,
    },
    /// A name that control asked for was looked up.
    Resolved {
        /// The name.
        host: Arc<str>,
        /// The port it was asked with.
        port: u16,
        /// What came of it.
        result: Result<Resolved, NameFailure>,
    },
    /// A connection that control ordered was made and closed, or failed.
    Connected {
        /// To whom.
        id: BackendId,
        /// Of the order.
        serial: u64,
        /// How it went.
        result: Result<(), Cause>,
    },
    /// An operator asks for something.
    Command(Command),
    /// Time has passed.
    Tick,
}

/// What a name resolves to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// At least one.
    pub endpoints: Arc<[Endpoint]>,
    /// How long the answer is good for.
    pub ttl: Duration,
}

/// What follows from an input.
#[derive(Debug, Default)]
pub struct Effects {
    /// To be published before anything else is done.
    pub snapshot: Option<Arc<Snapshot>>,
    /// Probes to run; each is answered by [`Input::Probed`].
    pub probes: Vec<ProbeOrder>,
    /// Names to look up; each is answered by [`Input::Resolved`].
    pub resolves: Vec<ResolveOrder>,
    /// Connections to try; each is answered by [`Input::Connected`].
    pub connects: Vec<ConnectOrder>,
    /// What is answered to [`Input::Command`].
    pub answer: Option<Result<Done, CommandError>>,
    /// To be logged.
    pub notices: Vec<Notice>,
    /// When to send [`Input::Tick`], if nothing else happens before.
    pub next: Option<Instant>,
}

/// A probe to run.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeOrder {
    /// Whom.
    pub id: BackendId,
    /// Another one for each order.
    pub serial: u64,
    /// Where; at least one, the first that connects is asked.
    pub endpoints: Arc<[Endpoint]>,
    /// What to ask.
    pub probe: Probe,
    /// What it is addressed to, unless the probe says otherwise.
    pub host: Arc<str>,
    /// How TLS is spoken; `None`: in cleartext.
    pub tls: Option<Arc<Dial>>,
    /// Whether a new connection has to be made.
    pub is_fresh: bool,
}

/// A name to look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveOrder {
    /// The name.
    pub host: Arc<str>,
    /// The port of the endpoints.
    pub port: u16,
}

/// A connection to try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectOrder {
    /// To whom.
    pub id: BackendId,
    /// Another one for each order.
    pub serial: u64,
    /// Where.
    pub endpoints: Arc<[Endpoint]>,
    /// How TLS is spoken on it; `None`: not at all.
    pub tls: Option<Arc<Dial>>,
    /// Longest wait.
    pub timeout: Duration,
}
