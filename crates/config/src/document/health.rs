//! When a backend receives requests, as written.

use evenkeel_health::Initial;
use evenkeel_routing::WhenAllEjected;
use schemars::JsonSchema;
use serde::Deserialize;

use super::choice::{Switch, Word, Words};
use super::quantity::{Period, Whole};
use super::share::Share;
use super::tenths::Tenths;
use super::{ProbeDocument, Time, Wait};

/// When a backend receives requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `probe` or `eject`")]
pub(crate) struct HealthDocument {
    /// Active checks, beside the traffic; or `off`, the default.
    pub(crate) probe: Option<Switch<ProbeDocument>>,
    /// Ejection of a backend that fails requests; or `off`. Default: on.
    pub(crate) eject: Option<Switch<EjectDocument>>,
    /// How a backend begins, at a start or when a reload adds it: `unproven` is in service until its first failed probe, `serving` until as many as `fall`, `ejected` is out until it has proved itself. Default: unproven.
    pub(crate) initial: Option<Word<Initial>>,
    /// How long the share of a backend grows to its full weight after it came into service; 0s or `off` gives it at once. Default: 10s.
    pub(crate) slow_start: Option<Switch<Time>>,
    /// What happens when every backend is out: `last_resort` tries them nevertheless, `fail_open` ignores health, `fail_closed` answers 503. Default: last_resort.
    pub(crate) when_all_ejected: Option<Word<WhenAllEjected>>,
}

/// Ejection of a backend that fails requests.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a map with `consecutive` or `rate`, or `off`")]
pub(crate) struct EjectDocument {
    /// Failures in a row that eject. From 1 to 1000. Default: 3.
    pub(crate) consecutive: Option<Whole<1, 1000>>,
    /// Share of failed requests within the window that ejects, from 1% to 100%; or `off`. Default: 50%.
    pub(crate) rate: Option<Switch<Share<1>>>,
    /// Share of requests answered with 502, 503 or 504 within the window that ejects, from 1% to 100%; or `off`. Default: 25%.
    pub(crate) gateway_rate: Option<Switch<Share<1>>>,
    /// From how many requests within the window a share says something. From 1 to 1000000. Default: 20.
    pub(crate) minimum_requests: Option<Whole<1, 1_000_000>>,
    /// Over which time shares are taken. From 1s to 10m. Default: 10s.
    pub(crate) window: Option<Period<1_000, 600_000>>,
    /// Whether an answer of 500 is a failure; the client gets it all the same. Default: false.
    pub(crate) count_500: Option<Switch<bool>>,
    /// How many standard deviations below the pool's mean a share of successes ejects, from 1.0 to 10.0, like 1.9; or `off`, the default.
    pub(crate) deviation: Option<Switch<Tenths<10, 100>>>,
    /// How many times the others' usual time to a response head ejects, from 2 to 1000; or `off`, the default.
    pub(crate) latency: Option<Switch<Whole<2, 1000>>>,
    /// First wait before a trial. Default: 10s.
    pub(crate) wait: Option<Wait>,
    /// Longest wait: each failed trial doubles it up to this. Also how long a good run takes to be forgiven. Default: 5m.
    pub(crate) longest_wait: Option<Wait>,
    /// By how much of it a wait is longer, at most, at random. From 0% to 100%. Default: 10%.
    pub(crate) jitter: Option<Share>,
    /// Successes of a trial, in a row, that re-admit. From 1 to 100. Default: 2.
    pub(crate) trial: Option<Whole<1, 100>>,
    /// Share of the pool that traffic alone never takes out of service, from 0% to 100%; one backend stays in any case. Default: 50%.
    pub(crate) keep_at_least: Option<Share>,
}

impl Words for Initial {
    const KNOWN: &'static [(&'static str, Self)] =
        &[("unproven", Initial::Unproven), ("serving", Initial::Serving), ("ejected", Initial::Ejected)];
    const LATER: &'static [&'static str] = &[];
}

impl Words for WhenAllEjected {
    const KNOWN: &'static [(&'static str, Self)] = &[
        ("last_resort", WhenAllEjected::LastResort),
        ("fail_open", WhenAllEjected::FailOpen),
        ("fail_closed", WhenAllEjected::FailClosed),
    ];
    const LATER: &'static [&'static str] = &[];
}
