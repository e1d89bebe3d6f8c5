//! Probes: one kind of question, to one place, in times that fit.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use evenkeel_health::{HttpProbe, Probe, ProbeKind, Target, TcpProbe};
use evenkeel_model::Address;

use super::health::OfPool;
use crate::document::{Fields, ProbeDocument, TcpDocument, Text, Wanted, is_token, merged};
use crate::plan::BackendPlan;
use crate::problem::{Code, Problems};
use crate::tree::Place;
use crate::words::quoted;

/// Keys of an HTTP request.
const HTTP_KEYS: [&str; 6] = ["method", "host", "headers", "statuses", "drain_statuses", "body"];

/// Fields that say how a message is framed or how its connection is used, which is for whoever sends it.
const OWN_FIELDS: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Checks a pool's probe.
pub(super) fn check(
    document: &ProbeDocument,
    pool: OfPool<'_>,
    place: &Place<'_>,
    problems: &mut Problems,
) -> Probe {
    let defaults = Probe::default();
    let interval = document.interval.map_or(defaults.interval, |wait| wait.0);
    let usual_fast_interval = Probe::usual_fast_interval(interval);
    let probe = Probe {
        is_cleartext: is_cleartext(document, pool, place, problems),
        kind: kind(document, pool.host, place, problems),
        target: target(document, pool.backends, place, problems),
        interval,
        fast_interval: document.fast_interval.map_or(usual_fast_interval, |wait| wait.0),
        jitter_percent: document.jitter.map_or(defaults.jitter_percent, |share| share.0),
        timeout: document.timeout.map_or(defaults.timeout.min(interval), |wait| wait.0),
        fall: document.fall.map_or(defaults.fall, |count| count.0 as u32),
        rise: document.rise.map_or(defaults.rise, |count| count.0 as u32),
    };
    let help = "make it shorter, or the interval longer: a probe begins when the last one is over";
    check_fits("timeout", probe.timeout, interval, help, place, problems);
    let help = "make it shorter, or remove it: it is how often to ask when there is something to learn";
    check_fits("fast_interval", probe.fast_interval, interval, help, place, problems);
    probe
}

fn check_fits(
    key: &str,
    duration: Duration,
    interval: Duration,
    help: &str,
    place: &Place<'_>,
    problems: &mut Problems,
) {
    if duration > interval && !place.is_any_broken(&["interval", key]) {
        problems.at(&place.key(key), Code::BadValue, "longer than `interval`", help);
    }
}

/// Of no meaning where nothing is spoken over TLS; then it is the default, so that plans are equal.
fn is_cleartext(
    document: &ProbeDocument,
    pool: OfPool<'_>,
    place: &Place<'_>,
    problems: &mut Problems,
) -> bool {
    let Some(written) = document.tls else { return false };
    if !pool.has_tls {
        let message = "no backend of this pool is spoken to over TLS, so a probe is not, either";
        let help = "remove it, or write `https://` before a backend's address";
        problems.at(&place.key("tls").at_key(), Code::Conflict, message, help);
    }
    pool.has_tls && !written.on().unwrap_or(false)
}

fn kind(
    document: &ProbeDocument,
    usual_host: Option<&str>,
    place: &Place<'_>,
    problems: &mut Problems,
) -> ProbeKind {
    let tcp_document = document.tcp.as_ref().and_then(|tcp| tcp.as_ref().on());
    match (&document.path, tcp_document) {
        (Some(path), written) => {
            if written.is_some() {
                let message = "a probe asks for a path or connects, not both";
                problems.at(&place.key("tcp").at_key(), Code::Conflict, message, "remove `tcp` or `path`");
            }
            ProbeKind::Http(http(&path.0.0, document, usual_host, place, problems))
        }
        (None, Some(document)) => {
            check_is_tcp(place, problems);
            ProbeKind::Tcp(tcp(document))
        }
        (None, None) => {
            if !place.is_any_broken(&["path", "tcp"]) {
                let help = "write `path: /healthz`, or `tcp: true`";
                problems.at(&place.clone().at_key(), Code::MissingKey, "it does not say what to ask", help);
            }
            ProbeKind::Tcp(TcpProbe::default())
        }
    }
}

/// Reports keys of a request that is never sent; those that are faulty anyway have been.
fn check_is_tcp(place: &Place<'_>, problems: &mut Problems) {
    if place.key("path").is_broken() {
        return;
    }
    let keys = HTTP_KEYS.map(|key| (key, place.key(key)));
    for (key, place) in keys.into_iter().filter(|(_, place)| place.is_written() && !place.is_broken()) {
        let message = format!("`{key}` is for a probe with `path`; this one only connects (`tcp`)");
        problems.at(&place.at_key(), Code::Conflict, message, "remove it, or write `path` instead of `tcp`");
    }
}

fn tcp(document: &TcpDocument) -> TcpProbe {
    let bytes = |written: &Option<Text<Wanted>>| {
        written.as_ref().map_or(Box::default(), |text| text.0.0.as_bytes().into())
    };
    TcpProbe { send: bytes(&document.send), expect: bytes(&document.expect) }
}

fn http(
    path: &str,
    document: &ProbeDocument,
    usual_host: Option<&str>,
    place: &Place<'_>,
    problems: &mut Problems,
) -> HttpProbe {
    let defaults = HttpProbe::get(path);
    let probe = HttpProbe {
        method: document.method.as_ref().map_or(defaults.method, |method| method.0.0.as_str().into()),
        path: defaults.path,
        host: document.host.as_ref().map(|host| host.0.0.as_str()).or(usual_host).map(Into::into),
        headers: document.headers.as_ref().map_or(defaults.headers, headers),
        statuses: document.statuses.as_ref().map_or(defaults.statuses, |statuses| merged(statuses)),
        drain_statuses: document
            .drain_statuses
            .as_ref()
            .map_or(defaults.drain_statuses, |statuses| merged(statuses)),
        body: document.body.as_ref().map(|text| text.0.0.as_str().into()),
    };
    check_headers(&probe, &place.key("headers"), problems);
    check_statuses(&probe, document, place, problems);
    if probe.body.is_some() && &*probe.method == "HEAD" {
        let message = "an answer to `HEAD` has no body that could contain it";
        problems.at(&place.key("body"), Code::Conflict, message, "remove it, or ask with `method: GET`");
    }
    probe
}

fn headers(fields: &Fields) -> Box<[(Box<str>, Box<str>)]> {
    fields.0.iter().map(|(name, value)| (name.as_str().into(), value.0.0.as_str().into())).collect()
}

fn check_headers(probe: &HttpProbe, place: &Place<'_>, problems: &mut Problems) {
    let mut seen = HashSet::new();
    for ((name, _), place) in probe.headers.iter().zip(place.entries()) {
        let lower = name.to_ascii_lowercase();
        let name = quoted(name);
        let (code, message, help) = match lower.as_str() {
            _ if !is_token(&lower) => {
                let help = "use letters, digits and hyphens, like `X-Probe`";
                (Code::BadValue, format!("{name} cannot be the name of a field"), help)
            }
            "host" => {
                let help = "write it beside `headers`: `host: app.internal`";
                (Code::BadValue, format!("{name} has a key of its own"), help)
            }
            _ if OWN_FIELDS.contains(&lower.as_str()) => {
                let message = format!("{name} is for evenkeel to say, which frames the request");
                (Code::BadValue, message, "remove it")
            }
            _ if seen.insert(lower.clone()) => continue,
            _ => {
                let help = "the case of a name does not matter; keep one of them";
                (Code::Conflict, format!("a second field with the name {name}"), help)
            }
        };
        problems.at(&place.at_key(), code, message, help);
    }
}

fn check_statuses(probe: &HttpProbe, document: &ProbeDocument, place: &Place<'_>, problems: &mut Problems) {
    let (passing, draining) = (place.key("statuses"), place.key("drain_statuses"));
    if passing.is_written() && passing.is_empty() {
        let help = "write at least one, like `statuses: [200]`; or remove it";
        problems.at(&passing.at_key(), Code::Empty, "there is no status that passes", help);
        return;
    }
    if passing.is_broken() {
        return;
    }
    let asking = document.drain_statuses.iter().flatten();
    for (statuses, place) in asking.zip(draining.items()) {
        if let Some(status) = probe.statuses.iter().find_map(|passing| in_common(passing, &statuses.0)) {
            let message = format!("`{status}` is among the `statuses` that pass, too");
            let help = "an answer either passes or asks to be drained; take it out of one of the two";
            problems.at(&place, Code::Conflict, message, help);
        }
    }
}

/// The first status that is in both.
fn in_common(one: &RangeInclusive<u16>, other: &RangeInclusive<u16>) -> Option<u16> {
    let first = *one.start().max(other.start());
    (one.contains(&first) && other.contains(&first)).then_some(first)
}

fn target(
    document: &ProbeDocument,
    backends: &[BackendPlan],
    place: &Place<'_>,
    problems: &mut Problems,
) -> Target {
    match (document.port, &document.address) {
        (None, None) => Target::Same,
        (Some(_), Some(address)) => {
            let message = "a probe goes to another port or to another address, not both";
            let help = "remove `port`: the address has one";
            problems.at(&place.key("port").at_key(), Code::Conflict, message, help);
            Target::Address(address.0.0.clone())
        }
        (None, Some(address)) => Target::Address(address.0.0.clone()),
        (Some(port), None) => {
            check_have_ports(backends, &place.key("port"), problems);
            Target::Port(port.0 as u16)
        }
    }
}

fn check_have_ports(backends: &[BackendPlan], place: &Place<'_>, problems: &mut Problems) {
    let without = backends.iter().find(|backend| matches!(backend.address, Address::Unix(_)));
    if let Some(backend) = without {
        let message = format!("the backend {} has no port", quoted(&backend.address.to_string()));
        let help = "remove it, write `address` instead, or give that backend a pool of its own";
        problems.at(place, Code::Conflict, message, help);
    }
}
