//! TLS in `/api/status`: what a listener presents and whom it believes, and whom a backend has to be.

use std::collections::BTreeMap;
use std::time::SystemTime;

use evenkeel_model::{CoreListener, Count, HandshakeFailure, ListenerCounters};
use evenkeel_routing as routing;
use evenkeel_telemetry::rfc3339;
use evenkeel_tls::{ClientCertificates, ClientParts, Dial, Facts, Policy, Roots, UnknownName, Verify};
use serde::Serialize;

const SECONDS_PER_DAY: u64 = 86_400;

#[derive(Serialize)]
pub(super) struct ListenerTls {
    /// `modern` or `intermediate`.
    policy: &'static str,
    certificates: Vec<Certificate>,
    /// `default` or `refuse`.
    unknown_name: &'static str,
    /// `required` or `optional`; `None`: not asked for.
    client_certificates: Option<&'static str>,
    handshakes: Handshakes,
}

#[derive(Serialize)]
struct Certificate {
    names: Vec<String>,
    addresses: Vec<String>,
    subject: String,
    issuer: String,
    key: &'static str,
    not_before: String,
    not_after: String,
    /// Whole ones; negative once it has expired.
    days_left: i64,
    /// SHA-256 of its DER, in hex.
    fingerprint: String,
    self_signed: bool,
    /// Whether those get it who name nobody.
    default: bool,
}

/// Since the listener was first configured.
#[derive(Serialize)]
struct Handshakes {
    full: u64,
    resumed: u64,
    in_progress: u64,
    /// By reason; only what happened.
    failed: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
pub(super) struct BackendTls {
    /// What its certificate has to be for.
    server_name: String,
    /// `on`; `pins`: not but for its key; `off`: not at all.
    verify: &'static str,
    /// `system` or `given`.
    ca: &'static str,
    pins: usize,
    /// Which one it is shown, if it asks.
    certificate: Option<Certificate>,
}

impl ListenerTls {
    pub(super) fn of(tls: &routing::ListenerTls, counters: &ListenerCounters, wall: SystemTime) -> Self {
        let parts = tls.server.parts();
        let certificates = parts.identities.iter().enumerate();
        ListenerTls {
            policy: match parts.policy {
                Policy::Modern => "modern",
                Policy::Intermediate => "intermediate",
            },
            certificates: certificates
                .map(|(place, identity)| Certificate::of(identity.facts(), place == parts.default, wall))
                .collect(),
            unknown_name: match parts.unknown_name {
                UnknownName::Default => "default",
                UnknownName::Refuse => "refuse",
            },
            client_certificates: parts.client.as_ref().map(|client| match client.certificates {
                ClientCertificates::Required => "required",
                ClientCertificates::Optional => "optional",
            }),
            handshakes: Handshakes::of(counters),
        }
    }
}

impl Certificate {
    fn of(facts: &Facts, is_default: bool, wall: SystemTime) -> Self {
        Certificate {
            names: facts.names.iter().map(ToString::to_string).collect(),
            addresses: facts.addresses.iter().map(ToString::to_string).collect(),
            subject: facts.subject.clone(),
            issuer: facts.issuer.clone(),
            key: facts.key.as_str(),
            not_before: rfc3339(facts.not_before),
            not_after: rfc3339(facts.not_after),
            days_left: days_between(wall, facts.not_after),
            fingerprint: facts.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect(),
            self_signed: facts.is_self_signed,
            default: is_default,
        }
    }
}

impl Handshakes {
    fn of(counters: &ListenerCounters) -> Self {
        let sum = |of: fn(&CoreListener) -> &Count| counters.sum(|cell| of(cell).read());
        let failed = HandshakeFailure::ALL.map(|failure| {
            let times = counters.sum(|cell| cell.handshake_failures[failure as usize].read());
            (failure.token(), times)
        });
        Handshakes {
            full: sum(|cell| &cell.handshakes),
            resumed: sum(|cell| &cell.resumptions),
            in_progress: sum(|cell| &cell.handshakes_open),
            failed: failed.into_iter().filter(|(_, times)| *times > 0).collect(),
        }
    }
}

impl BackendTls {
    pub(super) fn of(dial: &Dial, wall: SystemTime) -> Self {
        let ClientParts { roots, verify, pins, identity } = dial.client().parts();
        BackendTls {
            server_name: dial.name().to_str().into_owned(),
            verify: match (verify, pins.is_empty()) {
                (Verify::On, _) => "on",
                (Verify::Off, false) => "pins",
                (Verify::Off, true) => "off",
            },
            ca: match roots {
                Roots::System(_) => "system",
                Roots::Given(_) => "given",
            },
            pins: pins.len(),
            certificate: identity.as_ref().map(|identity| Certificate::of(identity.facts(), true, wall)),
        }
    }
}

/// Whole days from one moment to another, rounded down.
fn days_between(from: SystemTime, to: SystemTime) -> i64 {
    match to.duration_since(from) {
        Ok(left) => (left.as_secs() / SECONDS_PER_DAY).cast_signed(),
        Err(past) => -(past.duration().as_secs().div_ceil(SECONDS_PER_DAY).cast_signed()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn days_are_whole_and_none_is_left_on_the_last() {
        let end = UNIX_EPOCH + Duration::from_secs(1000 * SECONDS_PER_DAY);
        for (seconds, days) in [(0, 0), (1, 0), (SECONDS_PER_DAY, 1), (30 * SECONDS_PER_DAY + 5, 30)] {
            assert_eq!(days_between(end - Duration::from_secs(seconds), end), days, "{seconds} s before");
        }
        for (seconds, days) in [(1, -1), (SECONDS_PER_DAY, -1), (SECONDS_PER_DAY + 1, -2)] {
            assert_eq!(days_between(end + Duration::from_secs(seconds), end), days, "{seconds} s after");
        }
    }
}
