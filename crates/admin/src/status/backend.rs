//! One backend in `/api/status`: its standing, who holds it, and what it has done.

use std::borrow::Cow;
use std::collections::BTreeMap;

use evenkeel_model::{Cause, CoreBackend, Count, Hold, Kept};
use evenkeel_routing::Member;
use serde::Serialize;

use super::tls::BackendTls;
use super::{Clocks, by_class};
use crate::evidence::sentence;

#[derive(Serialize)]
pub(super) struct Backend {
    label: String,
    address: String,
    endpoints: Vec<String>,
    /// Why there are none.
    unresolved: Option<String>,
    /// `None`: it is spoken to in cleartext.
    tls: Option<BackendTls>,
    weight: u16,
    /// Whether ordinary requests go there.
    in_service: bool,
    phase: &'static str,
    since: String,
    seconds_in_phase: u64,
    evidence: Cow<'static, str>,
    ejections_in_a_row: u32,
    flapping: bool,
    /// Why it is in service although its traffic convicts it.
    kept: Option<&'static str>,
    #[serde(flatten)]
    held: Held,
    ramp: f32,
    in_flight: usize,
    /// How long it keeps idle connections, if that is known.
    idle_limit_seconds: Option<f64>,
    /// `announced` or `observed`.
    idle_limit_source: Option<&'static str>,
    counters: Counters,
}

/// Who keeps a backend from new requests.
#[derive(Default, Serialize)]
struct Held {
    /// `asked`, `drained` or `out`.
    hold: Option<&'static str>,
    hold_since: Option<String>,
    seconds_in_hold: Option<u64>,
    /// When it ends by itself.
    hold_until: Option<String>,
    /// Of the operator.
    hold_by_uid: Option<u32>,
}

/// Since the backend was first configured.
#[derive(Serialize)]
struct Counters {
    ejections: u64,
    readmissions: u64,
    /// By class.
    responses: BTreeMap<&'static str, u64>,
    /// By cause; only what happened.
    failures: BTreeMap<&'static str, u64>,
    opened_connections: u64,
    full_tls_handshakes: u64,
    resumed_tls_handshakes: u64,
    reused_connections: u64,
    idle_connections: u64,
    sent_bytes: u64,
    received_bytes: u64,
}

impl Backend {
    pub(super) fn of(member: &Member, clocks: Clocks) -> Backend {
        let status = member.status;
        let limit = member.backend.idle_limit.read();
        Backend {
            label: member.backend.label.to_string(),
            address: member.backend.id.address.to_string(),
            endpoints: member.endpoints.iter().map(|endpoint| endpoint.to_string()).collect(),
            unresolved: member.unresolved.map(|failure| failure.to_string()),
            tls: member.tls.as_deref().map(|dial| BackendTls::of(dial, clocks.wall)),
            weight: member.weight,
            in_service: status.is_admitted(),
            phase: status.phase.as_str(),
            since: clocks.past(status.since),
            seconds_in_phase: clocks.since(status.since).as_secs(),
            evidence: sentence(status.evidence),
            ejections_in_a_row: status.ejections,
            flapping: status.is_flapping,
            kept: status.kept.map(Kept::as_str),
            held: Held::of(status.hold, clocks),
            ramp: status.ramp,
            in_flight: member.backend.in_flight(),
            idle_limit_seconds: limit.map(|(limit, _)| limit.as_secs_f64()),
            idle_limit_source: limit.map(|(_, source)| source.as_str()),
            counters: Counters::of(member),
        }
    }
}

impl Held {
    fn of(hold: Hold, clocks: Clocks) -> Held {
        let (since, until, uid) = match hold {
            Hold::None => return Held::default(),
            Hold::Asked { since, until } => (since, until, None),
            Hold::Drained(by) | Hold::Out(by) => (by.since, None, Some(by.uid)),
        };
        Held {
            hold: hold.word(),
            hold_since: Some(clocks.past(since)),
            seconds_in_hold: Some(clocks.since(since).as_secs()),
            hold_until: until.map(|until| clocks.to_come(until)),
            hold_by_uid: uid,
        }
    }
}

impl Counters {
    fn of(member: &Member) -> Counters {
        let cells = &member.backend.counters;
        let sum = |of: fn(&CoreBackend) -> &Count| cells.sum(|cell| of(cell).read());
        let failures = Cause::ALL
            .into_iter()
            .map(|cause| (cause.token(), cells.sum(|cell| cell.failures[cause as usize].read())));
        Counters {
            ejections: member.backend.ejections.read(),
            readmissions: member.backend.readmissions.read(),
            responses: by_class(cells, |cell| &cell.responses),
            failures: failures.filter(|(_, times)| *times > 0).collect(),
            opened_connections: sum(|cell| &cell.opened),
            full_tls_handshakes: sum(|cell| &cell.handshakes),
            resumed_tls_handshakes: sum(|cell| &cell.resumptions),
            reused_connections: sum(|cell| &cell.reused),
            idle_connections: sum(|cell| &cell.idle),
            sent_bytes: sum(|cell| &cell.bytes_out),
            received_bytes: sum(|cell| &cell.bytes_in),
        }
    }
}
