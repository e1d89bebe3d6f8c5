//! What an operator decided, checked and ready to use: rules for listeners, routes and pools.
//!
//! `config` makes them; nobody after it checks a value again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_model::PoolName;
use evenkeel_tls::Server;
use ipnet::IpNet;

/// Which `Host` a route wants. Names are lower case, without a port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostMatch {
    /// Whatever the host.
    Any,
    /// `*.example.com`, kept as `example.com`: any name below it, at any depth, but not the name itself.
    Wildcard(Box<str>),
    /// This name.
    Exact(Box<str>),
}

/// Which path a route wants, compared byte by byte with the path as sent, without its query.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathMatch {
    /// Whatever the path.
    Any,
    /// `/v1/`: `/v1/...`, and `/v1` itself. Begins and ends with a slash.
    Prefix(Box<str>),
    /// This path.
    Exact(Box<str>),
}

/// One route: what it matches, where it goes, and the pool's settings as the route overrides them.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Which hosts.
    pub host: HostMatch,
    /// Which paths.
    pub path: PathMatch,
    /// Where to.
    pub pool: PoolName,
    /// The pool's, or the route's own.
    pub timeouts: Timeouts,
    /// The pool's, or the route's own.
    pub retry: Retry,
}

/// How a pool's requests are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Balance {
    /// Smooth weighted round robin.
    #[default]
    RoundRobin,
    /// In turn by weight, unless that one is busy and another, chosen at random by weight, is less so for its weight.
    LeastRequests,
    /// By weight, in an order that nobody can foresee: each round serves each member exactly as often as it weighs.
    Random,
}

/// What a pool does when every backend is out of service.
///
/// A backend that is healthy but held (drained by an operator, or at its own request) is not ejected: it is tried before
/// any other last resort, even where the rule is to fail closed. One that an operator took out receives nothing, ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum WhenAllEjected {
    /// Try the ejected ones, those ejected on traffic first, the longest out first.
    #[default]
    LastResort,
    /// Ignore health: all take turns, but for those that an operator took out.
    FailOpen,
    /// Answer 503 at once, unless a backend is only held.
    FailClosed,
}

/// How long a pool waits for a backend. None is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// To make a connection.
    pub connect: Duration,
    /// For the TLS handshake on it.
    pub tls: Duration,
    /// For the response head, from the last request byte sent; per attempt.
    pub head: Duration,
    /// Between two pieces of a response body.
    pub body_idle: Duration,
    /// For the backend to take a piece of the request.
    pub write: Duration,
    /// For one attempt, from the pick to the response head.
    pub attempt: Option<Duration>,
    /// For all attempts, from the request head to the response head.
    pub total: Option<Duration>,
}

/// When a failed request goes to another backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts in all, the first included; 1 turns retries off. From 1 to 10.
    pub attempts: u8,
    /// Statuses of a backend that a safe request without a body does not have to accept.
    pub statuses: Arc<[u16]>,
    /// Most bytes of a request body that are kept, so that an idempotent request can be sent again; 0 keeps none.
    pub replay_bytes: usize,
    /// Longest wait before the second retry, doubled before each further one; the first never waits. Zero: none waits.
    pub backoff: Duration,
    /// Whether a retry passes over a backend for as long as its `Retry-After` asks, up to a minute.
    pub retry_after: bool,
    /// How many retries there may be in all; `None`: no bound.
    pub budget: Option<Budget>,
}

/// How many retries a pool's requests may cost, of those that give a backend work (classes C and D, and stalls).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Share of the pool's requests within the window, in percent. From 0 to 100.
    pub share_percent: u32,
    /// Over which time. From 1 s to 60 s.
    pub window: Duration,
    /// So many retries a second are allowed in any case.
    pub at_least: u32,
}

/// When an attempt counts as stalled, so that a safe request is tried beside it on another backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// No attempt stalls before this. Not zero.
    pub floor: Duration,
    /// Nor before this many times what 99 % of the route's attempts take to a response head. From 1 to 1000.
    pub factor: u32,
}

/// Idle connections to a backend, per core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Longest time that one stays open unused; zero keeps none.
    pub idle: Duration,
    /// Most that are kept.
    pub idle_per_backend: usize,
}

/// A pool's settings, without its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolRule {
    /// How requests are shared out.
    pub balance: Balance,
    /// Longest waits.
    pub timeouts: Timeouts,
    /// Retries.
    pub retry: Retry,
    /// Stalled attempts; `None`: a second attempt never runs beside the first.
    pub stall: Option<Stall>,
    /// Idle connections.
    pub connections: Connections,
    /// What happens when nobody is left.
    pub when_all_ejected: WhenAllEjected,
    /// Whether a backend's answer of 500 is held against it, though the client gets it.
    pub count_500: bool,
    /// Largest response head, in bytes.
    pub head_bytes: usize,
    /// Most interim (1xx) responses before a final one.
    pub informational: u16,
    /// Whether `Proxy-Status` tells the addresses of backends.
    pub proxy_status_addresses: bool,
    /// The `Host` that backends see; `None`: the client's.
    pub host: Option<Box<str>>,
}

/// How long a listener waits for a client. None is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientTimeouts {
    /// For a whole request head, from its first byte (or from the accept, for the first one).
    pub head: Duration,
    /// Between two pieces of a request body, and for a client to take a piece of its response.
    pub body_idle: Duration,
    /// Between a response and the next request.
    pub keep_alive: Duration,
    /// Without a byte in either direction of a tunnel.
    pub tunnel_idle: Duration,
    /// For the backend to answer `Expect: 100-continue` before evenkeel does.
    pub r#continue: Duration,
}

/// What a client may send. Zero means no limit, where it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Largest request head, in bytes.
    pub head_bytes: usize,
    /// Most fields in a request head.
    pub fields: usize,
    /// Longest request target, in bytes.
    pub uri_bytes: usize,
    /// Largest request body, in bytes; 0: no limit.
    pub body_bytes: u64,
    /// Slowest request body, in bytes a second on average after the first ten seconds; 0: no limit.
    pub body_rate: u64,
    /// Most connections at once, over all cores; 0: no limit.
    pub connections: usize,
    /// Most connections at once from one address (IPv6: one /64); 0: no limit.
    pub connections_per_client: usize,
    /// Most requests on one connection; 0: no limit.
    pub requests: u64,
    /// Longest life of a connection; zero: no limit. It ends after the response in progress.
    pub age: Duration,
}

/// What becomes of request fields with an underscore in their name, which many servers take for a hyphen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Underscores {
    /// They are dropped.
    #[default]
    Drop,
    /// They are forwarded, but for those that fold into a framing, `Host` or forwarding field: such a request is
    /// refused in any case.
    Pass,
    /// The request is refused.
    Refuse,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerRule {
    /// What operators call it; unique.
    pub name: Arc<str>,
    /// Where it listens, as written; port 0 asks the kernel.
    pub address: SocketAddr,
    /// Longest waits.
    pub timeouts: ClientTimeouts,
    /// Limits.
    pub limits: ClientLimits,
    /// Fields with an underscore in their name.
    pub underscores: Underscores,
    /// Protocols that a client may upgrade to, in lower case.
    pub upgrades: Arc<[Box<str>]>,
    /// Whether a client that has closed its sending side still gets its answer.
    pub half_close: bool,
    /// Whether a path that servers may read in different ways is refused.
    pub refuse_ambiguous_paths: bool,
    /// TLS; `None`: cleartext.
    pub tls: Option<ListenerTls>,
    /// The value of `Strict-Transport-Security` in every response (RFC 6797); only with TLS.
    pub hsts: Option<Box<str>>,
    /// Every request is answered with a redirect to this port over HTTPS, unless a trusted proxy says that it came by HTTPS;
    /// only without TLS.
    pub redirect_to_https: Option<u16>,
}

/// The TLS of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// Certificates, and who is believed.
    pub server: Arc<Server>,
    /// Longest handshake, from the accept. Not zero.
    pub handshake_timeout: Duration,
    /// Most handshakes at once, over all cores; 0: no limit.
    pub handshakes: usize,
}

/// What a forwarded request says about its way here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardingRule {
    /// Peers whose `X-Forwarded-*` and `X-Request-Id` are believed; everybody else's are replaced.
    pub trusted_networks: Vec<IpNet>,
    /// The name in `Via`; `None` sends none.
    pub via: Option<Box<str>>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            connect: Duration::from_secs(3),
            tls: Duration::from_secs(3),
            head: Duration::from_secs(30),
            body_idle: Duration::from_secs(60),
            write: Duration::from_secs(30),
            attempt: None,
            total: None,
        }
    }
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            attempts: 3,
            statuses: [502, 503, 504].into(),
            replay_bytes: 64 * 1024,
            backoff: Duration::from_millis(25),
            retry_after: true,
            budget: Some(Budget::default()),
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Budget { share_percent: 20, window: Duration::from_secs(10), at_least: 10 }
    }
}

impl Default for Stall {
    fn default() -> Self {
        Stall { floor: Duration::from_secs(1), factor: 10 }
    }
}

impl Default for Connections {
    fn default() -> Self {
        Connections { idle: Duration::from_secs(60), idle_per_backend: 128 }
    }
}

impl Default for PoolRule {
    fn default() -> Self {
        PoolRule {
            balance: Balance::default(),
            timeouts: Timeouts::default(),
            retry: Retry::default(),
            stall: Some(Stall::default()),
            connections: Connections::default(),
            when_all_ejected: WhenAllEjected::default(),
            count_500: false,
            head_bytes: 64 * 1024,
            informational: 16,
            proxy_status_addresses: false,
            host: None,
        }
    }
}

impl Default for ClientTimeouts {
    fn default() -> Self {
        ClientTimeouts {
            head: Duration::from_secs(10),
            body_idle: Duration::from_secs(60),
            keep_alive: Duration::from_secs(75),
            tunnel_idle: Duration::from_secs(3600),
            r#continue: Duration::from_secs(1),
        }
    }
}

impl Default for ClientLimits {
    fn default() -> Self {
        ClientLimits {
            head_bytes: 64 * 1024,
            fields: 100,
            uri_bytes: 16 * 1024,
            body_bytes: 1 << 30,
            body_rate: 256,
            connections: 10_000,
            connections_per_client: 0,
            requests: 0,
            age: Duration::ZERO,
        }
    }
}

impl ListenerRule {
    /// A listener with defaults for everything else.
    pub fn new(name: Arc<str>, address: SocketAddr) -> Self {
        ListenerRule {
            name,
            address,
            timeouts: ClientTimeouts::default(),
            limits: ClientLimits::default(),
            underscores: Underscores::default(),
            upgrades: [Box::from("websocket")].into(),
            half_close: false,
            refuse_ambiguous_paths: false,
            tls: None,
            hsts: None,
            redirect_to_https: None,
        }
    }
}

impl Default for ForwardingRule {
    fn default() -> Self {
        ForwardingRule { trusted_networks: Vec::new(), via: Some("evenkeel".into()) }
    }
}

impl Stall {
    /// How long an attempt of a route may take to its response head before it counts as stalled. `usual`: what 99 %
    /// of the route's attempts stay below, if that is known.
    #[inline]
    pub fn bound(&self, usual: Option<Duration>) -> Duration {
        usual.map_or(self.floor, |usual| self.floor.max(usual.saturating_mul(self.factor)))
    }
}

impl Rule {
    /// What operators call the route: its host, then its path; `*` where either is any.
    pub fn label(&self) -> String {
        let host = match &self.host {
            HostMatch::Any => "*".to_string(),
            HostMatch::Wildcard(suffix) => format!("*.{suffix}"),
            HostMatch::Exact(name) => name.to_string(),
        };
        match &self.path {
            PathMatch::Any => host,
            PathMatch::Prefix(path) | PathMatch::Exact(path) => format!("{host}{path}"),
        }
    }
}
