//! Exactly the YAML: one type for each map, one field for each key. The comments are what `evenkeel schema` says.
//!
//! Whatever concerns one value alone is checked as it is read; what concerns several is checked in [`crate::check`].
#![expect(dead_code, reason = "a key with one value that works is read only so that others are refused")]

mod backend;
mod backend_tls;
mod choice;
mod dns;
mod health;
mod hsts;
mod matching;
mod name;
mod pool;
mod probe;
mod probe_text;
mod quantity;
mod scheme;
mod share;
mod status;
mod table;
mod tenths;
mod tls;
mod tls_text;

use evenkeel_routing::Underscores;
use schemars::{JsonSchema, Schema, json_schema};
use serde::Deserialize;

pub(crate) use self::backend::BackendDocument;
pub(crate) use self::backend_tls::PoolTlsDocument;
pub(crate) use self::choice::{Switch, Workers};
use self::choice::{Word, Words};
pub(crate) use self::dns::DnsDocument;
pub(crate) use self::health::{EjectDocument, HealthDocument};
pub(crate) use self::hsts::{HstsDocument, HttpsPort};
pub(crate) use self::matching::{HostPattern, PathPattern};
pub(crate) use self::name::{ListenAddress, Name, Refusal, Text, UpgradeName, is_token};
use self::name::{LogPath, Network, SocketPath, ViaName};
pub(crate) use self::pool::{
    BudgetDocument, ConnectionsDocument, PoolDocument, RetryDocument, StallDocument, TimeoutsDocument,
};
pub(crate) use self::probe::{Fields, ProbeDocument, TcpDocument};
pub(crate) use self::probe_text::Wanted;
use self::quantity::{Bytes, Period, Whole};
pub(crate) use self::quantity::{show_bytes, show_duration};
pub(crate) use self::scheme::SchemedAddress;
pub(crate) use self::share::Share;
pub(crate) use self::status::merged;
use self::table::Table;
pub(crate) use self::tenths::show_tenths;
pub(crate) use self::tls::{CertificateDocument, ClientDocument, TlsDocument};
pub(crate) use self::tls_text::{FilePath, peer_name, show_pin};

/// A wait: at least a millisecond.
type Wait = Period<1>;
/// A time that may be nothing.
type Time = Period<0>;
/// A count where 0 means something of its own.
pub(crate) type Count = Whole<0, 1_000_000_000>;
/// The size of a message head.
type HeadBytes = Bytes<1024, 1_048_576>;

/// Configuration of evenkeel.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with keys like `listeners` and `pools`")]
pub(crate) struct Document {
    /// The operator's door: metrics, health and status of evenkeel itself.
    pub(crate) admin: Option<AdminDocument>,
    /// Worker threads: `auto` is one per core. Changing it needs a restart. Default: auto.
    pub(crate) workers: Option<Workers>,
    /// Where requests are logged, or `off`. Default: JSON on standard output.
    pub(crate) access_log: Option<Switch<AccessLogDocument>>,
    /// How long requests, downloads and tunnels in flight may go on when their listener closes or evenkeel stops. Default: 30s.
    pub(crate) drain_timeout: Option<Wait>,
    /// Peers whose `X-Forwarded-*`, `X-Request-Id` and `X-Evenkeel-Attempt` are believed; everybody else's are replaced. Default: none.
    pub(crate) trusted_networks: Option<Vec<Text<Network>>>,
    /// The name in the `Via` field, or `off`. Default: evenkeel.
    pub(crate) via: Option<Switch<Text<ViaName>>>,
    /// Where clients connect; at least one.
    pub(crate) listeners: Option<Vec<ListenerDocument>>,
    /// Which requests go to which pool; the most specific match wins, whatever the order. May be left out with one pool.
    pub(crate) routes: Option<Vec<RouteDocument>>,
    /// Groups of backends that serve the same, by name; at least one.
    pub(crate) pools: Option<Table<PoolDocument>>,
    /// How names are looked up.
    pub(crate) dns: Option<DnsDocument>,
}

/// The operator's door.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `address` or `socket`")]
pub(crate) struct AdminDocument {
    /// Where the read-only HTTP API listens (`/metrics`, `/healthz`, `/readyz`, `/api/status`), or `off`. Changing it needs a restart. Default: 127.0.0.1:9180.
    pub(crate) address: Option<Switch<Text<ListenAddress>>>,
    /// Absolute path of the Unix socket that takes changes, of at most 107 bytes, or `off`. Changing it needs a restart. Default: `admin.sock` in `$RUNTIME_DIRECTORY`, else in `$XDG_RUNTIME_DIR/evenkeel`, else in `/run/evenkeel`.
    pub(crate) socket: Option<Switch<Text<SocketPath>>>,
}

/// Where requests are logged.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `path`, or `off`")]
pub(crate) struct AccessLogDocument {
    /// `stdout`, or the absolute path of a file, which is reopened on SIGUSR1. Default: stdout.
    pub(crate) path: Option<Text<LogPath>>,
    /// How an entry is written: `json`, one object a line. Default: json.
    pub(crate) format: Option<Word<LogFormat>>,
}

/// How an entry of the access log is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LogFormat {
    Json,
}

/// One listener.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `address`")]
pub(crate) struct ListenerDocument {
    /// What operators call it, in logs and metrics; unique. Default: its address as written.
    pub(crate) name: Option<Text<Name>>,
    /// IP address and port; port 0 asks the kernel for one. Required.
    pub(crate) address: Text<ListenAddress>,
    /// How long it waits for clients.
    pub(crate) timeouts: Option<ClientTimeoutsDocument>,
    /// What clients may send.
    pub(crate) limits: Option<ClientLimitsDocument>,
    /// What is spoken; only `[http/1.1]` works yet.
    pub(crate) protocols: Option<Vec<Word<Protocol>>>,
    /// What happens to request fields with an underscore in their name, which many servers take for a hyphen: `drop`, `pass` or `refuse`. One that would pass for a framing, `Host` or forwarding field is always refused. Default: drop.
    pub(crate) underscores: Option<Word<Underscores>>,
    /// Protocols that a client may switch to (`Upgrade`), or `off`. Default: [websocket].
    pub(crate) upgrades: Option<Switch<Vec<Text<UpgradeName>>>>,
    /// Whether a client that has closed its sending side still gets its answer. If not, it counts as gone (499). Default: false.
    pub(crate) half_close: Option<Switch<bool>>,
    /// Whether a path that servers may read in different ways is refused (400): with `.` or `..` segments, however encoded, or with an encoded slash, backslash or NUL. Default: false.
    pub(crate) refuse_ambiguous_paths: Option<Switch<bool>>,
    /// TLS, with these certificates; or `off`, the default.
    pub(crate) tls: Option<Switch<TlsDocument>>,
    /// Whether browsers are told to come over HTTPS alone from now on (`Strict-Transport-Security`): `true`, or a map with more; or `off`, the default. Only with `tls`.
    pub(crate) hsts: Option<Switch<HstsDocument>>,
    /// Whether every request is answered with a redirect (308) to the same place over HTTPS: `true` for port 443, or another port; or `off`, the default. Those pass that one of `trusted_networks` says came by HTTPS (`X-Forwarded-Proto`). Only without `tls`.
    pub(crate) redirect_to_https: Option<Switch<HttpsPort>>,
}

/// What a listener speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Protocol {
    Http11,
}

/// How long a listener waits for a client.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map of durations")]
pub(crate) struct ClientTimeoutsDocument {
    /// For a whole request head, from its first byte; for the first request, from the connect. Then 408. Default: 10s.
    pub(crate) head: Option<Wait>,
    /// Between two pieces of a request body, and for the client to take a piece of its response. Default: 60s.
    pub(crate) body_idle: Option<Wait>,
    /// Between a response and the next request; then the connection is closed. Default: 75s.
    pub(crate) keep_alive: Option<Wait>,
    /// Without a byte in either direction of a WebSocket. Default: 1h.
    pub(crate) tunnel_idle: Option<Wait>,
    /// For the backend to answer `Expect: 100-continue`, before evenkeel does. Default: 1s.
    pub(crate) r#continue: Option<Wait>,
}

/// What clients may send.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map of limits")]
pub(crate) struct ClientLimitsDocument {
    /// Largest request head; beyond: 431. From 1KiB to 1MiB. Default: 64KiB.
    pub(crate) head_bytes: Option<HeadBytes>,
    /// Most fields in a request head; beyond: 431. From 1 to 256. Default: 100.
    pub(crate) fields: Option<Whole<1, 256>>,
    /// Longest request target; beyond: 414. From 64B to the size of a head. Default: 16KiB.
    pub(crate) uri_bytes: Option<Bytes<64, 1_048_576>>,
    /// Largest request body; beyond: 413. 0 or `off`: no limit. Default: 1GiB.
    pub(crate) body_bytes: Option<Switch<Bytes<0, { u64::MAX }>>>,
    /// Slowest request body, in bytes a second on average, after its first ten seconds; below: 408. 0 or `off`: no limit. Default: 256B.
    pub(crate) body_rate: Option<Switch<Bytes<0, { 1 << 40 }>>>,
    /// Most connections at once. 0 or `off`: no limit. Default: 10000.
    pub(crate) connections: Option<Switch<Count>>,
    /// Most connections at once from one address (IPv6: from one /64). 0 or `off`: no limit, the default.
    pub(crate) connections_per_client: Option<Switch<Count>>,
    /// Most requests on one connection. 0 or `off`: no limit, the default.
    pub(crate) requests: Option<Switch<Count>>,
    /// Longest life of a connection; it ends after the response in progress. 0s or `off`: no limit, the default.
    pub(crate) age: Option<Switch<Time>>,
}

/// Which requests go to which pool.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `pool`")]
pub(crate) struct RouteDocument {
    /// Which requests it takes. Default: every one.
    pub(crate) r#match: Option<MatchDocument>,
    /// Name of the pool that serves them. Required.
    pub(crate) pool: Text<Name>,
    /// Instead of the pool's own, key by key.
    pub(crate) timeouts: Option<TimeoutsDocument>,
    /// Instead of the pool's own, key by key.
    pub(crate) retry: Option<Switch<RetryDocument>>,
}

/// Which requests a route takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `host` or `path`")]
pub(crate) struct MatchDocument {
    /// Name in the `Host` field, without port: `api.example.com`, or `*.example.com` for every name below. Default: every host.
    pub(crate) host: Option<Text<HostPattern>>,
    /// `/v1` takes this path; `/v1/` takes it, too, and everything below it. Compared as sent. Default: every path.
    pub(crate) path: Option<Text<PathPattern>>,
}

impl Words for LogFormat {
    const KNOWN: &'static [(&'static str, Self)] = &[("json", LogFormat::Json)];
    const LATER: &'static [&'static str] = &[];
}

impl Words for Protocol {
    const KNOWN: &'static [(&'static str, Self)] = &[("http/1.1", Protocol::Http11)];
    const LATER: &'static [&'static str] = &["h2", "h2c", "http/2", "h3", "http/3"];
}

impl Words for Underscores {
    const KNOWN: &'static [(&'static str, Self)] =
        &[("drop", Underscores::Drop), ("pass", Underscores::Pass), ("refuse", Underscores::Refuse)];
    const LATER: &'static [&'static str] = &[];
}

/// A value, or a text with a reference to the environment in it.
fn or_environment(value: Schema) -> Schema {
    json_schema!({ "anyOf": [value, { "type": "string", "pattern": "\\$\\{" }] })
}

/// One of these words.
fn one_of(words: impl Iterator<Item = &'static str>) -> Schema {
    let words: Vec<&str> = words.collect();
    or_environment(json_schema!({ "enum": words }))
}
