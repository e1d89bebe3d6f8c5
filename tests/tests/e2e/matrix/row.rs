//! What a row of the failure table says.

use super::acts::Act;
use super::cells::{Bad, Kind, Wire};
use super::fakes::Fake;

/// Who may be retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    /// Every request, on another backend, up to `attempts`.
    Any,
    /// A request that may be repeated, once, on another backend.
    Once,
    /// A GET, once, on another backend.
    Safe,
    /// A request that may be repeated, on a fresh connection to the same backend.
    Refresh,
    /// None.
    Never,
}

/// What it says about the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// A strike.
    Hard,
    /// A strike where the backend is to blame: where the request then succeeded on another one.
    Soft,
    None,
}

/// What the client sees if the failure is the last word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// An answer of evenkeel's own.
    Told,
    /// The backend's own answer.
    Relayed,
    /// The backend's head, and a body without its end.
    Broken,
    /// Nothing: it left.
    Left,
}

/// What is wrong with a bad backend.
#[derive(Clone, Copy)]
pub(super) enum World {
    Refused,
    NoSocket,
    Unroutable,
    FullQueue,
    Forbidden,
    NoName,
    /// It answers so.
    Says(&'static str),
    /// It answers so, and closes in the same segment.
    SaysLast(&'static str),
    Acts(Act),
    /// It is wrong about TLS.
    Fakes(Fake),
}

/// How the client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asking {
    Plainly,
    /// With bodies that no kernel takes whole.
    Hugely,
    /// A second chunk that is none.
    BadChunk,
    /// A body beyond the listener's limit.
    TooMuch,
    /// And leaves when the bad backend has the request.
    Leaving,
    /// For a host that no route has.
    Elsewhere,
    /// Once all backends are ejected, which takes probes.
    AfterEjections,
}

/// A row of the table.
#[derive(Clone, Copy)]
pub(super) struct Row {
    pub(super) id: &'static str,
    /// The cause token; empty if nothing failed.
    pub(super) cause: &'static str,
    /// Of the last word.
    pub(super) status: u16,
    /// The error type in `Proxy-Status`; empty if there is none. Of several, any will do.
    pub(super) error: &'static [&'static str],
    /// The ledger's class; empty where there is no attempt, or the head was forwarded.
    pub(super) class: &'static str,
    pub(super) retry: Retry,
    pub(super) weight: Weight,
    pub(super) origin: &'static str,
    pub(super) ending: Ending,
    pub(super) world: World,
    pub(super) asking: Asking,
    /// Settings of the pools and of the listener.
    pub(super) pool: &'static str,
    pub(super) listener: &'static str,
    /// The token of a client's own fault.
    pub(super) detail: &'static str,
    /// What was wrong with TLS, and the number of the alert that said so.
    pub(super) tls_detail: &'static str,
    pub(super) alert: Option<i64>,
    /// Whether the good backends' key is pinned.
    pub(super) is_pinned: bool,
    /// A reused connection failed first: a free attempt on a fresh one to the same backend, where it is allowed.
    pub(super) is_stale: bool,
    /// A field that the client gets.
    pub(super) field: Option<(&'static str, &'static str)>,
    pub(super) kinds: &'static [Kind],
    pub(super) bad: &'static [Bad],
    pub(super) wires: &'static [Wire],
}

/// A failure that ends in an answer of evenkeel's own, in every cell.
pub(super) fn told(
    (id, cause): (&'static str, &'static str),
    (status, error): (u16, &'static [&'static str]),
    (class, retry): (&'static str, Retry),
    weight: Weight,
    world: World,
) -> Row {
    Row {
        id,
        cause,
        status,
        error,
        class,
        retry,
        weight,
        origin: "backend",
        ending: Ending::Told,
        world,
        asking: Asking::Plainly,
        pool: "",
        listener: "",
        detail: "",
        tls_detail: "",
        alert: None,
        is_pinned: false,
        is_stale: false,
        field: None,
        kinds: Kind::ALL,
        bad: Bad::BOTH,
        wires: Wire::BOTH,
    }
}

/// An answer that is taken for what it is.
pub(super) fn relayed(id: &'static str, status: u16, world: World) -> Row {
    let row = told((id, ""), (status, &[]), ("", Retry::Never), Weight::None, world);
    Row { ending: Ending::Relayed, ..row }
}

/// A failure after the head was forwarded.
pub(super) fn broken(id: &'static str, cause: &'static str, world: World) -> Row {
    let row = told((id, cause), (200, &[]), ("", Retry::Never), Weight::Soft, world);
    Row { ending: Ending::Broken, ..row }
}

/// The same, where no connection can stand already.
pub(super) fn fresh(row: Row) -> Row {
    Row { wires: &[Wire::Fresh], ..row }
}
