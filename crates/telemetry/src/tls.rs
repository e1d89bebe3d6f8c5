//! What a scrape shows of TLS: handshakes, why they failed, and until when certificates are good.
//!
//! Series exist for listeners and backends that speak TLS.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use evenkeel_model::{Count, HandshakeFailure, PerCore};
use evenkeel_routing::{Listener, Pool, Snapshot};
use evenkeel_tls::Identity;
use prometheus::proto::MetricFamily;

use crate::FilesState;
use crate::collect::members;
use crate::family::{Sample, count, family, number};
use crate::names;

/// The families about TLS.
pub(crate) fn families(snapshot: &Snapshot, files: &FilesState) -> Vec<MetricFamily> {
    let listeners = || snapshot.listeners.iter().filter(|listener| listener.rule.tls.is_some());
    let handshakes = listeners().flat_map(|listener| {
        let cells = &listener.counters;
        kinds(&[&listener.rule.name], cells, |cell| &cell.handshakes, |cell| &cell.resumptions)
    });
    let open = listeners().map(|listener| {
        count(&[&listener.rule.name], listener.counters.sum(|cell| cell.handshakes_open.read()))
    });
    let members = snapshot.pools.iter().flat_map(|pool| members(pool));
    let to_backends = members.filter(|(_, member)| member.tls.is_some()).flat_map(|(labels, member)| {
        let cells = &member.backend.counters;
        kinds(&labels, cells, |cell| &cell.handshakes, |cell| &cell.resumptions)
    });
    let mut families = vec![
        family(&names::LISTENER_HANDSHAKES, handshakes),
        family(&names::LISTENER_HANDSHAKES_OPEN, open),
        family(&names::LISTENER_HANDSHAKE_FAILURES, listeners().flat_map(failures)),
        family(&names::LISTENER_CERTIFICATE, listeners().flat_map(presented)),
        family(&names::POOL_CERTIFICATE, snapshot.pools.iter().flat_map(shown_to_backends)),
        family(&names::BACKEND_HANDSHAKES, to_backends),
    ];
    families.extend(reading(files));
    families
}

fn kinds<T>(
    labels: &[&str],
    cells: &PerCore<T>,
    full: fn(&T) -> &Count,
    resumed: fn(&T) -> &Count,
) -> [Sample; 2] {
    [("full", full), ("resumed", resumed)]
        .map(|(kind, of)| count(&[labels, &[kind]].concat(), cells.sum(|cell| of(cell).read())))
}

/// Also those that never happened, so that the first is seen.
fn failures(listener: &Arc<Listener>) -> [Sample; HandshakeFailure::ALL.len()] {
    HandshakeFailure::ALL.map(|failure| {
        let times = listener.counters.sum(|cell| cell.handshake_failures[failure as usize].read());
        count(&[&listener.rule.name, failure.token()], times)
    })
}

fn presented(listener: &Arc<Listener>) -> Vec<Sample> {
    let tls = listener.rule.tls.iter();
    ends(&listener.rule.name, tls.flat_map(|tls| &tls.server.parts().identities))
}

fn shown_to_backends(pool: &Arc<Pool>) -> Vec<Sample> {
    let dials = pool.members.iter().filter_map(|member| member.tls.as_ref());
    ends(pool.name.as_str(), dials.filter_map(|dial| dial.client().parts().identity.as_ref()))
}

/// One series for each name and kind of key: of several, that one counts which ends first.
fn ends<'a>(whose: &str, identities: impl Iterator<Item = &'a Arc<Identity>>) -> Vec<Sample> {
    let mut first = BTreeMap::new();
    for facts in identities.map(|identity| identity.facts()) {
        let end = first.entry((facts.label(), facts.key.as_str())).or_insert(facts.not_after);
        *end = facts.not_after.min(*end);
    }
    let seconds = |end: std::time::SystemTime| end.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    first.into_iter().map(|((name, key), end)| number(&[whose, &name, key], seconds(end) as f64)).collect()
}

fn reading(files: &FilesState) -> [MetricFamily; 2] {
    let last = files.last();
    let at = last.succeeded.duration_since(UNIX_EPOCH).unwrap_or_default();
    let one = |name, value| family(name, std::iter::once(number(&[], value)));
    [
        one(&names::FILES_SUCCESSFUL, f64::from(u8::from(last.is_successful()))),
        one(&names::FILES_AT, at.as_secs_f64()),
    ]
}
