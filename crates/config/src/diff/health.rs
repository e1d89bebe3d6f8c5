//! A pool's health rules written out as settings. What stands below a key that is off, or belongs to another kind of
//! probe, is of no meaning there; that key itself tells the change.

use std::ops::RangeInclusive;

use evenkeel_health::{Eject, HttpProbe, Initial, Policy, Probe, ProbeKind, Target, TcpProbe};
use evenkeel_routing::WhenAllEjected;

use super::settings::{Setting, setting};
use crate::document::{show_bytes, show_duration, show_tenths};
use crate::words::quoted;

/// What a probe takes from the backend, where nothing else is written.
const OF_BACKEND: &str = "the backend's";

/// Writes health rules out, with those that the request path has.
pub(super) fn settings(policy: &Policy, count_500: bool, when_all_ejected: WhenAllEjected) -> Vec<Setting> {
    let Policy { probe, eject, slow_start, initial } = policy;
    let mut settings = probe_settings(probe.as_ref());
    settings.extend(eject_settings(eject.as_ref(), count_500));
    settings.extend([
        setting("health.initial", initial_word(*initial).into()),
        setting("health.slow_start", show_duration(*slow_start)),
        setting("health.when_all_ejected", all_ejected_word(when_all_ejected).into()),
    ]);
    settings
}

fn probe_settings(probe: Option<&Probe>) -> Vec<Setting> {
    let none = Probe::default();
    let Probe { kind, target, is_cleartext, interval, fast_interval, jitter_percent, timeout, fall, rise } =
        probe.unwrap_or(&none);
    let (http, tcp) = match kind {
        ProbeKind::Http(http) => (Some(http), None),
        ProbeKind::Tcp(tcp) => (None, probe.map(|_| tcp)),
    };
    let word = match (http, tcp) {
        (Some(_), _) => "path",
        (None, Some(_)) => "tcp",
        (None, None) => "off",
    };
    let mut settings = vec![summarised("health.probe", word, probe.map(show_probe))];
    settings.extend(http_settings(http));
    settings.extend(tcp_settings(tcp));
    let (port, address) = match target {
        Target::Same => (None, None),
        Target::Port(port) => (Some(port.to_string()), None),
        Target::Address(address) => (None, Some(address.to_string())),
    };
    let common = [
        setting("health.probe.port", port.unwrap_or(OF_BACKEND.into())),
        setting("health.probe.address", address.unwrap_or(OF_BACKEND.into())),
        setting("health.probe.tls", if *is_cleartext { "off".into() } else { OF_BACKEND.into() }),
        setting("health.probe.interval", show_duration(*interval)),
        setting("health.probe.fast_interval", show_duration(*fast_interval)),
        setting("health.probe.jitter", percent(*jitter_percent)),
        setting("health.probe.timeout", show_duration(*timeout)),
        setting("health.probe.fall", fall.to_string()),
        setting("health.probe.rise", rise.to_string()),
    ];
    settings.extend(where_it_holds(probe.is_some(), common));
    settings
}

fn http_settings(http: Option<&HttpProbe>) -> [Setting; 7] {
    let none = HttpProbe::get("/");
    let HttpProbe { method, path, host, headers, statuses, drain_statuses, body } = http.unwrap_or(&none);
    // Values of fields may be credentials, which have no place in a log.
    let names: Vec<&str> = headers.iter().map(|(name, _)| &**name).collect();
    let names = format!("[{}]", names.join(", "));
    let settings = [
        setting("health.probe.path", path.to_string()),
        setting("health.probe.method", method.to_string()),
        setting("health.probe.host", host.as_deref().unwrap_or(OF_BACKEND).into()),
        summarised("health.probe.headers", &format!("{headers:?}"), Some(names)),
        setting("health.probe.statuses", show_statuses(statuses)),
        setting("health.probe.drain_statuses", show_statuses(drain_statuses)),
        setting("health.probe.body", body.as_deref().map_or("any".into(), quoted)),
    ];
    where_it_holds(http.is_some(), settings)
}

fn tcp_settings(tcp: Option<&TcpProbe>) -> [Setting; 2] {
    let none = TcpProbe::default();
    let TcpProbe { send, expect } = tcp.unwrap_or(&none);
    // What is sent may be a password.
    let sent = show_bytes(send.len() as u64);
    let wanted = if expect.is_empty() { "nothing".into() } else { quoted(&String::from_utf8_lossy(expect)) };
    let settings = [
        summarised("health.probe.tcp.send", &format!("{send:?}"), Some(sent)),
        summarised("health.probe.tcp.expect", &format!("{expect:?}"), Some(wanted)),
    ];
    where_it_holds(tcp.is_some(), settings)
}

fn eject_settings(eject: Option<&Eject>, count_500: bool) -> Vec<Setting> {
    let none = Eject::default();
    let Eject {
        consecutive,
        rate_percent,
        gateway_percent,
        minimum_requests,
        window,
        // As the request path has it.
        count_500: _,
        deviation_tenths,
        latency_factor,
        wait,
        longest_wait,
        jitter_percent,
        trial,
        keep_percent,
    } = eject.unwrap_or(&none);
    let word = if eject.is_some() { "on" } else { "off" };
    let mut settings = vec![summarised("health.eject", word, eject.map(show_eject))];
    let below = [
        setting("health.eject.consecutive", consecutive.to_string()),
        setting("health.eject.rate", unless_off(*rate_percent, percent)),
        setting("health.eject.gateway_rate", unless_off(*gateway_percent, percent)),
        setting("health.eject.minimum_requests", minimum_requests.to_string()),
        setting("health.eject.window", show_duration(*window)),
        setting("health.eject.count_500", count_500.to_string()),
        setting("health.eject.deviation", unless_off(*deviation_tenths, show_tenths)),
        setting("health.eject.latency", unless_off(*latency_factor, |factor| factor.to_string())),
        setting("health.eject.wait", show_duration(*wait)),
        setting("health.eject.longest_wait", show_duration(*longest_wait)),
        setting("health.eject.jitter", percent(*jitter_percent)),
        setting("health.eject.trial", trial.to_string()),
        setting("health.eject.keep_at_least", percent(*keep_percent)),
    ];
    settings.extend(where_it_holds(eject.is_some(), below));
    settings
}

/// A setting that is told in other words than it is compared by.
pub(super) fn summarised(key: &'static str, value: &str, shown: Option<String>) -> Setting {
    Setting { shown, ..setting(key, value.into()) }
}

/// The same keys in any case; without values, where they are of no meaning.
pub(super) fn where_it_holds<const COUNT: usize>(
    holds: bool,
    settings: [Setting; COUNT],
) -> [Setting; COUNT] {
    settings.map(|setting| Setting { value: setting.value.filter(|_| holds), ..setting })
}

fn show_probe(probe: &Probe) -> String {
    let what = match &probe.kind {
        ProbeKind::Http(http) => format!("{} {}", http.method, http.path),
        ProbeKind::Tcp(_) => "connect".into(),
    };
    let (interval, timeout) = (show_duration(probe.interval), show_duration(probe.timeout));
    format!("{what} every {interval}, timeout {timeout}, fall {}, rise {}", probe.fall, probe.rise)
}

fn show_eject(eject: &Eject) -> String {
    let rate = eject.rate_percent.map_or(String::new(), |rate| format!(" or {rate}%"));
    let (wait, longest_wait) = (show_duration(eject.wait), show_duration(eject.longest_wait));
    format!("after {}{rate}, wait {wait} to {longest_wait}, trial {}", eject.consecutive, eject.trial)
}

fn show_statuses(statuses: &[RangeInclusive<u16>]) -> String {
    let show = |range: &RangeInclusive<u16>| match range.start() == range.end() {
        true => range.start().to_string(),
        false => format!("{}-{}", range.start(), range.end()),
    };
    let statuses: Vec<String> = statuses.iter().map(show).collect();
    format!("[{}]", statuses.join(", "))
}

fn percent(percent: u32) -> String {
    format!("{percent}%")
}

fn unless_off(value: Option<u32>, show: fn(u32) -> String) -> String {
    value.map_or("off".into(), show)
}

/// The word of the configuration.
fn initial_word(initial: Initial) -> &'static str {
    match initial {
        Initial::Unproven => "unproven",
        Initial::Serving => "serving",
        Initial::Ejected => "ejected",
    }
}

fn all_ejected_word(rule: WhenAllEjected) -> &'static str {
    match rule {
        WhenAllEjected::LastResort => "last_resort",
        WhenAllEjected::FailOpen => "fail_open",
        WhenAllEjected::FailClosed => "fail_closed",
    }
}
