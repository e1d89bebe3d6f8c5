//! Which backend gets this request: routes, pools, picks, and the snapshot that publishes them.
//!
//! Everything in a [`Snapshot`] is immutable but for the atomics of [`Backend`]. No loop, no clock, no I/O.

mod backend;
mod budget;
mod cell;
mod cursor;
#[cfg(test)]
mod examples;
mod idle_limit;
mod order;
mod pick;
mod pool;
mod readings;
mod router;
mod rules;
mod snapshot;
mod suspicion;
mod trial;
mod turn;
mod wake;

pub use backend::{Backend, InFlight};
pub use budget::RetryLedger;
pub use cursor::Cursor;
pub use idle_limit::{IdleLimit, Source, YOUNGEST};
pub use pick::{Ask, Pick};
pub use pool::{Member, Pool};
pub use readings::Readings;
pub use router::{Route, Router};
pub use rules::{
    Balance, Budget, ClientLimits, ClientTimeouts, Connections, ForwardingRule, HostMatch, ListenerRule,
    ListenerTls, PathMatch, PoolRule, Retry, Rule, Stall, Timeouts, Underscores, WhenAllEjected,
};
pub use snapshot::{Listener, Snapshot, View};
pub use suspicion::Suspicion;
pub use trial::TrialToken;
pub use wake::Wake;
