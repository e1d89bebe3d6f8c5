//! What follows from a row for one cell.

use super::cells::{Bad, Cell, Kind};
use super::row::{Asking, Ending, Retry, Row, Weight, World};

/// What a cell has to look like.
#[derive(Debug)]
pub(super) struct Expected {
    /// Whether the client gets a good backend's answer in the end.
    pub(super) is_hidden: bool,
    /// Attempts that failed, the last included if it did.
    pub(super) failed: usize,
    /// Attempts in all: neither what was never begun nor the fresh connection after a stale one counts.
    pub(super) attempts: usize,
    /// Heads that backends read; `None` where that depends on the moment.
    pub(super) deliveries: Option<usize>,
    /// Whether a stale connection was replaced.
    pub(super) is_refreshed: bool,
    /// How many backends are ejected, at one strike; `None` where that depends on more than one request.
    pub(super) ejections: Option<usize>,
}

pub(super) fn expected(row: &Row, cell: Cell) -> Expected {
    let may_repeat = match row.retry {
        Retry::Any => true,
        Retry::Once | Retry::Refresh => cell.kind.is_repeatable(),
        Retry::Safe => cell.kind == Kind::Get,
        Retry::Never => false,
    };
    let is_refreshed = row.is_stale && may_repeat;
    let failed = match (row.retry, may_repeat, cell.bad) {
        (Retry::Refresh, true, _) => 0,
        (Retry::Any, true, Bad::All) => 3,
        (Retry::Once | Retry::Safe, true, Bad::All) => 2,
        _ => 1,
    };
    let is_hidden = may_repeat && (failed == 0 || cell.bad == Bad::One);
    let never_sent = row.class == "not_sent" || row.status == 404 || row.asking == Asking::AfterEjections;
    let answered = usize::from(is_hidden);
    let deliveries = match row.asking {
        Asking::BadChunk => None,
        Asking::TooMuch => Some(0),
        // Whoever is wrong about TLS has no request, even if it was sent.
        _ if never_sent || matches!(row.world, World::Fakes(_)) => Some(answered),
        _ => Some(failed + answered + usize::from(is_refreshed)),
    };
    let attempts = match row.asking {
        Asking::Elsewhere | Asking::TooMuch | Asking::AfterEjections => 0,
        _ => failed + answered,
    };
    let ejections = match row.weight {
        _ if row.ending == Ending::Left => Some(0),
        _ if row.asking == Asking::AfterEjections => None,
        Weight::None => Some(0),
        // Sent to two and failed on both: it may be what broke them, though not what broke TLS.
        _ if row.class != "not_sent" && failed > 1 && row.tls_detail.is_empty() => Some(0),
        // Of a pool that fails as a whole for what may be this side's fault, nobody is ejected once all of it is seen.
        Weight::Hard if row.origin == "proxy" && failed > 1 => None,
        // Of three, two are kept.
        Weight::Hard => Some(failed.min(1)),
        Weight::Soft => (is_hidden && failed > 0).then_some(1),
    };
    let is_failure = !row.cause.is_empty();
    Expected {
        is_hidden,
        failed: if is_failure { failed } else { 0 },
        attempts,
        deliveries,
        is_refreshed,
        ejections,
    }
}
