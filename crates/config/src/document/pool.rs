//! A pool as written: its backends, and how they are used.

use evenkeel_routing::Balance;
use schemars::JsonSchema;
use serde::Deserialize;

use super::choice::{Switch, Word, Words};
use super::quantity::{Bytes, Period, Whole};
use super::share::Share;
use super::{BackendDocument, HeadBytes, HealthDocument, PoolTlsDocument, Time, Wait};
use crate::plan::Resolve;

/// A group of backends that serve the same.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `backends`")]
pub(crate) struct PoolDocument {
    /// How requests are shared out: `round_robin`, `least_requests` or `random`, all by weight. Default: round_robin.
    pub(crate) balance: Option<Word<Balance>>,
    /// Where requests go; at least one. Required.
    pub(crate) backends: Vec<BackendDocument>,
    /// How long evenkeel waits for a backend.
    pub(crate) timeouts: Option<TimeoutsDocument>,
    /// Connections that are kept open to backends.
    pub(crate) connections: Option<ConnectionsDocument>,
    /// When a failed request goes to another backend; `off` is `attempts: 1`.
    pub(crate) retry: Option<Switch<RetryDocument>>,
    /// When a backend receives requests.
    pub(crate) health: Option<HealthDocument>,
    /// What backends may send.
    pub(crate) limits: Option<LimitsDocument>,
    /// When a GET, HEAD or OPTIONS without a body is tried on a second backend beside one that hangs; or `off`. Default: on.
    pub(crate) stall: Option<Switch<StallDocument>>,
    /// What the `Proxy-Status` field of answers tells.
    pub(crate) proxy_status: Option<ProxyStatusDocument>,
    /// What the addresses of a backend's name are: `once`, ways to one backend; `each`, a backend each. Default: once.
    pub(crate) resolve: Option<Word<Resolve>>,
    /// How `https://` backends are verified, and who evenkeel is to them. Default: the system's CAs and each backend's own host.
    pub(crate) tls: Option<Switch<PoolTlsDocument>>,
}

/// How long evenkeel waits for a backend.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map of durations")]
pub(crate) struct TimeoutsDocument {
    /// To make a connection; then another backend, or 504. Default: 3s.
    pub(crate) connect: Option<Wait>,
    /// For the response head, from the last byte of the request, in each attempt; then 504. Default: 30s.
    pub(crate) head: Option<Wait>,
    /// Between two pieces of a response body; then the response is cut. Default: 60s.
    pub(crate) body_idle: Option<Wait>,
    /// For the backend to take a piece of the request; then 504. Default: 30s.
    pub(crate) write: Option<Wait>,
    /// For one attempt, from the choice of the backend to the response head; or `off`, the default.
    pub(crate) attempt: Option<Switch<Wait>>,
    /// For all attempts, from the request head to the response head; then 504. Or `off`, the default.
    pub(crate) total: Option<Switch<Wait>>,
    /// For the TLS handshake with a backend; then another backend, or 504. Default: 3s.
    pub(crate) tls: Option<Wait>,
}

/// Connections that are kept open to backends.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `idle` or `idle_per_backend`")]
pub(crate) struct ConnectionsDocument {
    /// Longest time that one stays open unused; 0s or `off` keeps none. Default: 60s.
    pub(crate) idle: Option<Switch<Time>>,
    /// Most that are kept for a backend, per core; 0 keeps none. Default: 128.
    pub(crate) idle_per_backend: Option<Whole<0, 65_535>>,
}

/// When a failed request goes to another backend.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `attempts` or `statuses`, or `off`")]
pub(crate) struct RetryDocument {
    /// Attempts in all, the first included; 1 turns retries off. From 1 to 10. Default: 3.
    pub(crate) attempts: Option<Whole<1, 10>>,
    /// Answers of a backend that a GET, HEAD or OPTIONS does not have to accept, from 500 to 599; or `off`. Default: [502, 503, 504].
    pub(crate) statuses: Option<Switch<Vec<Whole<500, 599>>>>,
    /// Most bytes of a request body that are kept, so that a PUT or DELETE can be sent again; 0B or `off` keeps none. Up to 16MiB. Default: 64KiB.
    pub(crate) replay_bytes: Option<Switch<Bytes<0, { 16 << 20 }>>>,
    /// The first retry never waits. The second waits for a random part of this, each further one for up to twice as long as the one before; 0s or `off`: none waits. Up to 10s. Default: 25ms.
    pub(crate) backoff: Option<Switch<Period<0, 10_000>>>,
    /// Whether a retry passes over a backend for as long as its `Retry-After` asks, up to a minute. Default: true.
    pub(crate) retry_after: Option<Switch<bool>>,
    /// How many retries a pool may have in all, of those that give a backend work; or `off`: no bound. Default: on.
    pub(crate) budget: Option<Switch<BudgetDocument>>,
}

/// How many retries there may be in all: the larger of `share` and `at_least`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `share`, `window` or `at_least`, or `off`")]
pub(crate) struct BudgetDocument {
    /// Share of the pool's requests within the window. From 0% to 100%. Default: 20%.
    pub(crate) share: Option<Share>,
    /// Over which time requests and retries are counted. From 1s to 60s. Default: 10s.
    pub(crate) window: Option<Period<1_000, 60_000>>,
    /// So many retries a second are allowed in any case, on average over the window. From 0 to 100000. Default: 10.
    pub(crate) at_least: Option<Whole<0, 100_000>>,
}

/// When an attempt counts as stalled: no response head after the longer of `floor` and `factor` times the usual.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `floor` or `factor`, or `off`")]
pub(crate) struct StallDocument {
    /// No attempt stalls before this. From 10ms to 10m. Default: 1s.
    pub(crate) floor: Option<Period<10, 600_000>>,
    /// Nor before this many times what 99 % of the route's attempts take to a response head. From 1 to 1000. Default: 10.
    pub(crate) factor: Option<Whole<1, 1000>>,
}

/// What the `Proxy-Status` field of answers tells.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `addresses`")]
pub(crate) struct ProxyStatusDocument {
    /// Whether backends are told by address, instead of by pool and name. Default: false.
    pub(crate) addresses: Option<Switch<bool>>,
}

/// What backends may send.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `head_bytes` or `informational`")]
pub(crate) struct LimitsDocument {
    /// Largest response head; beyond: 502. From 1KiB to 1MiB. Default: 64KiB.
    pub(crate) head_bytes: Option<HeadBytes>,
    /// Most informational (1xx) responses before the final one; beyond: 502. From 0 to 1000. Default: 16.
    pub(crate) informational: Option<Whole<0, 1000>>,
}

impl Words for Balance {
    const KNOWN: &'static [(&'static str, Self)] = &[
        ("round_robin", Balance::RoundRobin),
        ("least_requests", Balance::LeastRequests),
        ("random", Balance::Random),
    ];
    const LATER: &'static [&'static str] = &["ring", "maglev"];
}
