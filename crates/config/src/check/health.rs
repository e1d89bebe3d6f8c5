//! Health: policies that can take a backend out of service, and bring it back.

use std::time::Duration;

use evenkeel_health::{Eject, Initial, Policy};

use super::probe;
use crate::document::{EjectDocument, HealthDocument, Share, Switch, show_duration};
use crate::plan::BackendPlan;
use crate::problem::{Code, Problems};
use crate::tree::Place;

/// What health rules are for.
#[derive(Clone, Copy)]
pub(super) struct OfPool<'a> {
    pub(super) backends: &'a [BackendPlan],
    /// Whether one of them is spoken to over TLS.
    pub(super) has_tls: bool,
    /// The `Host` that they see with requests, if that is not the client's.
    pub(super) host: Option<&'a str>,
}

/// Checks a pool's health rules.
pub(super) fn check(
    document: Option<HealthDocument>,
    pool: OfPool<'_>,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Policy {
    let defaults = Policy::default();
    let Some(document) = document else { return defaults };
    let probe = document.probe.and_then(Switch::on);
    let policy = Policy {
        probe: probe.map(|it| probe::check(&it, pool, &place.key("probe"), problems)),
        eject: match document.eject {
            None => defaults.eject,
            Some(it) => it.on().map(|it| eject(&it, &place.key("eject"), problems)),
        },
        slow_start: document
            .slow_start
            .map_or(defaults.slow_start, |it| it.on().map_or(Duration::ZERO, |time| time.0)),
        initial: document.initial.map_or(defaults.initial, |word| word.0),
    };
    check_way_back(&policy, place, problems);
    policy
}

fn check_way_back(policy: &Policy, place: &Place<'_>, problems: &mut Problems) {
    let has_none = policy.initial == Initial::Ejected && policy.probe.is_none() && policy.eject.is_none();
    if has_none && !place.is_any_broken(&["probe", "eject"]) {
        let message = "nothing would ever put a backend in service: there is no probe, and `eject` is off";
        let help = "write a `probe`, or remove `eject: off`";
        problems.at(&place.key("initial"), Code::Conflict, message, help);
    }
}

fn eject(document: &EjectDocument, place: &Place<'_>, problems: &mut Problems) -> Eject {
    let defaults = Eject::default();
    let wait = document.wait.map_or(defaults.wait, |wait| wait.0);
    let longest_wait = document.longest_wait.map_or(defaults.longest_wait.max(wait), |wait| wait.0);
    if longest_wait < wait && !place.is_any_broken(&["wait", "longest_wait"]) {
        let message = format!("shorter than `wait`, which is `{}`", show_duration(wait));
        let help = "make it at least as long as `wait`";
        problems.at(&place.key("longest_wait"), Code::BadValue, message, help);
    }
    let share = |written: Option<Switch<Share<1>>>, default| {
        written.map_or(default, |it| it.on().map(|share| share.0))
    };
    Eject {
        consecutive: document.consecutive.map_or(defaults.consecutive, |count| count.0 as u32),
        rate_percent: share(document.rate, defaults.rate_percent),
        gateway_percent: share(document.gateway_rate, defaults.gateway_percent),
        minimum_requests: document.minimum_requests.map_or(defaults.minimum_requests, |count| count.0 as u32),
        window: document.window.map_or(defaults.window, |window| window.0),
        count_500: document.count_500.map_or(defaults.count_500, |it| it.on().unwrap_or(false)),
        deviation_tenths: document
            .deviation
            .map_or(defaults.deviation_tenths, |it| it.on().map(|number| number.0)),
        latency_factor: document
            .latency
            .map_or(defaults.latency_factor, |it| it.on().map(|factor| factor.0 as u32)),
        wait,
        longest_wait,
        jitter_percent: document.jitter.map_or(defaults.jitter_percent, |share| share.0),
        trial: document.trial.map_or(defaults.trial, |count| count.0 as u32),
        keep_percent: document.keep_at_least.map_or(defaults.keep_percent, |share| share.0),
    }
}
